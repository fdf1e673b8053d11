"""Applications by name: those in files, and the built-in ones.

Of these there is one module each, which says what it launches and at which sizes.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module, resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from dsl.nearest import did_you_mean
from legion_bridge.errors import ApplicationError
from legion_bridge.programs.application_json import read_application
from legion_bridge.shapes import shown

if TYPE_CHECKING:
    from legion_bridge.programs.application import Application

__all__ = ["application_names", "build", "load", "reference_mappers"]

_NAMES = (
    "circuit",
    "stencil",
    "pennant",
    "cannon",
    "summa",
    "pumma",
    "johnson",
    "solomonik",
    "cosma",
    "transformer",
    "gpt",
)
_MAPPERS = ("expert", "default")

MOST_NODES = 12_500
"""Nodes at most: with four GPUs on each, launches have ``building.MOST_PIECES`` points."""
MOST = 10**12
"""The largest value of a parameter: sums and products of a few of them are exact in 64 bits."""


def application_names() -> tuple[str, ...]:
    """Names of the built-in applications."""
    return _NAMES


def reference_mappers(name: str) -> Mapping[str, str]:
    """Texts of a built-in application's ``"expert"`` and ``"default"`` mappers."""
    folder = resources.files("legion_bridge.applications") / "mappers"
    texts = {kind: (folder / f"{name}.{kind}.map").read_text("utf-8") for kind in _MAPPERS}
    return MappingProxyType(texts)


def load(name: str, **parameters: float | str) -> Application:
    """What ``Application.load`` gives, which says it all."""
    if not name.endswith(".json"):
        return build(name, **parameters)
    if parameters:
        raise ApplicationError(f"{name}: an application in a file has its sizes; give none")
    return read_application(name)


def build(name: str, **parameters: float | str) -> Application:
    """A built-in application at a size; see ``Application.load``.

    Raises:
        ApplicationError: The name or a parameter is unknown, or a value is out of range.
    """
    if name not in _NAMES:
        raise ApplicationError(
            f"unknown application {name!r}: {did_you_mean(name, _NAMES, limit=len(_NAMES))}"
        )
    builder: Any = import_module(f"legion_bridge.applications.{name}").build
    known = inspect.signature(builder).parameters
    for key, value in parameters.items():
        if key not in known:
            raise ApplicationError(
                f"{name} has no parameter {key!r}: {did_you_mean(key, known, limit=len(known))}"
            )
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ApplicationError(
                f"{name}: {key} must be a whole number, 0 or more, not {shown(value)}"
            )
        if value > MOST:
            raise ApplicationError(f"{name}: {key} must be at most {MOST:,}, not {shown(value)}")
    if not 1 <= int(parameters.get("nodes", 1)) <= MOST_NODES:
        raise ApplicationError(f"{name}: nodes must be from 1 to {MOST_NODES:,}")
    return replace(_built(name, builder, parameters), mappers=reference_mappers(name))


def _built(name: str, builder: Any, parameters: Mapping[str, float | str]) -> Application:
    try:
        application: Application = builder(**parameters)
        application.validate()
    except ApplicationError as error:
        said = str(error)
        raise ApplicationError(said if said.startswith(name) else f"{name}: {said}") from None
    except (MemoryError, OverflowError):
        raise ApplicationError(f"{name}: at this size the program cannot be held") from None
    return application
