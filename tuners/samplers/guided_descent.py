"""Coordinate descent that tries first what the guide suggests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tuners import guide
from tuners.problems.mapper_problem import MapperProblem
from tuners.problems.search_space import SearchSpace
from tuners.samplers.coordinate_descent import CoordinateDescentSampler, Descent
from tuners.samplers.history_sampler import Search

__all__ = ["GuidedDescentSampler"]


class GuidedDescentSampler(CoordinateDescentSampler):
    """Coordinate descent whose first moves are the guide's suggestions.

    Whenever a better mapper is found, the guide explains its run, and the changes that it
    suggests are tried before the next decision in turn: what rich feedback gives without a
    language model. Suggestions that the template cannot express are left out. Everything else is
    as in ``CoordinateDescentSampler``; so is all of it where the problem is no ``MapperProblem``.
    """

    def begin(self, space: SearchSpace) -> Search:
        return _GuidedDescent(space, self._seed, self.starting_point(space), self.links(space))


class _GuidedDescent(Descent):
    _explained: tuple[dict[str, Any], list[dict[str, Any]]] | None = None

    def suggested(self) -> Iterator[dict[str, Any]]:
        if self._explained is None or self._explained[0] is not self._point:
            self._explained = self._point, list(self._explain())
        yield from self._explained[1]

    def _explain(self) -> Iterator[dict[str, Any]]:
        problem = self.space.problem
        if not isinstance(problem, MapperProblem):
            return
        values = self.space.active(self._point)
        evaluation = problem.evaluate_text(problem.render(values))
        for suggestion in guide.explain(problem, evaluation, verify=False).suggestions:
            changed = suggestion.values(problem.template, values)
            if changed is not None:
                yield self._point | changed
