"""The sampler beside a model: when it proposes, and what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.samplers import BaseSampler

from tuners.llm.lazy_model import spending
from tuners.samplers.claims import MAX_RETRIES
from tuners.samplers.distinct import DistinctSampler
from tuners.samplers.registry import make_sampler
from tuners.samplers.repeatable import derived_seed

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    from tuners.llm.model.budget import Budget
    from tuners.llm.strategies import Strategy
    from tuners.llm.trial_context import TrialContext
    from tuners.problems.problem import TextProblem

__all__ = ["ENQUEUED", "Fallback", "ModelSchedule"]

ENQUEUED = "enqueued"


@dataclass(frozen=True)
class ModelSchedule:
    """Whose turn it is: the model's, or for some reason the fallback's.

    Attributes:
        strategy: May leave trials to the fallback.
        every: Each so manieth trial is the fallback's.
        budget: Of a whole study, over all its runs.
    """

    strategy: Strategy
    every: int | None
    budget: Budget | None

    def skip_reason(self, context: TrialContext) -> str | None:
        """Why the model is not asked for a trial; None where it is."""
        fixed, space = context.fixed, context.space
        if fixed.keys() & space.keys():
            whole = fixed.keys() >= space.keys()
            return ENQUEUED if whole else f"{ENQUEUED} in part, the rest is the fallback's"
        if self.every and (context.trial.number + 1) % self.every == 0:
            return f"every {self.every}th trial is the fallback's"
        trials = context.trials
        return self._spent(trials) or self.strategy.skip_reason(context.history(trials))

    def _spent(self, trials: Sequence[FrozenTrial]) -> str | None:
        """Which budget the study has used up; None where none."""
        if self.budget is None:
            return None
        used = spending(trials)
        limits = (
            (self.budget.calls, used.calls, "calls"),
            (self.budget.tokens, used.tokens, "tokens"),
            (self.budget.usd, used.usd, "US dollars"),
        )
        for limit, spent, unit in limits:
            if limit is not None and spent >= limit:
                return f"the study's budget of {limit} {unit} is spent"
        return None


class Fallback:
    """The sampler that proposes where the model does not.

    Args:
        fallback: A sampler, or the name of a tuner.
        problem: What is tuned; None for any objective.
        seed: Of the sampler, and of steps away from what was tried.

    Attributes:
        name: What trials call it.
        sampler: With a problem, one that repeats nothing while it finds another.
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
        for _ in range(MAX_RETRIES):
            finished = context.finished()
            values = context.memory.untried(study, trial, values, context.fixed, rng)
            key = context.memory.problem.key({**values, **context.fixed})
            if context.is_ours(key, finished):
                break
        return values


def _equal(first: BaseDistribution | None, second: BaseDistribution) -> bool:
    return first is second or first == second
