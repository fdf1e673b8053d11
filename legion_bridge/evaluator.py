"""From a parsed mapper to an outcome, for one application on one machine."""

from __future__ import annotations

import dsl
from legion_bridge.application import Application
from legion_bridge.machine import Machine
from legion_bridge.outcome import Outcome
from legion_bridge.profile import profile_of
from legion_bridge.simulator import Simulator

__all__ = ["Evaluator"]


class Evaluator:
    """Loads mappers for a machine, and simulates the program under them.

    Whatever a mapper does wrong becomes an ``Outcome``. An evaluator can be pickled: what it
    prepares is prepared again on the other side.

    >>> from legion_bridge import Application, Machine
    >>> evaluator = Evaluator(Application.load("stencil"), Machine.load("p100x4"))
    >>> evaluator.evaluate(dsl.parse("Task * GPU; Region * * GPU FBMEM;")).status
    'ok'
    """

    def __init__(self, application: Application, machine: Machine) -> None:
        self.application = application
        self.machine = machine
        self._simulator: Simulator | None = None

    @property
    def simulator(self) -> Simulator:
        """The simulator, prepared on first use."""
        if self._simulator is None:
            self._simulator = Simulator(self.application, self.machine)
        return self._simulator

    def evaluate(self, program: dsl.Program, *, profile: bool = False) -> Outcome:
        """The outcome of a simulated run.

        Args:
            program: A parsed mapper.
            profile: Whether the outcome shall say where the time went.
        """
        simulator = self.simulator
        try:
            mapper = dsl.load(program, simulator.machine.shape)
        except dsl.MapperLoadError as error:
            return simulator.failure(f"Mapper failed to load: {error}")
        if not profile:
            return simulator.run(mapper)
        decisions = simulator.decide(mapper)
        if isinstance(decisions, Outcome):
            return decisions
        outcome, trace = simulator.trace(decisions)
        if trace is None:
            return outcome
        return outcome.with_profile(profile_of(trace))

    def __getstate__(self) -> tuple[Application, Machine]:
        return self.application, self.machine

    def __setstate__(self, state: tuple[Application, Machine]) -> None:
        self.application, self.machine = state
        self._simulator = None
