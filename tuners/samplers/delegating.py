"""Samplers that leave what they do not do to another sampler, some made anew for each trial."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

__all__ = ["DelegatingSampler", "RepeatableSampler", "derived_seed"]


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
