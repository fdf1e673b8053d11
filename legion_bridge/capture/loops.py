"""Finds a program's main loop in the order of its launches."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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


def find_loop(launches: Sequence[Hashable], seconds: Sequence[float] | None = None) -> Loop | None:
    """The loop that takes most time; None where nothing is repeated.

    Of loops that take equally long, the one with the shortest iteration is taken. Launches before
    it that look like the end of an iteration belong to the setup: a program often begins by making
    its data in the same way as later iterations do.

    Args:
        launches: The launches, equal where they are repeated.
        seconds: How long each takes; by default all take equally long.

    >>> find_loop("abcbcbcd")
    Loop(start=1, period=2, iterations=3)
    >>> find_loop("aaaabcbc", [1, 1, 1, 1, 2, 3, 2, 3])
    Loop(start=4, period=2, iterations=2)
    >>> find_loop("abc") is None
    True
    """
    numbers = {launch: number for number, launch in enumerate(dict.fromkeys(launches))}
    row = np.array([numbers[launch] for launch in launches], np.int64)
    weights = np.ones(len(row)) if seconds is None else np.asarray(seconds, float)
    before = np.concatenate([[0.0], np.cumsum(weights)])
    least = 1e-9 * before[-1]  # what sums of equal weights may differ by
    best: Loop | None = None
    longest = 0.0
    for period in range(1, min(len(row) // 2, _LONGEST) + 1):
        starts, ends = _runs(row[:-period] == row[period:])
        iterations = (ends - starts + period) // period
        starts = starts + (ends - starts) % period
        takes = before[starts + iterations * period] - before[starts]
        takes[iterations < 2] = -1.0
        if len(takes) and takes.max() > longest + least:
            at = int(np.argmax(takes))
            longest = float(takes[at])
            best = Loop(int(starts[at]), period, int(iterations[at]))
    return best


def _runs(equal: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each run of true values begins, and where it ends."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], equal, [False]]).astype(np.int8)))
    return edges[::2], edges[1::2]
