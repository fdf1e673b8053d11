"""What the machines of a Dask cluster must have in common with this one to run its studies."""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studies.versions import version_of

__all__ = ["ASK", "Demands", "described", "misfit"]

# Asks a worker of which nothing is known, not even that this module is there.
ASK = "__import__('studies.dask_demands', fromlist=['_']).described({marker!r})"

PACKAGES = ("dsl", "legion_bridge", "tuners", "studies")


@dataclass(frozen=True)
class Demands:
    """What is asked of a worker.

    Attributes:
        here: What this process has, as ``described`` tells it.
        marker: A file that lies in the output folder.
        folder: That folder.
        folder_for: What it must be seen for; None where nothing needs it.
        one_host: What is a file of this host alone, in words; None for nothing.
    """

    here: Mapping[str, Any]
    marker: Path
    folder: Path
    folder_for: str | None = None
    one_host: str | None = None


def described(marker: str) -> dict[str, Any]:
    """What this process has, in values of Python's own.

    Args:
        marker: A file that it may see.
    """
    return {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "mappertune": version_of("mappertune"),
        "optuna": version_of("optuna"),
        "code": _digest_of_code(),
        "host": platform.node(),
        "sees": Path(marker).exists(),
    }


def misfit(there: Mapping[str, Any], demands: Demands) -> str | None:
    """Why a worker cannot run the studies, in words that follow its address; None where it can."""
    here = demands.here
    for name in ("python", "mappertune", "optuna"):
        if there[name] != here[name]:
            return (
                f"has {name} {there[name]}, and here it is {here[name]}: results would differ; "
                "install the same versions on all machines"
            )
    if there["code"] != here["code"]:
        return (
            f"has other code of mappertune {here['mappertune']} than this process: install the "
            "same there, and start its workers again"
        )
    if demands.one_host is not None and there["host"] != here["host"]:
        return (
            f"is on the host {there['host']}, and {demands.one_host} is a file of "
            f"{here['host']}: keep studies of several machines in PostgreSQL, by --storage"
        )
    if demands.folder_for is not None and not there["sees"]:
        return (
            f"does not see the folder {demands.folder}, in which {demands.folder_for}: name one "
            "by --output that all machines share, or keep studies in PostgreSQL, by --storage"
        )
    return None


def _digest_of_code() -> str:
    """Of all modules of the four packages: versions tell little of a checkout."""
    root = Path(__file__).parent.parent
    digest = hashlib.blake2b(digest_size=8)
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            digest.update(str(path.relative_to(root)).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
