"""Runs a program with Legion's profile: again where a disturbance may hide its main loop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from legion_bridge.capture.assemble import may_be_disturbed
from legion_bridge.capture.observed import ObservedProgram
from legion_bridge.capture.profile_log import ARRIVALS_FLAG
from legion_bridge.capture.same_program import times_of
from legion_bridge.capture.spy_log import SpyLog
from legion_bridge.capture.spy_program import program_of
from legion_bridge.capture.times import Times, read_times
from legion_bridge.errors import CaptureError

__all__ = ["timed_program"]

_FLAGS = "-ll:util 0 -lg:prof 1 -lg:prof_logfile {folder}/times_% -logfile {folder}/profiling_%"
_FURTHER = 2  # runs that are made at most to see a task undisturbed


def timed_program(run: Callable[[str], object], folder: Path, log: SpyLog) -> ObservedProgram:
    """The program of a log, with the times of another run of it.

    Where no times can be had, it says why. Where the whole of a short run would count as one
    iteration because a task that ran once took long, it is run again, up to twice, and each task
    takes as long as in the run that disturbed it least.

    Args:
        run: Runs the program with further flags of the runtime, in which ``{folder}`` is the
            folder; a `CaptureError` tells that it failed.
        folder: Where the profiles are written, and nothing else that begins with ``times_``.
        log: What the program asked of the runtime.

    Raises:
        CaptureError: The log has no top-level task, or it launched nothing; or it is damaged.
    """
    profiles = _Profiles(run, folder, log)
    try:
        times = profiles.next()
    except CaptureError as error:
        observed = program_of(log, Times())
        observed.unknown["*.work.seconds"] = (
            f"a run with Legion's profile failed, so that no times are known: {error}"
        )
        return observed
    observed = program_of(log, times)
    for _ in range(_FURTHER):
        if not may_be_disturbed(observed):
            break
        try:
            times = times.least_busy(profiles.next(), log.launch_of)
        except CaptureError:  # one run has told the times
            break
        observed = program_of(log, times)
    return observed


class _Profiles:
    """The times of one run after the other."""

    def __init__(self, run: Callable[[str], object], folder: Path, log: SpyLog) -> None:
        self._run, self._folder, self._log = run, folder, log
        self._flags = _FLAGS

    def next(self) -> Times:
        for former in self._written():
            former.unlink()
        try:
            self._run(self._flags)
        except CaptureError as error:
            if ARRIVALS_FLAG in self._flags or ARRIVALS_FLAG not in str(error):
                raise
            self._flags = f"{_FLAGS} {ARRIVALS_FLAG}"
            return self.next()
        profiles = self._written()
        return times_of(self._log, read_times(profiles)) if profiles else Times()

    def _written(self) -> list[Path]:
        return sorted(self._folder.glob("times_*"))
