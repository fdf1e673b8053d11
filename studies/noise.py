"""How far measured runs scatter, and which differences can be told from that."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import median

import numpy as np
from scipy.stats import chi2
from scipy.stats import t as student

__all__ = ["Noise", "smallest_seen"]

# Of a test that is made again after each run: Pocock's level for five looks at 5 %, "Group
# sequential methods in the design and analysis of clinical trials", Biometrika 64 (1977).
LEVEL = 0.0158
# Variance of a median over that of a mean, of normal samples.
OF_MEDIAN = math.pi / 2
# Standard errors of a difference that is found in four of five studies, at 95 %.
FOUND_MOSTLY = 1.96 + 0.84
# That the scatter is no larger than it is taken for.
SURE = 0.8


@dataclass(frozen=True, slots=True)
class Noise:
    """Scatter of the logarithms of throughputs, alike for all mappers.

    Attributes:
        deviation: Their standard deviation.
        freedom: Degrees of freedom of that; 0 where no mapper was run twice.
    """

    deviation: float
    freedom: int

    @classmethod
    def of(cls, groups: Iterable[Sequence[float]]) -> Noise:
        """The scatter within groups of throughputs of one mapper each."""
        squares, freedom = 0.0, 0
        for group in groups:
            logs = np.log(group)
            squares += float(np.sum((logs - logs.mean()) ** 2))
            freedom += len(group) - 1
        return cls(math.sqrt(squares / freedom) if freedom else 0.0, freedom)

    def order(self, first: Sequence[float], second: Sequence[float]) -> int:
        """1 where the first mapper is faster, -1 where the second is, 0 where nobody can tell.

        The medians are compared; the test may be made again after each further run.
        """
        if not self.freedom:
            return 0
        difference = math.log(median(first) / median(second))
        error = self.deviation * math.sqrt(OF_MEDIAN * (1 / len(first) + 1 / len(second)))
        bound = _quantile(self.freedom) * error
        return 0 if abs(difference) <= bound else int(math.copysign(1, difference))


@cache
def _quantile(freedom: int) -> float:
    return float(student.ppf(1 - LEVEL / 2, freedom))


def smallest_seen(samples: Sequence[float], pairs: int) -> float | None:
    """The smallest difference in percent that pairs of runs find in four of five studies.

    A few runs may lie close together by luck: the scatter is taken for as large as it is in four
    of five cases at most. None where nothing is known of it.
    """
    noise = Noise.of([samples])
    if not noise.freedom:
        return None
    deviation = noise.deviation * math.sqrt(noise.freedom / chi2.ppf(1 - SURE, noise.freedom))
    error = deviation * math.sqrt(2 * OF_MEDIAN / pairs)
    return 100 * math.expm1(FOUND_MOSTLY * error)
