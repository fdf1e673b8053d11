"""What a mapper decides about a launch (language reference, sections 10 and 11).

Which processor kind the task gets, which memory and layout each requirement gets, which answers
Legion would refuse, in the words of the real runtime; and which processor each point runs on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsl.evaluation.factorisation import greedy_split
from dsl.launch_domain import LaunchDomain
from dsl.machine_shape import PROCESSOR_KINDS
from dsl.mapper import Mapper
from dsl.tables import LayoutDecision, Tables, accepts_layout, choose_kind, choose_memory
from legion_bridge.errors import MappingError
from legion_bridge.machines.flat_machine import FlatMachine
from legion_bridge.programs.application import Application, Launch, Region, Requirement

__all__ = ["LaunchDecisions", "LaunchQuestions", "placement", "sharding_and_slicing"]

Ints = NDArray[np.int64]
DEFAULT_LAYOUT = LayoutDecision()


@dataclass(frozen=True, slots=True)
class LaunchDecisions:
    """The decisions for all points of a launch together.

    Attributes:
        kind: Processor kind of the task.
        limit: Instance limit of the task; 0 for none.
        memories, layouts: Memory kind and layout of each requirement; None without data.
        collects: Whether each requirement's instance may be collected after the task.
    """

    kind: str
    limit: int
    memories: tuple[str | None, ...]
    layouts: tuple[LayoutDecision | None, ...]
    collects: tuple[bool, ...]
    _hash: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        content = (self.kind, self.limit, self.memories, self.layouts, self.collects)
        object.__setattr__(self, "_hash", hash(content))

    def __hash__(self) -> int:
        """The hash of the content, computed once: decisions are looked up more often than made."""
        return self._hash


class LaunchQuestions:
    """The questions about all points of a launch together, prepared."""

    def __init__(
        self, application: Application, launch: Launch, visible: Mapping[str, Sequence[str]]
    ) -> None:
        self.launch = launch
        self._visible = visible
        self._variants = application.task_kinds[launch.task].variants
        inner = application.task_kinds[launch.task].inner
        self._arguments = [
            None
            if requirement.virtual
            or not requirement.fields
            or (inner and requirement.privilege != "REDUCE")
            else _Argument(
                index,
                (*application.semantic_names(requirement), str(index)),
                requirement,
                application.regions[requirement.region],
            )
            for index, requirement in enumerate(launch.requirements)
        ]

    def ask(self, tables: Tables) -> LaunchDecisions:
        """The decisions.

        Args:
            tables: What the mapper's rules say, as far as they are about the task.

        Raises:
            MappingError: Legion would refuse one.
        """
        kind = self._kind(tables)
        memories: list[str | None] = []
        layouts: list[LayoutDecision | None] = []
        collects: list[bool] = []
        for argument in self._arguments:
            if argument is None:
                memory, layout, collected = None, None, False
            else:
                memory, layout, collected = self._ask(tables, kind, argument)
            memories.append(memory)
            layouts.append(layout)
            collects.append(collected)
        limit = max(0, tables.limits.get(self.launch.task, 0))  # below 0 there is none either
        return LaunchDecisions(kind, limit, tuple(memories), tuple(layouts), tuple(collects))

    def _kind(self, tables: Tables) -> str:
        task = self.launch.task
        kind = choose_kind(tables.task_kinds(task), self._variants, tuple(self._visible))
        if kind is None:
            names = " ".join(f"{variant}_PROC" for variant in self._variants)
            raise MappingError(
                f"Failed to find any valid variants for task {task} on the current machine. All "
                f"variants ({names}) for this task are for processor kinds which are not present "
                "on this machine."
            )
        return kind

    def _ask(
        self, tables: Tables, kind: str, argument: _Argument
    ) -> tuple[str, LayoutDecision, bool]:
        task, names, requirement = self.launch.task, argument.names, argument.requirement
        memory = choose_memory(tables.task_memories(task, names, kind), self._visible[kind])
        if memory == "VIRTUAL":
            raise MappingError(
                f"Illegal implicit mapping of a virtual mapped region in task {task} "
                f"(region requirement {argument.number})."
            )
        layout = tables.layout(task, names, memory, kind) or DEFAULT_LAYOUT
        if layout.align is not None and not layout.align.possible:
            raise MappingError(
                f"an instance cannot be aligned to {layout.align.bytes} bytes in task {task} "
                f"(region requirement {argument.number}, region {names[0]}): take a power of two, "
                "such as 64"
            )
        dimension, fields = argument.region.dimension, len(requirement.fields)
        if requirement.need and not accepts_layout(requirement.need, dimension, fields, layout):
            raise MappingError(
                f"{requirement.need.message} in task {task} "
                f"(region requirement {argument.number}, region {names[0]})"
            )
        collected = requirement.privilege == "READ_ONLY" and tables.collects(task, names)
        return memory, layout, collected


class _Argument(NamedTuple):
    """A requirement with data, and the names that a mapper may call it by."""

    number: int
    names: tuple[str, ...]
    requirement: Requirement
    region: Region


# Where each point goes


def placement(
    machine: FlatMachine,
    mapper: Mapper,
    launch: Launch,
    kind: str,
    *,
    parents: Ints | None,
    points: int,
) -> Ints:
    """The processor of each point of a launch.

    Args:
        parents: ``[points]`` processor of each point's parent; None for the top-level task.
        points: Points of the launch over all its parents.

    Raises:
        MappingError: A map sends a point where there is no processor.
        MapperEvaluationError: A mapping function fails.
    """
    if launch.single:
        above = np.full(points, -1) if parents is None else parents
        return _single(machine, mapper, launch, kind, above)
    domain = LaunchDomain.of(launch)
    copies = points // domain.volume
    count = machine.machine.shape.count(kind)
    if mapper.has_index_map(launch.task, kind):
        chosen = mapper.launch_map(launch.task, kind, domain)
        _check_range(machine, launch, kind, chosen)
        ranks, indices = (np.tile(column, copies) for column in chosen.T)
    elif parents is not None:  # launched on one node: it stays there
        ranks = machine.processor_rank[parents]
        indices = np.tile(sharding_and_slicing(domain, 1, count)[1], copies)
    else:
        ranks, indices = sharding_and_slicing(domain, machine.machine.ranks, count)
    return machine.processors_of(kind, ranks, indices)


def _check_range(machine: FlatMachine, launch: Launch, kind: str, chosen: Ints) -> None:
    ranks, count = machine.machine.ranks, machine.machine.shape.count(kind)
    bad = ((chosen < 0) | (chosen >= np.array([ranks, count]))).any(axis=1)
    if bad.any():
        at = int(np.argmax(bad))
        point = "0" if launch.single else ", ".join(map(str, LaunchDomain.of(launch).point(at)))
        raise MappingError(
            f"Slice processor index out of bound: task {launch.task} point ({point}) is sent to "
            f"node {chosen[at, 0]}, {kind} {chosen[at, 1]}, but there are {ranks} nodes with "
            f"{count} {kind} each"
        )


@lru_cache(maxsize=1024)
def sharding_and_slicing(domain: LaunchDomain, ranks: int, count: int) -> tuple[Ints, Ints]:
    """Legion's defaults: cyclic over the nodes, then blocks over the processors of each.

    Both count from the domain's lower bound. Points are dealt out with the first dimension
    fastest, those of a sparse domain one by one.

    Returns:
        ``[points]`` the node, and the position among its processors, points in row-major order.
    """
    grid = np.array(domain.coordinates(np.arange(domain.volume)))
    order = np.empty(domain.volume, np.int64)
    order[np.lexsort(grid)] = np.arange(domain.volume)
    shard: Ints = order % ranks
    indices = np.zeros(domain.volume, np.int64)
    for rank in range(min(ranks, len(indices))):
        mine = shard == rank
        indices[mine] = _blocks(grid[:, mine], count)
    return shard, indices


def _blocks(points: Ints, count: int) -> Ints:
    """Divides the points' bounding box among ``count`` processors, first dimension fastest.

    As ``DefaultMapper::default_decompose_points`` does: a block begins at the extent times its
    number over the number of blocks, rounded down, so that of blocks of unequal size the last are
    larger. Blocks without a point are passed over.

    >>> _blocks(np.arange(7).reshape(1, 7), 4).tolist()
    [0, 1, 1, 2, 2, 3, 3]

    Args:
        points: ``[dimension, points]``.
    """
    lower = points.min(axis=1)
    extents = points.max(axis=1) - lower + 1
    factors = greedy_split(count, tuple(int(extent) for extent in extents))
    found = np.zeros(points.shape[1], np.int64)
    stride = 1
    for along, least, extent, factor in zip(points, lower, extents, factors, strict=True):
        parts = min(factor, int(extent))
        found += stride * (((along - least + 1) * parts - 1) // extent)
        stride *= parts
    return found


def _single(
    machine: FlatMachine, mapper: Mapper, launch: Launch, kind: str, parents: Ints
) -> Ints:
    """Single tasks: where the map says, else the first processor of the parent's node."""
    unique, where = np.unique(parents, return_inverse=True)
    found = [_single_of(machine, mapper, launch, kind, int(parent)) for parent in unique]
    chosen: Ints = np.array(found, np.int64)[where]
    return chosen


def _single_of(
    machine: FlatMachine, mapper: Mapper, launch: Launch, kind: str, parent: int
) -> int:
    rank, place, parent_kind = _whereabouts(machine, parent)
    target = 0
    if mapper.has_single_map(launch.task, kind):
        node, target = mapper.single_map(launch.task, kind, (rank, place), parent_kind)[0]
        _check_range(machine, launch, kind, np.array([[node, target]]))
        if node != rank:
            raise MappingError(
                f"Assertion failed: the single task map of {launch.task} sends it to node {node}, "
                f"but its parent runs on node {rank} and a single task stays on its node"
            )
    return _number(machine, kind, rank, target)


def _whereabouts(machine: FlatMachine, processor: int) -> tuple[int, int, str]:
    """Node, position in it and kind of a processor; the top-level task has CPU 0 of node 0."""
    if processor < 0:
        return 0, 0, "CPU"
    kind = PROCESSOR_KINDS[int(machine.processor_kind[processor])]
    rank = int(machine.processor_rank[processor])
    return rank, processor - _number(machine, kind, rank, 0), kind


def _number(machine: FlatMachine, kind: str, rank: int, place: int) -> int:
    numbers: Sequence[int] = machine.processors_of(
        kind, np.array([rank]), np.array([place])
    ).tolist()
    return numbers[0]
