"""Each of Optuna's hooks reaches the sampler that is asked to do the rest."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial

from tuners.samplers.wrappers import DelegatingSampler

HOOKS = [
    "before_trial",
    "infer_relative_search_space",
    "sample_relative",
    "sample_independent",
    "after_trial",
]


class Recording(RandomSampler):
    """Notes which hooks are called."""

    def __init__(self) -> None:
        super().__init__(seed=0)
        self.called: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        if name in HOOKS:
            self.called.append(name)
        return super().__getattribute__(name)


class Alternating(DelegatingSampler):
    """One sampler for even trials, another for odd ones."""

    def __init__(self) -> None:
        self.samplers = (Recording(), Recording())

    def _delegate(self, trial: FrozenTrial) -> BaseSampler:
        return self.samplers[trial.number % 2]


def test_every_hook_of_a_trial_reaches_its_sampler() -> None:
    sampler = Alternating()
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    assert sampler.samplers[0].called == HOOKS
    assert sampler.samplers[1].called == []
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    assert sampler.samplers[1].called == HOOKS


def test_what_it_proposes_is_the_other_sampler_s() -> None:
    study = optuna.create_study(sampler=Alternating())
    peer = optuna.create_study(sampler=RandomSampler(seed=0))
    for each in (study, peer):
        each.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    assert study.best_params == peer.best_params


def test_it_must_say_to_whom() -> None:
    with pytest.raises(TypeError, match="_delegate"):
        DelegatingSampler()  # type: ignore[abstract]


def test_a_space_of_its_own_is_possible() -> None:
    class Own(Alternating):
        def infer_relative_search_space(self, study: Any, trial: Any) -> Any:
            return {"x": FloatDistribution(0.25, 0.25)}

    sampler = Own()
    optuna.create_study(sampler=sampler).optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=1)
    assert "infer_relative_search_space" not in sampler.samplers[0].called
