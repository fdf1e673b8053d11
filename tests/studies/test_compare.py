from __future__ import annotations

import itertools
import statistics

import pytest
from scipy import stats

from legion_bridge.outcome import Outcome
from studies import Reference, StudyResult, StudySpec, TrialRecord, compare_studies
from studies.compare import bootstrap_interval


def record(number, throughput):
    status = "ok" if throughput else "execution_error"
    return TrialRecord(
        number, {}, throughput, status, "", 1.0 if throughput else None, str(number), None
    )


def result(tuner, seed, throughputs, expert=10.0, of_floor=None):
    records = tuple(record(i, value) for i, value in enumerate(throughputs))
    return StudyResult(
        spec=StudySpec(tuner, seed, len(records)),
        unit="toys/s",
        expert=expert,
        records=records,
        resumed=0,
        stopped_by=None,
        location="",
        mapper=None,
        reference="expert" if expert else None,
        floor=of_floor,  # a run takes a second
    )


@pytest.fixture
def results():
    return [
        result("random", 0, [0, 5, 0, 0]),
        result("tpe", 0, [0, 5, 10, 12]),
        result("random", 1, [0, 0, 0, 0]),
        result("tpe", 1, [0, 11, 0, 8]),
        result("random", 2, [1, 2, 3, 4]),
        result("tpe", 2, [0, 0, 9, 9.5]),
    ]


def test_tuners_are_summarised_over_their_seeds(results):
    comparison = compare_studies(results)
    assert [summary.tuner for summary in comparison.tuners] == ["tpe", "random"]
    tpe, random = comparison.tuners
    assert tpe.best_of_seed == (1.2, 1.1, 0.95)
    assert tpe.mean == pytest.approx((1.2 + 1.1 + 0.95) / 3)
    assert tpe.deviation == pytest.approx(statistics.stdev([1.2, 1.1, 0.95]))
    assert (tpe.worst, tpe.best) == (0.95, 1.2)
    assert tpe.trials_to_reference == (3, 2, None)
    assert (tpe.reached, tpe.median_trials) == (2, 3)
    assert tpe.invalid_share == pytest.approx(5 / 12)
    assert random.best_of_seed == (0.5, 0.0, 0.4)
    assert random.median_trials is None
    assert random.invalid_share == pytest.approx(7 / 12)


def test_an_interval_is_of_means_that_can_be():
    values = (0.0, 0.0, 0.0, 0.9, 1.0)
    low, high = bootstrap_interval(values)
    assert 0.0 <= low < statistics.fmean(values) < high <= 1.0
    # All five-fold samples, weighed alike: what resampling tends to.
    means = sorted(map(statistics.fmean, itertools.product(values, repeat=5)))
    assert low == pytest.approx(means[int(0.025 * len(means))], abs=0.02)
    assert high == pytest.approx(means[int(0.975 * len(means))], abs=0.02)
    assert bootstrap_interval(values) == (low, high)  # the same each time
    assert bootstrap_interval([1.01] * 5) == (1.01, 1.01)


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_few_seeds_have_no_interval(seeds):
    (summary,) = compare_studies([result("a", seed, [seed]) for seed in range(seeds)]).tuners
    assert summary.interval is None


def test_the_rank_test_is_mann_whitneys(results):
    (test,) = compare_studies(results).tests
    assert {test.first, test.second} == {"tpe", "random"}
    assert test.p == test.adjusted_p == pytest.approx(0.1)  # the most extreme of twenty orders
    assert test.smallest_p == pytest.approx(0.1)
    assert test.verdict == "too few seeds"
    assert test.sentence == "too few seeds to tell random from tpe"


def test_pairs_are_corrected_by_holms_method():
    speeds = {"a": (20, 21, 22, 23, 24), "b": (9, 10, 11, 12, 13), "c": (9.5, 10.5, 8, 7, 12.5)}
    studies = [result(t, seed, [v]) for t, each in speeds.items() for seed, v in enumerate(each)]
    comparison = compare_studies(studies)
    p = {f"{t.first}{t.second}": t.p for t in comparison.tests}
    adjusted = {f"{t.first}{t.second}": t.adjusted_p for t in comparison.tests}
    assert p["ab"] == p["ac"] == pytest.approx(2 / 252)
    assert adjusted["ab"] == adjusted["ac"] == pytest.approx(3 * 2 / 252)
    assert p["bc"] == pytest.approx(stats.mannwhitneyu(speeds["b"], speeds["c"]).pvalue)
    assert adjusted["bc"] == p["bc"]  # the last of three
    said = {test.sentence for test in comparison.tests}
    assert said == {
        "a ends faster than b", "a ends faster than c", "b and c are not told apart"
    }  # fmt: skip
    assert comparison.test_of("b", "a").beside("a") == "slower"
    assert comparison.test_of("b", "a").beside("b") == "faster"


def test_no_corrected_p_is_less_than_one_before_it_or_above_one():
    speeds = {name: [float(seed) for seed in range(4)] for name in "abcd"}
    studies = [result(t, s, [v]) for t, each in speeds.items() for s, v in enumerate(each)]
    assert {test.adjusted_p for test in compare_studies(studies).tests} == {1.0}
    assert {test.verdict for test in compare_studies(studies).tests} == {"alike"}


def test_seeds_that_get_as_far_are_counted():
    ends = {0: ([5, 12], 0.97), 1: ([11], 0.95), 2: ([9], 0.8), 3: ([0], None)}
    studies = [result("a", seed, speeds, of_floor=near) for seed, (speeds, near) in ends.items()]
    (summary,) = compare_studies([*studies]).tuners
    assert (summary.reach_reference, summary.reach_floor) == (0.5, 0.5)
    assert summary.trials_to_reference == (2, 1, None, None)
    assert summary.median_trials is None  # half of them never got there
    (unknown,) = compare_studies([result("a", 0, [5])]).tuners
    assert unknown.reach_floor is None


FAILS = Reference("expert", Outcome("execution_error", 0.0, "toys/s", raw="out of memory"))
SLOW = Reference("no decisions", Outcome("ok", 4.0, "toys/s"))


def test_where_no_reference_runs_ratios_are_to_the_fastest_known():
    studies = [result("a", 0, [5, 8], expert=None), result("b", 0, [2], expert=None)]
    comparison = compare_studies(studies, [FAILS, SLOW])
    assert (comparison.reference, comparison.reference_throughput) == ("best known", 8)
    assert [summary.best for summary in comparison.tuners] == [1.0, 0.25]
    assert comparison.tuners[1].trials_to_reference == (None,)
    written = comparison.as_json()
    assert written["expert"] is None
    expert, slow = written["references"]
    assert (expert["throughput"], expert["over_reference"]) == (None, None)
    assert expert["said"] == "out of memory"
    assert (slow["throughput"], slow["over_reference"]) == (4.0, 0.5)


def test_where_nothing_runs_there_are_no_ratios():
    comparison = compare_studies([result("a", 0, [0, 0], expert=None)], [FAILS])
    (summary,) = comparison.as_json()["tuners"]
    for name in ("mean", "best", "worst", "best_of_seed", "reach_reference", "interval"):
        assert summary[name] is None
    assert comparison.reference is None
    assert summary["trials_to_reference"] == (None,)


def test_equal_values_do_not_make_a_difference_look_larger_than_it_can_be():
    studies = [result("a", seed, [speed]) for seed, speed in enumerate((8, 9, 10))]
    studies += [result("b", seed, [0]) for seed in range(3)]
    (test,) = compare_studies(studies).tests
    assert test.p == pytest.approx(0.1)
    assert test.p >= test.smallest_p


def test_equal_tuners_do_not_differ():
    studies = [result(tuner, seed, [10]) for tuner in ("a", "b") for seed in range(3)]
    assert compare_studies(studies).tests[0].p == 1.0


def test_one_seed_has_neither_interval_nor_test():
    comparison = compare_studies([result("a", 0, [1.0]), result("b", 0, [2.0])])
    assert comparison.tests == ()
    assert all(s.interval is None and s.deviation is None for s in comparison.tuners)
    assert comparison.as_json()["tuners"][0]["best"] == pytest.approx(0.2)


def test_there_must_be_something_to_compare():
    with pytest.raises(ValueError, match="no study"):
        compare_studies([])
