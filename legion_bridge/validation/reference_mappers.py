"""The mapper of a measured run, as it was on the machine that it was measured on."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path

import dsl
from legion_bridge.errors import MeasurementError
from legion_bridge.programs.application import Application
from legion_bridge.validation.measurements import Measurement

__all__ = ["mapper_of"]

# At these node counts the published multiplications ran one leaf at a time ("backpressure").
LIMITED_NODES = (8, 32, 128)
MULTIPLICATIONS = ("cannon", "summa", "pumma", "johnson", "solomonik", "cosma")
TILES_IN_A_BLOCK = 2


def mapper_of(measurement: Measurement, application: Application) -> dsl.Program:
    """The mapper that a measured run had.

    Raises:
        MeasurementError: Its file cannot be read, or the row asks for what no mapper does.
        dsl.MapperSyntaxError: Its file is no mapper.
    """
    if measurement.mapper.endswith(".map"):
        return dsl.parse(_text(measurement), filename=measurement.mapper)
    if measurement.traits.get("dim", 1) != 1:
        return _blocks(measurement, application)
    program = _parsed(application.mappers[measurement.mapper])
    return program if _limited(measurement) else _without_limits(program)


def _text(measurement: Measurement) -> str:
    try:
        return Path(measurement.mapper).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file in UTF-8"
        raise MeasurementError(
            f"{measurement.place}: cannot read the mapper {measurement.mapper}: {reason.lower()}"
        ) from None


def _blocks(measurement: Measurement, application: Application) -> dsl.Program:
    """The expert's mapper of the stencil with blocks of tiles in place of rows of them."""
    dim = measurement.traits["dim"]
    if dim != TILES_IN_A_BLOCK or application.name != "stencil":
        raise MeasurementError(
            f"{measurement.place}: dim must be 1, or 2 for the stencil in blocks of 2 x 2 tiles, "
            f"not {dim!r}"
        )
    tiles = [int(application.parameters[key]) for key in ("ntx", "nty")]
    if any(count % TILES_IN_A_BLOCK for count in tiles):
        raise MeasurementError(
            f"{measurement.place}: {tiles[0]} x {tiles[1]} tiles make no blocks of 2 x 2"
        )
    return _blocks_of(tiles[0])


@cache
def _blocks_of(ntx: int) -> dsl.Program:
    text = (resources.files("legion_bridge.validation") / "stencil_blocks.map").read_text("utf-8")
    return dsl.parse(dsl.Template(text).render({"ntx": ntx}))


@cache
def _parsed(text: str) -> dsl.Program:
    return dsl.parse(text)


def _limited(measurement: Measurement) -> bool:
    """Whether the run had the instance limits of its mapper."""
    limits = measurement.traits.get("limits")
    if limits is None:
        return measurement.application not in MULTIPLICATIONS or measurement.nodes in LIMITED_NODES
    if not isinstance(limits, bool):
        raise MeasurementError(
            f"{measurement.place}: limits must be true or false, not {limits!r}"
        )
    return limits


def _without_limits(program: dsl.Program) -> dsl.Program:
    kept = tuple(s for s in program.statements if not isinstance(s, dsl.syntax.InstanceLimit))
    return replace(program, statements=kept)
