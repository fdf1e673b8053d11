"""A process that runs studies, seen from the one that started it: see `studies.worker`."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from studies.stops import signals_wait
from studies.worker import Setting, Task

if TYPE_CHECKING:
    from studies.records import StudySpec

__all__ = ["GRACE", "HUNG_AFTER", "ChildProcess", "seconds_asking"]

MAIN = "from studies.worker import main; main()"
HUNG_AFTER = 600.0  # seconds without a finished trial, and longer where a model is asked
ASKED_AT_MOST = 20  # calls of a model for one trial, with those for repairs
GRACE = 60.0  # seconds that a study has for its end when it is stopped


def seconds_asking(spec: StudySpec | None) -> float:
    """Seconds that asking a model for one trial of a study may take besides."""
    llm = None if spec is None else spec.llm
    if llm is None:
        return 0.0
    pause = 60.0 if llm.calls_per_minute is not None else 0.0
    return ASKED_AT_MOST * (llm.timeout + pause)


class ChildProcess:
    """A process that runs one study after the other.

    Args:
        setting: What its studies have in common.

    Attributes:
        connection: To it.
        heard: When it told something last.
    """

    def __init__(self, setting: Setting) -> None:
        ours, theirs = socket.socketpair()
        with theirs, signals_wait():  # until it is ready for them
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", MAIN, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # where the parent prints its results
                pass_fds=(theirs.fileno(),),
                env={**os.environ, "PYTHONPATH": os.pathsep.join(_search_path())},
            )
        self.connection = Connection(ours.detach())
        self.heard = time.monotonic()
        self._send(setting)

    def begin(self, task: Task) -> None:
        """Lets it run a study."""
        self.heard = time.monotonic()
        self._send(task)

    def _send(self, what: Setting | Task) -> None:
        with contextlib.suppress(OSError):  # it has died, which is noticed where it is heard
            self.connection.send(what)

    def receive(self) -> object:
        """What it tells next.

        Raises:
            EOFError: It has ended.
            OSError: It has ended in the middle of it.
        """
        message = self.connection.recv()
        self.heard = time.monotonic()
        return message

    def is_hung(self, after: float) -> bool:
        """Whether it has told nothing for so many seconds."""
        return time.monotonic() - self.heard > after

    def stop(self, number: int) -> None:
        """Asks it to end its study, by a signal."""
        self._process.send_signal(number)

    def death(self) -> str:
        """How it has ended, in words."""
        try:
            code = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return "has closed its end"
        return f"was killed by signal {-code}" if code < 0 else f"has ended with code {code}"

    def end(self, *, at_once: bool) -> None:
        """Ends it; what it has stored is safe.

        Args:
            at_once: Whether it does not finish what it does.
        """
        self.connection.close()
        if at_once:
            self._process.kill()
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:  # idle, and still at it
            self._process.kill()
            self._process.wait()


def _search_path() -> list[str]:
    """Where a process finds the modules that this one has found."""
    return [os.path.abspath(each) for each in sys.path]  # noqa: PTH100  ("" is the working folder)
