"""Whether a program comes to its end under a mapper: mapping and a short simulated run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dsl.mapper import Mapper
from legion_bridge.outcome import Outcome
from legion_bridge.simulation.shortage import Shortage
from legion_bridge.simulation.simulator import Simulator

__all__ = ["Obstacle", "least_of", "obstacle_of"]


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


def obstacle_of(simulator: Simulator, mapper: Mapper) -> Obstacle:
    """What stops the simulator's program under a mapper, if anything.

    Raises:
        MapperEvaluationError: A mapping function fails.
    """
    decisions = simulator.decide(mapper)
    if isinstance(decisions, Outcome):
        return Obstacle()  # refused for another reason
    stop = simulator.stop(decisions)
    if stop is None or isinstance(stop, Shortage):
        return Obstacle(stop)
    return Obstacle(deadlock=least_of(stop, lambda kept: simulator.deadlocks(decisions, kept)))


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
