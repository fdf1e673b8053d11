"""Whether a program comes to its end under a mapper: mapping and a short simulated run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from dsl.facts import MachineFacts
from dsl.mapper import Mapper
from legion_bridge.machines.machine import Machine
from legion_bridge.outcome import Outcome
from legion_bridge.programs.application import Application
from legion_bridge.simulation.shortage import Shortage
from legion_bridge.simulation.simulator import Simulator

__all__ = ["Forecast", "forecast", "least_of"]


@dataclass(frozen=True, slots=True)
class Forecast:
    """What stops a program (see ``dsl.facts.Forecast``).

    Attributes:
        shortage: The first requirement for which there is no room, if any.
        deadlock: Tasks whose instance limits make them wait for each other; without the limit of
            any of them the others do not. Empty where nothing does.
    """

    shortage: Shortage | None = None
    deadlock: tuple[str, ...] = ()


_prepared: WeakKeyDictionary[Application, Simulator] = WeakKeyDictionary()


def forecast(application: Application, mapper: Mapper, machine: MachineFacts) -> Forecast:
    """What stops the program under a mapper, if anything.

    Nothing on machines of another make, which nothing here can map on.

    Raises:
        MapperEvaluationError: A mapping function fails.
    """
    if not isinstance(machine, Machine):
        return Forecast()
    simulator = _prepared.get(application)
    if simulator is None or simulator.machine is not machine:
        simulator = _prepared[application] = Simulator(application, machine)
    decisions = simulator.decide(mapper)
    if isinstance(decisions, Outcome):
        return Forecast()  # refused for another reason
    stop = simulator.stop(decisions)
    if stop is None or isinstance(stop, Shortage):
        return Forecast(stop)
    return Forecast(deadlock=least_of(stop, lambda kept: simulator.deadlocks(decisions, kept)))


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
