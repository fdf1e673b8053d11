"""Decisions: what a mapper says about every point task and requirement of a program on a machine.

This is section 10 and 11 of the language reference: which processor kind a task gets, which
memory a requirement gets, what happens to launches without a map, and which answers Legion would
refuse. The refusals carry the words of the real runtime.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from dsl.mapper import LayoutDecision, Mapper
from numpy.typing import NDArray

from dsl.factorisation import greedy_split
from dsl.machine_shape import PROCESSOR_KINDS
from legion_bridge.application import Launch, Region, Requirement
from legion_bridge.errors import MappingError
from legion_bridge.flat_machine import FlatMachine
from legion_bridge.flatten import FlatProgram

__all__ = [
    "PREFERENCE",
    "Decisions",
    "LaunchDecisions",
    "accepts",
    "choose_kind",
    "choose_memory",
    "decide",
]

PREFERENCE = ("GPU", "OMP", "CPU", "PY", "IO", "PROC")
"""The order in which Legion's default mapper tries processor kinds."""

DEFAULT_LAYOUT = LayoutDecision()

Ints = NDArray[np.int64]


class LaunchDecisions(NamedTuple):
    """What was decided for all points of a launch alike.

    Attributes:
        kind: Processor kind.
        limit: Instance limit of its task; 0 for none.
        memories, layouts: Memory kind and layout of each requirement; None without data.
    """

    kind: str
    limit: int
    memories: tuple[str | None, ...]
    layouts: tuple[LayoutDecision | None, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Decisions:
    """What was decided, by launch and by point.

    Attributes:
        launches: By launch.
        processor: ``[P]`` processor of each point task.
        memory: ``[R]`` memory of each requirement of each point; -1 where there is no data.
        layout: ``[R]`` layout class: 2 for C order, plus 1 for fields together.
        exact, collect: ``[R]`` 0 or 1.
    """

    launches: tuple[LaunchDecisions, ...]
    processor: Ints
    memory: Ints
    layout: Ints
    exact: Ints
    collect: Ints


def decide(program: FlatProgram, machine: FlatMachine, mapper: Mapper) -> Decisions:
    """Asks a mapper about everything.

    Raises:
        MappingError: Legion would refuse a decision.
        MapperEvaluationError: A mapping function fails.
    """
    points = int(program.launch_point[-1])
    requirements = int(program.point_requirement[-1])
    processor = np.zeros(points, np.int64)
    memory = np.full(requirements, -1, np.int64)
    layout = np.zeros(requirements, np.int64)
    exact = np.zeros(requirements, np.int64)
    collect = np.zeros(requirements, np.int64)
    launches = []
    for number, launch in enumerate(program.launches):
        kind = _kind(program, machine, mapper, launch)
        first, last = program.launch_point[number], program.launch_point[number + 1]
        above = program.point_parent[first:last]
        above = np.where(above < 0, -1, processor[above])
        where = _processors(machine, mapper, launch, kind, above)
        processor[first:last] = where
        chosen = _Requirements(program, machine, mapper, launch, kind)
        width = len(launch.requirements)
        start = program.point_requirement[first]
        for index in range(width):
            column = slice(start + index, start + index + width * (last - first), width)
            memory_kind = chosen.memories[index]
            if memory_kind is not None:
                memory[column] = machine.memory_of(where, memory_kind)
            layout[column] = chosen.classes[index]
            exact[column] = chosen.exact[index]
            collect[column] = chosen.collect[index]
        limit = mapper.instance_limit(launch.task)
        memories, layouts = tuple(chosen.memories), tuple(chosen.layouts)
        launches.append(LaunchDecisions(kind, limit, memories, layouts))
    return Decisions(tuple(launches), processor, memory, layout, exact, collect)


def choose_kind(
    wanted: Sequence[str], variants: Sequence[str], present: Sequence[str]
) -> str | None:
    """The first wanted kind that the task has a variant for and the machine has; else by default.

    Returns:
        The kind, or None where no variant of the task can run on the machine.
    """
    for kind in (*wanted, *PREFERENCE):
        if kind in variants and kind in present:
            return kind
    return None


def choose_memory(wanted: Sequence[str], visible: Sequence[str]) -> str:
    """The first wanted memory that the processor sees (or ``VIRTUAL``); else its fastest."""
    for memory in wanted:
        if memory == "VIRTUAL" or memory in visible:
            return memory
    return visible[0]


def _kind(program: FlatProgram, machine: FlatMachine, mapper: Mapper, launch: Launch) -> str:
    variants = program.application.task_kinds[launch.task].variants
    shape = machine.machine.shape
    present = [k for k in PROCESSOR_KINDS if shape.count(k)]
    kind = choose_kind(mapper.task_kinds(launch.task), variants, present)
    if kind is None:
        names = " ".join(f"{variant}_PROC" for variant in variants)
        raise MappingError(
            f"Failed to find any valid variants for task {launch.task} on the current machine. "
            f"All variants ({names}) for this task are for processor kinds which are not present "
            "on this machine."
        )
    return kind


def _processors(
    machine: FlatMachine, mapper: Mapper, launch: Launch, kind: str, parents: Ints
) -> Ints:
    """The processor of each point of a launch.

    Args:
        parents: Processor that each point's parent runs on; -1 for the top-level task.
    """
    if launch.single:
        return _single(machine, mapper, launch, kind, parents)
    copies = len(parents) // launch.volume
    if mapper.has_index_map(launch.task, kind):
        chosen = mapper.index_map(launch.task, kind, launch.domain).reshape(-1, 2)
        ranks, indices = np.tile(chosen, (copies, 1)).T
        _check_range(machine, launch, kind, ranks, indices)
    elif launch.parent is not None:
        ranks = machine.processor_rank[parents]
        count = machine.machine.shape.count(kind)
        indices = np.tile(_block(launch.domain, np.ones(launch.volume, bool), count), copies)
    else:
        ranks, indices = _unmapped(machine, launch, kind)
    return machine.processors_of(kind, ranks, indices)


def _check_range(
    machine: FlatMachine, launch: Launch, kind: str, ranks: Ints, indices: Ints
) -> None:
    count = machine.machine.shape.count(kind)
    bad = (ranks < 0) | (ranks >= machine.machine.ranks) | (indices < 0) | (indices >= count)
    if bad.any():
        at = int(np.argmax(bad))
        point = np.unravel_index(at % launch.volume, launch.domain)
        raise MappingError(
            f"Slice processor index out of bound: task {launch.task} point "
            f"({', '.join(str(int(x)) for x in point)}) is sent to node {ranks[at]}, {kind} "
            f"{indices[at]}, but there are {machine.machine.ranks} nodes with {count} {kind} each"
        )


def _unmapped(machine: FlatMachine, launch: Launch, kind: str) -> tuple[Ints, Ints]:
    """Legion's defaults: cyclic over the nodes, then blocks over the processors of each."""
    ranks_total, count = machine.machine.ranks, machine.machine.shape.count(kind)
    grid = np.indices(launch.domain).reshape(len(launch.domain), -1)
    strides = np.cumprod((1, *launch.domain[:-1]))
    ranks: Ints = (strides[:, None] * grid).sum(axis=0) % ranks_total
    indices = np.zeros(launch.volume, np.int64)
    for rank in range(min(ranks_total, launch.volume)):
        mine = ranks == rank
        indices[mine] = _block(launch.domain, mine, count)[mine]
    return ranks, indices


def _block(domain: Sequence[int], mine: NDArray[np.bool_], count: int) -> Ints:
    """Blocks of the bounding box of the chosen points, over ``count`` processors."""
    grid = np.indices(domain).reshape(len(domain), -1)
    lower = grid[:, mine].min(axis=1)
    extents = grid[:, mine].max(axis=1) - lower + 1
    factors = greedy_split(count, tuple(int(e) for e in extents))
    found = np.zeros(math.prod(domain), np.int64)
    stride = 1
    for d, factor in enumerate(factors):
        parts = min(factor, int(extents[d]))
        size = -(-int(extents[d]) // parts)
        found += stride * np.clip((grid[d] - lower[d]) // size, 0, parts - 1)
        stride *= factor
    return found


def _single(
    machine: FlatMachine, mapper: Mapper, launch: Launch, kind: str, parents: Ints
) -> Ints:
    """Single tasks: where the map says, else the first processor of the parent's node.

    Args:
        parents: Processor that each task's parent runs on; -1 for the top-level task.
    """
    unique, where = np.unique(parents, return_inverse=True)
    found = [_single_of(machine, mapper, launch, kind, int(parent)) for parent in unique]
    chosen: Ints = np.array(found, np.int64)[where]
    return chosen


def _single_of(
    machine: FlatMachine, mapper: Mapper, launch: Launch, kind: str, parent: int
) -> int:
    rank, place, parent_kind = 0, 0, "CPU"
    if parent >= 0:
        code = int(machine.processor_kind[parent])
        rank, parent_kind = int(machine.processor_rank[parent]), PROCESSOR_KINDS[code]
        first = int(machine.processors_of(parent_kind, np.int64(rank), np.int64(0)))
        place = parent - first
    target = 0
    if mapper.has_single_map(launch.task, kind):
        node, target = mapper.single_map(launch.task, kind, (rank, place), parent_kind)[0]
        _check_range(machine, launch, kind, np.array([node]), np.array([target]))
        if node != rank:
            raise MappingError(
                f"Assertion failed: the single task map of {launch.task} sends it to node {node}, "
                f"but its parent runs on node {rank} and a single task stays on its node"
            )
    return int(machine.processors_of(kind, np.int64(rank), np.int64(target)))


class _Requirements:
    """Memory, layout and the rest for each requirement of a launch."""

    def __init__(
        self,
        program: FlatProgram,
        machine: FlatMachine,
        mapper: Mapper,
        launch: Launch,
        kind: str,
    ) -> None:
        self.application = program.application
        self.machine = machine
        self.mapper = mapper
        self.launch = launch
        self.kind = kind
        self.memories: list[str | None] = []
        self.layouts: list[LayoutDecision | None] = []
        self.classes: list[int] = []
        self.exact: list[int] = []
        self.collect: list[int] = []
        self.inner = self.application.task_kinds[launch.task].inner
        for index, requirement in enumerate(launch.requirements):
            self._add(index, requirement)

    def _add(self, index: int, requirement: Requirement) -> None:
        if not requirement.fields or requirement.virtual or self.inner:
            self._append(None, None, 0, 0, 0)
            return
        task, names = self.launch.task, (*requirement.semantic_names, str(index))
        wanted = self.mapper.memories(task, names, self.kind)
        memory = choose_memory(wanted, self.machine.machine.visible_memories(self.kind))
        if memory == "VIRTUAL":
            raise MappingError(
                f"Illegal implicit mapping of a virtual mapped region in task {task} "
                f"(region requirement {index})."
            )
        layout = self.mapper.layout(task, names, memory, self.kind) or DEFAULT_LAYOUT
        self._check_layout(index, requirement, layout)
        dimension = self.application.regions[requirement.region].dimension
        together = 1 if not layout.soa and len(requirement.fields) > 1 else 0
        order = 2 if layout.c_order and dimension > 1 else 0
        exact = int(layout.exact and layout.compact)
        collect = int(requirement.privilege == "READ_ONLY" and self.mapper.collects(task, names))
        self._append(memory, layout, order + together, exact, collect)

    def _append(
        self,
        memory: str | None,
        layout: LayoutDecision | None,
        code: int,
        exact: int,
        collect: int,
    ) -> None:
        self.memories.append(memory)
        self.layouts.append(layout)
        self.classes.append(code)
        self.exact.append(exact)
        self.collect.append(collect)

    def _check_layout(self, index: int, requirement: Requirement, layout: LayoutDecision) -> None:
        if not accepts(requirement, self.application.regions[requirement.region], layout):
            said = requirement.need.message if requirement.need else ""
            raise MappingError(
                f"{said} in task {self.launch.task} "
                f"(region requirement {index}, region {requirement.semantic_names[0]})"
            )


def accepts(requirement: Requirement, region: Region, layout: LayoutDecision) -> bool:
    """Whether the task's variant was compiled for instances of such a layout."""
    need = requirement.need
    if need is None:
        return True
    ordered = need.order is not None and region.dimension > 1
    if ordered and layout.c_order != (need.order == "C_order"):
        return False
    return need.soa is None or len(requirement.fields) < 2 or layout.soa == need.soa
