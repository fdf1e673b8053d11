"""OpenTuner as an Optuna sampler."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

from tuners.finished_trial import FinishedTrial
from tuners.problems.parameter_values import at_level, at_unit, level_count, level_of, unit_of
from tuners.problems.problem import Problem
from tuners.problems.search_space import SearchSpace
from tuners.samplers.history_sampler import HistorySampler, Search
from tuners.samplers.opentuner.process import (
    Asked,
    OpenTunerDiedError,
    OpenTunerProcess,
    require_opentuner,
)

__all__ = ["OpenTunerSampler", "OpenTunerSearch"]

log = logging.getLogger(__name__)

# How many proposals in a row may be answered from what is known.
KNOWN_IN_A_ROW = 100

# How many configurations may be under way.
MOST_ON_TABLE = 64

# How often its process is started again before random proposals take over.
RESTARTS = 1

# Added per violation where failures are graded; far above any objective.
GRADE = 1e100


class OpenTunerSampler(HistorySampler):
    """OpenTuner 0.8.8 (Ansel et al., PACT 2014) with its bandit ensemble.

    As in the ICML 2025 paper, each choice is an ``EnumParameter`` and every trial that fails or
    breaks a constraint gets the same penalty, an infinite time. Integer and float parameters
    become OpenTuner's own, over the logarithm where the scale is logarithmic.

    OpenTuner runs in a process of its own and in memory: it writes nothing, logs nothing and
    leaves the random state of this process alone. What it knows is restored by replaying the
    finished trials; it is told results that it did not ask for as results from elsewhere. Where
    its process dies it is started again, once, and random proposals take over after that.

    Args:
        problem: What is tuned; None for any Optuna objective.
        seed: Equal seeds propose equal trials; None for a random one.
        technique: Name of an OpenTuner technique; empty for its default, the bandit ensemble
            ``AUCBanditMetaTechniqueA``.
        graded: Whether a trial that breaks fewer constraints has a smaller penalty; the paper's
            is the same for all.

    Raises:
        MissingPackageError: OpenTuner is not installed.
    """

    def __init__(
        self,
        problem: Problem | None = None,
        *,
        seed: int | None = None,
        technique: str = "",
        graded: bool = False,
    ) -> None:
        require_opentuner()
        super().__init__(problem, seed=seed)
        self._technique = technique
        self._graded = graded

    def begin(self, space: SearchSpace) -> Search:
        return OpenTunerSearch(space, self._seed, self._technique, graded=self._graded)


class _Wanted(NamedTuple):
    """A configuration that OpenTuner wants, and what is run for it."""

    asked: Asked
    point: dict[str, Any]


class OpenTunerSearch(Search):
    """One run of OpenTuner, which can be replayed.

    One configuration is always on the table: what OpenTuner wants next; more only where others
    are being run. A trial that ran one of them is its result; any other trial is a result from
    elsewhere. So the state is the same whether the trials come one by one or all at once.
    """

    def __init__(
        self, space: SearchSpace, seed: int, technique: str = "", *, graded: bool = False
    ) -> None:
        super().__init__(space)
        self._settings = (seed, technique)
        self._graded = graded
        self._seen: list[FinishedTrial] = []
        self._deaths = 0
        self._table: list[_Wanted] = []
        self._spent = False  # whether OpenTuner has nothing more to ask for
        self._process: OpenTunerProcess | None = None
        self._started = False

    def learn(self, trial: FinishedTrial) -> None:
        self._survive(lambda: self._take(trial))
        self._seen.append(trial)

    def propose(self, rng: np.random.Generator) -> dict[str, Any]:
        self._survive(self._ask)
        self._survive(self._ask_more)
        for wanted in self._table:
            if self.is_new(wanted.point):
                return wanted.point
        return self.space.random(rng)

    def close(self) -> None:
        if self._process is not None:
            self._process.close()

    def point_of(self, asked: Asked, process: OpenTunerProcess) -> dict[str, Any] | None:  # noqa: ARG002
        """What is to be run for a configuration; None where it was refused without a run."""
        return {
            name: _value(each, number)
            for number, (name, each) in zip(
                asked.values, self.space.distributions.items(), strict=True
            )
        }

    # Asking and telling OpenTuner

    def _take(self, trial: FinishedTrial) -> None:
        self._ask()
        process = self._at_work()
        if process is None:
            return
        for wanted in self._table:
            if self._ran(trial, wanted.point):
                self._answer(process, wanted, trial)
                return
        if trial.params.keys() >= self.space.distributions.keys():
            process.inject(self._values(trial.params), self._time(trial))
        elif self._table:  # parameters that did not count may have any value
            point = self._table[0].point | dict(trial.params)
            process.inject(self._values(point), self._time(trial))

    def _ask(self) -> None:
        """Puts a configuration on the table; what is known is answered at once."""
        process = self._at_work()
        for _ in range(KNOWN_IN_A_ROW if process else 0):
            if not self._table and process and not self._is_spent():
                wanted = self._next(process)
                self._spent = wanted is None
                self._table = [] if wanted is None else [wanted]
            known = [(w, k) for w in self._table if (k := self.evaluated.find(w.point))]
            if not known or process is None:
                return
            for wanted, trial in known:
                self._answer(process, wanted, trial)

    def _next(self, process: OpenTunerProcess) -> _Wanted | None:
        """What OpenTuner wants to be run next; None where there is nothing."""
        while (asked := process.ask()) is not None:
            if (point := self.point_of(asked, process)) is not None:
                return _Wanted(asked, point)
        return None

    def _answer(self, process: OpenTunerProcess, wanted: _Wanted, trial: FinishedTrial) -> None:
        """Tells OpenTuner what came of a configuration, and of what was run in its place."""
        values = self._values(wanted.point)
        if values != wanted.asked.values:
            process.inject(values, self._time(trial))
        process.tell(wanted.asked.number, self._time(trial))
        self._table.remove(wanted)

    def _is_spent(self) -> bool:
        # OpenTuner looks for minutes for what is left of a space where nothing is.
        return self._spent or len(self.evaluated) >= self.space.size

    def _ask_more(self) -> None:
        """Puts another configuration on the table where all that lie there are being run."""
        process = self._at_work()
        while process and self._table and len(self._table) < MOST_ON_TABLE:
            if any(self.is_new(wanted.point) for wanted in self._table):
                return
            wanted = self._next(process)
            if wanted is None:
                return
            self._table.append(wanted)

    def _ran(self, trial: FinishedTrial, wanted: Mapping[str, Any]) -> bool:
        values = trial.params
        return all(values[name] == wanted[name] for name in values if name in wanted)

    def _time(self, trial: FinishedTrial) -> float | None:
        """What OpenTuner minimises; None is its penalty."""
        if trial.feasible:
            return trial.loss
        if self._graded and math.isfinite(trial.violation) and trial.violation > 0:
            return GRADE * trial.violation
        return None

    # Its process

    def _at_work(self) -> OpenTunerProcess | None:
        if not self._started:
            self._started = True
            seed, technique = self._settings
            ranges = [_range(each) for each in self.space.distributions.values()]
            self._process = OpenTunerProcess(ranges, seed, technique)
        return self._process

    def _survive(self, step: Any) -> None:
        try:
            step()
        except OpenTunerDiedError as error:
            self._deaths += 1
            self._table, self._process, self._spent = [], None, False
            if self._deaths > RESTARTS:
                log.error("%s; random proposals take over", error)  # noqa: TRY400  (it says all)
                return
            log.warning("%s; starting it again and replaying %d trials", error, len(self._seen))
            self._started = False
            self._replay()
            self._survive(step)

    def _replay(self) -> None:
        seen, self._seen, self.best = self._seen, [], None
        self.evaluated = type(self.evaluated)(self.space)
        for trial in seen:
            self.absorb(trial)

    # From values to its numbers

    def _values(self, point: Mapping[str, Any]) -> list[float]:
        return [_number(d, point[name]) for name, d in self.space.distributions.items()]


def _scaled(distribution: BaseDistribution) -> bool:
    """Whether a parameter travels as its place between the bounds."""
    if isinstance(distribution, FloatDistribution):
        return distribution.step is None
    return isinstance(distribution, IntDistribution) and distribution.log


def _range(distribution: BaseDistribution) -> int | list[float]:
    if _scaled(distribution):
        return [0.0, 1.0]
    count = level_count(distribution) or 1
    return [0, count - 1] if _is_range(distribution) else count


def _is_range(distribution: BaseDistribution) -> bool:
    return isinstance(distribution, FloatDistribution | IntDistribution)


def _value(distribution: BaseDistribution, number: float) -> Any:
    if _scaled(distribution):
        return at_unit(distribution, number)
    return at_level(distribution, int(number))


def _number(distribution: BaseDistribution, value: Any) -> float:
    if _scaled(distribution):
        return unit_of(distribution, value)
    return level_of(distribution, value)
