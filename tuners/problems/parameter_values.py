"""Values of one parameter of any Optuna distribution: random ones, near ones, levels.

A *level* numbers the values of a discrete parameter from 0; the *unit* of a numeric value is its
place between the bounds, 0 to 1, on a logarithmic scale where the distribution has one.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

__all__ = [
    "at_level",
    "at_unit",
    "change_value",
    "is_ordered",
    "level_count",
    "level_of",
    "random_value",
    "unit_of",
]

Numeric: TypeAlias = FloatDistribution | IntDistribution

# The least and the greatest typical step of a change, as shares of the range.
STEPS = (1e-3, 0.5)


def is_ordered(distribution: BaseDistribution) -> bool:
    """Whether its values are numbers in a range rather than choices."""
    return not isinstance(distribution, CategoricalDistribution)


def level_count(distribution: BaseDistribution) -> int | None:
    """How many values there are; None for a continuum.

    >>> level_count(IntDistribution(1, 9, step=2)), level_count(FloatDistribution(0, 1))
    (5, None)
    """
    if isinstance(distribution, CategoricalDistribution):
        return len(distribution.choices)
    step = _numeric(distribution).step
    if step is None:
        return None
    return round((_numeric(distribution).high - _numeric(distribution).low) / step) + 1


def at_level(distribution: BaseDistribution, level: int) -> Any:
    """The value of that number."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[level]
    numeric = _numeric(distribution)
    assert numeric.step is not None  # noqa: S101  (only discrete ones have levels)
    value = numeric.low + level * numeric.step
    return int(value) if isinstance(numeric, IntDistribution) else min(value, numeric.high)


def level_of(distribution: BaseDistribution, value: Any) -> int:
    """The number of a value."""
    if isinstance(distribution, CategoricalDistribution):
        return int(distribution.to_internal_repr(value))
    numeric = _numeric(distribution)
    return int(round((value - numeric.low) / (numeric.step or 1)))  # noqa: RUF046  (for mypy)


def unit_of(distribution: BaseDistribution, value: Any) -> float:
    """The place of a numeric value between the bounds."""
    low, high = _bounds(_numeric(distribution))
    place = math.log(value) if _numeric(distribution).log else float(value)
    return (place - low) / (high - low) if high > low else 0.0


def at_unit(distribution: BaseDistribution, unit: float) -> Any:
    """The value nearest to a place between the bounds.

    >>> at_unit(IntDistribution(1, 100, log=True), 0.5)
    10
    """
    numeric = _numeric(distribution)
    low, high = _bounds(numeric)
    place = low + (high - low) * min(max(unit, 0.0), 1.0)
    value = math.exp(place) if numeric.log else place
    if numeric.step is not None:
        count = level_count(numeric) or 1
        level = round((value - numeric.low) / numeric.step)
        return at_level(numeric, min(max(level, 0), count - 1))
    return min(max(value, numeric.low), numeric.high)


def random_value(rng: np.random.Generator, distribution: BaseDistribution) -> Any:
    """A value, each as likely as any other (of the logarithm where the scale is logarithmic)."""
    count = level_count(distribution)
    if count is None or (isinstance(distribution, IntDistribution) and distribution.log):
        return at_unit(distribution, float(rng.random()))
    return at_level(distribution, int(rng.integers(count)))


def change_value(rng: np.random.Generator, distribution: BaseDistribution, value: Any) -> Any:
    """Another value: any other choice, or a number at a distance of a random order of magnitude.

    The value itself comes back where there is no other.
    """
    count = level_count(distribution)
    if count == 1:
        return value
    if count is not None and not is_ordered(distribution):
        other = int(rng.integers(count - 1))
        return at_level(distribution, other + (other >= level_of(distribution, value)))
    scale = rng.uniform(math.log(STEPS[0]), math.log(STEPS[1]))
    step = math.exp(scale) * float(rng.normal())
    changed = at_unit(distribution, _reflected(unit_of(distribution, value) + step))
    if changed != value or count is None:
        return changed
    level = level_of(distribution, value)
    up = level == 0 or (level < count - 1 and rng.random() < 0.5)
    return at_level(distribution, level + 1 if up else level - 1)


def _reflected(unit: float) -> float:
    """Steps over a bound come back by as much."""
    unit = abs(unit) % 2.0
    return 2.0 - unit if unit > 1.0 else unit


def _bounds(numeric: Numeric) -> tuple[float, float]:
    if numeric.log:
        return math.log(numeric.low), math.log(numeric.high)
    return float(numeric.low), float(numeric.high)


def _numeric(distribution: BaseDistribution) -> Numeric:
    if isinstance(distribution, FloatDistribution | IntDistribution):
        return distribution
    raise TypeError(f"{distribution} is not numeric")
