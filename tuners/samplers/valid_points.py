"""Which points of a space pass the problem's check, and how much of one that does not."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from tuners.problems.mapper_problem import MapperProblem
from tuners.problems.search_space import SearchSpace

__all__ = ["ValidPoints"]


class ValidPoints:
    """The points that the check of a space's problem finds no error in.

    Args:
        space: The space; without a problem all its points pass.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space

    @cached_property
    def defaults(self) -> dict[str, Any] | None:
        """The template's own mapper; None where the problem has no template."""
        problem = self._space.problem
        if not isinstance(problem, MapperProblem):
            return None
        return {name: each.default for name, each in problem.template.parameters.items()}

    def passes(self, point: Mapping[str, Any]) -> bool:
        """Whether the check finds no error."""
        problem = self._space.problem
        if problem is None:
            return True
        text = problem.render(self._space.active(point))
        if isinstance(problem, MapperProblem):
            return problem.passes(text)
        return not any(finding.severity == "error" for finding in problem.check(text))

    def put_together(
        self, rng: np.random.Generator, wanted: Mapping[str, Any], base: Mapping[str, Any]
    ) -> dict[str, Any]:
        """As much of a point as passes, the rest being another's, which passes.

        The values in which they differ are put into the other one half at a time, then half of
        those halves that did not pass, down to single ones, and only what passes stays.

        Args:
            rng: Says which of them go together.
            wanted: The point.
            base: The other one.
        """
        point = dict(base)
        differing = [name for name in wanted if wanted[name] != base[name]]
        groups = [[str(name) for name in rng.permutation(differing)]] if differing else []
        while groups:
            names = groups.pop()
            changed = point | {name: wanted[name] for name in names}
            if self.passes(changed):
                point = changed
            elif len(names) > 1:
                half = len(names) // 2
                groups += [names[half:], names[:half]]
        return point
