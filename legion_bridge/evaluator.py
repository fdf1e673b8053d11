"""From a parsed mapper to an outcome, or to what stops it, for one application on one machine."""

from __future__ import annotations

import copyreg
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import dsl
from dsl.collected_regions import with_region_names
from dsl.parsing.statement_cache import StatementCache
from legion_bridge.machines.machine import Machine
from legion_bridge.outcome import Objective, Outcome
from legion_bridge.programs.application import Application
from legion_bridge.simulation.kernel_library import simulator_missing
from legion_bridge.simulation.replicas import simulate_replicas
from legion_bridge.simulation.shortage import Shortage
from legion_bridge.simulation.simulator import Simulator, Trace
from legion_bridge.traces.profile import profile_of

__all__ = ["Evaluator", "Obstacle", "least_of"]

LARGE = 250_000
"""Point tasks beyond which one replica of a program is simulated for all, if it has any."""


def _read_only(mapping: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(mapping)


# Machines and applications hold read-only mappings, which Python does not pickle by itself.
copyreg.pickle(MappingProxyType, lambda mapping: (_read_only, (dict(mapping),)))


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What stops a program, if anything (see ``dsl.facts.Obstacle``).

    Attributes:
        shortage: The first requirement for which there is no room, if any.
        deadlock: Tasks whose instance limits make them wait for each other; without the limit of
            any of them the others do not. Empty where nothing does.
    """

    shortage: Shortage | None = None
    deadlock: tuple[str, ...] = ()


class Evaluator:
    """Loads mappers for a machine, and simulates the program under them.

    Whatever a mapper does wrong becomes an ``Outcome``. Several threads may share an evaluator.
    It can be pickled: what it prepares is prepared again on the other side.

    >>> from legion_bridge import Application, Machine
    >>> evaluator = Evaluator(Application.load("stencil"), Machine.load("p100x4"))
    >>> evaluator.evaluate(dsl.parse("Task * GPU; Region * * GPU FBMEM;")).status
    'ok'
    """

    def __init__(
        self, application: Application, machine: Machine, objective: Objective = "timed"
    ) -> None:
        """What runs on what, and what the throughput of outcomes is over."""
        self.application = application
        self.machine = machine
        self.objective: Objective = objective
        self._simulator: Simulator | None = None
        self._preparing = threading.Lock()

    @property
    def simulator(self) -> Simulator:
        """The simulator, prepared on first use."""
        if self._simulator is None:
            with self._preparing:
                if self._simulator is None:
                    self._simulator = Simulator(self.application, self.machine, self.objective)
        return self._simulator

    @cached_property
    def _statements(self) -> StatementCache:
        return StatementCache()

    def evaluate(self, program: dsl.Program, *, profile: bool = False) -> Outcome:
        """The outcome of a simulated run.

        Args:
            program: A parsed mapper.
            profile: Whether the outcome shall say where the time went. It does not for large
                programs of which one replica is simulated for all (``replicas.py``).
        """
        try:
            return self._evaluate(program, profile=profile)
        except dsl.MapperError as error:
            unit, collective = self.application.unit, self.machine.runtime.collective
            return Outcome("execution_error", 0.0, unit, None, _said(error), collective=collective)

    def forecast(self, mapper: dsl.Mapper) -> Obstacle:
        """What stops the program under a mapper: no room, or instance limits that clash.

        For ``dsl.check(program, application, machine, forecast=evaluator.forecast)``. Where the
        simulator is missing, nothing is known to stop any.

        Args:
            mapper: Loaded for the machine's shape.

        Raises:
            dsl.MapperEvaluationError: A mapping function fails.
        """
        simulator = self.simulator
        decisions = simulator.decide(mapper)
        if isinstance(decisions, Outcome) or simulator_missing():
            return Obstacle()  # refused for another reason, or nobody knows
        stop = simulator.stop(decisions)
        if stop is None or isinstance(stop, Shortage):
            return Obstacle(stop)
        return Obstacle(deadlock=least_of(stop, lambda kept: simulator.deadlocks(decisions, kept)))

    def trace(self, program: dsl.Program) -> tuple[Outcome, Trace | None]:
        """The outcome with its profile, and the whole run unless the mapper fails."""
        try:
            decisions = self.simulator.decide_program(program)
        except dsl.MapperError as error:
            return self.simulator.failure(_said(error)), None
        if isinstance(decisions, Outcome):
            return decisions, None
        outcome, trace = self.simulator.trace(decisions)
        return (outcome if trace is None else outcome.with_profile(profile_of(trace))), trace

    def evaluate_text(self, text: str, *, profile: bool = False) -> Outcome:
        """The outcome of a mapper's text; fast for many that share statements.

        A text that does not parse has the status ``syntax_error``.
        """
        try:
            return self._evaluate(self._statements.parse(text), profile=profile)
        except dsl.MapperSyntaxError as error:
            said = str(with_region_names(error, self.application))
            return Outcome("syntax_error", 0.0, self.application.unit, None, said)
        except dsl.MapperError:  # only a full parse knows the places of errors
            return self.evaluate(dsl.parse(text), profile=profile)

    @cached_property
    def _is_large(self) -> bool:
        """Whether the program has so many point tasks that replicas are looked for."""
        launches = self.application.launches()
        return sum(each.volume for each in launches) > LARGE

    def _evaluate(self, program: dsl.Program, *, profile: bool) -> Outcome:
        if self._is_large:
            found = simulate_replicas(self.application, self.machine, program, self.objective)
            if found is not None:
                return found
        simulator = self.simulator
        decisions = simulator.decide_program(program)
        if isinstance(decisions, Outcome):
            return decisions
        return simulator.run_decisions(decisions) if not profile else self.trace(program)[0]

    def __getstate__(self) -> tuple[Application, Machine]:
        return self.application, self.machine

    def __setstate__(self, state: tuple[Application, Machine]) -> None:
        self.__init__(*state)  # type: ignore[misc]  # nothing but the two is kept


def _said(error: dsl.MapperError) -> str:
    """How the runtime reports a mapper that fails."""
    if isinstance(error, dsl.MapperLoadError):
        return f"Mapper failed to load: {error}"
    return f"Mapper function failed: {error}"


def least_of(tasks: Sequence[str], deadlock: Callable[[Sequence[str]], bool]) -> tuple[str, ...]:
    """Tasks that deadlock, none of which can be left out.

    QuickXplain (Junker, AAAI 2004): about ``2 k log(n / k)`` questions for ``k`` tasks of ``n``.

    Args:
        tasks: Tasks that deadlock.
        deadlock: Whether some of them do.

    >>> least_of("abcdefgh", lambda kept: {"b", "g"} <= set(kept))
    ('b', 'g')
    """
    found = _least(deadlock, (), False, tuple(tasks))
    ordered = tuple(task for task in tasks if task in found)
    return ordered if deadlock(ordered) else tuple(tasks)


def _least(
    deadlock: Callable[[Sequence[str]], bool],
    kept: tuple[str, ...],
    grown: bool,
    tasks: tuple[str, ...],
) -> tuple[str, ...]:
    """What of ``tasks`` clashes together with those that are ``kept``."""
    if grown and deadlock(kept):
        return ()
    if len(tasks) < 2:
        return tasks
    half = len(tasks) // 2
    later = _least(deadlock, kept + tasks[:half], True, tasks[half:])
    return _least(deadlock, kept + later, bool(later), tasks[:half]) + later
