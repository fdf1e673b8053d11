"""Comparing tuners: several seeds each, against the expert and against each other."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from studies.records import StudyResult, trials_to_reach

__all__ = ["Comparison", "RankTest", "TunerSummary", "compare_studies"]

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class TunerSummary:
    """One tuner over its seeds. Throughputs are of the best mapper of each seed.

    Attributes:
        tuner: Its name.
        seeds: The seeds, in order.
        best_of_seed: Best throughput of each seed over the expert's; 0.0 where none was valid.
        mean, deviation, worst, best: Of ``best_of_seed``; the deviation is that of a sample, and
            None for one seed.
        interval: Confidence interval of the mean (Student's t); None for one seed.
        trials_to_expert: For each seed, trials until a mapper was as fast as the expert's.
        invalid_share: Share of all trials whose mapper was invalid.
        trials: Trials of all seeds together.
        of_floor: The floor over the time of the best mapper of all seeds; None where unknown.
    """

    tuner: str
    seeds: tuple[int, ...]
    best_of_seed: tuple[float, ...]
    mean: float
    deviation: float | None
    worst: float
    best: float
    interval: tuple[float, float] | None
    trials_to_expert: tuple[int | None, ...]
    invalid_share: float
    trials: int
    of_floor: float | None = None

    @property
    def reached(self) -> int:
        """How many seeds found a mapper as fast as the expert's."""
        return sum(count is not None for count in self.trials_to_expert)

    @property
    def median_trials_to_expert(self) -> float | None:
        """Median over the seeds; None where fewer than half of them got there."""
        counts = [math.inf if n is None else float(n) for n in self.trials_to_expert]
        median = statistics.median(counts)
        return median if math.isfinite(median) else None


@dataclass(frozen=True, slots=True)
class RankTest:
    """Whether one tuner's seeds end better than another's (Mann-Whitney U, two-sided).

    Attributes:
        first, second: Names of the tuners.
        p: Probability of a difference as large by chance; 1.0 where all values are equal.
        smallest_p: The smallest that so few seeds can give.
    """

    first: str
    second: str
    p: float
    smallest_p: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Tuners beside the expert.

    Attributes:
        unit: Unit of ``expert``.
        expert: Throughput of the expert mapper.
        tuners: One summary each, the best mean first.
        tests: Every pair of tuners; empty where a tuner has one seed only.
        floor: Seconds of the timed part that no mapper can beat; None where nobody knows.
    """

    unit: str
    expert: float
    tuners: tuple[TunerSummary, ...]
    tests: tuple[RankTest, ...]
    floor: float | None = None

    def as_json(self) -> dict[str, Any]:
        """The comparison as JSON values."""
        return asdict(self)


def compare_studies(results: Sequence[StudyResult]) -> Comparison:
    """Summarises studies of the same case.

    Args:
        results: One for each tuner and seed.

    Raises:
        ValueError: There is none.
    """
    if not results:
        raise ValueError("there is no study to compare")
    by_tuner: dict[str, list[StudyResult]] = {}
    for result in results:
        by_tuner.setdefault(result.spec.tuner, []).append(result)
    summaries = [summarise(studies) for studies in by_tuner.values()]
    pairs = itertools.combinations(summaries, 2)
    return Comparison(
        unit=results[0].unit,
        expert=results[0].expert,
        tuners=tuple(sorted(summaries, key=lambda summary: -summary.mean)),
        tests=tuple(rank_test(a, b) for a, b in pairs if min(len(a.seeds), len(b.seeds)) > 1),
        floor=results[0].floor,
    )


def summarise(studies: Sequence[StudyResult]) -> TunerSummary:
    """One tuner over its seeds."""
    best = tuple(study.normalised for study in studies)
    trials = sum(len(study.records) for study in studies)
    invalid = sum(study.invalid_share * len(study.records) for study in studies)
    return TunerSummary(
        tuner=studies[0].spec.tuner,
        seeds=tuple(study.spec.seed for study in studies),
        best_of_seed=best,
        mean=statistics.fmean(best),
        deviation=statistics.stdev(best) if len(best) > 1 else None,
        worst=min(best),
        best=max(best),
        interval=confidence_interval(best),
        trials_to_expert=tuple(trials_to_reach(s.records, s.expert) for s in studies),
        invalid_share=invalid / trials if trials else 0.0,
        trials=trials,
        of_floor=max((s.of_floor for s in studies if s.of_floor is not None), default=None),
    )


def confidence_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Student's t interval of the mean; None for fewer than two values.

    >>> [round(bound, 3) for bound in confidence_interval([1.0, 2.0, 3.0])]
    [-0.484, 4.484]
    """
    if len(values) < 2:
        return None
    from scipy.special import stdtrit  # noqa: PLC0415  (scipy.stats would take 0.7 s to load)

    mean = statistics.fmean(values)
    quantile = float(stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2))
    half = quantile * statistics.stdev(values) / math.sqrt(len(values))
    return mean - half, mean + half


def rank_test(first: TunerSummary, second: TunerSummary) -> RankTest:
    """Compares the best throughputs of two tuners' seeds."""
    from scipy.stats import PermutationMethod, mannwhitneyu  # noqa: PLC0415  (0.7 s to load)

    a, b = first.best_of_seed, second.best_of_seed
    # Where values are equal, scipy's own tables do not hold: every order is tried, or many are.
    tied = len({*a, *b}) < len(a) + len(b)
    result = (
        mannwhitneyu(a, b, method=PermutationMethod(n_resamples=9_999, rng=0))
        if tied
        else mannwhitneyu(a, b)
    )
    p = float(result.pvalue)
    smallest = 2 / math.comb(len(a) + len(b), len(a))
    return RankTest(first.tuner, second.tuner, p, smallest)
