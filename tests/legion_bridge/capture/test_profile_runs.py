"""How often a program runs with Legion's profile, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from legion_bridge import CaptureError
from legion_bridge.capture import profile_runs
from legion_bridge.capture.observed import ObservedProgram
from legion_bridge.capture.profile_log import ARRIVALS_FLAG
from legion_bridge.capture.profile_runs import timed_program
from legion_bridge.capture.spy_log import Operation, SpyLog
from legion_bridge.capture.times import Times

Timed = Callable[..., tuple[list[int], list[str], ObservedProgram]]

TOP, INIT, STEP = 2, 3, 4
LOOP = (INIT, STEP, STEP, STEP, STEP)
MICRO, MILLI = 1_000, 1_000_000  # nanoseconds
QUIET = (30 * MICRO, *[20 * MICRO] * 4)
DISTURBED = (5 * MILLI, *[20 * MICRO] * 4)


def log_of(tasks: Sequence[int]) -> SpyLog:
    """The log of a first task that launches some."""
    log = SpyLog(top_task=TOP)
    log.tasks = {INIT: "init", STEP: "step"}
    for number, task in enumerate(tasks, start=10):
        log.operations[number] = Operation(number, task, TOP, is_index=False)
        log.order[TOP][number].append(number)
    return log


def profile_of(tasks: Sequence[int], busy: Sequence[int]) -> Times:
    times = Times(parents={TOP: 2**64 - 1})
    for number, (task, took) in enumerate(zip(tasks, busy, strict=True), start=20):
        times.parents[number], times.tasks[number] = TOP, task
        times.spans[number] = (0, took, took)
    return times


class Runs:
    """Runs of a program, each with the times of its turn, or with the words it fails in."""

    def __init__(self, folder: Path, tasks: Sequence[int], *turns: Sequence[int] | str) -> None:
        self.folder, self.tasks, self.turns = folder, tasks, turns
        self.flags: list[str] = []

    def __call__(self, flags: str) -> None:
        turn = self.turns[len(self.flags)]
        self.flags.append(flags)
        (self.folder / f"times_{len(self.flags)}").touch()
        if isinstance(turn, str):
            raise CaptureError(turn)

    def read(self, profiles: Sequence[Path]) -> Times:
        # Those of former runs are gone.
        assert [path.name for path in profiles] == [f"times_{len(self.flags)}"]
        turn = self.turns[len(self.flags) - 1]
        assert not isinstance(turn, str)
        return profile_of(self.tasks, turn)


@pytest.fixture
def timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Timed:
    """What each launch took in all, in nanoseconds, and the flags of each run."""

    def timed(
        tasks: Sequence[int], *turns: Sequence[int] | str
    ) -> tuple[list[int], list[str], ObservedProgram]:
        runs = Runs(tmp_path, tasks, *turns)
        monkeypatch.setattr(profile_runs, "read_times", runs.read)
        found = timed_program(runs, tmp_path, log_of(tasks))
        points = [point for each in found.launches for point in each.points.values()]
        return [round((point.seconds or 0.0) * 1e9) for point in points], runs.flags, found

    return timed


def test_an_undisturbed_program_runs_once(timed: Timed) -> None:
    took, runs, _ = timed(LOOP, QUIET)
    assert (took, len(runs)) == ([*QUIET], 1)


def test_a_disturbed_one_runs_until_its_loop_is_seen(timed: Timed) -> None:
    took, runs, _ = timed(LOOP, DISTURBED, QUIET)
    assert (took, len(runs)) == ([*QUIET], 2)
    took, runs, _ = timed(LOOP, DISTURBED, (4 * MILLI, *DISTURBED[1:]), QUIET)
    assert (took, len(runs)) == ([*QUIET], 3)


def test_what_always_takes_long_is_believed(timed: Timed) -> None:
    took, runs, _ = timed(LOOP, *[DISTURBED] * 3)
    assert (took, len(runs)) == ([*DISTURBED], 3)


@pytest.mark.parametrize(
    ("tasks", "busy"),
    [
        ((INIT, STEP), (5 * MILLI, MICRO)),  # nothing is repeated
        ((3, 3, 4, 5, 6, 5, 4, 6), [MILLI] * 8),  # each has an equal, which shows its time
        (LOOP, (2000 * MILLI, *[MILLI] * 4)),  # a long run
    ],
)
def test_a_program_without_a_loop_runs_once(
    tasks: Sequence[int], busy: Sequence[int], timed: Timed
) -> None:
    took, runs, _ = timed(tasks, busy)
    assert (took, len(runs)) == ([*busy], 1)


def test_a_further_run_that_fails_loses_nothing(timed: Timed) -> None:
    took, runs, found = timed(LOOP, DISTURBED, "out of memory")
    assert (took, len(runs)) == ([*DISTURBED], 2)
    assert not found.unknown


def test_a_first_run_that_fails_costs_the_times(timed: Timed) -> None:
    took, runs, found = timed(LOOP, "out of memory")
    assert (took, len(runs)) == ([0] * 5, 1)
    assert found.unknown["*.work.seconds"].endswith("so that no times are known: out of memory")


def test_a_flag_that_was_needed_once_is_given_again(timed: Timed) -> None:
    took, runs, _ = timed(LOOP, f"use {ARRIVALS_FLAG}", DISTURBED, QUIET)
    assert took == [*QUIET]
    assert [ARRIVALS_FLAG in flags for flags in runs] == [False, True, True]
    _, runs, found = timed(LOOP, *[f"use {ARRIVALS_FLAG}"] * 2)
    assert len(runs) == 2
    assert "*.work.seconds" in found.unknown
