"""Where the machine file of this machine is kept."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_config_path

__all__ = ["LOCAL_MACHINE", "local_machine_file"]

LOCAL_MACHINE = "here"
"""The name of the machine that ``mappertune calibrate`` measures."""


def local_machine_file() -> Path:
    """In the user's configuration, ``$XDG_CONFIG_HOME/mappertune``; it need not be there."""
    return user_config_path("mappertune") / f"{LOCAL_MACHINE}.toml"
