"""Divides the launches of a run into what comes before its main loop, the loop, and the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

from legion_bridge.capture.loops import Loop, find_loop
from legion_bridge.capture.observed import ObservedLaunch, ObservedPoint, with_all_below

__all__ = ["Phases", "divided", "may_hide_loop"]

_LEAST = 0.5  # of a run's time, that its main loop takes
# Seconds of all tasks: of a longer run, milliseconds that one is put off hide no loop.
_SHORT = 1.0


@dataclass(frozen=True, slots=True)
class Phases:
    """The launches of a run; ``told`` says what the loop is, where that is not plain."""

    setup: list[ObservedLaunch]
    rounds: list[list[ObservedLaunch]]
    finish: list[ObservedLaunch]
    told: str | None

    @property
    def has_loop(self) -> bool:
        """Whether a main loop was found: otherwise the whole run is one iteration."""
        return len(self.rounds) > 1


def divided(
    launches: Sequence[ObservedLaunch],
    signature: Callable[[ObservedLaunch], Hashable],
    seconds: Callable[[ObservedLaunch], float],
) -> Phases:
    """The launches around and in the loop that takes most of a run's time.

    Where that loop takes less than half of it, the whole run is one iteration. Where it lies in a
    task that the first one launches, what that task launches stands beside it.

    Args:
        launches: The launches of the top-level task.
        signature: What is equal of launches that are repeated.
        seconds: How long the points of a launch run, without what they launch.
    """
    row = list(launches)
    entered: list[ObservedLaunch] = []
    first: tuple[Loop | None, float] | None = None
    while True:
        loop, part = _loop_of(row, signature, seconds, entered)
        if loop is not None and part >= _LEAST:
            return _around(loop, row, _entered([launch.task for launch in entered]))
        first = first or (loop, part)
        inside = _inside(row, seconds)
        if inside is None:
            break
        at = next(i for i, launch in enumerate(row) if launch is inside)
        row[at : at + 1] = _opened(inside)
        entered.append(row[at])
    return Phases([], [list(launches)], [], _why_whole(launches, *first, signature, seconds))


def may_hide_loop(
    launches: Sequence[ObservedLaunch],
    signature: Callable[[ObservedLaunch], Hashable],
    seconds: Callable[[ObservedLaunch], float],
    least: Callable[[ObservedLaunch], float],
) -> bool:
    """Whether a launch that was disturbed may be why the whole run is one iteration.

    A launch that has no equal shows nowhere how long it takes undisturbed. In a short run, a loop
    may be hidden if there would be one, were each of these to take no longer than it must.

    Args:
        launches: The launches of the top-level task.
        signature: What is equal of launches that are repeated.
        seconds: How long the points of a launch run, without what they launch.
        least: How long they run at least.
    """
    short = sum(map(seconds, with_all_below(launches))) < _SHORT
    if not short or divided(launches, signature, seconds).has_loop:
        return False
    often = Counter(map(signature, with_all_below(launches)))

    def undisturbed(launch: ObservedLaunch) -> float:
        return least(launch) if often[signature(launch)] == 1 else seconds(launch)

    return divided(launches, signature, undisturbed).has_loop


def _loop_of(
    row: Sequence[ObservedLaunch],
    signature: Callable[[ObservedLaunch], Hashable],
    seconds: Callable[[ObservedLaunch], float],
    entered: Sequence[ObservedLaunch] = (),
) -> tuple[Loop | None, float]:
    """The loop that takes most time, and its part of the time; that of tasks entered is none."""
    signatures = [signature(launch) for launch in row]
    least: dict[Hashable, float] = {}  # of equal launches, the one that was disturbed least
    for each, launch in zip(signatures, row, strict=True):
        took = _with_children(launch, seconds)
        least[each] = min(took, least.get(each, took))
    for launch in entered:
        least[signature(launch)] = 0.0
    times = [least[each] for each in signatures]
    loop = find_loop(signatures, times)
    total = sum(times)
    return loop, sum(times[loop.start : loop.end]) / total if loop and total else 0.0


def _with_children(launch: ObservedLaunch, seconds: Callable[[ObservedLaunch], float]) -> float:
    return sum(map(seconds, with_all_below([launch])))


def _inside(
    row: Sequence[ObservedLaunch], seconds: Callable[[ObservedLaunch], float]
) -> ObservedLaunch | None:
    """The launch of one point in which most of the time is spent, if there is one."""
    times = [_with_children(launch, seconds) for launch in row]
    for launch, took in zip(row, times, strict=True):
        if took >= _LEAST * sum(times) and len(launch.points) == 1 and launch.children:
            return launch
    return None


def _opened(launch: ObservedLaunch) -> list[ObservedLaunch]:
    """A launch without what it launches, and then that."""
    alone: dict[tuple[int, ...], ObservedPoint] = {
        index: replace(point, children=[]) for index, point in launch.points.items()
    }
    return [replace(launch, points=alone), *launch.children]


def _around(loop: Loop, row: list[ObservedLaunch], told: str | None) -> Phases:
    rounds = [row[loop.start + i * loop.period :][: loop.period] for i in range(loop.iterations)]
    return Phases(row[: loop.start], rounds, row[loop.end :], told)


def _entered(tasks: Sequence[str]) -> str | None:
    if not tasks:
        return None
    return (
        f"it lies in {tasks[-1]}: what {' and '.join(tasks)} launch{'es' * (len(tasks) == 1)} is "
        "taken to be launched by the first task"
    )


def _why_whole(
    launches: Sequence[ObservedLaunch],
    loop: Loop | None,
    part: float,
    signature: Callable[[ObservedLaunch], Hashable],
    seconds: Callable[[ObservedLaunch], float],
) -> str:
    whole = "the whole run counts as one iteration"
    looping = _looping(launches, signature, seconds)
    if looping is not None:
        task, times = looping
        return f"each {task} has a loop of its own, and there are {times} of them: {whole}"
    if loop is None:
        return f"nothing is repeated: {whole}"
    tasks = dict.fromkeys(launch.task for launch in launches[loop.start :][: loop.period])
    return (
        f"what is repeated most, {', '.join(tasks)} ({loop.iterations} times), takes "
        f"{part:.0%} of the run's time: {whole}"
    )


def _looping(
    launches: Sequence[ObservedLaunch],
    signature: Callable[[ObservedLaunch], Hashable],
    seconds: Callable[[ObservedLaunch], float],
) -> tuple[str, int] | None:
    """A task that runs several times, most of the time in loops; and how often it runs."""
    by_task: dict[str, list[ObservedPoint]] = {}
    alone = 0.0  # seconds of tasks that launch none: those that do mostly wait
    for launch in launches:
        if launch.children:
            by_task.setdefault(launch.task, []).extend(launch.points.values())
        else:
            alone += seconds(launch)
    took = {
        task: sum(_with_children(child, seconds) for point in points for child in point.children)
        for task, points in by_task.items()
    }
    total = alone + sum(took.values())
    for task, points in by_task.items():
        loops = [_loop_of(point.children, signature, seconds)[1] for point in points]
        if len(points) > 1 and took[task] >= _LEAST * total and min(loops) >= _LEAST:
            return task, len(points)
    return None
