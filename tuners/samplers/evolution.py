"""An evolution strategy of one parent and one child."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tuners.finished_trial import FinishedTrial
from tuners.problems.problem import Problem
from tuners.problems.search_space import SearchSpace
from tuners.samplers.history_sampler import HistorySampler, Search

__all__ = ["OnePlusOneSampler"]


class OnePlusOneSampler(HistorySampler):
    """The (1+1) evolution strategy for any mix of parameters.

    The parent is the best trial so far, the latest of equals. Its child has another value for
    each parameter with probability ``1 / n``, for one at least: the (1+1) EA with standard
    mutation (Droste, Jansen, Wegener: "On the analysis of the (1+1) evolutionary algorithm",
    Theoretical Computer Science 276, 2002). Numbers are changed by a normal step whose scale is
    itself random over three orders of magnitude, so that there is no step size to adapt.
    A trial that breaks constraints is worse than one that breaks fewer.

    Args:
        problem: What is tuned; None for any Optuna objective.
        seed: Equal seeds propose equal trials; None for a random one.
        start: Values to start from; random ones where there are none.
    """

    def __init__(
        self,
        problem: Problem | None = None,
        *,
        seed: int | None = None,
        start: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(problem, seed=seed)
        self._start = dict(start or {})

    def begin(self, space: SearchSpace) -> Search:
        return _OnePlusOne(space, self._start)


class _OnePlusOne(Search):
    def __init__(self, space: SearchSpace, start: Mapping[str, Any]) -> None:
        super().__init__(space)
        self._start = start
        self._parent: FinishedTrial | None = None

    def learn(self, trial: FinishedTrial) -> None:
        if self._parent is None or trial.rank <= self._parent.rank:
            self._parent = trial

    def propose(self, rng: np.random.Generator) -> dict[str, Any]:
        point = self.space.random(rng)
        if self._parent is None:
            return point | {k: v for k, v in self._start.items() if k in point}
        point |= {k: v for k, v in self._parent.params.items() if k in point}
        names = [name for name in self._parent.params if name in point]
        chosen = rng.random(len(names)) * len(names) < 1
        if names and not chosen.any():
            chosen[int(rng.integers(len(names)))] = True
        return self.space.change(
            rng, point, [name for name, change in zip(names, chosen, strict=True) if change]
        )
