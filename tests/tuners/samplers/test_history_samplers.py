"""What all samplers share whose state is a fold over the finished trials."""

from __future__ import annotations

import multiprocessing
import pickle
import threading

import optuna
import pytest
from optuna.trial import TrialState

from tuners.samplers.cat_cma import CatCMASampler
from tuners.samplers.coordinate_descent import CoordinateDescentSampler
from tuners.samplers.evolution import OnePlusOneSampler
from tuners.samplers.opentuner.sampler import OpenTunerSampler
from tuners.samplers.random_valid import RandomValidSampler

SAMPLERS = [
    OnePlusOneSampler,
    CatCMASampler,
    CoordinateDescentSampler,
    RandomValidSampler,
    OpenTunerSampler,
]
LEARNING = [each for each in SAMPLERS if each is not RandomValidSampler]


def conditional(trial):
    """Eleven points; the best is -1, at kind c and m = 2."""
    kind = trial.suggest_categorical("kind", ["a", "b", "c"])
    if kind == "a":
        return trial.suggest_int("n", 1, 5)
    return trial.suggest_int("m", 1, 3) * (1 if kind == "b" else -0.5)


def mixed(trial):
    x = trial.suggest_float("x", -4, 4)
    rate = trial.suggest_float("rate", 1e-6, 1.0, log=True)
    count = trial.suggest_int("count", 1, 40)
    name = trial.suggest_categorical("name", ["a", "b", "c", None])
    return (x - 1) ** 2 + abs(rate - 1e-3) + abs(count - 17) / 10 + (name != "b")


def points(study):
    return [tuple(sorted(trial.params.items(), key=str)) for trial in study.trials]


@pytest.mark.parametrize("make", SAMPLERS)
def test_a_finite_space_is_exhausted_before_anything_comes_twice(make):
    study = optuna.create_study(sampler=make(seed=0))
    study.optimize(conditional, n_trials=14)
    assert len(set(points(study)[:11])) == 11
    assert len(set(points(study))) == 11


@pytest.mark.parametrize("make", SAMPLERS)
def test_equal_seeds_repeat_and_others_differ(make):
    first, again, other = (optuna.create_study(sampler=make(seed=s)) for s in (1, 1, 2))
    for study in (first, again, other):
        study.optimize(mixed, n_trials=12)
    assert points(first) == points(again)
    assert points(first) != points(other)


@pytest.mark.parametrize("make", SAMPLERS)
def test_a_stopped_study_goes_on_as_if_it_had_not_stopped(make):
    whole = optuna.create_study(sampler=make(seed=3))
    whole.optimize(mixed, n_trials=40)
    begun = optuna.create_study(sampler=make(seed=3))
    begun.optimize(mixed, n_trials=23)
    resumed = optuna.create_study(sampler=make(seed=3))
    resumed.add_trials(begun.trials)
    resumed.optimize(mixed, n_trials=17)
    assert points(resumed) == points(whole)


@pytest.mark.parametrize("make", SAMPLERS)
def test_enqueued_trials_are_seen_alike_live_and_on_resuming(make):
    def begin(trials):
        study = optuna.create_study(sampler=make(seed=3))
        study.add_trials(trials)
        return study

    live = begin([])
    live.optimize(mixed, n_trials=6)
    best = {"x": 1.0, "rate": 1e-3, "count": 17, "name": "b"}
    live.enqueue_trial(best)
    live.enqueue_trial({"name": "b"})
    live.optimize(mixed, n_trials=12)
    assert live.trials[6].params == best
    assert live.trials[7].params["name"] == "b"
    resumed = begin(live.trials[:12])
    resumed.optimize(mixed, n_trials=6)
    assert points(resumed)[8:] == points(live)[8:]


@pytest.mark.parametrize("make", LEARNING)
@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_they_learn_in_both_directions(make, direction):
    sign = 1 if direction == "minimize" else -1

    def best_of(sampler):
        study = optuna.create_study(direction=direction, sampler=sampler)
        study.optimize(lambda trial: sign * mixed(trial), n_trials=150)
        return sign * study.best_value

    assert best_of(make(seed=0)) < best_of(RandomValidSampler(seed=0)) / 2


@pytest.mark.parametrize("make", LEARNING)
def test_constraints_come_before_values(make):
    def objective(trial):
        x, y = trial.suggest_int("x", 0, 50), trial.suggest_int("y", 0, 50)
        trial.set_constraint("x is large", 30 - x)
        return x + y

    study = optuna.create_study(sampler=make(seed=1))
    study.optimize(objective, n_trials=80)
    feasible = [trial for trial in study.trials if trial.params["x"] >= 30]
    assert len(feasible) > 30  # 18 of 80 at random; without constraints fewer
    assert min(trial.value for trial in feasible) < 45


@pytest.mark.parametrize("make", SAMPLERS)
def test_failed_and_pruned_trials_neither_stop_it_nor_come_again(make):
    def objective(trial):
        x = trial.suggest_int("x", 0, 4)
        y = trial.suggest_categorical("y", "abcd")
        if x == 0:
            raise RuntimeError
        if y == "d":
            raise optuna.TrialPruned
        return x

    study = optuna.create_study(sampler=make(seed=0))
    study.optimize(objective, n_trials=20, catch=RuntimeError)
    states = {trial.state for trial in study.trials}
    assert states == {TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED}
    assert len(set(points(study))) == 20


@pytest.mark.parametrize("make", SAMPLERS)
def test_threads_share_a_study(make):
    study = optuna.create_study(sampler=make(seed=0))
    study.optimize(mixed, n_trials=32, n_jobs=4)
    assert all(trial.state == TrialState.COMPLETE for trial in study.trials)
    assert len(set(points(study))) == 32


@pytest.mark.parametrize("make", SAMPLERS)
def test_trials_that_are_being_run_are_not_proposed_again(make):
    space = {name: optuna.distributions.IntDistribution(1, 3) for name in "xy"}
    study = optuna.create_study(sampler=make(seed=0))
    for _ in range(2):
        study.tell(study.ask(space), 1.0)
    for _ in range(7):
        study.ask(space)
    assert len(set(points(study))) == 9


@pytest.mark.parametrize("make", SAMPLERS)
def test_several_objectives_are_refused_and_nothing_keeps_running(make):
    study = optuna.create_study(directions=["minimize", "maximize"], sampler=make(seed=0))
    with pytest.raises(ValueError, match=r"one objective.*NSGAII"):
        study.ask()
    assert [trial.state for trial in study.trials] == [TrialState.FAIL]


def test_a_fault_of_the_sampler_leaves_no_running_trial(monkeypatch, caplog):
    sampler = OnePlusOneSampler(seed=0)
    study = optuna.create_study(sampler=sampler)
    study.optimize(mixed, n_trials=2)
    monkeypatch.setattr(sampler, "_search", None)
    space = {"x": optuna.distributions.FloatDistribution(-4, 4)}
    for _ in range(3):
        study.tell(study.ask(space), 1.0)
    assert all(trial.state == TrialState.COMPLETE for trial in study.trials)
    told = [record for record in caplog.records if "it failed" in record.message]
    assert len(told) == 3
    assert [bool(record.exc_info) for record in told] == [True, False, False]


@pytest.mark.parametrize("make", SAMPLERS)
def test_samplers_travel_between_processes(make):
    study = optuna.create_study(sampler=make(seed=5))
    study.optimize(mixed, n_trials=3)
    again = pickle.loads(pickle.dumps(study.sampler))  # noqa: S301  (our own bytes)
    other = optuna.create_study(sampler=again)
    other.add_trials(study.trials)
    study.optimize(mixed, n_trials=2)
    other.optimize(mixed, n_trials=2)
    assert points(study) == points(other)


def _work(url: str, seed: int) -> None:
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(url))
    study = optuna.load_study(
        study_name="shared", storage=storage, sampler=OnePlusOneSampler(seed=seed)
    )
    study.optimize(mixed, n_trials=10)


def test_processes_share_a_storage(tmp_path):
    url = str(tmp_path / "journal")
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(url))
    study = optuna.create_study(study_name="shared", storage=storage)
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_work, args=(url, seed)) for seed in (0, 1)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert len(set(points(study))) == len(study.trials) == 20


def test_a_search_in_one_study_says_nothing_of_another():
    sampler = OnePlusOneSampler(seed=0)
    first = optuna.create_study(sampler=sampler)
    first.optimize(mixed, n_trials=10)
    second = optuna.create_study(sampler=sampler)
    alone = optuna.create_study(sampler=OnePlusOneSampler(seed=0))
    second.optimize(mixed, n_trials=5)
    alone.optimize(mixed, n_trials=5)
    assert points(second) == points(alone)


def test_a_range_may_change_while_the_study_runs():
    study = optuna.create_study(sampler=OnePlusOneSampler(seed=0))
    study.optimize(lambda trial: trial.suggest_int("x", 0, 10), n_trials=5)
    study.optimize(lambda trial: trial.suggest_int("x", 20, 30), n_trials=11)
    assert len(set(points(study)[5:])) == 11


def test_locks_are_held_for_proposals_alone():
    """Objectives of several threads run side by side."""
    both = threading.Barrier(2, timeout=20)

    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        both.wait()  # breaks where the other thread cannot ask meanwhile
        return x

    study = optuna.create_study(sampler=OnePlusOneSampler(seed=0))
    study.optimize(objective, n_trials=6, n_jobs=2)
    assert len(study.trials) == 6
