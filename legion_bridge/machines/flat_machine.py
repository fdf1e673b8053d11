"""A machine as flat arrays: numbered processors, memories and links, and the routes of copies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.machine_shape import MEMORY_KINDS, PROCESSOR_KINDS
from legion_bridge.machines.machine import MOST_LINKS, WHERE, Link, Machine
from legion_bridge.rates import RATES

__all__ = ["MEMORY_CODES", "PROCESSOR_CODES", "FlatMachine", "flatten_machine"]

PROCESSOR_CODES = {kind: code for code, kind in enumerate(PROCESSOR_KINDS)}
MEMORY_CODES = {kind: code for code, kind in enumerate(MEMORY_KINDS)}
MEMORY_SCALE = len(MEMORY_KINDS)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FlatMachine:
    """Processors, memories and links by number.

    Processors of a kind are numbered rank by rank, and so are memories; a processor's own memory
    has the processor's position in that order.

    Attributes:
        processor_first, processor_count: ``[kinds]`` first number and processors per rank.
        processor_kind, processor_rank: ``[processors]`` kind and rank of each processor.
        memory_first: ``[memory kinds]``, -1 where absent.
        memory_kind, memory_rank, memory_owner, memory_capacity: ``[memories]``; the owner is a
            processor, or -1.
        rank_node: ``[ranks]`` node of each rank.
        route_links: ``[memory kinds, memory kinds, where, MOST_LINKS]`` first number of the link
            kind, or -1.
        route_sides: the same shape: 0 where the link is one of the source, 1 of the target.
        route_latency: ``[memory kinds, memory kinds, where]`` seconds.
        flow_above, flow_rate: the same shape: above how many bytes copies share their links, 0
            for never, and bytes a second that each of them can have.
        flow_links, flow_sides, flow_scopes: as ``route_links`` etc., for those copies.
        link_kind: ``[links]``, and ``link_scope`` by first number: see ``scope_codes``.
        link_bandwidth: ``[links]`` bytes a second.
        link_overhead: ``[links]`` seconds that each copy occupies it beside its bytes.
        link_exclusive: ``[links]`` whether a copy holds it to its end.
        algorithm_tree, algorithm_base, algorithm_hop, algorithm_far_hop, algorithm_share: One for
            each ``Machine.algorithms``: whether it is a tree, and its numbers.
    """

    machine: Machine
    processor_first: Ints
    processor_count: Ints
    processor_kind: Ints
    processor_rank: Ints
    memory_first: Ints
    memory_scope: Ints
    memory_kind: Ints
    memory_rank: Ints
    memory_owner: Ints
    memory_capacity: Floats
    rank_node: Ints
    route_links: Ints
    route_sides: Ints
    route_scopes: Ints
    flow_above: Floats
    flow_rate: Floats
    flow_links: Ints
    flow_sides: Ints
    flow_scopes: Ints
    route_latency: Floats
    route_analysis: Floats
    link_names: tuple[str, ...]
    link_first: dict[str, int]
    link_bandwidth: Floats
    link_overhead: Floats
    link_exclusive: Ints
    rates: Floats
    start: Floats
    kernel: Floats
    cache: Floats
    together: Floats
    strided: Floats
    bandwidth: Floats
    gather: Floats
    update: Floats
    access_links: Ints
    access_scopes: Ints
    algorithm_tree: Ints
    algorithm_base: Floats
    algorithm_hop: Floats
    algorithm_far_hop: Floats
    algorithm_share: Floats

    def memory_of(self, processors: Ints, kind: str) -> Ints:
        """The memory of a kind that each processor uses: its own, or the one of its rank."""
        code = MEMORY_CODES[kind]
        if self.memory_scope[code] < 0:
            shared: Ints = self.memory_first[code] + self.processor_rank[processors]
            return shared
        first = self.processor_first[self.memory_scope[code]]
        own: Ints = self.memory_first[code] + processors - first
        return own

    def processors_of(self, kind: str, ranks: Ints, indices: Ints) -> Ints:
        """Numbers of processors by rank and position within the rank."""
        code = PROCESSOR_CODES[kind]
        first, count = self.processor_first[code], self.processor_count[code]
        numbers: Ints = first + ranks * count + indices
        return numbers

    def processor_name(self, number: int) -> str:
        """What people call a processor, such as ``"GPU 2 of node 0"``."""
        code = int(self.processor_kind[number])
        rank = int(self.processor_rank[number])
        place = number - int(self.processor_first[code]) - rank * int(self.processor_count[code])
        return f"{PROCESSOR_KINDS[code]} {place} of node {rank}"

    def memory_name(self, number: int) -> str:
        """What people call a memory, such as ``"FBMEM of GPU 2 of node 0"``."""
        kind = MEMORY_KINDS[int(self.memory_kind[number])]
        owner = int(self.memory_owner[number])
        if owner >= 0:
            return f"{kind} of {self.processor_name(owner)}"
        return f"{kind} of node {int(self.memory_rank[number])}"

    @cached_property
    def link_total(self) -> int:
        return len(self.link_bandwidth)


def flatten_machine(machine: Machine) -> FlatMachine:
    """The arrays of a machine."""
    ranks = machine.ranks
    counts = np.array([machine.shape.count(k) for k in PROCESSOR_KINDS], np.int64)
    processor_first = np.concatenate(([0], np.cumsum(counts * ranks)))[:-1]
    processor_kind = np.repeat(np.arange(len(counts)), counts * ranks)
    processor_rank = np.concatenate([np.repeat(np.arange(ranks), c) for c in counts])
    rank_node = np.array([machine.node_of_rank(r) for r in range(ranks)], np.int64)
    links = _Links(machine, processor_first, counts)
    return FlatMachine(
        machine=machine,
        processor_first=processor_first,
        processor_count=counts,
        processor_kind=processor_kind,
        processor_rank=processor_rank,
        rank_node=rank_node,
        **_memories(machine, processor_first, counts),
        **links.tables(),
        **_processor_tables(machine, links),
        **_algorithm_tables(machine),
    )


def _algorithm_tables(machine: Machine) -> dict[str, Any]:
    of = machine.algorithms
    numbers = {
        f"algorithm_{name}": np.array([getattr(each, name) for each in of], np.float64)
        for name in ("base", "hop", "far_hop", "share")
    }
    return {"algorithm_tree": np.array([each.kind == "tree" for each in of], np.int64), **numbers}


def _memories(machine: Machine, processor_first: Ints, counts: Ints) -> dict[str, Any]:
    ranks = machine.ranks
    first = np.full(MEMORY_SCALE, -1, np.int64)
    scopes = np.full(MEMORY_SCALE, -1, np.int64)
    kinds: list[int] = []
    rank_of: list[int] = []
    owners: list[int] = []
    capacity: list[float] = []
    for kind, memory in machine.memories.items():
        code = MEMORY_CODES[kind]
        first[code] = len(kinds)
        scope = PROCESSOR_CODES.get(memory.scope, -1)
        scopes[code] = scope
        per_rank = 1 if scope < 0 else int(counts[scope])
        total = ranks * per_rank
        kinds += [code] * total
        rank_of += [i // per_rank for i in range(total)]
        owners += [-1 if scope < 0 else int(processor_first[scope]) + i for i in range(total)]
        capacity += [float(memory.capacity)] * total
    return {
        "memory_first": first,
        "memory_scope": scopes,
        "memory_kind": np.array(kinds, np.int64),
        "memory_rank": np.array(rank_of, np.int64),
        "memory_owner": np.array(owners, np.int64),
        "memory_capacity": np.array(capacity),
    }


SCOPE_PROCESSOR, SCOPE_RANK, SCOPE_NODE = 0, 1, 2


class _Links:
    """Numbers the links: those of a processor kind by processor, else by rank or node."""

    def __init__(self, machine: Machine, processor_first: Ints, counts: Ints) -> None:
        self.machine = machine
        self.processor_first = processor_first
        self.first: dict[str, int] = {}
        self.names: list[str] = []
        self.bandwidth: list[float] = []
        self.overhead: list[float] = []
        self.exclusive: list[bool] = []
        for name, link in machine.links.items():
            self.first[name] = len(self.names)
            for label in self._labels(link, counts):
                self.names.append(label)
                self.bandwidth.append(link.bandwidth)
                self.overhead.append(link.overhead)
                self.exclusive.append(link.exclusive)

    def _labels(self, link: Link, counts: Ints) -> list[str]:
        if link.scope == "node":
            return [f"{link.label} node {n}" for n in range(self.machine.nodes)]
        if link.scope == "rank":
            return [f"{link.label} node {r}" for r in range(self.machine.ranks)]
        per_rank = int(counts[PROCESSOR_CODES[link.scope]])
        return [
            f"{link.label} {link.scope} {i % per_rank} of node {i // per_rank}"
            for i in range(per_rank * self.machine.ranks)
        ]

    def code(self, name: str) -> tuple[int, int]:
        """First number and scope of a link kind.

        For a processor's link the first number is brought to that of processor 0, so that adding
        the processor's number gives the link.
        """
        scope = self.machine.links[name].scope
        if scope == "node":
            return self.first[name], SCOPE_NODE
        if scope == "rank":
            return self.first[name], SCOPE_RANK
        offset = int(self.processor_first[PROCESSOR_CODES[scope]])
        return self.first[name] - offset, SCOPE_PROCESSOR

    def tables(self) -> dict[str, Any]:
        shape = (MEMORY_SCALE, MEMORY_SCALE, len(WHERE), MOST_LINKS)
        routes, flows = _Routes(self, shape), _Routes(self, shape)
        latency, analysis = np.zeros(shape[:3]), np.zeros(shape[:3])
        above, rate = np.zeros(shape[:3]), np.zeros(shape[:3])
        for source in self.machine.memories:
            for target in self.machine.memories:
                for where_code, where in enumerate(WHERE):
                    if where == "memory" and source != target:
                        continue
                    route = self.machine.route(source, target, where)
                    at = (MEMORY_CODES[source], MEMORY_CODES[target], where_code)
                    latency[at], analysis[at] = route.latency, route.analysis
                    above[at], rate[at] = route.chunk, route.stream_on(self.machine.ranks_per_node)
                    routes.add(at, route.links)
                    flows.add(at, route.stream_links)
        return {
            "route_links": routes.numbers,
            "route_scopes": routes.scopes,
            "route_sides": routes.sides,
            "flow_above": above,
            "flow_rate": rate,
            "flow_links": flows.numbers,
            "flow_scopes": flows.scopes,
            "flow_sides": flows.sides,
            "route_latency": latency,
            "route_analysis": analysis,
            "link_names": tuple(self.names),
            "link_first": dict(self.first),
            "link_bandwidth": np.array(self.bandwidth),
            "link_overhead": np.array(self.overhead),
            "link_exclusive": np.array(self.exclusive, np.int64),
        }


class _Routes:
    """The links of routes: first numbers, scopes, and sides."""

    def __init__(self, links: _Links, shape: tuple[int, ...]) -> None:
        self._links = links
        self.numbers = np.zeros(shape, np.int64)
        self.scopes = np.full(shape, -1, np.int64)
        self.sides = np.zeros(shape, np.int64)

    def add(self, at: tuple[int, int, int], names: Sequence[str]) -> None:
        """The links of one route in order."""
        for position, name in enumerate(names):
            side, link = name.split(".", 1)
            here = (*at, position)
            self.numbers[here], self.scopes[here] = self._links.code(link)
            self.sides[here] = int(side == "target")


def _processor_tables(machine: Machine, links: _Links) -> dict[str, Any]:
    kinds = len(PROCESSOR_KINDS)
    table: dict[str, Any] = {
        "rates": np.zeros((kinds, len(RATES))),
        "start": np.zeros(kinds),
        "kernel": np.zeros(kinds),
        "cache": np.zeros(kinds),
        "together": np.zeros(kinds),
        "strided": np.zeros(kinds),
        "bandwidth": np.zeros((kinds, MEMORY_SCALE)),
        "gather": np.zeros((kinds, MEMORY_SCALE)),
        "update": np.zeros((kinds, MEMORY_SCALE)),
        "access_links": np.zeros((kinds, MEMORY_SCALE, MOST_LINKS), np.int64),
        "access_scopes": np.full((kinds, MEMORY_SCALE, MOST_LINKS), -1, np.int64),
    }
    for kind, processor in machine.processors.items():
        code = PROCESSOR_CODES[kind]
        table["rates"][code] = [processor.rate(rate) for rate in RATES]
        for name in ("start", "kernel", "cache", "together", "strided"):
            table[name][code] = getattr(processor, name)
    for (processor_kind, memory), access in machine.access.items():
        at = (PROCESSOR_CODES[processor_kind], MEMORY_CODES[memory])
        for name in ("bandwidth", "gather", "update"):
            table[name][at] = getattr(access, name)
        for position, link in enumerate(access.links):
            first, scope = links.code(link)
            table["access_links"][(*at, position)] = first
            table["access_scopes"][(*at, position)] = scope
    return table
