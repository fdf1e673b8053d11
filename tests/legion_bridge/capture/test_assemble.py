"""From what was seen to an application: domains as they are."""

from __future__ import annotations

from collections.abc import Sequence

from legion_bridge.capture.assemble import assemble
from legion_bridge.capture.observed import (
    ObservedLaunch,
    ObservedPoint,
    ObservedProgram,
    ObservedTask,
)
from legion_bridge.programs.application import Application


def single(task: str, seconds: float, *, ran: bool = True) -> ObservedLaunch:
    """A task that runs if a predicate is true."""
    point = ObservedPoint((), "CPU", seconds if ran else None)
    return ObservedLaunch(task, None, None, (), {(): point}, predicated=True, ran=ran)


def launch(task: str, *points: int, children: Sequence[ObservedLaunch] = ()) -> ObservedLaunch:
    """A launch over a line; each point makes one of the children."""
    below = [[child] for child in children] or [[] for _ in points]
    made = {
        (point,): ObservedPoint((), children=own) for point, own in zip(points, below, strict=True)
    }
    return ObservedLaunch(task, (min(points),), (max(points),), (), made)


def application(*launches: ObservedLaunch) -> Application:
    tasks = {name: ObservedTask(("CPU",)) for name in ("above", "below")}
    return assemble(ObservedProgram(tasks, {}, {}, list(launches)), "seen", "")


def test_a_domain_with_gaps_is_sparse() -> None:
    (found,) = application(launch("above", -3, 1, 2)).loop
    assert (found.domain, found.lower) == ((6,), (-3,))
    assert found.points == ((-3,), (1,), (2,))
    assert found.volume == 3


def test_a_domain_without_gaps_is_a_box() -> None:
    (found,) = application(launch("above", 3, 4, 5)).loop
    assert (found.domain, found.lower, found.points) == ((3,), (3,), ())


def test_launches_below_several_points_that_begin_alike() -> None:
    children = [launch("below", 2, 3), launch("below", 2, 3)]
    found = application(launch("above", 0, 1, children=children))
    assert [each.lower for each in found.loop] == [(), (2,)]
    assert not any("below" in place for place in found.unknown)


def test_launches_that_begin_at_different_points_are_told() -> None:
    children = [launch("below", 0, 1), launch("below", 2, 3)]
    found = application(launch("above", 0, 1, children=children))
    assert [(each.task, each.domain) for each in found.loop] == [("above", (2,)), ("below", (2,))]
    assert "begin at different points" in found.unknown["loop.below.lower"]


def test_launches_with_other_gaps_are_others() -> None:
    children = [launch("below", 0, 2), launch("below", 0, 1, 2)]
    found = application(launch("above", 0, 1, children=children))
    assert [each.task for each in found.loop] == ["above"]
    assert "what not all launch is left out" in found.unknown["loop.above"]


def test_tasks_that_did_not_always_run_take_a_part_of_their_time() -> None:
    rounds = [single("above", 8.0), single("above", 8.0, ran=False)] * 2
    found = application(*rounds)
    assert found.loop[0].work.seconds == {"CPU": 4.0}
    assert found.unknown["loop[0].predicate"] == (
        "above runs if a predicate is true, which it was in 2 of 4 launches: each is taken to "
        "run, for that part of its time"
    )


def test_inlined_tasks_are_told() -> None:
    inlined = launch("above", 0, 1)
    inlined.inlined = True
    assert "no mapper is asked" in application(inlined).unknown["loop[0].inlined"]
