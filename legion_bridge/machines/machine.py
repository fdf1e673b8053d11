"""Machines: processors, memories, the links between them, and what the runtime costs.

A machine is a TOML file; ``machines/p100x4.toml`` shows every key, with the source of each number.
Processors and memories are counted per rank; a rank is one process of the program. Usually a node
runs one rank; with several, ``rank_placement`` says which node a rank lies on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import log2
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dsl.machine_shape import MachineShape
from legion_bridge.errors import MachineError
from legion_bridge.rates import PRODUCT_RATES, WIDER

__all__ = [
    "Access",
    "Algorithm",
    "Link",
    "Machine",
    "Memory",
    "Processor",
    "Products",
    "Route",
    "Runtime",
]

WHERE = ("memory", "rank", "node", "network")
MOST_LINKS = 6
"""Links on one way that can be named."""
MOST_PROCESSORS = 250_000
"""Processors of a machine in all, of every kind."""
COLLECTIVES = ("legion", "nccl")
"""Who adds up partial sums, and spreads what many read: see ``Runtime.collective``."""
RankPlacement: TypeAlias = Literal["packed", "cyclic"]


@dataclass(frozen=True, slots=True)
class Products:
    """Matrix products on a processor's tensor cores.

    Attributes:
        fp8, fp16, bf16, tf32: Peak operations a second for dense matrices of these elements; 0
            where it has none.
        shares: Sides of products and the share of the peak that one reaches whose smallest side is
            so long, both ascending. Between them shares are interpolated over the logarithm of
            the side; below the first they fall in proportion to it, beyond the last they stay.
    """

    fp8: float = 0.0
    fp16: float = 0.0
    bf16: float = 0.0
    tf32: float = 0.0
    shares: tuple[tuple[float, float], ...] = ()

    def share_of(self, side: NDArray[np.int64]) -> NDArray[np.float64]:
        """The share of the peak that products reach by their smallest side."""
        if not self.shares:
            return np.ones(len(side))
        sides, shares = (np.array(each, float) for each in zip(*self.shares, strict=True))
        smaller = np.minimum(side / sides[0], 1.0)
        found: NDArray[np.float64] = smaller * np.interp(np.log2(side), np.log2(sides), shares)
        return found

    @property
    def best_share(self) -> float:
        """The share of the peak that large products reach."""
        return self.shares[-1][1] if self.shares else 1.0


@dataclass(frozen=True, slots=True)
class Processor:
    """A processor kind.

    Attributes:
        count: Processors of the kind per rank.
        start: Seconds to start a mapped point task.
        kernel: Seconds per kernel launch.
        fp32, fp64, dgemm: Sustained operations a second in general code and in a matrix product.
        cache: Bytes of its last cache.
        together: Factor on the traffic of an instance whose fields lie together (AoS).
        strided: Factor where the fastest dimension of an instance is not the kernel's.
        line: Bytes of a cache line; 0 where lines are not counted. Where it is given, fields that
            lie together have the traffic of the lines which they lie in, and ``together`` is a
            further factor.
        far: Factor where fields that lie together are more than a line from point to point, as
            aligned ones are: lines then come one by one, each from a page of its own.
        farther: Further factor for each doubling of that distance from two lines up to eight.
        paged: What ``farther`` is for copies beyond that distance, up to a page of 64 lines.
        pooled: Whether tasks that no map places run on whichever of them is free, as Legion's
            default mapper lets them on CPUs.
        near: Bytes of the cache of one of them; 0 where it does not matter. Of fields that lie
            together in it, a task brings each line once.
        near_strided: Factor in place of ``strided`` where what a task goes through of one field
            would fit into that cache; 0 where it is no other.
        overlap: Share of the shorter of arithmetic and streams that goes on beside the longer; 1
            where a task takes no longer than the longer of the two.
        products: Matrix products on tensor cores; None where it has none.
    """

    kind: str
    count: int
    start: float
    kernel: float
    fp32: float
    fp64: float
    dgemm: float
    cache: float
    together: float = 1.0
    strided: float = 1.0
    line: float = 0.0
    far: float = 1.0
    farther: float = 1.0
    paged: float = 1.0
    pooled: bool = False
    near: float = 0.0
    near_strided: float = 0.0
    overlap: float = 1.0
    products: Products | None = None

    def rate(self, name: str) -> float:
        """Operations a second of large work: ``name`` is one of ``RATES``.

        Products of elements that the processor lacks are computed with the next wider ones that
        it has, as libraries do; without tensor cores in fp32, or as those of fp64 if that is
        faster.
        """
        if name not in PRODUCT_RATES:
            return float(getattr(self, name))
        peak = self._peak(name)
        return peak * self.products.best_share if peak and self.products else self._plain

    def share_of(self, name: str, side: NDArray[np.int64]) -> NDArray[np.float64]:
        """``[points]`` the share of ``rate`` that products reach by their smallest side."""
        if self.products is None or name in ("fp32", "fp64"):
            return np.ones(len(side))
        return self.products.share_of(side) / self.products.best_share

    def _peak(self, name: str) -> float:
        """That of the narrowest elements that hold all of some and that it has; 0 for none."""
        peak = float(getattr(self.products, name, 0.0))
        return self._peak(WIDER[name]) if not peak and name in WIDER else peak

    @property
    def _plain(self) -> float:
        """Operations a second of products in fp32 without tensor cores."""
        return max(self.fp32, self.dgemm)


@dataclass(frozen=True, slots=True)
class Memory:
    """A memory kind.

    Attributes:
        scope: ``"rank"`` for one memory per rank, or a processor kind for one per processor of it.
        capacity: Bytes of each memory.
        whole: Whether instances in it are made of whole regions where the program runs as one
            process, as Legion's default mapper does outside the memories of GPUs: pieces of a
            region then lie in one instance, and neighbours copy nothing.
    """

    kind: str
    scope: str
    capacity: int
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Access:
    """How a processor kind reaches a memory kind.

    Attributes:
        bandwidth: Bytes a second of streams.
        gather, update: Seconds a scattered read, and a scattered update (atomic).
        links: Links that this traffic occupies.
    """

    processor: str
    memory: str
    bandwidth: float
    gather: float = 0.0
    update: float = 0.0
    links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """A kind of link.

    Attributes:
        scope: ``"rank"``, ``"node"`` or a processor kind: how many of them there are.
        bandwidth: Bytes a second.
        label: What people call it, followed by the processor or node: ``"PCIe into"``.
        overhead: Seconds that each copy occupies it beside its bytes: what starts a transfer, or
            handles a message.
        exclusive: Whether a copy occupies it from beginning to end, however slow the copy's other
            links are: such a channel does one copy after the other.
    """

    name: str
    scope: str
    bandwidth: float
    label: str
    overhead: float = 0.0
    exclusive: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """How copies travel between two memory kinds.

    Attributes:
        source, target: Memory kinds; ``"*"`` for any that no other route names.
        where: Inside one ``"memory"``, one ``"rank"``, one ``"node"``, or over the ``"network"``.
        links: Link names, each prefixed with ``source.`` or ``target.``.
        latency: Seconds before the first byte.
        analysis: Seconds of the runtime's own work for one copy, traced, on the rank of the task
            that asks for it.
        doubling: Seconds that the latency grows by with each doubling of the nodes.
        chunk: Bytes of the buffers that a copy travels through; 0 where that does not matter. What
            is larger goes a buffer at a time: such copies wait for no link, but share those in
            ``stream_links`` fairly. While another copy, or a task, has one of these, they stand
            still: its data was queued before their next buffer.
        stream: Bytes a second that one such copy can have at most.
        split_stream: The same where several ranks share a node; 0 where it makes no difference.
        stream_links: Their links, in place of ``links``.
    """

    source: str
    target: str
    where: str
    links: tuple[str, ...]
    latency: float
    analysis: float = 0.0
    doubling: float = 0.0
    chunk: float = 0.0
    stream: float = 0.0
    split_stream: float = 0.0
    stream_links: tuple[str, ...] = ()

    def on(self, nodes: int) -> Route:
        """The route in a machine with that number of nodes, with the latency that it has there."""
        grown = self.latency + self.doubling * log2(nodes)
        return replace(self, latency=grown, doubling=0.0) if self.doubling else self

    def stream_on(self, ranks_per_node: int) -> float:
        """What ``stream`` is with that many ranks a node."""
        return self.split_stream if self.split_stream and ranks_per_node > 1 else self.stream


@dataclass(frozen=True, slots=True)
class Runtime:
    """What the runtime costs, in seconds, on each rank and one after the other.

    Attributes:
        launch: Analysis of a launch, traced.
        point: Analysis and mapping of a point task, traced.
        requirement: Added for each region requirement of a point, traced.
        untraced: Factor on the three without a trace.
        message: Added to each launch where the program runs on several ranks.
        domain: Added to each launch for each point of its domain, wherever the point runs: every
            rank looks at the whole domain to find its own part.
        fold: How many times the bytes of a copy a reduction's fold moves: it reads both sides. A
            network carries the sums alone.
        transpose: The same factor for a copy to or from an instance in C order, where instances
            hold whole regions.
        instance: Added for each instance that is made for one task, as collected ones are.
        fresh: Added to the factor on the bytes of copies into such an instance, for each byte of
            room that one of them takes, with the fields that lie beside it: the pages have to be
            found and cleared, and no cache holds them.
        refinement: Added for each requirement of a point whose region the loop reaches through
            several partitions, as if traced, where no trace is replayed: what each of them sees
            must be found anew.
        recording: Further factor where a traced loop is not replayed, but recorded anew each time.
        permit: From the end of a point under an instance limit until the mapper hears of it and
            the next one can be mapped.
        threads: Cores that the runtime's work keeps busy at a time, where it shares them.
        recorded: Whether traces are recorded with their mapping and replayed without the mapper,
            so that instance limits hold until then. Collected data keeps a trace from it.
        keeps_folded: Whether data that reductions are folded into is collected only when it is
            overwritten, in place of as soon as it was read.
        shares_cores: Whether there are no cores but those of the processors, and no utility
            processor (``-ll:util 0``): the runtime works on a processor of its rank, between tasks
            and before those that wait; copies hold up the processors.
        collective: ``"legion"`` where partial sums are folded into one owner, one after the other,
            and each reader copies for itself, as Legion does; ``"nccl"`` where they are added up,
            and what many read is spread, by collective operations of all processors concerned.
    """

    launch: float
    point: float
    requirement: float
    untraced: float
    message: float
    domain: float = 0.0
    fold: float = 2.0
    transpose: float = 1.0
    instance: float = 0.0
    fresh: float = 0.0
    refinement: float = 0.0
    recording: float = 1.0
    permit: float = 0.0
    threads: float = 1.0
    recorded: bool = False
    keeps_folded: bool = False
    shares_cores: bool = False
    collective: str = "legion"

    def fold_by(self, where: str) -> float:
        """How many times its bytes a fold moves inside or between what ``where`` names."""
        return 1.0 if where == "network" else self.fold


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One of the ways in which a collective operation runs.

    Partial sums on ``k`` processors that all of them read take a ring ``2 (k - 1)`` steps, and
    each link ``2 (k - 1) / k`` of their bytes; where each reads a part, or what is read is no sum,
    it is half of that. A tree takes two steps for each processor of a node but one, two for each
    doubling of the nodes, and each link twice the bytes.

    Attributes:
        kind: ``"ring"``, or ``"tree"`` for sums that all who take part read.
        base: Seconds beside those of the steps.
        hop, far_hop: Seconds of a step inside a node, and from node to node.
        share: The share of the links' bandwidth that it reaches.
    """

    kind: str
    base: float
    hop: float
    far_hop: float
    share: float


@dataclass(frozen=True)
class Machine:
    """A machine of ``nodes`` equal nodes.

    >>> machine = Machine.load("p100x4", nodes=2)
    >>> machine.shape.count("GPU"), machine.shape.nodes
    (4, 2)
    """

    name: str
    summary: str
    nodes: int
    processors: Mapping[str, Processor]
    memories: Mapping[str, Memory]
    access: Mapping[tuple[str, str], Access]
    links: Mapping[str, Link]
    routes: tuple[Route, ...]
    runtime: Runtime
    ranks_per_node: int = 1
    rank_placement: RankPlacement = "packed"
    algorithms: tuple[Algorithm, ...] = ()
    source: str = field(default="", compare=False, repr=False)

    @staticmethod
    def load(name: str | Path, *, nodes: int | None = None) -> Machine:
        """A machine by name, or from a TOML file.

        Args:
            name: One of ``machine_names()``, or the path of a file that ends in ``.toml``.
            nodes: How many nodes; the file's own number where it is None.

        Raises:
            MachineError: The machine is unknown, or its file is wrong; says what to mend.
        """
        # What reads machines imports their class, so this must come late.
        from legion_bridge.machines.machine_file import read_machine  # noqa: PLC0415

        machine = read_machine(name)
        return machine if nodes is None else machine.with_nodes(nodes)

    def with_nodes(self, nodes: int) -> Machine:
        """The same machine with another number of nodes."""
        if nodes < 1:
            raise MachineError(f"a machine has at least one node, not {nodes}")
        return replace(self, nodes=nodes).bounded()

    def bounded(self) -> Machine:
        """The machine itself, where it is of a size that can be held.

        Raises:
            MachineError: It has too many processors.
        """
        count = self.ranks * sum(processor.count for processor in self.processors.values())
        if count > MOST_PROCESSORS:
            raise MachineError(
                f"the machine {self.name!r} would have more than {MOST_PROCESSORS:,} processors: "
                "take fewer nodes, or fewer processors a node"
            )
        return self

    def with_ranks(self, per_node: int, placement: RankPlacement = "packed") -> Machine:
        """The same machine run with several ranks a node, its processors shared out evenly.

        Raises:
            MachineError: The GPUs of a node cannot be shared out evenly.
        """
        per_rank: dict[str, Processor] = {}
        for kind, processor in self.processors.items():
            count, rest = divmod(processor.count, per_node)
            if rest and processor.count > 1:
                raise MachineError(
                    f"{processor.count} {kind} cannot be shared by {per_node} ranks"
                )
            per_rank[kind] = replace(processor, count=max(count, 1))
        memories = {
            kind: replace(memory, capacity=memory.capacity // per_node)
            if memory.scope == "rank"
            else memory
            for kind, memory in self.memories.items()
        }
        return replace(
            self,
            processors=MappingProxyType(per_rank),
            memories=MappingProxyType(memories),
            ranks_per_node=self.ranks_per_node * per_node,
            rank_placement=placement,
        ).bounded()

    def for_ranks(self, per_node: int) -> Machine:
        """The machine as a program with that number of ranks per node sees it."""
        return self if per_node == self.ranks_per_node else self.with_ranks(per_node)

    @cached_property
    def shape(self) -> MachineShape:
        """The shape that a mapper sees: ranks, and processors per rank."""
        counts = {kind: processor.count for kind, processor in self.processors.items()}
        return MachineShape(nodes=self.ranks, processors=counts)

    @property
    def ranks(self) -> int:
        """Number of processes of a program on it; the language calls them nodes."""
        return self.nodes * self.ranks_per_node

    @property
    def whole_region_instances(self) -> bool:
        """Whether instances of whole regions are made (``Memory.whole``)."""
        return self.ranks == 1 and any(memory.whole for memory in self.memories.values())

    def node_of_rank(self, rank: int) -> int:
        """The node that a rank lies on."""
        return (
            rank % self.nodes if self.rank_placement == "cyclic" else rank // self.ranks_per_node
        )

    def visible_memories(self, processor: str) -> tuple[str, ...]:
        """Memory kinds that a processor kind sees, the fastest first."""
        seen = [a for (kind, _), a in self.access.items() if kind == processor]
        return tuple(a.memory for a in sorted(seen, key=lambda a: -a.bandwidth))

    def capacity(self, memory: str) -> int:
        """Bytes of one memory of the kind; 0 where the machine has none."""
        return self.memories[memory].capacity if memory in self.memories else 0

    def memories_per_node(self, memory: str) -> int:
        """Memories of the kind in each rank."""
        if memory not in self.memories:
            return 0
        scope = self.memories[memory].scope
        return 1 if scope == "rank" else self.processors[scope].count

    def route(self, source: str, target: str, where: str) -> Route:
        """How a copy travels; the most specific route of the file wins.

        Its latency is the one for the machine's number of nodes.

        Raises:
            MachineError: The file has no route for it.
        """
        for a, b in ((source, target), (source, "*"), ("*", target), ("*", "*")):
            for route in self.routes:
                if (route.source, route.target, route.where) == (a, b, where):
                    return route.on(self.nodes)
        raise MachineError(
            f"machine {self.name!r} has no route from {source} to {target} by {where}; add a "
            '[[routes]] table for it, or one with from = "*" and to = "*"'
        )
