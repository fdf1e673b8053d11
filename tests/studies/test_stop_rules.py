"""Studies that end before they have all their trials."""

from __future__ import annotations

import pytest

from studies import StudySpec, StudyStore, UsageError, run_study
from studies.records import TrialRecord
from studies.stop_rules import StopRules, StopWatch, fair_share


def record(number, speed):
    status, elapsed = ("ok", 1 / speed) if speed else ("execution_error", None)
    return TrialRecord(number, {}, speed, status, "", elapsed, str(number), None)


def records(*throughputs):
    return [record(number, speed) for number, speed in enumerate(throughputs)]


@pytest.mark.parametrize(
    ("throughputs", "ends"),
    [
        ((), False),
        ((5.0, 4.0), False),
        ((5.0, 4.0, 3.0), True),
        ((5.0, 4.0, 6.0, 3.0), False),
        ((5.0, 5.0, 5.0), True),  # as fast is no faster
        ((0.0, 0.0), True),  # nor is what fails
        ((0.0, 5.0, 0.0), False),
    ],
)
def test_patience(throughputs, ends):
    watch = StopWatch(StopRules(patience=2), None)
    said = [watch.ended(records(*throughputs)[:count]) for count in range(len(throughputs) + 1)]
    assert (said[-1] is not None) == ends
    assert all(each is None for each in said[:-1])
    assert StopWatch(StopRules(patience=2), None).ended(records(*throughputs)) == said[-1]


def test_the_floor():
    watch = StopWatch(StopRules(of_floor=0.5), 0.1)
    assert watch.ended(records(4.0, 0.0)) is None
    assert watch.ended(records(4.0, 0.0, 5.5)) == "the best mapper is at 55.0 % of the floor"


def test_time_counts_from_the_beginning_of_this_run():
    now = [100.0]
    watch = StopWatch(StopRules(seconds=7200), None, lambda: now[0])
    assert watch.ended(records(1.0)) is None
    now[0] += 7199
    assert watch.ended(records(1.0, 2.0)) is None
    now[0] += 1
    assert watch.ended(records(1.0, 2.0)) == "its time of 2 h is over"


def test_a_floor_that_nobody_knows_is_told():
    with pytest.raises(UsageError, match="--patience or --time-limit"):
        StopWatch(StopRules(of_floor=0.9), None)


@pytest.mark.parametrize("jobs", [1, 2, 3, 8])
@pytest.mark.parametrize("studies", [1, 5, 6, 7, 16])
def test_time_is_shared_out_fairly(jobs, studies):
    """Each study uses all that it gets: all get as much, and the last ends in time."""
    ends, shares = [], []
    for begun in range(studies):
        now = sorted(ends)[-jobs] if len(ends) >= jobs else 0.0
        running = sum(end > now for end in ends)
        shares.append(fair_share(60.0 - now, studies - begun, running, jobs))
        ends.append(now + shares[-1])
    assert shares == pytest.approx([60.0 / -(-studies // jobs)] * studies)
    assert max(ends) <= 60.0 + 1e-9


def test_time_that_a_study_leaves_goes_to_the_others():
    assert fair_share(50.0, 2, 0, 1) == 25.0
    assert fair_share(-1.0, 2, 0, 1) == 0.0


def run(problem, location, trials=20, **rules):
    with StudyStore.open_study("toy", location) as store:
        spec = StudySpec("random", 0, trials)
        return run_study(problem, spec, store, rules=StopRules(**rules))


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_a_study_that_ended_early_goes_on_without_the_rule(make_toy_problem, tmp_path, kind):
    place = f"{tmp_path}/s.journal" if kind == "journal" else f"sqlite:///{tmp_path}/s.db"
    ended = run(make_toy_problem(), place, patience=3)
    assert ended.ended_by == "3 trials in a row were no faster than the best"
    assert 3 < len(ended.records) < 20
    assert not ended.interrupted
    again = run(make_toy_problem(), place, patience=3)
    assert (again.ended_by, len(again.records)) == (ended.ended_by, len(ended.records))
    whole = run(make_toy_problem(), place)
    assert (whole.ended_by, len(whole.records)) == (None, 20)
    never = run(make_toy_problem(), f"{tmp_path}/never.journal")
    assert [record.values for record in whole.records] == [
        record.values for record in never.records
    ]


def test_a_study_without_time_keeps_what_it_has(make_toy_problem, tmp_path):
    place = f"{tmp_path}/s.journal"
    assert run(make_toy_problem(), place, seconds=1e-9).records == ()
    run(make_toy_problem(), place, trials=4)
    result = run(make_toy_problem(), place, seconds=1e-9)
    assert (len(result.records), result.ended_by) == (4, "its time of 1e-09 s is over")
    assert run(make_toy_problem(), place, trials=4, seconds=1e-9).ended_by is None
