"""Addresses of storages and servers, and what looks like one."""

from __future__ import annotations

from pathlib import Path

from studies.errors import UsageError
from tuners.redaction import redacted_url, secrets_in

__all__ = ["refuse_misspelt"]


def refuse_misspelt(location: str, what: str, otherwise: str) -> None:
    """Refuses an address without its marks, whose password would become the name of a folder.

    Raises:
        UsageError: It is one.
    """
    if "://" not in location and secrets_in(location) and not Path(location).exists():
        raise UsageError(
            f"{redacted_url(location)!r} is no address of {what}: one begins with a word and "
            f"://, such as postgresql://; else it is {otherwise}"
        )
