"""Comparing tuners: several seeds each, against reference mappers and against each other."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

from studies.records import TOLERANCE, StudyResult, trials_to_reach
from studies.references import Reference

__all__ = ["Comparison", "RankTest", "ReferenceSummary", "TunerSummary", "compare_studies"]

CONFIDENCE = 0.95
SIGNIFICANT = 1 - CONFIDENCE
FEWEST_SEEDS = 4  # of fewer, resampling has too few different means for an interval
RESAMPLES = 10_000
NEAR_FLOOR = 0.95
BEST_KNOWN = "best known"


@dataclass(frozen=True, slots=True)
class ReferenceSummary:
    """A mapper that the tuners are held against.

    Attributes:
        name: Such as ``"expert"``.
        throughput: None where it does not run.
        over_reference: Over what ratios are to; None where either does not run.
        of_floor: The floor over its iteration; None where nobody knows.
        said: What the runtime said where it does not run.
    """

    name: str
    throughput: float | None
    over_reference: float | None
    of_floor: float | None
    said: str


@dataclass(frozen=True, slots=True)
class TunerSummary:
    """One tuner over its seeds. Throughputs are of the best mapper of each seed.

    Ratios are to the comparison's reference, and None where there is none.

    Attributes:
        tuner: Its name.
        seeds: The seeds, in order.
        throughputs: Best throughput of each seed; 0.0 where no mapper was valid.
        best_of_seed: The same as ratios.
        mean, deviation, worst, best: Of ``best_of_seed``; the deviation is that of a sample, and
            None for one seed.
        interval: Bootstrap interval of the mean at 95 %; None for fewer than four seeds.
        trials_to_reference: For each seed, trials until a mapper was as fast as the reference.
        reach_reference: Share of the seeds that found one as fast.
        reach_floor: Share of the seeds that came to 0.95 of the floor; None where nobody knows.
        invalid_share: Share of all trials whose mapper was invalid.
        trials: Trials of all seeds together.
        of_floor: The floor over the time of the best mapper of all seeds; None where unknown.
    """

    tuner: str
    seeds: tuple[int, ...]
    throughputs: tuple[float, ...]
    best_of_seed: tuple[float, ...] | None
    mean: float | None
    deviation: float | None
    worst: float | None
    best: float | None
    interval: tuple[float, float] | None
    trials_to_reference: tuple[int | None, ...]
    reach_reference: float | None
    reach_floor: float | None
    invalid_share: float
    trials: int
    of_floor: float | None = None

    @property
    def reached(self) -> int:
        """How many seeds found a mapper as fast as the reference."""
        return sum(count is not None for count in self.trials_to_reference)

    @property
    def median_trials(self) -> float | None:
        """Median of ``trials_to_reference``, where those that never got there come last.

        None where that leaves no number: half of the seeds or more did not get there.
        """
        counts = [math.inf if n is None else float(n) for n in self.trials_to_reference]
        median = statistics.median(counts)
        return median if math.isfinite(median) else None


@dataclass(frozen=True, slots=True)
class RankTest:
    """Whether one tuner's seeds end better than another's (Mann-Whitney U, two-sided).

    Attributes:
        first, second: Names of the tuners.
        p: Probability of a difference as large by chance; 1.0 where all values are equal.
        adjusted_p: The same after Holm's correction for all pairs of the comparison.
        smallest_p: The smallest adjusted one that so few seeds can give.
        faster: The tuner with the higher ranks; None where they are even.
    """

    first: str
    second: str
    p: float
    adjusted_p: float
    smallest_p: float
    faster: str | None

    @property
    def verdict(self) -> str:
        """``"faster"``, ``"alike"``, ``"too few seeds"`` or ``"not told apart"``."""
        if self.adjusted_p < SIGNIFICANT and self.faster is not None:
            return "faster"
        if self.p == 1.0 and self.faster is None:
            return "alike"
        return "too few seeds" if self.smallest_p >= SIGNIFICANT else "not told apart"

    def beside(self, tuner: str) -> str:
        """What the verdict is on the other tuner, beside this one, in a word or three."""
        if self.verdict != "faster":
            return self.verdict
        return "slower" if self.faster == tuner else "faster"

    @property
    def sentence(self) -> str:
        """What the test says."""
        match self.verdict:
            case "faster":
                slower = self.second if self.faster == self.first else self.first
                return f"{self.faster} ends faster than {slower}"
            case "alike":
                return f"{self.first} and {self.second} end alike"
            case "too few seeds":
                return f"too few seeds to tell {self.first} from {self.second}"
        return f"{self.first} and {self.second} are not told apart"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Tuners beside each other and beside the mappers that are known.

    Attributes:
        unit: Unit of the throughputs.
        reference: What ratios are to: the first of expert, own and default mapper that runs,
            else ``"best known"``, the fastest of the comparison; None where nothing ran.
        reference_throughput: Its throughput.
        references: The mappers that are known, those that do not run too.
        tuners: One summary each, the best mean first.
        tests: Every pair of tuners; empty where a tuner has one seed only.
        floor: Seconds of the timed part that no mapper can beat; None where nobody knows.
    """

    unit: str
    reference: str | None
    reference_throughput: float | None
    references: tuple[ReferenceSummary, ...]
    tuners: tuple[TunerSummary, ...]
    tests: tuple[RankTest, ...]
    floor: float | None = None

    @property
    def expert(self) -> float | None:
        """Throughput of the expert mapper; None where there is none, or it does not run."""
        return next((each.throughput for each in self.references if each.name == "expert"), None)

    def test_of(self, first: str, second: str) -> RankTest | None:
        """The test of two tuners; None where there is none."""
        pair = {first, second}
        return next((test for test in self.tests if {test.first, test.second} == pair), None)

    def as_json(self) -> dict[str, Any]:
        """The comparison as JSON values."""
        tests = [asdict(test) | {"verdict": test.verdict} for test in self.tests]
        tuners = [
            asdict(each) | {"median_trials_to_reference": each.median_trials}
            for each in self.tuners
        ]
        return asdict(self) | {"expert": self.expert, "tuners": tuners, "tests": tests}


def compare_studies(results: Sequence[StudyResult], known: Sequence[Reference] = ()) -> Comparison:
    """Summarises studies of the same case.

    Args:
        results: One for each tuner and seed.
        known: The mappers that they stand beside.

    Raises:
        ValueError: There is none.
    """
    if not results:
        raise ValueError("there is no study to compare")
    name, throughput = _reference(results, known)
    by_tuner: dict[str, list[StudyResult]] = {}
    for result in results:
        by_tuner.setdefault(result.spec.tuner, []).append(result)
    floor_known = any(each.of_floor is not None for each in results)
    summaries = [
        summarise(studies, throughput, floor_known=floor_known) for studies in by_tuner.values()
    ]
    pairs = [
        pair for pair in itertools.combinations(summaries, 2)
        if min(len(each.seeds) for each in pair) > 1
    ]  # fmt: skip
    return Comparison(
        unit=results[0].unit,
        reference=name,
        reference_throughput=throughput,
        references=tuple(_summary_of(each, throughput) for each in known),
        tuners=tuple(sorted(summaries, key=lambda each: -statistics.fmean(each.throughputs))),
        tests=holm([rank_test(*pair) for pair in pairs]),
        floor=results[0].floor,
    )


def _reference(
    results: Sequence[StudyResult], known: Sequence[Reference]
) -> tuple[str | None, float | None]:
    """What ratios are to, and its throughput."""
    if results[0].expert:
        return results[0].reference, results[0].expert
    found = [result.throughput for result in results]
    best = max([*found, *(each.throughput or 0.0 for each in known)])
    return (BEST_KNOWN, best) if best else (None, None)


def _summary_of(known: Reference, throughput: float | None) -> ReferenceSummary:
    own, outcome = known.throughput, known.outcome
    over = own / throughput if own is not None and throughput else None
    said = "" if outcome.ok else outcome.raw
    return ReferenceSummary(known.name, own, over, outcome.of_floor, said)


def summarise(
    studies: Sequence[StudyResult], reference: float | None, *, floor_known: bool = False
) -> TunerSummary:
    """One tuner over its seeds, beside the throughput that ratios are to."""
    throughputs = tuple(study.throughput for study in studies)
    ratios = tuple(each / reference for each in throughputs) if reference else None
    trials = sum(len(study.records) for study in studies)
    invalid = sum(study.invalid_share * len(study.records) for study in studies)
    counts = tuple(
        trials_to_reach(each.records, reference) if reference else None for each in studies
    )
    return TunerSummary(
        tuner=studies[0].spec.tuner,
        seeds=tuple(study.spec.seed for study in studies),
        throughputs=throughputs,
        best_of_seed=ratios,
        mean=statistics.fmean(ratios) if ratios else None,
        deviation=statistics.stdev(ratios) if ratios and len(ratios) > 1 else None,
        worst=min(ratios) if ratios else None,
        best=max(ratios) if ratios else None,
        interval=bootstrap_interval(ratios) if ratios else None,
        trials_to_reference=counts,
        reach_reference=_share([count is not None for count in counts]) if reference else None,
        reach_floor=_share_near_floor(studies) if floor_known else None,
        invalid_share=invalid / trials if trials else 0.0,
        trials=trials,
        of_floor=max((s.of_floor for s in studies if s.of_floor is not None), default=None),
    )


def _share(flags: Sequence[bool]) -> float:
    return sum(flags) / len(flags)


def _share_near_floor(studies: Sequence[StudyResult]) -> float:
    """Seeds without a valid mapper are not near it."""
    return _share([(each.of_floor or 0.0) >= NEAR_FLOOR * (1 - TOLERANCE) for each in studies])


def bootstrap_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Percentile bootstrap interval of the mean; it lies between the least and the largest value.

    Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3. None for fewer
    than four values.

    >>> bootstrap_interval([1.0, 1.0, 1.0, 1.0]), bootstrap_interval([1.0, 2.0, 3.0])
    ((1.0, 1.0), None)
    """
    if len(values) < FEWEST_SEEDS:
        return None
    import numpy as np  # noqa: PLC0415  (the command line answers before it is loaded)

    drawn = np.random.default_rng(0).choice(values, (RESAMPLES, len(values)))
    low, high = np.quantile(drawn.mean(axis=1), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return max(float(low), min(values)), min(float(high), max(values))


def rank_test(first: TunerSummary, second: TunerSummary) -> RankTest:
    """Compares the best throughputs of two tuners' seeds; one pair alone needs no correction."""
    a, b = first.throughputs, second.throughputs
    p, above = _mann_whitney(a, b)
    even = len(a) * len(b) / 2
    smallest = 2 / math.comb(len(a) + len(b), len(a))
    faster = None if above == even else first.tuner if above > even else second.tuner
    return RankTest(first.tuner, second.tuner, p, p, smallest, faster)


@cache
def _mann_whitney(a: tuple[float, ...], b: tuple[float, ...]) -> tuple[float, float]:
    """The probability and the statistic; of many arms some end alike, to the bit."""
    from scipy.stats import PermutationMethod, mannwhitneyu  # noqa: PLC0415  (0.7 s to load)

    # Where values are equal, scipy's own tables do not hold: every order is tried, or many are.
    tied = len({*a, *b}) < len(a) + len(b)
    result = (
        mannwhitneyu(a, b, method=PermutationMethod(n_resamples=9_999, rng=0))
        if tied
        else mannwhitneyu(a, b)
    )
    return float(result.pvalue), float(result.statistic)


def holm(tests: Sequence[RankTest]) -> tuple[RankTest, ...]:
    """The tests with Holm's step-down correction, in the order in which they came.

    Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of
    Statistics 6 (1979).
    """
    adjusted: dict[int, float] = {}
    least = 0.0
    for place, number in enumerate(sorted(range(len(tests)), key=lambda each: tests[each].p)):
        least = max(least, min(1.0, (len(tests) - place) * tests[number].p))
        adjusted[number] = least
    return tuple(
        replace(
            test,
            adjusted_p=adjusted[number],
            smallest_p=min(1.0, len(tests) * test.smallest_p),
        )
        for number, test in enumerate(tests)
    )
