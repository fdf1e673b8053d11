"""Where the machine file of this machine is kept."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["LOCAL_MACHINE", "local_machine_file"]

LOCAL_MACHINE = "here"
"""The name of the machine that ``mappertune calibrate`` measures."""


def local_machine_file() -> Path:
    """``$XDG_CONFIG_HOME/mappertune/here.toml``, which need not be there."""
    named = os.environ.get("XDG_CONFIG_HOME", "")
    folder = Path(named) if Path(named).is_absolute() else Path.home() / ".config"
    return folder / "mappertune" / f"{LOCAL_MACHINE}.toml"
