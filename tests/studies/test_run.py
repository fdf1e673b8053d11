from __future__ import annotations

import os
from dataclasses import replace

import pytest

from studies import StorageError, StudySpec, StudyStore, UsageError, run_study
from studies.records import best_so_far, trials_to_reach
from tuners import UnknownTunerError


@pytest.fixture
def location(tmp_path):
    return str(tmp_path / "study.journal")


def run(problem, location, trials, *, tuner="tpe", seed=0, observe=None):
    with StudyStore.open_study("toy", location) as store:
        return run_study(problem, StudySpec(tuner, seed, trials), store, observe=observe)


def values(result):
    return [dict(record.values) for record in result.records]


def test_a_study_has_as_many_trials_as_asked_for(toy_problem, location):
    result = run(toy_problem, location, 30)
    assert [record.number for record in result.records] == list(range(30))
    assert (result.resumed, result.interrupted) == (0, False)
    assert result.expert == 10 + 9 + 24 - 1
    assert result.distinct == 30
    assert result.best is not None
    assert result.best.throughput == max(record.throughput for record in result.records)
    assert result.normalised == result.best.throughput / result.expert
    evaluation = toy_problem.evaluate_text(result.mapper, check=False)
    assert evaluation.outcome.throughput == result.best.throughput


@pytest.mark.parametrize("tuner", ["random", "tpe", "nsgaii"])
def test_a_resumed_study_equals_one_that_never_stopped(make_toy_problem, tmp_path, tuner):
    whole = run(make_toy_problem(), str(tmp_path / "whole"), 40, tuner=tuner)
    begun = run(make_toy_problem(), str(tmp_path / "parts"), 20, tuner=tuner)
    resumed = run(make_toy_problem(), str(tmp_path / "parts"), 40, tuner=tuner)
    assert resumed.resumed == 20
    assert len(resumed.records) == 40
    assert resumed.distinct == 40
    assert values(resumed)[:20] == values(begun)
    assert values(resumed) == values(whole)
    assert [r.throughput for r in resumed.records] == [r.throughput for r in whole.records]


def test_a_finished_study_is_only_read(toy_problem, make_toy_problem, location):
    done = run(toy_problem, location, 10)
    again = make_toy_problem()
    result = run(again, location, 10)
    assert again.evaluator.calls == 2  # the expert, and whether the best is as fast as it was
    assert result.records == done.records
    assert len(run(make_toy_problem(), location, 5).records) == 10


def test_ctrl_c_keeps_what_is_finished(toy_problem, make_toy_problem, location):
    def stop(records):
        if len(records) == 7:
            raise KeyboardInterrupt

    stopped = run(toy_problem, location, 30, observe=stop)
    assert stopped.interrupted
    assert len(stopped.records) == 7
    resumed = run(make_toy_problem(), location, 30)
    assert not resumed.interrupted
    assert (resumed.resumed, len(resumed.records), resumed.distinct) == (7, 30, 30)


def test_ctrl_c_while_the_disk_is_waited_for_leaves_a_whole_journal(
    make_toy_problem, location, monkeypatch
):
    to_disk, calls = os.fsync, []

    def stop(file):
        to_disk(file)
        calls.append(file)
        if len(calls) == 9:
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", stop)
    assert run(make_toy_problem(), location, 30, tuner="random").interrupted
    resumed = run(make_toy_problem(), location, 30, tuner="random")
    assert (len(resumed.records), resumed.distinct) == (30, 30)
    assert resumed.resumed > 3


def test_ctrl_c_within_a_trial_loses_that_trial_alone(toy_problem, make_toy_problem, location):
    evaluate = toy_problem.evaluator.evaluate

    def stop(program, *, profile=False):
        if toy_problem.evaluator.calls == 5:
            raise KeyboardInterrupt
        return evaluate(program, profile=profile)

    toy_problem.evaluator.evaluate = stop
    with StudyStore.open_study("toy", location) as store:
        stopped = run_study(toy_problem, StudySpec("tpe", 0, 30), store)
    assert stopped.interrupted
    assert 4 <= len(stopped.records) <= 5
    resumed = run(make_toy_problem(), location, 30)
    assert values(resumed)[: len(stopped.records)] == values(stopped)
    assert resumed.distinct == 30


def test_the_study_of_something_else_is_not_continued(make_toy_problem, location):
    run(make_toy_problem(), location, 3)
    with pytest.raises(UsageError, match="another seed"):
        run(make_toy_problem(), location, 6, seed=1)
    with pytest.raises(UsageError, match="another template"):
        run(make_toy_problem("Task a CPU; Task b CPU; Task c ${c: CPU | GPU};"), location, 6)


def test_results_of_two_simulators_are_not_mixed(toy_problem, make_toy_problem, location):
    run(toy_problem, location, 10)
    changed = make_toy_problem()
    evaluate = changed.evaluator.evaluate
    faster = lambda program, profile=False: replace(evaluate(program), throughput=99.0)  # noqa: E731  (short)
    changed.evaluator.evaluate = faster
    with pytest.raises(UsageError, match=r"gives 99 now: .* another --output folder"):
        run(changed, location, 20)
    changed.evaluator.repeatable = False  # a noisy one is not held to its word
    assert len(run(changed, location, 11).records) == 11


def test_an_unknown_tuner_is_told(toy_problem, location):
    with pytest.raises(UnknownTunerError):
        run(toy_problem, location, 1, tuner="annealing")


def test_a_storage_that_fails_ends_the_study(toy_problem, make_toy_problem, location, monkeypatch):
    def fail(self, trial):
        if trial.number == 4:
            raise StorageError("the disk is full")
        keep(self, trial)

    keep = StudyStore.add
    with monkeypatch.context() as patched:
        patched.setattr(StudyStore, "add", fail)
        with pytest.raises(StorageError, match="disk is full"):
            run(toy_problem, location, 10)
    assert run(make_toy_problem(), location, 10).resumed == 4


def test_an_observer_sees_every_trial(toy_problem, location):
    seen = []
    run(toy_problem, location, 5, observe=lambda records: seen.append(len(records)))
    assert seen == [0, 1, 2, 3, 4, 5]


def test_a_study_without_a_valid_mapper_has_no_best(make_toy_problem, tmp_path):
    problem = make_toy_problem(
        "Task a GPU; Task b CPU; Task c CPU; Region a 0 GPU SYSMEM;"
        "InstanceLimit a ${a: 1..9}; InstanceLimit c ${c: 1..9};"
    )
    result = run(problem, str(tmp_path / "s"), 5)
    assert result.best is None
    assert result.mapper is None
    assert (result.normalised, result.invalid_share) == (0.0, 1.0)
    assert result.as_json()["best"] is None


def test_curves_and_counts(toy_problem, location):
    records = run(toy_problem, location, 20).records
    curve = best_so_far(records)
    assert curve == sorted(curve)
    assert curve[-1] == max(record.throughput for record in records)
    first = next(i for i, value in enumerate(curve, 1) if value == curve[-1])
    assert trials_to_reach(records, curve[-1]) == first
    assert trials_to_reach(records, curve[-1] * 1.01) is None
    assert trials_to_reach([], 1.0) is None
