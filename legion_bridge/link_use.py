"""Which links each operation of a simulated run took, and from when to when.

The kernel keeps only sums (``Operation.link_busy``); pictures want each use. What it did is
followed here in the same order, so that the sums agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from legion_bridge.flat_machine import SCOPE_PROCESSOR, SCOPE_RANK, FlatMachine
from legion_bridge.simulation_input import OperationKind
from legion_bridge.simulator import Trace

__all__ = ["LinkUse", "Way", "Ways", "link_uses"]

TRAVELS = (OperationKind.COPY, OperationKind.FOLD, OperationKind.FILL)


class LinkUse(NamedTuple):
    """One use of a link; seconds since the program began."""

    operation: int
    link: int
    start: float
    end: float


class Way(NamedTuple):
    """The links on a way in order, bytes a second of the slowest, and seconds before the first
    byte.
    """

    links: tuple[int, ...]
    slowest: float
    latency: float


class Ways:
    """The ways of copies, and of processors to memories that they reach in place."""

    def __init__(self, machine: FlatMachine) -> None:
        self.machine = machine
        self._copies: dict[tuple[int, int], Way] = {}
        self._accesses: dict[tuple[int, int], Way] = {}

    def of(self, trace: Trace, number: int) -> Way:
        """The way of an operation that moves data."""
        operations = trace.operations
        source, target = int(operations.source[number]), int(operations.place[number])
        if operations.kind[number] == OperationKind.TASK:
            return self.access(target, source)
        return self.copy(source, target)

    def copy(self, source: int, target: int) -> Way:
        """The way from one memory to another."""
        key = (source, target)
        if key not in self._copies:
            machine = self.machine
            at = (machine.memory_kind[source], machine.memory_kind[target], self._where(*key))
            sides = np.where(machine.route_sides[at], target, source)
            links = tuple(
                self._link(int(first), int(scope), int(machine.memory_rank[side]), owner)
                for first, scope, side, owner in zip(
                    machine.route_links[at],
                    machine.route_scopes[at],
                    sides,
                    machine.memory_owner[sides].tolist(),
                    strict=True,
                )
                if scope >= 0
            )
            slowest = min((float(machine.link_bandwidth[x]) for x in links), default=np.inf)
            self._copies[key] = Way(links, slowest, float(machine.route_latency[at]))
        return self._copies[key]

    def access(self, processor: int, memory_kind: int) -> Way:
        """The way between a processor and a memory of a kind."""
        key = (processor, memory_kind)
        if key not in self._accesses:
            machine = self.machine
            at = (machine.processor_kind[processor], memory_kind)
            rank = int(machine.processor_rank[processor])
            links = tuple(
                self._link(int(first), int(scope), rank, processor)
                for first, scope in zip(
                    machine.access_links[at], machine.access_scopes[at], strict=True
                )
                if scope >= 0
            )
            speeds = [float(machine.link_bandwidth[x]) for x in links]
            slowest = min([float(machine.bandwidth[at]), *speeds])
            self._accesses[key] = Way(links, slowest, 0.0)
        return self._accesses[key]

    def _where(self, source: int, target: int) -> int:
        """The place in ``WHERE``."""
        if source == target:
            return 0
        ranks = self.machine.memory_rank[[source, target]]
        if ranks[0] == ranks[1]:
            return 1
        nodes = self.machine.rank_node[ranks]
        return 2 if nodes[0] == nodes[1] else 3

    def _link(self, first: int, scope: int, rank: int, owner: int) -> int:
        if scope == SCOPE_PROCESSOR:
            return first + owner
        return first + (rank if scope == SCOPE_RANK else int(self.machine.rank_node[rank]))


def link_uses(trace: Trace) -> Iterator[LinkUse]:
    """All uses of links, those of each link one after the other."""
    operations, ways = trace.operations, Ways(trace.machine)
    machine = trace.machine
    exclusive = machine.link_exclusive
    moves = np.isin(operations.kind, TRAVELS)
    moves |= (operations.kind == OperationKind.TASK) & (operations.bytes > 0)
    numbers = np.flatnonzero(moves)
    # A copy begins when its links are free; what a task moves queues behind what they carry.
    is_task = operations.kind[numbers] == OperationKind.TASK
    free: dict[int, float] = {}
    for number in numbers[np.lexsort((numbers, is_task, operations.start[numbers]))].tolist():
        way = ways.of(trace, number)
        start, kind = float(operations.start[number]), operations.kind[number]
        carried = float(operations.bytes[number])
        if kind == OperationKind.FOLD:
            carried *= trace.machine.machine.runtime.fold
        copies = int(kind != OperationKind.TASK)
        uses = [
            copies * float(machine.link_overhead[link])
            + carried / float(machine.link_bandwidth[link])
            for link in way.links
        ]
        for link, own in zip(way.links, uses, strict=True):
            begin = max(start, free.get(link, 0.0))
            free[link] = begin + (max(uses) if exclusive[link] else own)
            yield LinkUse(number, link, begin, free[link])
