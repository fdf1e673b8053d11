"""Where the main loop is in a row of launches."""

from __future__ import annotations

import time

import pytest

from legion_bridge.capture.loops import Loop, find_loop


@pytest.mark.parametrize(
    ("row", "loop"),
    [
        ("", None),
        ("a", None),
        ("abcd", None),
        ("aa", Loop(0, 1, 2)),
        ("abababab", Loop(0, 2, 4)),
        ("iabcabcabcf", Loop(1, 3, 3)),
        ("bababaf", Loop(0, 2, 3)),
        # What looks like the end of an iteration is the setup's.
        ("babab", Loop(1, 2, 2)),
        # The longest loop, not the first one.
        ("aabcdbcdbcd", Loop(2, 3, 3)),
        # An inner loop is part of the iteration of the outer one.
        ("xabbabbabby", Loop(1, 3, 3)),
    ],
)
def test_the_loop_that_covers_most_is_found(row: str, loop: Loop | None) -> None:
    assert find_loop(row) == loop


def test_it_says_where_it_ends() -> None:
    assert Loop(2, 3, 4).end == 14


def test_thousands_of_launches_take_little_time() -> None:
    begin = time.monotonic()
    loop = find_loop([0, *[i % 37 for i in range(6000)], -1])
    assert loop is not None
    assert (loop.period, loop.iterations) == (37, 162)
    assert time.monotonic() - begin < 5.0


def test_the_loop_that_takes_most_time_is_found() -> None:
    """Forty fills before eight steps are no loop."""
    row = ["fill"] * 40 + ["step", "other"] * 8
    assert find_loop(row) == Loop(0, 1, 40)
    assert find_loop(row, [1.0] * 40 + [9.0] * 16) == Loop(40, 2, 8)


def test_runs_of_equal_launches_are_told_apart_by_their_time() -> None:
    assert find_loop("aaaaaxbbb", [1, 1, 1, 1, 1, 0, 2, 2, 2]) == Loop(6, 1, 3)
