"""AutoMap's constrained coordinate-wise descent, for any search space."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution

from tuners.finished_trial import FinishedTrial
from tuners.problems.mapper_problem import MapperProblem
from tuners.problems.parameter_values import at_level, at_unit, level_count, unit_of
from tuners.problems.problem import Problem
from tuners.problems.search_space import SearchSpace
from tuners.samplers.colocation import Link, shared_data
from tuners.samplers.decision_order import decision_order
from tuners.samplers.history_sampler import HistorySampler, Search
from tuners.samplers.wrappers import derived_seed

__all__ = ["CoordinateDescentSampler", "Descent"]

# Rounds until the last constraint is gone; every round but the last drops an equal share.
ROUNDS = 5

# A parameter of more values than this is searched by steps, and not value by value.
MOST_VALUES = 10

# Steps of the first round, as shares of the range; each round takes half of the last.
STEPS = (0.25, -0.25, 0.06, -0.06)

# How many decisions are changed at random where no single change improves: a share, and the least.
KICK_SHARE, KICK_LEAST = 0.1, 2

# How often a descent starts again in a row from what was tried before.
KICKS_IN_A_ROW = 20


class CoordinateDescentSampler(HistorySampler):
    """Constrained coordinate-wise descent, one decision at a time.

    The search of AutoMap: Teixeira, Henzinger, Yadav, Aiken, "Automated Mapping of Task-Based
    Programs onto Distributed and Heterogeneous Machines", SC 2023. It starts from a mapper that
    uses the machine as a default would and goes through the tasks in the order of their run
    time, the longest first; each value of each decision is tried, and kept where the program gets
    faster. In the first round arguments of different tasks that share data are constrained to the
    same memory: where one moves all move. Every round drops the constraints with the least
    shared data, until the last of five is plain coordinate descent.

    Beyond AutoMap: layouts, limits and index maps are decisions like processors and memories;
    among mappers that fail the one with fewer errors is better; numbers are tried at steps that
    get smaller; and where no single change improves, the search goes on from a random change of
    the best (iterated local search) until the study ends.

    A problem that is no ``MapperProblem``, or none, is searched in the order of its parameters,
    without constraints.

    Args:
        problem: What is tuned; None for any Optuna objective.
        seed: Equal seeds propose equal trials; None for a random one.
        start: Values to start from; else those of the problem's start, of a template's
            parameters their defaults, of others random ones.
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
        self._shared: list[Link] | None = None

    def begin(self, space: SearchSpace) -> Search:
        return Descent(space, self._seed, self.starting_point(space), self.links(space))

    def starting_point(self, space: SearchSpace) -> dict[str, Any]:
        """The start of the first descent; its values are random where nothing better is known."""
        point = space.random(np.random.default_rng(derived_seed(self._seed)))
        if isinstance(space.problem, MapperProblem):
            parameters = space.problem.template.parameters
            point |= {name: parameter.default for name, parameter in parameters.items()}
            if space.problem.start is not None:
                point |= space.problem.start.values
        return point | {name: v for name, v in self._start.items() if name in point}

    def links(self, space: SearchSpace) -> list[Link]:
        """The constraints of the first round, the weakest first."""
        if not isinstance(space.problem, MapperProblem):
            return []
        if self._shared is None:
            self._shared = shared_data(space.problem)
        return self._shared


class Descent(Search):
    """The state of a coordinate descent.

    A move that was tried, by this search or another, is not tried again: its trial is looked up.

    Args:
        space: The search space.
        seed: Seed of its random changes.
        start: The first point.
        links: Constraints, the weakest first.
    """

    def __init__(
        self, space: SearchSpace, seed: int, start: Mapping[str, Any], links: list[Link]
    ) -> None:
        super().__init__(space)
        self._seed = seed
        self._links = links
        self._rounds = ROUNDS if links else 1
        self._opening: dict[str, Any] | None = dict(start)  # to be tried before any move
        self._point = dict(start)
        self._current: FinishedTrial | None = None
        self._home: tuple[dict[str, Any], FinishedTrial] | None = None  # the best descent's end
        self._round = 0
        self._kicks = 0
        self._order: list[str] = []
        self._coordinate = 0
        self._move = 0
        self._improved = False
        self._counting: tuple[dict[str, Any], dict[str, Any]] | None = None  # a point, its part

    # Finished trials

    def absorb(self, trial: FinishedTrial) -> None:
        super().absorb(trial)
        if not self.space.contains(trial.params):
            return
        if self._opening is None and self._beats(trial):
            known = {k: v for k, v in trial.params.items() if k in self._point}
            self._adopt(self._point | known, trial)
        self._advance()

    def _adopt(self, point: dict[str, Any], trial: FinishedTrial) -> None:
        self._point, self._current, self._improved = point, trial, True

    # Proposals

    def propose(self, rng: np.random.Generator) -> dict[str, Any]:
        point = next(filter(self._is_open, self._candidates()), None)
        if point is not None:
            return point
        # The round ends with what other workers are running: they wait for nobody.
        return self._kicked(rng)

    def _candidates(self) -> Iterator[dict[str, Any]]:
        if self._opening is not None:
            yield self._opening
            return
        yield from self.suggested()
        for coordinate in range(self._coordinate, len(self._order)):
            first = self._move if coordinate == self._coordinate else 0
            for move in range(first, self._moves(coordinate)):
                if (point := self._moved(coordinate, move)) is not None:
                    yield point

    def suggested(self) -> Iterator[dict[str, Any]]:
        """Moves to try before the next decision."""
        return iter(())

    def _is_open(self, point: Mapping[str, Any]) -> bool:
        return self.is_new(point) and not self.evaluated.failed(point)

    def _is_settled(self, point: Mapping[str, Any]) -> bool:
        return self.evaluated.find(point) is not None or self.evaluated.failed(point)

    # Rounds

    def _advance(self) -> None:
        """Goes on to the first move whose outcome is not known."""
        kicks = self._kicks
        while self._kicks - kicks <= KICKS_IN_A_ROW:
            if self._opening is not None:
                if not self._is_settled(self._opening):
                    return
                self._open()
            elif self._coordinate >= len(self._order):
                self._end_round()
            elif self._move >= self._moves(self._coordinate):
                self._coordinate, self._move = self._coordinate + 1, 0
            else:
                point = self._moved(self._coordinate, self._move)
                known = None if point is None else self.evaluated.find(point)
                if point is not None and known is None and not self.evaluated.failed(point):
                    return
                if point is not None and known and self._beats(known):
                    self._adopt(point, known)
                self._move += 1

    def _beats(self, trial: FinishedTrial) -> bool:
        return self._current is None or trial.rank < self._current.rank

    def _open(self) -> None:
        """Starts a descent from the point that was to be tried first."""
        assert self._opening is not None  # noqa: S101  (its one caller looks)
        self._point, self._opening = self._opening, None
        self._current = self.evaluated.find(self._point)
        self._begin_round()

    def _begin_round(self) -> None:
        self._order = self._order or self._ordered()
        self._coordinate, self._move, self._improved = 0, 0, False

    def _ordered(self) -> list[str]:
        problem = self.space.problem
        if isinstance(problem, MapperProblem):
            return decision_order(problem, self.space.active(self._point))
        return list(self.space.distributions)

    def _end_round(self) -> None:
        if self._improved or self._round + 1 < self._rounds:
            self._round += 1
            self._begin_round()
            return
        if self._current is not None and (
            self._home is None or self._current.rank <= self._home[1].rank
        ):
            self._home = self._point, self._current
        self._kicks += 1
        self._round = self._rounds
        rng = np.random.default_rng(derived_seed(self._seed, self._kicks))
        self._opening = self._kicked(rng)
        self._current = None

    def _kicked(self, rng: np.random.Generator) -> dict[str, Any]:
        """The best descent's end with some decisions changed at random."""
        point = self._home[0] if self._home else self._point
        names = list(self.space.active(point))
        count = min(len(names), max(KICK_LEAST, round(KICK_SHARE * len(names))))
        chosen = rng.choice(len(names), size=count, replace=False)
        return self.space.change(rng, point, [names[int(i)] for i in chosen])

    # Moves

    def _active(self) -> dict[str, Any]:
        if self._counting is None or self._counting[0] is not self._point:
            self._counting = self._point, self.space.active(self._point)
        return self._counting[1]

    def _moves(self, coordinate: int) -> int:
        count = level_count(self.space.distributions[self._order[coordinate]])
        return len(STEPS) if count is None or count > MOST_VALUES else count

    def _moved(self, coordinate: int, move: int) -> dict[str, Any] | None:
        """The point after a move; None where nothing moves."""
        name = self._order[coordinate]
        if name not in self._active():
            return None
        distribution = self.space.distributions[name]
        value = self._value(distribution, self._point[name], move)
        if value == self._point[name]:
            return None
        moved = {**self._point, name: value}
        for other in self._bound_to(name):
            bound = self.space.distributions[other]
            if isinstance(bound, CategoricalDistribution) and value in bound.choices:
                moved[other] = value
        return moved

    def _value(self, distribution: BaseDistribution, value: Any, move: int) -> Any:
        count = level_count(distribution)
        if count is not None and count <= MOST_VALUES:
            return at_level(distribution, move)
        step = STEPS[move] / 2 ** min(self._round, 30)
        return at_unit(distribution, unit_of(distribution, value) + step)

    def _bound_to(self, name: str) -> set[str]:
        """What has to move with a parameter in this round."""
        dropped = len(self._links) * self._round // max(1, self._rounds - 1)
        bound, fresh = {name}, [name]
        while fresh:
            one = fresh.pop()
            for link in self._links[dropped:]:
                if one in (link.first, link.second):
                    other = link.second if one == link.first else link.first
                    if other not in bound:
                        bound.add(other)
                        fresh.append(other)
        return bound - {name}
