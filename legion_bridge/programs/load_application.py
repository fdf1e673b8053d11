"""Applications by name: the built-in ones, and those in files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from legion_bridge.applications import build
from legion_bridge.errors import ApplicationError
from legion_bridge.programs.application_json import read_application

if TYPE_CHECKING:
    from legion_bridge.programs.application import Application

__all__ = ["load_application"]


def load_application(name: str, **parameters: float | str) -> Application:
    """What ``Application.load`` gives, which says it all."""
    if not name.endswith(".json"):
        return build(name, **parameters)
    if parameters:
        raise ApplicationError(f"{name}: an application in a file has its sizes; give none")
    return read_application(name)
