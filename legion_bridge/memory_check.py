"""Whether a program's instances find room under a mapper: mapping in order, before running."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from dsl.facts import MachineFacts
from dsl.mapper import Mapper
from legion_bridge.application import Application
from legion_bridge.machine import Machine
from legion_bridge.outcome import Outcome
from legion_bridge.shortage import Shortage
from legion_bridge.simulator import Simulator

__all__ = ["memory_shortage"]

_prepared: WeakKeyDictionary[Application, Simulator] = WeakKeyDictionary()


def memory_shortage(
    application: Application, mapper: Mapper, machine: MachineFacts
) -> Shortage | None:
    """The first requirement for which there is no room, or None where all find some.

    None as well on machines of another make, which nothing here can map on.

    Raises:
        MapperEvaluationError: A mapping function fails.
    """
    if not isinstance(machine, Machine):
        return None
    simulator = _prepared.get(application)
    if simulator is None or simulator.machine is not machine:
        simulator = _prepared[application] = Simulator(application, machine)
    decisions = simulator.decide(mapper)
    if isinstance(decisions, Outcome):
        return None  # refused for another reason
    return simulator.shortage(decisions)
