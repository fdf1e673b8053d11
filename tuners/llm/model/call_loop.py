"""A time limit that holds for a whole call, however slowly its bytes arrive.

Timeouts of HTTP clients hold for one read: a server that sends a byte a second is never late.
Calls therefore run on an event loop in a thread of its own, where they can be cancelled, which
closes their connection.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

__all__ = ["run_within"]

T = TypeVar("T")

# Seconds that a cancelled call has to end before its loop is taken to be stuck.
GRACE = 2.0

_lock = threading.Lock()
_running: tuple[int, asyncio.AbstractEventLoop] | None = None  # of which process, which loop


def run_within(seconds: float, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """The result of a call, which is cancelled when the time is over.

    Raises:
        TimeoutError: It was.
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
        if _running is None or _running[0] != os.getpid():  # threads do not survive a fork
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="model calls", daemon=True).start()
            _running = os.getpid(), loop
        return _running[1]


def _abandon(loop: asyncio.AbstractEventLoop) -> None:
    """Something blocks the loop: later calls get another."""
    global _running  # noqa: PLW0603  (likewise)
    with _lock:
        if _running is not None and _running[1] is loop:
            _running = None
