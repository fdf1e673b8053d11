from __future__ import annotations

import math
import statistics

import pytest
from scipy import stats

from studies import StudyResult, StudySpec, TrialRecord, compare_studies
from studies.compare import confidence_interval


def record(number, throughput):
    status = "ok" if throughput else "execution_error"
    return TrialRecord(number, {}, throughput, status, "", None, str(number), None)


def result(tuner, seed, throughputs, expert=10.0):
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
    assert tpe.trials_to_expert == (3, 2, None)
    assert (tpe.reached, tpe.median_trials_to_expert) == (2, 3)
    assert tpe.invalid_share == pytest.approx(5 / 12)
    assert random.best_of_seed == (0.5, 0.0, 0.4)
    assert random.median_trials_to_expert is None
    assert random.invalid_share == pytest.approx(7 / 12)


def test_the_interval_is_students(results):
    values = (1.2, 1.1, 0.95)
    expected = stats.t.interval(
        0.95, 2, statistics.fmean(values), statistics.stdev(values) / math.sqrt(3)
    )
    assert confidence_interval(values) == pytest.approx(expected)
    assert compare_studies(results).tuners[0].interval == pytest.approx(expected)


def test_the_rank_test_is_mann_whitneys(results):
    (test,) = compare_studies(results).tests
    assert {test.first, test.second} == {"tpe", "random"}
    assert test.p == pytest.approx(0.1)  # the most extreme of twenty orders, two-sided
    assert test.smallest_p == pytest.approx(0.1)


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
