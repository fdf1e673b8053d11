"""The parameters of a search taken together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution

from tuners.problems.fixed_trial import FixedTrial
from tuners.problems.parameter_values import at_level, change_value, level_count, random_value
from tuners.problems.problem import Problem

__all__ = ["SearchSpace"]


class SearchSpace:
    """All parameters that a study may ask for, those under a condition included.

    A *point* has a value for each of them; which of those count is known where a problem says so,
    and shows when the trial is run where none does.

    Attributes:
        distributions: By name.
        problem: What knows which parameters count and which points are one candidate, if any.
    """

    def __init__(
        self, distributions: Mapping[str, BaseDistribution], problem: Problem | None = None
    ) -> None:
        self.distributions = dict(distributions)
        whole = problem is not None and self.distributions.keys() == problem.distributions.keys()
        self.problem = problem if whole else None

    @property
    def size(self) -> float:
        """How many points there are, counting those that differ in nothing that counts."""
        return math.prod(
            float(level_count(each) or math.inf) for each in self.distributions.values()
        )

    def random(self, rng: np.random.Generator) -> dict[str, Any]:
        """Any point."""
        return {name: random_value(rng, each) for name, each in self.distributions.items()}

    def all_points(self) -> Iterator[dict[str, Any]]:
        """Every point of a finite space."""
        counts = [level_count(each) or 0 for each in self.distributions.values()]
        for levels in product(*map(range, counts)):
            yield {
                name: at_level(each, level)
                for level, (name, each) in zip(levels, self.distributions.items(), strict=True)
            }

    def active(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """The part of a point that counts, as far as it is known."""
        if self.problem is None:
            return {name: value for name, value in point.items() if name in self.distributions}
        return self.problem.suggest(FixedTrial(point, _absent))

    def change(
        self, rng: np.random.Generator, point: Mapping[str, Any], names: list[str]
    ) -> dict[str, Any]:
        """The point with other values of the named parameters."""
        changed = dict(point)
        for name in names:
            changed[name] = change_value(rng, self.distributions[name], point[name])
        return changed

    def contains(self, values: Mapping[str, Any]) -> bool:
        """Whether each value of a parameter of this space is one that it may have."""
        return all(
            self.distributions[name]._contains(  # noqa: SLF001  (the public way re-checks types)
                self.distributions[name].to_internal_repr(value)
            )
            for name, value in values.items()
            if name in self.distributions
        )


def _absent(name: str, _distribution: BaseDistribution) -> Any:
    raise KeyError(f"the point has no value of {name}")
