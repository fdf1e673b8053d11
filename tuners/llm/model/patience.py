"""How long to wait before asking again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = ["Patience", "retry_after"]


@dataclass(frozen=True)
class Patience:
    """Waits that double from attempt to attempt, each longer at random by up to a half.

    Attributes:
        attempts: Calls for one request at most.
        first: Seconds before the second call.
        longest: Seconds of the longest wait.
        sleep: Waits for a number of seconds.
        random: A number from 0 to 1: callers that failed together do not come back together.
    """

    attempts: int = 4
    first: float = 1.0
    longest: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = field(default=random.random)

    def wait(self, attempt: int, header: str | None) -> float | None:
        """Seconds to wait after a failed attempt; None where it is not worth another.

        Args:
            attempt: The number of the attempt, from 1.
            header: The provider's Retry-After. Where it asks for more than the longest wait,
                nobody waits: calling earlier would fail, and be held against the caller.
        """
        own = self.first * 2.0 ** (attempt - 1) * (1.0 + 0.5 * self.random())
        asked = retry_after(header)
        if asked is None:
            return min(self.longest, own)
        return asked if asked <= self.longest else None


def retry_after(header: str | None, now: datetime | None = None) -> float | None:
    """Seconds in a Retry-After header: a number of them, or a date (RFC 9110, section 10.2.3).

    >>> retry_after("2.5"), retry_after("soon"), retry_after(None)
    (2.5, None, None)
    """
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        pass
    else:
        return seconds if 0 <= seconds < float("inf") else None
    try:
        date = parsedate_to_datetime(header)
    except (TypeError, ValueError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - (now or datetime.now(UTC))).total_seconds())
