"""Samplers around another one: what they leave to it, made anew for each trial, nothing twice."""

from __future__ import annotations

import functools
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from tuners import attributes
from tuners.finished_trial import FinishedSince
from tuners.problems.fixed_trial import FixedTrial
from tuners.problems.parameter_values import random_value
from tuners.problems.problem import Problem, Value
from tuners.samplers.claims import MAX_RETRIES, claims, conflicting_trial

__all__ = ["DelegatingSampler", "DistinctSampler", "RepeatableSampler", "derived_seed"]

# Random changes pile up this often before they start again from the proposal: near it first,
# further away where its surroundings are exhausted.
STEPS_AWAY = 10


class DelegatingSampler(BaseSampler, ABC):
    """Hands each of Optuna's hooks to another sampler; subclasses override their own."""

    @abstractmethod
    def _delegate(self, trial: FrozenTrial) -> BaseSampler:
        """The sampler that does the rest for a trial."""

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._delegate(trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._delegate(trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self._delegate(trial).sample_independent(
            study, trial, param_name, param_distribution
        )

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._delegate(trial).before_trial(study, trial)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        self._delegate(trial).after_trial(study, trial, state, values)


def derived_seed(seed: int, *numbers: int) -> int:
    """A 32-bit seed that depends on all the numbers.

    >>> derived_seed(0, 1) != derived_seed(0, 2)
    True
    """
    return int(np.random.SeedSequence((seed, *numbers)).generate_state(1)[0])


class RepeatableSampler(DelegatingSampler):
    """A sampler whose proposal depends on the seed, the trial's number and its history alone.

    An Optuna sampler that is seeded and resumed starts its random sequence again: random search
    repeats its first trials exactly. This one makes the sampler anew for each trial, from a seed
    derived from the trial's number. So a study that was stopped and resumed at any trial goes on
    as if it had never stopped. It suits samplers that keep what they know in the study.

    One sampler more lives as long as the study and infers the search space, which depends on the
    trials alone: Optuna's samplers read each trial once for it, and a new one reads them all.

    Args:
        make: Makes the sampler from a seed.
        seed: Seed of the study.
    """

    def __init__(self, make: Callable[[int], BaseSampler], seed: int) -> None:
        self._make = make
        self._seed = seed
        self._local = threading.local()
        self._inferring = make(seed)

    def __getstate__(self) -> dict[str, Any]:
        return {"_make": self._make, "_seed": self._seed}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["_make"], state["_seed"])  # type: ignore[misc]  # a fresh local

    def __str__(self) -> str:
        return f"{type(self).__name__}({self._inferring})"

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._inferring.infer_relative_search_space(study, trial)

    def _delegate(self, trial: FrozenTrial) -> BaseSampler:
        if getattr(self._local, "number", None) != trial.number:
            self._local.number = trial.number
            self._local.sampler = self._make(derived_seed(self._seed, trial.number))
        sampler: BaseSampler = self._local.sampler
        return sampler


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
        self._seen: dict[str, _Seen] = {}  # by study name
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
        with self._lock:
            seen = self._seen.setdefault(study.study_name, _Seen())
            seen.update(trials, self._problem)
            since, tried = seen.finished.unfinished_from, seen.keys.copy()
        open_trials = trials[since:]
        finished = {each.number for each in open_trials if each.state.is_finished()}
        tried |= claims(open_trials, trial.number)
        values: dict[str, Value] = {}
        for _ in range(MAX_RETRIES):
            values = self._untried(study, trial, tried)
            key = self._problem.key(values)
            if conflicting_trial(study, trial, key, finished, since=since) is None:
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


class _Seen:
    """What the trials of a study have tried, each of them looked at once it has finished.

    Attributes:
        keys: The keys of the points that were tried.
        finished: Which trials have finished.
    """

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.finished = FinishedSince()

    def update(self, trials: Sequence[FrozenTrial], problem: Problem) -> None:
        """Notices what has finished since the last time; ``trials`` are all of the study's."""
        for trial in self.finished.take(trials):
            if trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
                self.keys.add(_key_of(trial, problem))


def _key_of(trial: FrozenTrial, problem: Problem) -> str:
    stored = trial.user_attrs.get(attributes.NORMAL_FORM)
    return stored if isinstance(stored, str) else problem.key(trial.params)
