"""The units of the numbers in a machine file, and the values that cannot be meant."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from legion_bridge.rates import PRODUCT_RATES
from legion_bridge.shapes import shown

__all__ = ["is_time", "wrong_number"]


class _Unit(NamedTuple):
    """A unit, and the values that some real thing has in it."""

    name: str
    least: float
    most: float
    example: str


COUNT = _Unit("a whole number", 1, 1e6, "4")
RATE = _Unit("operations a second", 1e6, 1e18, "4 GFLOP/s is 4e9")
BANDWIDTH = _Unit("bytes a second", 1e6, 1e15, "12 GB/s is 12e9")
STREAM = _Unit("bytes a second", 0, 1e15, "2 GB/s is 2e9")
BYTES = _Unit("bytes", 1e6, 1e18, "16 GB is 16e9")
CACHE = _Unit("bytes", 0, 1e12, "4 MB is 4e6")
SECONDS = _Unit("seconds", 0, 1, "12 microseconds are 12e-6")
FACTOR = _Unit("a factor", 0, 1e6, "1.5")

UNITS = {
    COUNT: ("nodes", "count"),
    RATE: ("fp32", "fp64", "dgemm", *PRODUCT_RATES),
    BANDWIDTH: ("bandwidth",),
    STREAM: ("stream", "split_stream"),
    BYTES: ("capacity",),
    CACHE: ("cache", "near", "line", "chunk"),
    SECONDS: ("start", "kernel", "gather", "update", "latency", "overhead", "launch", "point",
              "requirement", "message", "domain", "analysis", "doubling", "instance", "base",
              "hop", "far_hop", "refinement", "permit"),
}  # fmt: skip
UNIT_OF = {key: unit for unit, keys in UNITS.items() for key in keys}
"""By key; all others are factors."""


def is_time(key: str) -> bool:
    """Whether the values of a key are seconds."""
    return UNIT_OF.get(key) is SECONDS


def wrong_number(key: str, value: Any) -> str | None:
    """Why a value of a key cannot be meant, to be said of the key; None where it can.

    >>> wrong_number("bandwidth", 12)
    'is in bytes a second (12 GB/s is 12e9): 12 cannot be meant'
    """
    unit = UNIT_OF.get(key, FACTOR)
    kind = unit.name if unit is COUNT else f"a number, {unit.name}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"must be {kind} ({unit.example}), not {shown(value)}"
    if isinstance(value, float) and not math.isfinite(value):
        return f"must be {kind} ({unit.example}), not {shown(value)}"
    if value < 0 or (value < unit.least and unit is COUNT):
        return f"must be at least {unit.least if unit is COUNT else 0:g}, not {shown(value)}"
    if unit is COUNT and value > unit.most:
        return f"must be at most {unit.most:g}, not {shown(value)}"
    if not unit.least <= value <= unit.most:
        return f"is in {unit.name} ({unit.example}): {shown(value)} cannot be meant"
    return None
