"""The paths that data travels, and what it costs: the kernel's cost model (``execute.c``).

A copy takes each link on its path for the link's ``overhead`` and the time of its bytes; a link
that is ``exclusive`` is held for as long as the slowest of them. A copy above the ``chunk`` of its
route has other links, which it shares with others, and a rate of its own at most. What a task
moves to and from memory that it reaches in place has no overhead.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from legion_bridge.machines.flat_machine import (
    MEMORY_CODES,
    SCOPE_PROCESSOR,
    SCOPE_RANK,
    FlatMachine,
)
from legion_bridge.machines.machine import WHERE, Machine
from legion_bridge.simulation.kernel_arrays import Operation, OperationKind

__all__ = ["LinkPath", "LinkPaths", "Move", "route_costs"]

Floats = NDArray[np.float64]


class LinkPath(NamedTuple):
    """The links of a path in order, bytes a second of the slowest, and the latency.

    The latency is the seconds before the first byte.
    """

    links: tuple[int, ...]
    slowest: float
    latency: float


class Move(NamedTuple):
    """Bytes on a path, and how many bytes they count for in time."""

    path: LinkPath
    bytes: float
    carried: float


class LinkPaths:
    """The paths of copies, and of processors to memories that they reach in place."""

    def __init__(self, machine: FlatMachine) -> None:
        self.machine = machine
        self._costs = route_costs(machine.machine)
        self._overhead: list[float] = machine.link_overhead.tolist()
        self._bandwidth: list[float] = machine.link_bandwidth.tolist()
        self._exclusive: list[int] = machine.link_exclusive.tolist()
        self._copies: dict[tuple[int, int, bool], LinkPath] = {}
        self._above: dict[tuple[int, int], float] = {}
        self._accesses: dict[tuple[int, int], LinkPath] = {}

    def of(self, operations: Operation, number: int) -> LinkPath:
        """The path of an operation that moves data, by its number."""
        source, target = int(operations.source[number]), int(operations.place[number])
        if operations.kind[number] == OperationKind.TASK:
            return self.access(target, source)
        if operations.kind[number] == OperationKind.COLLECTIVE:
            paths = [move.path for move in self.moves(operations, number)]
            links = tuple(link for path in paths for link in path.links)
            slowest = min((path.slowest for path in paths), default=np.inf)
            return LinkPath(links, slowest, float(operations.seconds[number]))
        return self.copy(source, target, self.carried(operations, number))

    def moves(self, operations: Operation, number: int) -> list[Move]:
        """What an operation moves: one thing, or what it moves inside its node and beyond."""
        if operations.kind[number] != OperationKind.COLLECTIVE:
            path = self.of(operations, number)
            carried = self.carried(operations, number)
            return [Move(path, float(operations.bytes[number]), carried)]
        memory, algorithm = int(operations.place[number]), int(operations.lock[number])
        weight = 1.0 / float(self.machine.algorithm_share[algorithm])
        amounts = float(operations.bytes[number]), float(operations.load[number])
        return [
            Move(self.within_collective(memory, where), amount, weight * amount)
            for where, amount in zip(("rank", "network"), amounts, strict=True)
            if amount > 0.0
        ]

    def within_collective(self, memory: int, where: str) -> LinkPath:
        """The links of a processor's own that it takes to others in the same node, or beyond."""
        kind = int(self.machine.memory_kind[memory])
        return self._path_on((kind, kind, WHERE.index(where)), memory, memory, flow=False)

    def carried(self, operations: Operation, number: int) -> float:
        """Bytes that an operation counts for on its links."""
        in_place = operations.kind[number] == OperationKind.TASK
        return float((operations.bytes if in_place else operations.load)[number])

    def fold_factor(self, source: int, target: int) -> float:
        """How many times its bytes a fold moves between two memories."""
        return self.machine.machine.runtime.fold_by(WHERE[self._where(source, target)])

    def copy(self, source: int, target: int, carried: float) -> LinkPath:
        """The path of so many bytes from one memory to another."""
        flow = self.is_flow(source, target, carried)
        key = (source, target, flow)
        if key not in self._copies:
            self._copies[key] = self._path(source, target, flow)
        return self._copies[key]

    def is_flow(self, source: int, target: int, carried: float) -> bool:
        """Whether a copy of so many bytes shares its links with others."""
        key = (source, target)
        if key not in self._above:
            self._above[key] = float(self.machine.flow_above[self._route(*key)])
        return 0.0 < self._above[key] < carried

    def _route(self, source: int, target: int) -> tuple[int, int, int]:
        kinds = self.machine.memory_kind
        return int(kinds[source]), int(kinds[target]), self._where(source, target)

    def _path(self, source: int, target: int, flow: bool) -> LinkPath:
        return self._path_on(self._route(source, target), source, target, flow=flow)

    def _path_on(
        self, at: tuple[int, int, int], source: int, target: int, *, flow: bool
    ) -> LinkPath:
        machine = self.machine
        firsts, scopes, sides = (
            (machine.flow_links[at], machine.flow_scopes[at], machine.flow_sides[at])
            if flow
            else (machine.route_links[at], machine.route_scopes[at], machine.route_sides[at])
        )
        ends = np.where(sides, target, source)
        links = tuple(
            self._link(int(first), int(scope), int(machine.memory_rank[end]), owner)
            for first, scope, end, owner in zip(
                firsts, scopes, ends, machine.memory_owner[ends].tolist(), strict=True
            )
            if scope >= 0
        )
        rates = [float(machine.link_bandwidth[x]) for x in links]
        if flow:
            rates.append(float(machine.flow_rate[at]))
        return LinkPath(links, min(rates, default=np.inf), float(machine.route_latency[at]))

    def access(self, processor: int, memory_kind: int) -> LinkPath:
        """The path between a processor and a memory of a kind."""
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
            self._accesses[key] = LinkPath(links, slowest, 0.0)
        return self._accesses[key]

    def uses(self, path: LinkPath, carried: float, *, copies: int = 1) -> list[float]:
        """Seconds that each link of a path is taken by one copy, or by a task.

        Args:
            path: The path.
            carried: Bytes that count.
            copies: 0 for what a task moves, which nobody has to start.
        """
        own = [
            copies * self._overhead[link] + carried / self._bandwidth[link] for link in path.links
        ]
        longest = max(own, default=0.0)
        return [
            longest if self._exclusive[link] else each
            for link, each in zip(path.links, own, strict=True)
        ]

    def seconds(self, source: int, target: int, size: float) -> float:
        """What a copy between two memories takes by itself, were it of no more than a chunk.

        The nearest source takes least.
        """
        start, each = self._costs[self._route(source, target)]
        return float(start + each * size)

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


def route_costs(machine: Machine) -> Floats:
    """Seconds, and seconds a byte, of each route: what the choice of a source looks at.

    Of copies that share their links it says nothing: how long one takes depends on the others.

    Returns:
        ``[memory kinds, memory kinds, where, 2]``.
    """
    size = len(MEMORY_CODES)
    costs = np.zeros((size, size, len(WHERE), 2))
    for source in machine.memories:
        for target in machine.memories:
            for code, where in enumerate(WHERE):
                if where == "memory" and source != target:
                    continue
                route = machine.route(source, target, where)
                links = [machine.links[link.split(".", 1)[1]] for link in route.links]
                at = (MEMORY_CODES[source], MEMORY_CODES[target], code)
                start = route.latency + max(link.overhead for link in links)
                costs[at] = start, 1.0 / min(link.bandwidth for link in links)
    return costs
