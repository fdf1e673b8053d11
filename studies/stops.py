"""Signals that ask this program to end: each is like Ctrl-C, so that nothing is lost.

SLURM and its like send SIGTERM at the time limit, some seconds before they kill; a terminal that
is closed sends SIGHUP.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

__all__ = [
    "STOPPING",
    "Stopped",
    "exit_code_of",
    "signal_of",
    "signals_wait",
    "stoppable",
    "stops_in_order",
]

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
STOPPING = (signal.SIGINT, *_SIGNALS)


class Stopped(KeyboardInterrupt):
    """A signal has asked this program to end.

    Attributes:
        number: Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.number = number


def signal_of(stop: KeyboardInterrupt) -> int:
    """The signal that has stopped this program; SIGINT for Ctrl-C."""
    return stop.number if isinstance(stop, Stopped) else int(signal.SIGINT)


def exit_code_of(number: int) -> int:
    """What a shell reports of a program that a signal has ended.

    >>> exit_code_of(signal.SIGINT), exit_code_of(signal.SIGTERM)
    (130, 143)
    """
    return 128 + number


@contextlib.contextmanager
def signals_wait() -> Iterator[None]:
    """Signals that ask to end wait until this is over; so they do in a process begun within."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def stops_in_order(stop: Callable[[int], object]) -> Iterator[None]:
    """Lets processes end in order where this one is asked to end, or where anything fails.

    Of a signal nothing is raised: what was found until then counts.

    Args:
        stop: Ends them; takes the signal to do it by, SIGTERM where something failed.
    """
    try:
        yield
    except KeyboardInterrupt as by:
        with contextlib.suppress(KeyboardInterrupt):  # whoever stops again does not wait
            stop(signal_of(by))
    except BaseException:
        stop(signal.SIGTERM)
        raise


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Raises `Stopped` at the first signal; further ones do not disturb what follows.

    Signals that this program was told to ignore, as ``nohup`` does, are ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = [each for each in _SIGNALS if signal.getsignal(each) == signal.SIG_DFL]

    def stop(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001  (Python's)
        for each in ours:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(number)

    for each in ours:
        signal.signal(each, stop)
    try:
        yield
    finally:
        for each in ours:
            signal.signal(each, signal.SIG_DFL)
