"""Proposals that no trial of the study has tried, nor is about to try.

Between the moment when a sampler chooses a point and the moment when the storage holds it,
another worker may choose the same point. So each worker first claims what its trial will try, and
then looks at the claims of the others: of two that choose alike at the same time, at least one
sees the other's claim and chooses anew.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Container, Iterable, Sequence
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from tuners import attributes
from tuners.problems.fixed_trial import FixedTrial
from tuners.problems.parameter_values import random_value
from tuners.problems.problem import Problem, Value
from tuners.samplers.delegating import DelegatingSampler, derived_seed

__all__ = ["MAX_RETRIES", "DistinctSampler", "claims", "conflicting_trial", "is_shared"]

CLAIM = "mappertune:claim"

# How often a worker chooses anew before it takes a point that another one tries as well.
MAX_RETRIES = 20

# Random changes pile up this often before they start again from the proposal: near it first,
# further away where its surroundings are exhausted.
STEPS_AWAY = 10


def is_shared(study: Study) -> bool:
    """Whether other processes may take part in a study."""
    return not isinstance(study._storage, InMemoryStorage)  # noqa: SLF001  (nothing public tells)


def claims(trials: Iterable[FrozenTrial], this: int) -> set[str]:
    """The points that the running trials have claimed, but for trial ``this``."""
    return {
        trial.system_attrs[CLAIM]
        for trial in trials
        if trial.state == TrialState.RUNNING
        and trial.number != this
        and CLAIM in trial.system_attrs
    }


def conflicting_trial(
    study: Study, trial: FrozenTrial, point: str, finished: Container[int]
) -> int | None:
    """Claims a point for a trial; the number of another trial that claims it too, if any.

    Args:
        study: The study.
        trial: The trial, which is running.
        point: The key of the point, equal for equal candidates.
        finished: Numbers of the trials that had finished when the point was chosen: what they
            tried is known.
    """
    trial.system_attrs[CLAIM] = point
    study._storage.set_trial_system_attr(trial._trial_id, CLAIM, point)  # noqa: SLF001  (likewise)
    for other in study.get_trials(deepcopy=False):
        if (
            other.system_attrs.get(CLAIM) == point
            and other.number != trial.number
            and other.number not in finished
            and other.state not in (TrialState.FAIL, TrialState.WAITING)
        ):
            return other.number
    return None


class DistinctSampler(DelegatingSampler):
    """Lets another sampler propose, and takes nothing from it that the study has tried before.

    Samplers propose the best points that they know again and again (in discrete spaces TPE spends
    a large share of its trials so), and points that are known to fail. A proposal that makes a
    mapper of a known normal form is asked for again, ``redraws`` times; after that the
    holes of the last proposal are changed at random, one after the other, until the mapper is
    new. Only where ``changes`` such steps find nothing new is a mapper proposed twice.

    Args:
        inner: The sampler that proposes.
        problem: Has the search space, and tells which values make the same candidate.
        seed: Seed of the random changes.
        redraws: How often the inner sampler is asked again.
        changes: How many random changes are tried after that.
    """

    def __init__(
        self,
        inner: BaseSampler,
        problem: Problem,
        *,
        seed: int = 0,
        redraws: int = 3,
        changes: int = 200,
    ) -> None:
        self._inner = inner
        self._problem = problem
        self._seed = seed
        self._redraws = redraws
        self._changes = changes
        self._keys: dict[str, dict[int, str]] = {}  # by study name, then trial number
        self._lock = threading.Lock()

    def __str__(self) -> str:
        return f"{type(self).__name__}({self._inner})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    def reseed_rng(self) -> None:
        self._inner.reseed_rng()

    def infer_relative_search_space(
        self,
        study: Study,  # noqa: ARG002  (Optuna's signature)
        trial: FrozenTrial,  # noqa: ARG002  (likewise)
    ) -> dict[str, BaseDistribution]:
        return dict(self._problem.distributions)

    def sample_relative(
        self,
        study: Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],  # noqa: ARG002  (Optuna's signature)
    ) -> dict[str, Any]:
        trials = study.get_trials(deepcopy=False)
        finished = {each.number for each in trials if each.state.is_finished()}
        tried = self._tried_in(study, trials) | claims(trials, trial.number)
        values: dict[str, Value] = {}
        for _ in range(MAX_RETRIES):
            values = self._untried(study, trial, tried)
            key = self._problem.key(values)
            if conflicting_trial(study, trial, key, finished) is None:
                break
            tried.add(key)
        return values

    def _delegate(self, trial: FrozenTrial) -> BaseSampler:  # noqa: ARG002  (one for all)
        return self._inner

    def _untried(self, study: Study, trial: FrozenTrial, tried: set[str]) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for _ in range(1 + self._redraws):
            values = self._draw(study, trial)
            if self._problem.key(values) not in tried:
                return values
        return self._change(trial, values, tried)

    def _draw(self, study: Study, trial: FrozenTrial) -> dict[str, Value]:
        space = self._inner.infer_relative_search_space(study, trial)
        relative = self._inner.sample_relative(study, trial, space)
        independent = functools.partial(self._inner.sample_independent, study, trial)
        return self._problem.suggest(FixedTrial(relative, independent))

    def _change(
        self, trial: FrozenTrial, proposal: dict[str, Value], tried: set[str]
    ) -> dict[str, Value]:
        rng = np.random.default_rng(derived_seed(self._seed, trial.number))

        def random(_name: str, distribution: BaseDistribution) -> Any:
            return random_value(rng, distribution)

        values = proposal
        for step in range(self._changes):
            if step % STEPS_AWAY == 0:
                values = proposal
            name = str(rng.choice(sorted(values)))
            changed = {**values, name: random(name, self._problem.distributions[name])}
            values = self._problem.suggest(FixedTrial(changed, random))
            if self._problem.key(values) not in tried:
                return values
        return proposal

    def _tried_in(self, study: Study, trials: Sequence[FrozenTrial]) -> set[str]:
        with self._lock:
            keys = self._keys.setdefault(study.study_name, {})
            for trial in trials:
                if trial.state in (TrialState.COMPLETE, TrialState.PRUNED) and (
                    trial.number not in keys
                ):
                    keys[trial.number] = _key_of(trial, self._problem)
            return set(keys.values())


def _key_of(trial: FrozenTrial, problem: Problem) -> str:
    stored = trial.user_attrs.get(attributes.NORMAL_FORM)
    return stored if isinstance(stored, str) else problem.key(trial.params)
