"""Workers in several processes share a study: none tries what another does, and it can be resumed.

The space has as many points as there are trials, so that a single repetition shows.
"""

from __future__ import annotations

import json
import multiprocessing
import random
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

import tuners
from tuners.llm.model import ModelUsage, Reply, Request
from tuners.samplers.claims import CLAIM

SPACE = {name: CategoricalDistribution(tuple(range(4))) for name in "xy"}
POINTS = 16
KINDS = ("journal", "sqlite")
NAMES = ("llm", "coordinate", "opentuner")


class Guessing:
    """A model that guesses, in every process alike."""

    name = "guessing"
    usage = ModelUsage()

    def ask(self, request: Request) -> Reply:
        rng = random.Random(request.seed)
        values = {name: rng.choice(each.choices) for name, each in SPACE.items()}
        return Reply(json.dumps(values), self.name, 1, 1, 0.0)


def sampler(name):
    if name == "llm":
        return tuners.LLMSampler(model=Guessing(), seed=0, space=SPACE, repairs=0)
    made = {"coordinate": tuners.CoordinateDescentSampler, "opentuner": tuners.OpenTunerSampler}
    return made[name](seed=0)


def storage(kind: str, folder: Path) -> optuna.storages.BaseStorage:
    if kind == "journal":
        backend = JournalFileBackend(str(folder / "journal"))
        return optuna.storages.JournalStorage(backend)
    url = f"sqlite:///{folder}/study.db"
    return optuna.storages.RDBStorage(url, engine_kwargs={"connect_args": {"timeout": 60}})


def objective(trial: optuna.Trial) -> float:
    return sum(trial.suggest_categorical(name, each.choices) for name, each in SPACE.items())


def run(kind: str, folder: Path, trials: int) -> None:
    kept = storage(kind, folder)
    for name in NAMES:
        study = optuna.load_study(study_name=name, storage=kept, sampler=sampler(name))
        study.optimize(objective, n_trials=trials)


@pytest.mark.parametrize("kind", KINDS)
def test_processes_try_every_point_once_and_the_study_is_resumed(kind, tmp_path):
    kept = storage(kind, tmp_path)
    for name in NAMES:
        optuna.create_study(study_name=name, storage=kept)
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=run, args=(kind, tmp_path, 6)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(240)
    assert [worker.exitcode for worker in workers] == [0, 0]
    run(kind, tmp_path, POINTS - 12)
    for name in NAMES:
        trials = optuna.load_study(study_name=name, storage=kept).trials
        assert {trial.state for trial in trials} == {TrialState.COMPLETE}
        assert len(trials) == POINTS
        assert len({tuple(trial.params.values()) for trial in trials}) == POINTS, name


@pytest.mark.parametrize("name", NAMES)
def test_threads_try_every_point_once(name):
    study = optuna.create_study(sampler=sampler(name))
    study.optimize(objective, n_trials=POINTS, n_jobs=2)
    assert len({tuple(trial.params.values()) for trial in study.trials}) == POINTS


class Hasty(tuners.CoordinateDescentSampler):
    """Meets another worker who claims its point at the last moment, before it looks again."""

    def begin(self, space):
        search = super().begin(space)
        propose = search.propose

        def hasty(rng):
            point = propose(rng)
            if not self.claimed:
                self.claimed.append(search.evaluated.identity(point))
                self.conflicting_trial(self.claimed[0])
            return point

        search.propose = hasty
        return search


def test_a_point_that_another_claims_meanwhile_is_left_to_it(tmp_path):
    kept = storage("sqlite", tmp_path)
    made = Hasty(seed=0)
    study = optuna.create_study(study_name="one", storage=kept, sampler=made)
    made.claimed = [""]
    study.optimize(objective, n_trials=3)
    made.claimed = []
    elsewhere = optuna.load_study(
        study_name="one", storage=kept, sampler=optuna.samplers.RandomSampler(seed=0)
    )

    def claim(point: str) -> None:
        trial = elsewhere.ask()
        kept.set_trial_system_attr(trial._trial_id, CLAIM, point)

    made.conflicting_trial = claim
    mine = study.ask(SPACE)
    assert made.claimed
    assert study.trials[mine.number].system_attrs[CLAIM] != made.claimed[0]


class Meeting(tuners.CoordinateDescentSampler):
    """Proposes what another worker's first trial, which has no proposal, draws meanwhile."""

    def begin(self, space):
        search = super().begin(space)
        propose = search.propose

        def meeting(rng):
            if not self.met:
                self.first.suggest_categorical("y", SPACE["y"].choices)
                self.met.append(dict(self.first.params))
                return dict(self.first.params)
            return propose(rng)

        search.propose = meeting
        return search


def test_a_first_trial_that_is_random_claims_its_point_too(tmp_path):
    kept = storage("journal", tmp_path)
    optuna.create_study(study_name="one", storage=kept)
    elsewhere, here = (
        optuna.load_study(study_name="one", storage=kept, sampler=made)
        for made in (sampler("coordinate"), Meeting(seed=0))
    )
    here.sampler.met, here.sampler.first = [], elsewhere.ask()
    here.sampler.first.suggest_categorical("x", SPACE["x"].choices)
    here.optimize(objective, n_trials=1)  # makes the parameters known here
    mine = here.ask(SPACE)
    assert here.sampler.met
    assert mine.params != here.sampler.met[0]
