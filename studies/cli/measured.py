"""Measured throughputs in words: never one lucky run for all."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from studies.cli.console import quantity

__all__ = ["told_samples"]


def told_samples(samples: Sequence[float], unit: str) -> str:
    """The median of some runs, and between what they lie.

    >>> told_samples((2.0, 1.9, 2.2), "runs/s"), told_samples((2.0,), "runs/s")
    ('2 runs/s (median of 3 runs, 1.9 to 2.2)', '2 runs/s (one run)')
    """
    middle = quantity(median(samples), unit)
    if len(samples) == 1:
        return f"{middle} (one run)"
    low, high = (quantity(end) for end in (min(samples), max(samples)))
    return f"{middle} (median of {len(samples)} runs, {low} to {high})"
