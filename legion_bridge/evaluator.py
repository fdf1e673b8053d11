"""From a parsed mapper to an outcome, for one application on one machine."""

from __future__ import annotations

import copyreg
import threading
from types import MappingProxyType
from typing import Any

import dsl
from dsl.parsing.statement_cache import StatementCache
from legion_bridge.machines.machine import Machine
from legion_bridge.outcome import Outcome
from legion_bridge.programs.application import Application
from legion_bridge.simulation.feasibility import Obstacle, obstacle_of
from legion_bridge.simulation.simulator import Simulator, Trace
from legion_bridge.traces.profile import profile_of

__all__ = ["Evaluator"]


def _read_only(mapping: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(mapping)


# Machines and applications hold read-only mappings, which Python does not pickle by itself.
copyreg.pickle(MappingProxyType, lambda mapping: (_read_only, (dict(mapping),)))


class Evaluator:
    """Loads mappers for a machine, and simulates the program under them.

    Whatever a mapper does wrong becomes an ``Outcome``. Several threads may share an evaluator.
    It can be pickled: what it prepares is prepared again on the other side.

    >>> from legion_bridge import Application, Machine
    >>> evaluator = Evaluator(Application.load("stencil"), Machine.load("p100x4"))
    >>> evaluator.evaluate(dsl.parse("Task * GPU; Region * * GPU FBMEM;")).status
    'ok'
    """

    def __init__(self, application: Application, machine: Machine) -> None:
        self.application = application
        self.machine = machine
        self._simulator: Simulator | None = None
        self._preparing = threading.Lock()
        self._statements = StatementCache()

    @property
    def simulator(self) -> Simulator:
        """The simulator, prepared on first use."""
        if self._simulator is None:
            with self._preparing:
                if self._simulator is None:
                    self._simulator = Simulator(self.application, self.machine)
        return self._simulator

    def evaluate(self, program: dsl.Program, *, profile: bool = False) -> Outcome:
        """The outcome of a simulated run.

        Args:
            program: A parsed mapper.
            profile: Whether the outcome shall say where the time went.
        """
        try:
            return self._evaluate(program, profile=profile)
        except dsl.MapperError as error:
            return self.simulator.failure(_said(error))

    def forecast(self, mapper: dsl.Mapper) -> Obstacle:
        """What stops the program under a mapper: no room, or instance limits that clash.

        For ``dsl.check(program, application, machine, forecast=evaluator.forecast)``.

        Args:
            mapper: Loaded for the machine's shape.

        Raises:
            dsl.MapperEvaluationError: A mapping function fails.
        """
        return obstacle_of(self.simulator, mapper)

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
            return Outcome("syntax_error", 0.0, self.application.unit, None, str(error))
        except dsl.MapperError:  # only a full parse knows the places of errors
            return self.evaluate(dsl.parse(text), profile=profile)

    def _evaluate(self, program: dsl.Program, *, profile: bool) -> Outcome:
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
