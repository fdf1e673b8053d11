"""How well simulated times agree with measured ones, and how well they order mappers."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from legion_bridge.validation.validated_row import ValidatedRow

__all__ = ["Agreement", "agreement"]

NOTABLE = 1.05
"""Measured times that differ by less say nothing about which mapper is faster."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What simulated runs have in common with measured ones.

    Attributes:
        rows: Measurements compared.
        median_error, p90_error: Of ``|simulated - measured| / measured``, over those that ran on
            the machine; 1 where the simulated run failed. None where none ran.
        tau_within: Kendall's tau (b) over the mappers of a configuration, its mean over the
            configurations with at least two mappers that were not equally fast; None without any.
        tau: Kendall's tau (b) of the seconds of all that ran; None for fewer than two.
        tau_throughput: The same of their throughputs, all nodes together: a tuner's objective.
            None also where these have different units.
        configurations: Those that ``tau_within`` is the mean of.
        pairs: Pairs of mappers of one configuration whose measured times differ by over 5 %.
        pairs_right: Those of them whose better one is the better one in simulation too.
        out_of_memory: Runs that ran out of memory on the machine; ``out_of_memory_found`` of them
            do so in simulation.
        out_of_memory_false: Runs that do so in simulation alone.
        failed: Runs that ended on the machine, and fail in simulation for another reason.
    """

    rows: int
    median_error: float | None
    p90_error: float | None
    tau_within: float | None
    tau: float | None
    tau_throughput: float | None
    configurations: int
    pairs: int
    pairs_right: int
    out_of_memory: int
    out_of_memory_found: int
    out_of_memory_false: int
    failed: int

    @property
    def order(self) -> float | None:
        """Share of pairs put in the right order; None where there are none."""
        return self.pairs_right / self.pairs if self.pairs else None


class _Run(NamedTuple):
    """Seconds of one mapper in one configuration; infinite where the simulated run failed."""

    measured: float
    simulated: float


def agreement(rows: Iterable[ValidatedRow]) -> Agreement:
    """The agreement of some rows."""
    rows = tuple(rows)
    ran = [row for row in rows if row.measured is not None]
    lost = [row for row in rows if row.measured is None]
    errors = [row.error for row in ran if row.error is not None]
    configurations = _configurations(ran)
    taus = [t for runs in configurations if (t := _kendall(runs)) is not None]
    pairs = [pair for runs in configurations for pair in _notable_pairs(runs)]
    return Agreement(
        rows=len(rows),
        median_error=float(np.median(errors)) if errors else None,
        p90_error=float(np.percentile(errors, 90)) if errors else None,
        tau_within=float(np.mean(taus)) if taus else None,
        tau=_kendall([run for row in ran for run in _runs([row])]),
        tau_throughput=_throughputs_tau(ran),
        configurations=len(taus),
        pairs=len(pairs),
        pairs_right=sum(fast.simulated < slow.simulated for fast, slow in pairs),
        out_of_memory=len(lost),
        out_of_memory_found=sum(row.status == "out of memory" for row in lost),
        out_of_memory_false=sum(row.status == "out of memory" for row in ran),
        failed=sum(row.status == "failed" for row in rows),
    )


def _configurations(rows: Sequence[ValidatedRow]) -> list[list[_Run]]:
    """The mappers of each configuration."""
    groups: dict[object, list[ValidatedRow]] = defaultdict(list)
    for row in rows:
        groups[row.measurement.configuration].append(row)
    return [_runs(group) for group in groups.values()]


def _runs(rows: Iterable[ValidatedRow]) -> list[_Run]:
    """A run for each mapper: several measurements of one are one, their mean."""
    groups: dict[str, list[ValidatedRow]] = defaultdict(list)
    for row in rows:
        groups[row.measurement.label].append(row)
    return [
        _Run(
            fmean(s for r in group if (s := r.measured_seconds) is not None),
            fmean(math.inf if (s := r.simulated_seconds) is None else s for r in group),
        )
        for group in groups.values()
    ]


def _notable_pairs(runs: Iterable[_Run]) -> list[tuple[_Run, _Run]]:
    """Pairs of mappers that differ, the faster one first."""
    pairs = ((a, b) if a.measured < b.measured else (b, a) for a, b in combinations(runs, 2))
    return [(fast, slow) for fast, slow in pairs if slow.measured > NOTABLE * fast.measured]


def _throughputs_tau(ran: Sequence[ValidatedRow]) -> float | None:
    """Kendall's tau of the throughputs; 0 where the simulated run failed."""
    if len({row.work_unit for row in ran}) != 1:
        return None
    return _kendall(
        [
            _Run(row.work / run.measured, row.work / run.simulated)
            for row in ran
            for run in _runs([row])
        ]
    )


def _kendall(runs: Sequence[_Run]) -> float | None:
    """Kendall's tau of times or throughputs; None where the measured ones have no order."""
    from scipy.stats import kendalltau

    if len({run.measured for run in runs}) < 2:
        return None
    if len({run.simulated for run in runs}) < 2:
        return 0.0  # tells none from the others
    measured, simulated = zip(*runs, strict=True)
    return float(kendalltau(measured, simulated).statistic)
