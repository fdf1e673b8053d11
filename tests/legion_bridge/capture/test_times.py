"""The times of two runs, put together."""

from __future__ import annotations

from collections.abc import Mapping

from legion_bridge.capture.times import Times, busy_time


def launch_of(number: int) -> int:
    return number // 10


def times(busy: Mapping[int, int], start: int = 0) -> Times:
    return Times(spans={number: (start, start + 99, took) for number, took in busy.items()})


def busy(found: Times) -> dict[int, int]:
    return {number: span[2] for number, span in found.spans.items()}


def test_each_point_is_as_busy_as_in_the_run_that_disturbed_it_less() -> None:
    first, second = times({10: 5, 20: 900, 30: 7}), times({10: 800, 20: 6, 30: 8})
    assert busy(first.least_busy(second, launch_of)) == {10: 5, 20: 6, 30: 7}


def test_points_of_a_launch_may_come_in_another_order() -> None:
    """What a launch takes in all stays: its long points are not compared with short ones."""
    first, second = times({10: 1, 11: 100, 12: 950}), times({10: 101, 11: 50, 12: 1})
    assert busy(first.least_busy(second, launch_of)) == {10: 1, 11: 50, 12: 101}


def test_what_ran_elsewhere_tells_nothing() -> None:
    first, second = times({10: 900, 20: 900}), times({10: 5, 20: 5})
    first.ran_on, second.ran_on = {10: "CPU", 20: "CPU"}, {10: "GPU", 20: "CPU"}
    assert busy(first.least_busy(second, launch_of)) == {10: 900, 20: 5}


def test_when_tasks_ran_is_told_by_the_first_run() -> None:
    first, second = times({10: 9, 20: 9}), times({10: 5, 30: 5}, start=7000)
    first.launched = {20: 50}
    assert first.least_busy(second, launch_of) == Times(
        spans={10: (0, 99, 5), 20: (0, 99, 9)}, launched={20: 50}
    )


def test_a_gpu_tells_itself_how_long_it_was_busy() -> None:
    task = {"start": 10, "stop": 60}
    assert busy_time(task, 20) == 30
    assert busy_time(task, 90) == 0
    assert busy_time({**task, "gpu_start": 40, "gpu_stop": 47}, 20) == 7
