"""The tasks of one run, found in another run's profile."""

from __future__ import annotations

from collections.abc import Sequence

from legion_bridge.capture.same_program import times_of
from legion_bridge.capture.spy_log import Operation, SpyLog
from legion_bridge.capture.times import Times
from legion_bridge.programs.application import ObservedCopy

NOBODY = 2**64 - 1
FILL, STEP, TOP = 7, 8, 9


def logged(*launches: tuple[int, int, Sequence[int]]) -> SpyLog:
    """A log: the number of each launch, its task and the numbers of its points, none if alone."""
    log = SpyLog(top_task=2)
    log.operations[2] = Operation(2, TOP, 1, is_index=False)
    for number, task, points in launches:
        log.operations[number] = Operation(number, task, 2, is_index=bool(points))
        log.points |= {point: (number, (i,)) for i, point in enumerate(points)}
    return log


def profiled(*launches: tuple[int, int, Sequence[int]], top: int = 2) -> Times:
    """The profile of a run: each point took as many nanoseconds as its number."""
    times = Times()
    for number, task, points in launches:
        times.parents |= dict.fromkeys((number, *points), top)
        times.owners |= dict.fromkeys(points, number)
        times.tasks |= dict.fromkeys((number, *points), task)
        times.spans |= {n: (0, n, n) for n in points or (number,)}
    return times


def explicit(times: Times) -> Times:
    """The same below a first task that is listed."""
    times.parents[2] = NOBODY
    return times


def found(times: Times) -> dict[int, int]:
    return {number: span[2] for number, span in times.spans.items()}


def test_launches_are_matched_by_their_order() -> None:
    log = logged((3, FILL, (10, 11)), (4, STEP, (12, 13)), (5, STEP, ()))
    times = profiled((6, FILL, (20, 21)), (7, STEP, (31, 30)), (9, STEP, ()))
    expected = {10: 20, 11: 21, 12: 30, 13: 31, 5: 9}
    assert found(times_of(log, explicit(times))) == expected


def test_an_implicit_first_task_is_not_listed() -> None:
    times = profiled((16, FILL, (20, 21)), (17, STEP, ()), top=1)
    assert found(times_of(logged((3, FILL, (10, 11)), (4, STEP, ())), times)) == {
        10: 20,
        11: 21,
        4: 17,
    }


def test_what_one_run_launched_alone_is_left_out() -> None:
    """Launches are then matched among those of their tasks."""
    log = logged((3, FILL, ()), (4, STEP, ()), (5, STEP, ()))
    times = explicit(profiled((6, STEP, ()), (7, FILL, ()), (8, STEP, ()), (9, STEP, ())))
    assert found(times_of(log, times)) == {3: 7, 4: 6, 5: 8}


def test_tasks_that_did_not_run_keep_their_place() -> None:
    """A task whose predicate is false has no number of its task in the profile."""
    log = logged((3, FILL, ()), (4, STEP, ()), (5, FILL, ()))
    times = explicit(profiled((6, FILL, ()), (7, STEP, ()), (8, FILL, ())))
    del times.spans[7], times.tasks[7]
    assert found(times_of(log, times)) == {3: 6, 5: 8}


def test_shards_of_the_first_task_are_matched_one_by_one() -> None:
    log = logged()
    log.replicas[2], log.shards[50] = 50, {0: 3, 1: 4}
    for shard in (3, 4):
        log.operations[shard + 10] = Operation(shard + 10, STEP, shard, is_index=False)
    times = Times(parents={2: NOBODY, 15: 5, 16: 6}, tasks={5: TOP, 6: TOP, 15: STEP, 16: STEP})
    times.spans = {number: (0, number, number) for number in (5, 6, 15, 16)}
    assert found(times_of(log, times)) == {3: 5, 4: 6, 13: 15, 14: 16}


def test_copies_are_those_of_the_same_regions() -> None:
    log, copy = logged((3, FILL, ())), ObservedCopy("8", "SYSMEM", "SYSMEM", 1, 8, 0.1)
    log.roots = {5: 1, 9: 2}
    times = explicit(profiled((3, FILL, ())))
    times.trees, times.copies = [6, 8], (copy,)
    assert [each.region for each in times_of(log, times).copies] == ["9"]
    times.trees = [8]  # of how many regions there are the runs say different things
    assert times_of(log, times).copies == ()
