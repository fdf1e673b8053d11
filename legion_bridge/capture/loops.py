"""Finds a program's main loop in the order of its launches."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["Loop", "find_loop"]

_LONGEST = 4000  # launches in one iteration


class Loop(NamedTuple):
    """Iterations of equal launches: the first launch, launches per iteration, and iterations."""

    start: int
    period: int
    iterations: int

    @property
    def end(self) -> int:
        """The first launch after the loop."""
        return self.start + self.period * self.iterations


def find_loop(launches: Sequence[Hashable]) -> Loop | None:
    """The loop that covers most launches; None where nothing is repeated.

    Of loops that cover equally many, the one with the shortest iteration is taken. Launches before
    it that look like the end of an iteration belong to the setup: a program often begins by making
    its data in the same way as later iterations do.

    >>> find_loop("abcbcbcd")
    Loop(start=1, period=2, iterations=3)
    >>> find_loop("abc") is None
    True
    """
    numbers = {launch: number for number, launch in enumerate(dict.fromkeys(launches))}
    row = np.array([numbers[launch] for launch in launches], np.int64)
    best: Loop | None = None
    covered = 0
    for period in range(1, min(len(row) // 2, _LONGEST) + 1):
        start, length = _longest_run(row[:-period] == row[period:])
        iterations = (length + period) // period
        if iterations >= 2 and iterations * period > covered:
            covered = iterations * period
            best = Loop(start + (length + period) % period, period, iterations)
    return best


def _longest_run(equal: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> tuple[int, int]:
    """Where the longest run of true values begins, and its length."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], equal, [False]]).astype(np.int8)))
    starts, ends = edges[::2], edges[1::2]
    if not len(starts):
        return 0, 0
    longest = int(np.argmax(ends - starts))
    return int(starts[longest]), int(ends[longest] - starts[longest])
