"""The sampler that proposes where the model does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.samplers import BaseSampler

from tuners.samplers.registry import make_sampler
from tuners.samplers.wrappers import DistinctSampler, derived_seed

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from tuners.llm.study import TrialContext
    from tuners.problems.problem import TextProblem

__all__ = ["Fallback"]


class Fallback:
    """The sampler that proposes where the model does not.

    Args:
        fallback: A sampler, or the name of a tuner.
        problem: What is tuned; None for any objective.
        seed: Seed of the sampler, and of steps away from what was tried.

    Attributes:
        name: Its name in the attributes of the trials that it proposes.
        sampler: The sampler; with a problem it repeats no candidate while it finds another.
    """

    def __init__(
        self, fallback: str | BaseSampler, problem: TextProblem | None, seed: int
    ) -> None:
        self._whole_space = problem is not None
        self._seed = seed
        if isinstance(fallback, str):
            self.name = fallback
            self.sampler = make_sampler(fallback, seed=seed, problem=problem)
        else:
            self.name = type(fallback).__name__
            self.sampler = (
                fallback if problem is None else DistinctSampler(fallback, problem, seed=seed)
            )

    def __str__(self) -> str:
        return str(self.sampler)

    def propose(self, context: TrialContext) -> dict[str, Any]:
        """Values that the study has not tried, while any are found."""
        study, trial, space = context.study, context.trial, context.space
        inferred = self.sampler.infer_relative_search_space(study, trial)
        found = self.sampler.sample_relative(study, trial, inferred)
        if self._whole_space:
            return found
        values = {
            name: found[name]
            if name in found and _equal(inferred.get(name), each)
            else self.sampler.sample_independent(study, trial, name, each)
            for name, each in space.items()
        }
        rng = np.random.default_rng(derived_seed(self._seed, trial.number))
        return context.claim_near(values, rng)


def _equal(first: BaseDistribution | None, second: BaseDistribution) -> bool:
    return first is second or first == second
