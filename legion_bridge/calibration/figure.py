"""Numbers with their sources."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dsl.units import percent
from legion_bridge.measurement import Measurement

__all__ = ["Figure", "guess", "measured"]


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, and where it is from.

    Attributes:
        value: In the unit of the machine file.
        source: ``"measured ..."``, ``"told by ..."`` or ``"guess: ..."``.
    """

    value: float
    source: str

    @property
    def is_guess(self) -> bool:
        return self.source.startswith("guess")

    def scaled(self, factor: float) -> Figure:
        """The same in another unit."""
        return Figure(self.value * factor, self.source)


def guess(value: float, reason: str) -> Figure:
    """A number that nobody measured."""
    return Figure(value, f"guess: {reason}")


def measured(
    rounds: Sequence[float], how: str, *, of: Callable[[float], float] = lambda value: value
) -> Figure:
    """The median of several rounds, with how far they lie apart.

    >>> measured([2.0, 1.0, 1.5], "copies").source
    'measured, median of 3, spread 33 %: copies'

    Args:
        rounds: What was read in each round; at least one.
        how: What was done, in a word or two.
        of: Makes the number of what was read.
    """
    found = Measurement(tuple(of(value) for value in rounds))
    return Figure(found.median, f"measured, median of {len(rounds)}{_scatter(found)}: {how}")


def _scatter(found: Measurement) -> str:
    """How far rounds lie apart; a difference of times may be lost in it."""
    if len(found.samples) < 2:
        return ""
    if found.spread > 1:
        return ", mostly noise"
    return f", spread {percent(found.spread)}"
