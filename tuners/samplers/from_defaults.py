"""A sampler that begins where the template's own mapper is."""

from __future__ import annotations

from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from tuners.problems.mapper_problem import MapperProblem
from tuners.problems.problem import Problem
from tuners.samplers.wrappers import DelegatingSampler

__all__ = ["FromDefaultsSampler"]


class FromDefaultsSampler(DelegatingSampler):
    """Has the first trial of a study try the template's defaults, and another sampler the rest.

    Where a study's first trial is given, as by ``--start``, that takes their place.

    Args:
        inner: The sampler that proposes all further trials.
        problem: What is tuned; one without a template is left to the other sampler.
    """

    def __init__(self, inner: BaseSampler, problem: Problem | None) -> None:
        self._inner = inner
        self._problem = problem

    def __str__(self) -> str:
        return f"{type(self).__name__}({self._inner})"

    def reseed_rng(self) -> None:
        self._inner.reseed_rng()

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if trial.number == 0 and isinstance(self._problem, MapperProblem):
            return dict(self._problem.template.defaults())
        return super().sample_relative(study, trial, search_space)

    def _delegate(self, trial: FrozenTrial) -> BaseSampler:  # noqa: ARG002  (one for all)
        return self._inner
