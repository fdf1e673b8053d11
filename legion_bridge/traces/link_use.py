"""Which links each operation of a simulated run took, and from when to when.

The kernel keeps only sums (``Operation.link_busy``); pictures want each use. What it did is
followed here in the same order, so that the sums agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from legion_bridge.simulation.kernel_arrays import OperationKind
from legion_bridge.simulation.link_paths import LinkPath, LinkPaths
from legion_bridge.simulation.simulator import Trace

__all__ = ["LinkUse", "link_uses"]

TRAVELS = (OperationKind.COPY, OperationKind.FOLD, OperationKind.FILL)
MOVES = (*TRAVELS, OperationKind.COLLECTIVE)


class LinkUse(NamedTuple):
    """One use of a link; seconds since the program began."""

    operation: int
    link: int
    start: float
    end: float


def link_uses(trace: Trace) -> Iterator[LinkUse]:
    """All uses of links; but for copies that share a link, one after the other."""
    operations, paths = trace.operations, LinkPaths(trace.machine)
    moves = np.isin(operations.kind, MOVES)
    moves |= (operations.kind == OperationKind.TASK) & (operations.bytes > 0)
    numbers = np.flatnonzero(moves)
    # A copy begins when its links are free; what a task moves queues behind what they carry.
    is_task = operations.kind[numbers] == OperationKind.TASK
    free: dict[int, float] = {}
    source, target = operations.source, operations.place
    for number in numbers[np.lexsort((numbers, is_task, operations.start[numbers]))].tolist():
        start, kind = float(operations.start[number]), operations.kind[number]
        if kind == OperationKind.COLLECTIVE:
            for path, _, carried in paths.moves(operations, number):
                yield from _taken(number, start, path, paths.uses(path, carried, copies=0), free)
            continue
        path = paths.of(operations, number)
        carried = paths.carried(operations, number)
        if kind in TRAVELS and paths.is_flow(int(source[number]), int(target[number]), carried):
            end = float(operations.end[number]) - path.latency
            for link in path.links:
                yield LinkUse(number, link, start, end)
            continue
        uses = paths.uses(path, carried, copies=int(kind != OperationKind.TASK))
        yield from _taken(number, start, path, uses, free)


def _taken(
    number: int, start: float, path: LinkPath, uses: Sequence[float], free: dict[int, float]
) -> Iterator[LinkUse]:
    """The links of a path, each from when it is free."""
    for link, seconds in zip(path.links, uses, strict=True):
        begin = max(start, free.get(link, 0.0))
        free[link] = begin + seconds
        yield LinkUse(number, link, begin, free[link])
