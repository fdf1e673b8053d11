"""A time limit that holds for a whole call, however slowly its bytes arrive.

Timeouts of HTTP clients hold for one read: a server that sends a byte a second is never late.
Calls therefore run on an event loop in a thread of its own, where they can be cancelled, which
closes their connection.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, TypeVar

__all__ = ["run_within"]

T = TypeVar("T")

# Seconds that a cancelled call has to end before its loop is taken to be stuck.
GRACE = 2.0


class _Running(NamedTuple):
    """A loop, its thread, and the process whose they are."""

    process: int
    loop: asyncio.AbstractEventLoop
    thread: threading.Thread


_lock = threading.Lock()
_running: _Running | None = None


def run_within(seconds: float, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """The result of a call, which is cancelled when the time is over.

    Raises:
        TimeoutError: The time was over before the call.
    """
    loop = _loop()
    future = asyncio.run_coroutine_threadsafe(_limited(seconds, call), loop)
    try:
        return future.result(seconds + GRACE)
    except TimeoutError:
        if not future.done():
            _abandon(loop)
        raise
    finally:
        future.cancel()


async def _limited(seconds: float, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
    async with asyncio.timeout(seconds):
        return await call()


def _loop() -> asyncio.AbstractEventLoop:
    global _running  # noqa: PLW0603  (one loop a process, made when it is needed)
    with _lock:
        if _running is None or _running.process != os.getpid():  # threads do not survive a fork
            loop = asyncio.new_event_loop()
            thread = threading.Thread(target=loop.run_forever, name="model calls", daemon=True)
            thread.start()
            _running = _Running(os.getpid(), loop, thread)
        return _running.loop


def _abandon(loop: asyncio.AbstractEventLoop) -> None:
    """Leaves a loop that something blocks; later calls get another."""
    global _running  # noqa: PLW0603  (likewise)
    with _lock:
        if _running is not None and _running.loop is loop:
            _running = None


@atexit.register
def _end() -> None:
    """Stops the loop between two of its steps.

    At its end Python stops threads wherever they are. After a reply litellm goes on importing
    what it logs with; stopped within, it would keep the lock of all imports, and the process would
    wait for that lock for ever as soon as some object's end imports something.
    """
    running = _running
    if running is not None and running.process == os.getpid():
        running.loop.call_soon_threadsafe(running.loop.stop)
        running.thread.join(GRACE)
