"""Random search among the candidates that a check finds nothing wrong with."""

from __future__ import annotations

from typing import Any

import numpy as np

from tuners.problems.problem import Problem
from tuners.problems.search_space import SearchSpace
from tuners.samplers.history_sampler import HistorySampler, Search
from tuners.samplers.valid_points import ValidPoints

__all__ = ["RandomValidSampler"]

# How many points are drawn before one is put together from a valid one.
DRAWS = 5


class RandomValidSampler(HistorySampler):
    """Random points that pass the problem's check: what the check alone is worth.

    Points are drawn until one has no error. Where valid points are rare (one in two thousand of
    the stencil's) none of the first ``draws`` has; then the values of another are put into the
    template's own mapper, half of the parameters at a time, then half of those half that did not
    pass, down to single ones, and only what passes stays. What comes of a trial is never looked
    at. A problem that is no ``MapperProblem`` has no point to begin with: there the last draw is
    proposed. Without a problem it is random search that repeats nothing.

    Args:
        problem: What is tuned; its ``check`` says which candidates are valid.
        seed: Equal seeds propose equal trials; None for a random one.
        draws: How many points are drawn first.
    """

    def __init__(
        self, problem: Problem | None = None, *, seed: int | None = None, draws: int = DRAWS
    ) -> None:
        super().__init__(problem, seed=seed)
        self._draws = draws

    def begin(self, space: SearchSpace) -> Search:
        return _RandomValid(space, self._draws)


class _RandomValid(Search):
    def __init__(self, space: SearchSpace, draws: int) -> None:
        super().__init__(space)
        self._draws = draws
        self._valid = ValidPoints(space)

    def propose(self, rng: np.random.Generator) -> dict[str, Any]:
        point = self.space.random(rng)
        for _ in range(self._draws):
            if self._valid.passes(point):
                return point
            point = self.space.random(rng)
        base = self._valid.defaults
        if base is None or not self._valid.passes(base):
            return point
        return self._valid.put_together(rng, point, base)
