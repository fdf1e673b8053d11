"""The points of a space that a study has evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuners.finished_trial import FinishedTrial
from tuners.problems.search_space import SearchSpace

__all__ = ["EvaluatedPoints"]

Names = tuple[str, ...]


class EvaluatedPoints:
    """Finds the trial that a point would repeat.

    With a problem, points that make equal candidates count as one. Without one, a point repeats
    a trial where it agrees in all parameters that the trial asked for: an objective that chooses
    its next parameter by the values of the last ones would ask for the same ones again.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._by_key: dict[str, FinishedTrial] = {}
        self._by_names: dict[Names, dict[tuple[float, ...], FinishedTrial]] = {}
        self._failed: dict[Names, dict[tuple[float, ...], FinishedTrial]] = {}

    def __len__(self) -> int:
        return len(self._by_key) + sum(map(len, self._by_names.values()))

    def add(self, trial: FinishedTrial) -> None:
        """Keeps a finished trial, unless an equal one is kept already."""
        if self._space.problem is not None:
            if (key := trial.key or self._key_of(trial.params)) is not None:
                self._by_key.setdefault(key, trial)
            return
        names = tuple(sorted(trial.params.keys() & self._space.distributions.keys()))
        if names and self._space.contains(trial.params):
            # A failed trial may have stopped asking early: it counts beside a whole one.
            table = self._failed if trial.failed else self._by_names
            numbers = self._numbers(names, trial.params)
            table.setdefault(names, {}).setdefault(numbers, trial)

    def find(self, point: Mapping[str, Any]) -> FinishedTrial | None:
        """The trial that the point would repeat, if any."""
        if self._space.problem is not None:
            return self._by_key.get(self._key_of(point) or "")
        for names, known in self._by_names.items():
            if point.keys() >= set(names):
                numbers = self._numbers(names, point)
                found = known.get(numbers) or self._failed.get(names, {}).get(numbers)
                if found is not None:
                    return found
        return None

    def failed(self, point: Mapping[str, Any]) -> bool:
        """Whether a trial failed that had asked for nothing but values of this point."""
        return any(
            point.keys() >= set(names) and self._numbers(names, point) in known
            for names, known in self._failed.items()
        )

    def identity(self, point: Mapping[str, Any]) -> str:
        """Equal for points that certainly make equal candidates."""
        if self._space.problem is not None:
            return self._key_of(point) or ""
        names = tuple(sorted(point.keys() & self._space.distributions.keys()))
        return repr((names, self._numbers(names, point)))

    def _key_of(self, point: Mapping[str, Any]) -> str | None:
        problem = self._space.problem
        assert problem is not None  # noqa: S101  (both callers ask first)
        try:
            return problem.key(self._space.active(point))
        except KeyError:  # a trial that stopped early
            return None

    def _numbers(self, names: Names, point: Mapping[str, Any]) -> tuple[float, ...]:
        distributions = self._space.distributions
        return tuple(distributions[name].to_internal_repr(point[name]) for name in names)
