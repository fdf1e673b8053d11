"""Repeated measurements of one thing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Measurement"]


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was read in each of several runs.

    >>> Measurement((2.0, 1.0, 1.5)).median
    1.5

    Attributes:
        samples: One number a run, at least one, in the order of the runs.
    """

    samples: tuple[float, ...]

    @property
    def median(self) -> float:
        """The number in the middle."""
        return float(np.median(self.samples))

    @property
    def spread(self) -> float:
        """How far apart the middle half of the samples lies, as a share of the median.

        It is the interquartile range over the median; 0.0 for a single sample.
        """
        low, high = np.quantile(self.samples, (0.25, 0.75))
        return float((high - low) / abs(self.median)) if self.median else 0.0
