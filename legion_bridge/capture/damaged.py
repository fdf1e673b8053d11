"""What is told of a log whose lines do not fit together: some were cut, or mixed with others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from legion_bridge.errors import CaptureError

__all__ = ["damage_told"]


@contextmanager
def damage_told(
    log: str = "the log of the run", remedy: str = "capture the program again"
) -> Iterator[None]:
    """Tells in a sentence that what a log refers to is not in it.

    Args:
        log: What to call it.
        remedy: What to do.

    Raises:
        CaptureError: Something was looked up that is not there, or has no fitting shape.
    """
    try:
        yield
    except (ValueError, LookupError) as error:
        raise CaptureError(
            f"{log} is damaged, its lines do not fit together ({error}): {remedy}"
        ) from error
