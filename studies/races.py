"""Databases that several processes find empty at the same time, and all begin to fill."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["past_races"]

T = TypeVar("T")

# What those are told who come second, by SQLite, PostgreSQL and MySQL.
_TOLD = ("already exists", "duplicate", "unique", "locked", "deadlock", "concurrent")
_ATTEMPTS = 20


def past_races(connect: Callable[[], T]) -> T:
    """Connects to a database; again where another process has got in the way.

    Args:
        connect: Connects, and makes the tables that are missing.
    """
    for attempt in range(1, _ATTEMPTS):
        try:
            return connect()
        except Exception as error:
            told = f"{error} {error.__cause__}".lower()
            if not any(word in told for word in _TOLD):
                raise
            time.sleep(0.1 * attempt * random.uniform(0.5, 1.0))  # noqa: S311  (not for secrets)
    return connect()
