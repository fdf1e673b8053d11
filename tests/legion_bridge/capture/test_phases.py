"""What comes before the loop of a run, what is in it, and what it is called."""

from __future__ import annotations

from collections.abc import Sequence

from legion_bridge.capture.observed import ObservedLaunch, ObservedPoint
from legion_bridge.capture.phases import Phases, divided, may_hide_loop


def launch(
    task: str, seconds: float = 1.0, *, points: int = 1, children: Sequence[ObservedLaunch] = ()
) -> ObservedLaunch:
    """A launch whose points all make the same launches."""
    own = {(i,): ObservedPoint((), None, seconds, list(children)) for i in range(points)}
    return ObservedLaunch(task, (0,), (points - 1,), (), own)


def name(each: ObservedLaunch) -> str:
    return each.task


def seconds(each: ObservedLaunch) -> float:
    return sum(point.seconds or 0.0 for point in each.points.values())


def phases(*launches: ObservedLaunch) -> Phases:
    return divided(launches, name, seconds)


def hides(*launches: ObservedLaunch) -> bool:
    return may_hide_loop(launches, name, seconds, lambda _: 1e-5)


def tasks(launches: Sequence[ObservedLaunch]) -> list[str]:
    return [launch.task for launch in launches]


def test_the_loop_stands_between_setup_and_finish() -> None:
    steps = [launch("step"), launch("other")] * 3
    found = phases(launch("init"), *steps, launch("verify"))
    assert tasks(found.setup) == ["init"]
    assert [tasks(each) for each in found.rounds] == [["step", "other"]] * 3
    assert tasks(found.finish) == ["verify"]
    assert found.told is None


def test_what_takes_little_time_is_no_loop() -> None:
    found = phases(launch("a"), launch("a"), launch("large", 9.0))
    assert [tasks(each) for each in found.rounds] == [["a", "a", "large"]]
    assert found.told == (
        "what is repeated most, a (2 times), takes 18% of the run's time: the whole run counts as "
        "one iteration"
    )


def test_one_disturbed_launch_makes_no_loop() -> None:
    """Of equal launches, the fastest tells how long they take."""
    fills = [launch("fill", 50.0), *[launch("fill", 0.1)] * 20]
    found = phases(*fills, *[launch("step", 2.0)] * 4)
    assert [tasks(each) for each in found.rounds] == [["step"]] * 4


def test_a_loop_in_a_task_below_the_first_is_found() -> None:
    steps = [launch("step")] * 5
    solve = launch("solve", 99.0, children=[launch("init"), *steps])
    found = phases(launch("read"), launch("main", 99.0, children=[solve]))
    assert tasks(found.setup) == ["read", "main", "solve", "init"]
    assert [tasks(each) for each in found.rounds] == [["step"]] * 5
    assert found.told == (
        "it lies in solve: what main and solve launch is taken to be launched by the first task"
    )
    assert not any(p.children for each in found.setup for p in each.points.values())


def test_a_loop_in_each_of_several_points_is_told() -> None:
    found = phases(launch("a"), launch("spmd", 99.0, points=2, children=[launch("step")] * 5))
    assert [tasks(each) for each in found.rounds] == [["a", "spmd"]]
    assert found.told == (
        "each spmd has a loop of its own, and there are 2 of them: the whole run counts as one "
        "iteration"
    )


def test_nothing_repeated_is_told() -> None:
    told = phases(launch("a"), launch("b", children=[launch("c")])).told
    assert told == "nothing is repeated: the whole run counts as one iteration"


STEPS = [launch("step", 0.001)] * 5


def test_a_launch_that_has_no_equal_may_hide_a_loop() -> None:
    assert not phases(launch("init", 0.009), *STEPS).has_loop
    assert hides(launch("init", 0.009), *STEPS)
    assert not hides(launch("init", 0.001), *STEPS)  # the loop is seen
    assert not hides(launch("init", 0.009), launch("step", 0.001))  # there is none
    assert not hides(launch("init", 0.999), *STEPS)  # of a long run


def test_it_may_hide_a_loop_below() -> None:
    main = launch("main", children=[launch("read", 0.001), *STEPS])
    for point in main.points.values():
        point.seconds = 0.0
    assert phases(launch("init", 0.001), main).has_loop
    assert not phases(launch("init", 0.009), main).has_loop
    assert hides(launch("init", 0.009), main)
