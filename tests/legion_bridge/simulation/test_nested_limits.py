"""Instance limits of tasks that launch others, and of those that they launch.

A point under a limit does not begin before one before it has ended, with all that it launched.
Legion maps each when its turn comes, so none waits for what comes behind it.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

from legion_bridge.programs.application import Application
from tests.legion_bridge.tiny import (
    Run,
    application,
    launch,
    mapper,
    pieces,
    reads,
    region,
    run,
    updates,
    writes,
)

PARTS = [pieces("halves", "data", (0, 4), (5, 9))]
MADE = [launch("make", writes("data"))]
PARENTS_ON_CPU = "Task outer CPU; Task make CPU;\n"


def crosswise(first: str = "child", second: str = "child") -> Application:
    """Two parents that each read both halves, the one in the other's order."""
    half = reads("data", "halves")
    loop = [
        launch("outer", domain=(2,)),
        launch(first, half, above=2, parent=0, colors=[[0, 1]]),
        launch(second, half, above=2, parent=0, colors=[[1, 0]]),
    ]
    return application([region("data", 10)], loop, setup=MADE, partitions=PARTS)


def limited(program: Application, **limits: int) -> Run:
    rules = "".join(f"InstanceLimit {task} {limit};\n" for task, limit in limits.items())
    return run(program, mapper(PARENTS_ON_CPU + rules, child=(0, 0), other=(0, 0)))


@pytest.mark.parametrize(
    "limits",
    [{"outer": 1}, {"child": 1}, {"outer": 1, "child": 1}, {"outer": 2, "child": 1},
     {"other": 1}, {"child": 1, "other": 1}],
)  # fmt: skip
@pytest.mark.parametrize("second", ["child", "other"])
def test_a_limit_stops_no_program_that_runs_without(limits: dict[str, int], second: str) -> None:
    if second not in limits and "other" in limits:
        pytest.skip("the program has no such task")
    free, bound = limited(crosswise(second=second)), limited(crosswise(second=second), **limits)
    assert free.outcome.ok
    assert bound.outcome.ok, bound.outcome.raw
    assert bound.outcome.elapsed is not None
    assert free.outcome.elapsed is not None
    assert bound.outcome.elapsed >= free.outcome.elapsed


def test_a_parent_under_a_limit_begins_when_the_children_of_the_one_before_have_ended() -> None:
    done = limited(crosswise(), outer=1)
    (_, first), (second, _) = done.times("outer")
    children = sorted(done.times("child"))
    assert first <= children[0][0]
    assert children[1][1] <= second
    assert second + 1.0 <= children[2][0]


def test_children_under_a_limit_follow_each_other() -> None:
    done = limited(crosswise(), child=1)
    children = sorted(done.times("child"))
    assert len(children) == 4
    assert all(end <= start for (_, end), (start, _) in pairwise(children))


def test_a_sibling_waits_for_the_points_of_its_own_parent() -> None:
    """It takes the future of what its parent launched before, under a limit of one parent."""
    loop = [
        launch("outer", domain=(2,)),
        launch("child", above=2, parent=0),
        launch("other", above=2, parent=0, after=(1,)),
        launch("last", after=(1,)),
    ]
    done = limited(application([region("data", 10)], loop), outer=1)
    assert done.outcome.ok, done.outcome.raw
    for (_, end), (start, _) in zip(done.times("child"), done.times("other"), strict=True):
        assert end <= start
    (last,) = done.times("last")
    assert last[0] >= max(end for _, end in done.times("child"))


def test_what_comes_behind_a_blocking_launch_waits_for_all_of_it() -> None:
    loop = [
        launch("outer", domain=(2,)),
        launch("child", above=2, parent=0, blocking=True),
        launch("last"),
    ]
    done = limited(application([region("data", 10)], loop), outer=1)
    assert done.outcome.ok, done.outcome.raw
    (last,) = done.times("last")
    assert last[0] >= max(end for _, end in done.times("child"))


def test_children_of_children_end_before_the_next_parent_begins() -> None:
    half = updates("data", "halves")
    loop = [
        launch("outer", domain=(2,)),
        launch("child", above=2, parent=0, domain=(2,)),
        launch("leaf", half, above=4, parent=1, colors=[[0, 1, 1, 0]]),
    ]
    program = application([region("data", 10)], loop, setup=MADE, partitions=PARTS)
    done = limited(program, outer=1, child=1, leaf=1)
    assert done.outcome.ok, done.outcome.raw
    (_, second) = done.times("outer")
    leaves = sorted(done.times("leaf"))
    assert len(leaves) == 4
    assert leaves[1][1] <= second[0] < leaves[2][0]


def test_a_task_below_one_of_its_own_name_is_part_of_it() -> None:
    loop = [
        launch("outer", domain=(2,)),
        launch("child", above=2, parent=0),
        launch("outer", above=2, parent=1),
    ]
    done = limited(application([region("data", 10)], loop), outer=1)
    assert done.outcome.ok, done.outcome.raw
    assert len(done.times("outer")) == 4
