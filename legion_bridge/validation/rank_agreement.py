"""How well simulated times rank mappers of one program, beside the noise of the measured ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["RankAgreement", "rank_agreement"]


@dataclass(frozen=True, slots=True)
class RankAgreement:
    """Simulated beside measured times of some mappers.

    Attributes:
        mappers: How many.
        rho, tau: Spearman's and Kendall's (b); 0 where the simulation tells none from the others.
        fastest, slowest: Medians of the measured seconds.
        noise: Median over the mappers of how far repeated runs lie apart, over their median.
        error: Median of ``|simulated - measured| / measured``.
        scaled_error: The same, where the simulated times are scaled by one factor: the median of
            measured over simulated.
    """

    mappers: int
    rho: float
    tau: float
    fastest: float
    slowest: float
    noise: float
    error: float
    scaled_error: float

    @property
    def spread(self) -> float:
        """The slowest mapper's time over the fastest one's, less 1."""
        return self.slowest / self.fastest - 1


def rank_agreement(
    measured: Sequence[Sequence[float]], simulated: Sequence[float]
) -> RankAgreement:
    """The agreement of the seconds of mappers.

    >>> found = rank_agreement([[1.0, 1.2], [2.0, 2.0], [4.0, 4.2]], [0.5, 1.0, 2.0])
    >>> round(found.rho, 2), round(found.scaled_error, 2)
    (1.0, 0.02)

    Args:
        measured: Of each mapper the seconds of its runs.
        simulated: Of each mapper.
    """
    from scipy.stats import kendalltau, spearmanr

    if len(measured) != len(simulated) or len(measured) < 2:
        raise ValueError("give the times of the same mappers, two at least")
    times = np.array([np.median(runs) for runs in measured])
    guessed = np.asarray(simulated, float)
    tells = len(set(simulated)) > 1 and len(set(times.tolist())) > 1
    apart = [np.ptp(runs) / np.median(runs) for runs in measured if len(runs) > 1]
    scale = float(np.median(times / guessed))
    return RankAgreement(
        mappers=len(times),
        rho=float(spearmanr(times, guessed).statistic) if tells else 0.0,
        tau=float(kendalltau(times, guessed).statistic) if tells else 0.0,
        fastest=float(times.min()),
        slowest=float(times.max()),
        noise=float(np.median(apart)) if apart else 0.0,
        error=float(np.median(np.abs(guessed / times - 1))),
        scaled_error=float(np.median(np.abs(scale * guessed / times - 1))),
    )
