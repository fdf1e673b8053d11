from __future__ import annotations

import pickle
import subprocess
import sys

import optuna
import pytest
from optuna.samplers import NSGAIISampler, RandomSampler, TPESampler

import tuners
from tuners import DistinctSampler, RepeatableSampler, UnknownTunerError
from tuners.samplers.wrappers import derived_seed

TUNERS = [
    "random",
    "random-valid",
    "tpe",
    "tpe-defaults",
    "nsgaii",
    "opentuner",
    "opentuner-checked",
    "coordinate",
    "guided",
    "one-plus-one",
    "catcma",
]


def study_of(problem, name, trials, *, seed=0, before=()):
    """A study, perhaps continued from the trials of an earlier one."""
    study = optuna.create_study(
        direction="maximize", sampler=tuners.make_sampler(name, seed=seed, problem=problem)
    )
    study.add_trials(before)
    for _ in range(trials):
        trial = study.ask()
        study.tell(trial, problem(trial))
    return study


def params(study):
    return [trial.params for trial in study.trials]


def test_tuners_are_known_by_name():
    assert set(TUNERS) <= set(tuners.tuner_names())
    assert all(tuners.tuner_named(name).summary for name in tuners.tuner_names())


def test_an_unknown_tuner_is_told_the_known_and_the_nearest():
    with pytest.raises(UnknownTunerError, match="did you mean tpe") as caught:
        tuners.make_sampler("tpee", seed=0)
    assert all(name in str(caught.value) for name in ("random", "tpe", "nsgaii"))


def test_a_tuner_from_elsewhere_can_be_registered(monkeypatch):
    monkeypatch.setattr("tuners.samplers.registry._TUNERS", dict(tuners.samplers.registry._TUNERS))
    tuners.register(tuners.Tuner("mine", "mine", lambda seed: RandomSampler(seed=seed)))
    assert "mine" in tuners.tuner_names()
    assert isinstance(tuners.make_sampler("mine", seed=1), RepeatableSampler)


@pytest.mark.parametrize("name", TUNERS)
def test_a_stopped_study_goes_on_as_if_it_had_not_stopped(toy_problem, make_toy_problem, name):
    whole = study_of(toy_problem, name, 40)
    begun = study_of(make_toy_problem(), name, 23)
    continued = study_of(make_toy_problem(), name, 17, before=begun.trials)
    assert params(continued) == params(whole)


@pytest.mark.parametrize("name", TUNERS)
def test_no_mapper_is_tried_twice(toy_problem, name):
    study = study_of(toy_problem, name, 120)
    keys = [toy_problem.key(values) for values in params(study)]
    assert len(set(keys)) == 120
    if name not in ("coordinate", "guided"):  # they run some mappers again, for their profiles
        assert toy_problem.evaluator.calls == 120


def test_without_it_tpe_tries_mappers_twice(toy_problem):
    study = optuna.create_study(direction="maximize", sampler=TPESampler(seed=0))
    study.optimize(toy_problem, n_trials=120)
    assert len({toy_problem.key(values) for values in params(study)}) < 110


@pytest.mark.parametrize("name", TUNERS)
def test_a_space_is_exhausted_before_anything_comes_twice(make_toy_problem, name):
    problem = make_toy_problem(
        "Task a CPU; Task b CPU; Task c ${c: CPU | GPU}; InstanceLimit a ${la: 2..4};"
        "InstanceLimit c ${lc: 1..4};"
    )
    study = study_of(problem, name, 30)
    keys = [problem.key(values) for values in params(study)]
    assert len(set(keys[:24])) == 24
    assert len(set(keys)) == 24
    assert all(trial.value for trial in study.trials)


def test_optional_packages_are_imported_when_a_tuner_is_made():
    script = (
        "import sys, tuners; tuners.tuner_names(); print({'cmaes', 'opentuner'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "set()"


def test_seeds_differ_and_repeat(toy_problem):
    first, again, other = (
        params(study_of(toy_problem, "random", 8, seed=seed)) for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


def test_tpe_finds_the_best_toy(toy_problem):
    assert study_of(toy_problem, "tpe", 200).best_value == 10 + 9 + 3 * 8


def test_tpe_learns_from_invalid_mappers(toy_problem):
    def invalid(name):
        return sum(trial.value == 0 for trial in study_of(toy_problem, name, 150).trials)

    assert invalid("tpe") < invalid("random") / 2


def test_samplers_travel_between_processes(toy_problem):
    sampler = DistinctSampler(RepeatableSampler(make_random, 3), toy_problem, seed=3)
    sampler._problem = None  # a problem of simple namespaces does not travel
    again = pickle.loads(pickle.dumps(sampler))  # noqa: S301  (our own bytes)
    assert str(again) == str(sampler)
    assert "RandomSampler" in str(again)


def test_an_enqueued_trial_is_taken_as_it_is(toy_problem):
    study = optuna.create_study(
        direction="maximize", sampler=tuners.make_sampler("tpe", seed=0, problem=toy_problem)
    )
    wanted = {"proc.a": "CPU", "proc.b": "CPU", "proc.c": "CPU", "limit.a": 3, "limit.c": 3}
    study.enqueue_trial(wanted)
    study.enqueue_trial(wanted)
    study.optimize(toy_problem, n_trials=3)
    assert params(study)[:2] == [wanted, wanted]
    assert params(study)[2] != wanted


def test_derived_seeds_do_not_collide():
    seeds = {derived_seed(seed, number) for seed in range(10) for number in range(1000)}
    assert len(seeds) > 9990  # of 2 ** 32; a birthday or two is allowed


def make_random(seed):
    return RandomSampler(seed=seed)


def make_tpe(seed):
    return TPESampler(seed=seed)


def make_nsgaii(seed):
    return NSGAIISampler(seed=seed)
