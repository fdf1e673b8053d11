"""CatCMA with margin as an Optuna sampler."""

from __future__ import annotations

import importlib.util
import logging
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution

from tuners.errors import MissingPackageError
from tuners.finished_trial import FinishedTrial
from tuners.problems.parameter_values import (
    at_level,
    at_unit,
    is_ordered,
    level_count,
    level_of,
    unit_of,
)
from tuners.problems.problem import Problem
from tuners.problems.search_space import SearchSpace
from tuners.samplers.history_sampler import HistorySampler, Search

if TYPE_CHECKING:
    from cmaes import CatCMAwM

__all__ = ["CatCMASampler"]

log = logging.getLogger(__name__)

# Numbers that may have more values than this are sampled as a continuum and rounded.
MOST_LEVELS = 64


class CatCMASampler(HistorySampler):
    """CatCMA with margin, from the package ``cmaes``: one distribution over all parameters.

    Hamano et al., "CatCMA with Margin" (arXiv 2504.07884): a normal distribution over numbers and
    a categorical one over choices, both moved towards the better half of each generation, with
    a margin that keeps every value possible. A generation is the next trials of the study,
    whoever proposed them; within it trials rank by their constraints first. A trial moves
    nothing of the parameters that it did not ask for.

    Args:
        problem: What is tuned; None for any Optuna objective.
        seed: Equal seeds propose equal trials; None for a random one.
        population: Trials in a generation; None for ``4 + 3 ln n``.

    Raises:
        MissingPackageError: ``cmaes`` is not installed.
    """

    def __init__(
        self,
        problem: Problem | None = None,
        *,
        seed: int | None = None,
        population: int | None = None,
    ) -> None:
        if importlib.util.find_spec("cmaes") is None:
            raise MissingPackageError(
                "the tuner catcma needs the package cmaes: pip install 'mappertune[catcma]'"
            )
        super().__init__(problem, seed=seed)
        self._population = population

    def begin(self, space: SearchSpace) -> Search:
        return _CatCMA(space, self._population)


class _CatCMA(Search):
    def __init__(self, space: SearchSpace, population: int | None) -> None:
        super().__init__(space)
        self._population = population
        self._axes = _Axes(space.distributions)
        self._generation: list[FinishedTrial] = []
        self._optimizer = self._axes.optimizer(population)

    def learn(self, trial: FinishedTrial) -> None:
        optimizer = self._optimizer
        if optimizer is None:
            return
        self._generation.append(trial)
        if len(self._generation) == optimizer.population_size:
            ranked = sorted(self._generation, key=lambda each: each.rank)
            self._generation = []
            results = [
                (self._axes.solution(optimizer, each.params), float(place))
                for place, each in enumerate(ranked)
            ]
            try:
                with np.errstate(all="raise", under="ignore"):
                    optimizer.tell(results)
            except (ArithmeticError, AssertionError, np.linalg.LinAlgError) as error:
                log.info("CatCMA begins anew: its distribution has collapsed (%s)", error)
                self._optimizer = self._axes.optimizer(self._population)

    def propose(self, rng: np.random.Generator) -> dict[str, Any]:
        point = self.space.random(rng)
        if self._optimizer is not None:
            self._optimizer.reseed_rng(int(rng.integers(2**32)))
            point |= self._axes.values(self._optimizer.ask())
        return point


class _Axes:
    """Parameters as CatCMA sees them: continuous, discrete or categorical."""

    def __init__(self, distributions: dict[str, BaseDistribution]) -> None:
        self._distributions = distributions
        counts = {name: level_count(each) for name, each in distributions.items()}
        self._continuous = [n for n, k in counts.items() if k is None or k > MOST_LEVELS]
        self._discrete: list[str] = []
        self._categorical: list[str] = []
        self._counts: dict[str, int] = {}
        for name, count in counts.items():
            if count is None or not 1 < count <= MOST_LEVELS:
                continue
            self._counts[name] = count
            ordered = is_ordered(distributions[name]) and count > 2
            (self._discrete if ordered else self._categorical).append(name)
        self._continuous = [n for n in self._continuous if is_ordered(distributions[n])]
        self._widest = max((self._counts[n] for n in self._categorical), default=0)

    def optimizer(self, population: int | None) -> CatCMAwM | None:
        """A new distribution; None where there is nothing to decide."""
        from cmaes import CatCMAwM  # noqa: PLC0415  (optional, and loads scipy.stats: 0.7 s)

        if not self._continuous and not self._discrete and not self._categorical:
            return None
        return CatCMAwM(
            x_space=[[0.0, 1.0]] * len(self._continuous) or None,
            z_space=[self._places(name) for name in self._discrete] or None,
            c_space=[self._counts[name] for name in self._categorical] or None,
            population_size=population,
            seed=0,
        )

    def values(self, solution: CatCMAwM.Solution) -> dict[str, Any]:
        """The values of a solution."""
        found: dict[str, Any] = {}
        if solution.x is not None:
            for name, unit in zip(self._continuous, solution.x, strict=True):
                found[name] = at_unit(self._distributions[name], float(unit))
        if solution.z is not None:
            for name, place in zip(self._discrete, solution.z, strict=True):
                level = int(np.abs(np.subtract(self._places(name), place)).argmin())
                found[name] = at_level(self._distributions[name], level)
        if solution.c is not None:
            for name, row in zip(self._categorical, solution.c, strict=True):
                found[name] = at_level(self._distributions[name], int(np.argmax(row)))
        return found

    def solution(self, optimizer: CatCMAwM, values: Any) -> CatCMAwM.Solution:
        """A trial's values as a solution; parameters without a value stay at the mean."""
        numeric, categorical = None, None
        if self._continuous or self._discrete:
            numeric = np.array(optimizer._mean, float)  # noqa: SLF001  (there is no public way)
            for axis, name in enumerate(self._continuous + self._discrete):
                if name in values:
                    numeric[axis] = self._place(name, values[name])
        if self._categorical:
            categorical = np.array(optimizer._q, float)  # noqa: SLF001  (as above)
            for axis, name in enumerate(self._categorical):
                if name in values:
                    level = level_of(self._distributions[name], values[name])
                    categorical[axis] = np.arange(self._widest) == level
        return type(optimizer).Solution(
            x=_part(numeric, slice(0, len(self._continuous))),
            z=_part(numeric, slice(len(self._continuous), None)),
            c=categorical,
            _v_raw=numeric,
        )

    def _place(self, name: str, value: Any) -> float:
        unit = unit_of(self._distributions[name], value)
        return unit if name in self._continuous else unit * (self._counts[name] - 1)

    def _places(self, name: str) -> list[float]:
        distribution = self._distributions[name]
        return [
            self._place(name, at_level(distribution, level)) for level in range(self._counts[name])
        ]


def _part(numeric: NDArray[np.float64] | None, which: slice) -> NDArray[np.float64] | None:
    return None if numeric is None or not numeric[which].size else numeric[which]
