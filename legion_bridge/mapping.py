"""Decisions: what a mapper says about every point task and requirement of a program on a machine.

This is section 10 and 11 of the language reference: which processor kind a task gets, which
memory a requirement gets, what happens to launches without a map, and which answers Legion would
refuse. The refusals carry the words of the real runtime.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsl.machine_shape import PROCESSOR_KINDS
from dsl.mapper import Mapper
from dsl.syntax import Assignment, FunctionDefinition, Statement
from dsl.tables import LayoutDecision
from legion_bridge.application import Launch, Region, Requirement
from legion_bridge.errors import MappingError
from legion_bridge.flat_machine import FlatMachine
from legion_bridge.flatten import FlatProgram
from legion_bridge.placement import placement

__all__ = [
    "PREFERENCE",
    "Decider",
    "Decisions",
    "LaunchDecisions",
    "accepts",
    "choose_kind",
    "choose_memory",
]

PREFERENCE = ("GPU", "OMP", "CPU", "PY", "IO", "PROC")
"""The order in which Legion's default mapper tries processor kinds."""

DEFAULT_LAYOUT = LayoutDecision()

Ints = NDArray[np.int64]


class LaunchDecisions(NamedTuple):
    """What was decided for all points of a launch alike; equal decisions are equal and hash so.

    Attributes:
        kind: Processor kind.
        limit: Instance limit of its task; 0 for none.
        memories, layouts: Memory kind and layout of each requirement; None without data.
        collects: Whether each requirement's instance may go after the task.
    """

    kind: str
    limit: int
    memories: tuple[str | None, ...]
    layouts: tuple[LayoutDecision | None, ...]
    collects: tuple[bool, ...]


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


class _Columns(NamedTuple):
    """The arrays of one launch's requirements, point by point."""

    memory: Ints
    layout: Ints
    exact: Ints
    collect: Ints


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


def accepts(requirement: Requirement, region: Region, layout: LayoutDecision) -> bool:
    """Whether the task's variant was compiled for instances of such a layout."""
    need = requirement.need
    if need is None:
        return True
    ordered = need.order is not None and region.dimension > 1
    if ordered and layout.c_order != (need.order == "C_order"):
        return False
    return need.soa is None or len(requirement.fields) < 2 or layout.soa == need.soa


class Decider:
    """Asks mappers about everything; what it made for equal decisions it does not make again."""

    def __init__(self, program: FlatProgram, machine: FlatMachine) -> None:
        self.program = program
        self.machine = machine
        shape = machine.machine.shape
        self._present = [k for k in PROCESSOR_KINDS if shape.count(k)]
        self._visible = {k: machine.machine.visible_memories(k) for k in self._present}
        self._placements: dict[tuple[object, ...], tuple[Ints, tuple[Statement, ...]]] = {}
        self._columns: dict[tuple[int, LaunchDecisions, bytes], _Columns] = {}
        self._launches = [
            _LaunchQuestions(program, launch, self._visible) for launch in program.launches
        ]

    def decide(self, mapper: Mapper) -> Decisions:
        """All that a mapper decides.

        Raises:
            MappingError: Legion would refuse a decision.
            MapperEvaluationError: A mapping function fails.
        """
        program = self.program
        processor = np.zeros(int(program.launch_point[-1]), np.int64)
        definitions = _definitions(mapper)
        launches: list[LaunchDecisions] = []
        columns: list[_Columns] = []
        for number, questions in enumerate(self._launches):
            kind = self._kind(mapper, questions.launch)
            first, last = program.launch_point[number], program.launch_point[number + 1]
            above = self._above(number, processor)
            where = self._placement(mapper, definitions, number, kind, above)
            processor[first:last] = where
            decided = questions.ask(mapper, kind)
            launches.append(decided)
            columns.append(self._column(number, decided, where))
        joined = (np.concatenate(parts) for parts in zip(*columns, strict=True))
        return Decisions(tuple(launches), processor, *joined)

    def _above(self, number: int, processor: Ints) -> Ints | None:
        """The processor of each point's parent; None where the top-level task launches it."""
        program = self.program
        if program.launch_parent[number] < 0:
            return None
        first, last = program.launch_point[number], program.launch_point[number + 1]
        above: Ints = processor[program.point_parent[first:last]]
        return above

    def _placement(
        self,
        mapper: Mapper,
        definitions: tuple[Statement, ...],
        number: int,
        kind: str,
        above: Ints | None,
    ) -> Ints:
        """The processors of a launch; the same functions send it to the same ones."""
        launch = self.program.launches[number]
        ask = mapper.single_function if launch.single else mapper.index_function
        function = ask(launch.task, kind)
        parents = b"" if above is None else above.tobytes()
        # Statements are told apart by identity, which is cheap; the value keeps them alive.
        used = tuple(map(id, definitions)) if function else ()
        key = (number, kind, function, used, parents)
        if key not in self._placements:
            if len(self._placements) >= MOST_KEPT:
                self._placements.clear()
            points = int(self.program.launch_point[number + 1] - self.program.launch_point[number])
            where = placement(self.machine, mapper, launch, kind, parents=above, points=points)
            self._placements[key] = where, definitions
        return self._placements[key][0]

    def _kind(self, mapper: Mapper, launch: Launch) -> str:
        variants = self.program.application.task_kinds[launch.task].variants
        kind = choose_kind(mapper.task_kinds(launch.task), variants, self._present)
        if kind is None:
            names = " ".join(f"{variant}_PROC" for variant in variants)
            raise MappingError(
                f"Failed to find any valid variants for task {launch.task} on the current "
                f"machine. All variants ({names}) for this task are for processor kinds which are "
                "not present on this machine."
            )
        return kind

    def _column(self, number: int, decided: LaunchDecisions, where: Ints) -> _Columns:
        key = (number, decided, where.tobytes())
        columns = self._columns.get(key)
        if columns is None:
            if len(self._columns) >= MOST_KEPT:
                self._columns.clear()
            columns = self._columns[key] = self._make_column(number, decided, where)
        return columns

    def _make_column(self, number: int, decided: LaunchDecisions, where: Ints) -> _Columns:
        launch = self.program.launches[number]
        shape = (len(where), len(launch.requirements))
        found = _Columns(*(np.zeros(shape, np.int64) for _ in _Columns._fields))
        for index, requirement in enumerate(launch.requirements):
            memory, layout = decided.memories[index], decided.layouts[index]
            if memory is None or layout is None:
                found.memory[:, index] = -1
                continue
            found.memory[:, index] = self.machine.memory_of(where, memory)
            region = self.program.application.regions[requirement.region]
            found.layout[:, index] = _layout_class(requirement, region, layout)
            found.exact[:, index] = layout.exact and layout.compact
            found.collect[:, index] = decided.collects[index]
        return _Columns(*(column.ravel() for column in found))


MOST_KEPT = 20_000
"""Placements, and sets of columns, that are kept; a tuning run needs some hundreds."""


def _definitions(mapper: Mapper) -> tuple[Statement, ...]:
    """The statements that mapping functions depend on."""
    return tuple(s for s in mapper.program.statements if isinstance(s, _DEFINITIONS))


_DEFINITIONS = (Assignment, FunctionDefinition)


def _layout_class(requirement: Requirement, region: Region, layout: LayoutDecision) -> int:
    """Instances of one class can stand for each other: one field or dimension makes no order."""
    together = not layout.soa and len(requirement.fields) > 1
    c_order = layout.c_order and region.dimension > 1
    return 2 * c_order + together


class _LaunchQuestions:
    """What must be asked about a launch, prepared."""

    def __init__(
        self, program: FlatProgram, launch: Launch, visible: dict[str, tuple[str, ...]]
    ) -> None:
        self.launch = launch
        self._visible = visible
        inner = program.application.task_kinds[launch.task].inner
        self._arguments = [
            None
            if inner or requirement.virtual or not requirement.fields
            else _Argument(
                index,
                (*requirement.semantic_names, str(index)),
                requirement,
                program.application.regions[requirement.region],
            )
            for index, requirement in enumerate(launch.requirements)
        ]

    def ask(self, mapper: Mapper, kind: str) -> LaunchDecisions:
        """The decisions for a launch whose task runs on a processor kind."""
        memories: list[str | None] = []
        layouts: list[LayoutDecision | None] = []
        collects: list[bool] = []
        for argument in self._arguments:
            if argument is None:
                memory, layout, collected = None, None, False
            else:
                memory, layout, collected = self._ask(mapper, kind, argument)
            memories.append(memory)
            layouts.append(layout)
            collects.append(collected)
        limit = mapper.instance_limit(self.launch.task)
        return LaunchDecisions(kind, limit, tuple(memories), tuple(layouts), tuple(collects))

    def _ask(
        self, mapper: Mapper, kind: str, argument: _Argument
    ) -> tuple[str, LayoutDecision, bool]:
        task, names, requirement = self.launch.task, argument.names, argument.requirement
        memory = choose_memory(mapper.memories(task, names, kind), self._visible[kind])
        if memory == "VIRTUAL":
            raise MappingError(
                f"Illegal implicit mapping of a virtual mapped region in task {task} "
                f"(region requirement {argument.number})."
            )
        layout = mapper.layout(task, names, memory, kind) or DEFAULT_LAYOUT
        if requirement.need and not accepts(requirement, argument.region, layout):
            raise MappingError(
                f"{requirement.need.message} in task {task} "
                f"(region requirement {argument.number}, region {names[0]})"
            )
        collected = requirement.privilege == "READ_ONLY" and mapper.collects(task, names)
        return memory, layout, collected


class _Argument(NamedTuple):
    """A requirement with data, and the names that a mapper may call it by."""

    number: int
    names: tuple[str, ...]
    requirement: Requirement
    region: Region
