"""Decisions: what a mapper says about every point task and requirement of a program on a machine.

``launch_decisions.py`` asks what holds for all points of a launch alike, and where each goes; here
the answers become arrays, and equal questions are asked once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache
from itertools import count, repeat
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dsl import syntax
from dsl.bounded_cache import BoundedCache
from dsl.machine_shape import PROCESSOR_KINDS
from dsl.mapper import Mapper
from dsl.syntax import Program, Statement
from legion_bridge.machines.flat_machine import FlatMachine
from legion_bridge.mapping.launch_decisions import LaunchDecisions, LaunchQuestions, placement
from legion_bridge.mapping.layouts import Aligns, LayoutClasses, alignments
from legion_bridge.programs.application import Launch
from legion_bridge.programs.flat_program import FlatProgram

__all__ = ["Decider", "Decisions"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
_ColumnKey: TypeAlias = tuple[int, LaunchDecisions, Aligns, bytes]


@dataclass(frozen=True, eq=False, slots=True)
class Decisions:
    """The decisions of a mapper, by launch and by point.

    Attributes:
        launches: What was decided for each launch as a whole.
        processor: ``[P]`` processor of each point task.
        memory: ``[R]`` memory of each requirement of each point; -1 where there is no data.
        layout: ``[R]`` layout class (``LayoutClasses``).
        unpinned: ``[P]`` whether a point runs on whichever processor of the kind is free.
        layout_weights: ``[classes, classes]`` factor on the bytes of copies from one to another.
        layout_rooms: ``[classes]`` bytes of an instance over those of its data.
        exact: ``[R]`` codes of ``enum extent`` in ``kernel/kernel.h``.
        collect: ``[R]`` 1 where the instance is collected after the task, else 0.
    """

    launches: tuple[LaunchDecisions, ...]
    processor: Ints
    memory: Ints
    layout: Ints
    exact: Ints
    collect: Ints
    layout_weights: Floats
    layout_rooms: Floats
    unpinned: Ints


class _Columns(NamedTuple):
    """The arrays of one launch's requirements, point by point."""

    memory: Ints
    layout: Ints
    exact: Ints
    collect: Ints


class Decider:
    """Asks mappers for all decisions, and keeps the answers that equal statements gave before.

    A tuner's mappers share most of their statements, and ``dsl.StatementCache`` makes equal ones
    the same object. So the answers for a launch are kept by the identity of the statements that
    can have a say in it. An example, with two launches, of the tasks ``a`` and ``b``::

        1  Task * GPU;                     3  InstanceLimit a 4;
        2  Region * * GPU FBMEM;           4  IndexTaskMap b cyclic;   (and its definition, 5)

    Loading can fail only by 4 and 5, so ``_loads`` knows this mapper by (4, 5). The answers for
    ``a`` depend on (1, 2) and (3), those for ``b`` on (1, 2) and (4); where ``b``'s points go
    depends on the definition (5). Now a tuner changes 3 to ``InstanceLimit a 2``: of all these
    keys only that of ``a``'s answer is new, so ``a`` alone is asked about again.

    An identity is a number that Python uses again once the object is gone. A cache therefore
    holds the statements beside each answer: as long as the key stands, they do.
    """

    def __init__(self, program: FlatProgram, machine: FlatMachine) -> None:
        self.program = program
        self.machine = machine
        shape = machine.machine.shape
        present = [k for k in PROCESSOR_KINDS if shape.count(k)]
        visible = {k: machine.machine.visible_memories(k) for k in present}
        self._questions = [
            LaunchQuestions(program.application, launch, visible) for launch in program.launches
        ]
        self._tasks = {launch.task for launch in program.launches}
        self._decided = BoundedCache[tuple[int, LaunchDecisions], LaunchDecisions](MOST_KEPT)
        self._loads = BoundedCache[tuple[int, ...], Sequence[Statement]](MOST_KEPT)
        self._answers = BoundedCache[tuple[object, ...], _Answer](MOST_KEPT)
        self._placements = BoundedCache[tuple[object, ...], _Placement](MOST_KEPT)
        self._columns = BoundedCache[_ColumnKey, _Columns](MOST_KEPT)
        self._layouts = LayoutClasses(machine.machine)
        processors = machine.machine.processors.values()
        self._pooled = frozenset(each.kind for each in processors if each.pooled)

    def decide(self, mapper: Mapper) -> Decisions:
        """All decisions of a mapper.

        Raises:
            MappingError: Legion would refuse a decision.
            MapperEvaluationError: A mapping function fails.
        """
        return self.decide_program(mapper.program, lambda: mapper)

    def decide_program(self, source: Program, mapper: Callable[[], Mapper]) -> Decisions:
        """All decisions of a mapper that may not have been loaded.

        Args:
            source: The mapper's syntax tree.
            mapper: Loads it; called only if something is asked for the first time.

        Raises:
            MappingError: Legion would refuse a decision.
            MapperLoadError: It cannot be loaded.
            MapperEvaluationError: A mapping function fails.
        """
        program = self.program
        processor = np.zeros(int(program.launch_point[-1]), np.int64)
        rules = _Rules.of(source.statements, self._tasks)
        mapper = cache(mapper)
        if self._loads.get(rules.loading) is None:
            mapper()
            self._loads.keep(rules.loading, source.statements)
        launches: list[LaunchDecisions] = []
        places: list[Ints] = []
        unpinned = np.zeros(len(processor), np.int64)
        for number, launch in enumerate(program.launches):
            first, last = program.launch_point[number], program.launch_point[number + 1]
            above = self._above(number, processor)
            answer = self._answer(mapper, rules, number, launch)
            where = self._placement(mapper, rules, number, answer, above)
            processor[first:last] = where
            if answer.function is None and answer.decided.kind in self._pooled:
                unpinned[first:last] = 1
            launches.append(answer.decided)
            places.append(where)
        aligns: Iterable[Aligns] = repeat((), len(launches))
        if self._layouts.exact:
            aligns = alignments(program.launches, launches)
        columns = map(self._column, count(), launches, aligns, places)
        joined = _Columns(*(np.concatenate(parts) for parts in zip(*columns, strict=True)))
        return Decisions(
            launches=tuple(launches),
            processor=processor,
            memory=joined.memory,
            layout=joined.layout,
            exact=joined.exact,
            collect=joined.collect,
            layout_weights=self._layouts.weights,
            layout_rooms=self._layouts.rooms,
            unpinned=unpinned,
        )

    def _above(self, number: int, processor: Ints) -> Ints | None:
        """The processor of each point's parent; None where the top-level task launches it."""
        program = self.program
        if program.launch_parent[number] < 0:
            return None
        first, last = program.launch_point[number], program.launch_point[number + 1]
        above: Ints = processor[program.point_parent[first:last]]
        return above

    def _answer(
        self, mapper: Callable[[], Mapper], rules: _Rules, number: int, launch: Launch
    ) -> _Answer:
        """What is decided for all points of a launch alike, and the function that places them."""
        key = (number, rules.for_all, tuple(rules.by_task.get(launch.task, ())))
        answer = self._answers.get(key)
        if answer is None:
            asked = mapper()
            decided = self._questions[number].ask(asked)
            # One object for equal decisions on a launch: they are compared sooner so.
            decided = self._decided.keep((number, decided), decided)
            function = asked.single_function if launch.single else asked.index_function
            named = function(launch.task, decided.kind)
            answer = self._answers.keep(key, _Answer(decided, named, asked.program.statements))
        return answer

    def _placement(
        self,
        mapper: Callable[[], Mapper],
        rules: _Rules,
        number: int,
        answer: _Answer,
        above: Ints | None,
    ) -> Ints:
        """The processors of a launch's points."""
        used = rules.definitions if answer.function else ()
        parents = b"" if above is None else above.tobytes()
        key = (number, answer.decided.kind, answer.function, used, parents)
        found = self._placements.get(key)
        if found is None:
            program = self.program
            points = int(program.launch_point[number + 1] - program.launch_point[number])
            launch, kind, asked = program.launches[number], answer.decided.kind, mapper()
            where = placement(self.machine, asked, launch, kind, parents=above, points=points)
            found = self._placements.keep(key, _Placement(where, asked.program.statements))
        return found.processors

    def _column(
        self, number: int, decided: LaunchDecisions, aligns: Aligns, where: Ints
    ) -> _Columns:
        key = (number, decided, aligns, where.tobytes())
        found = self._columns.get(key)
        if found is None:
            found = self._columns.keep(key, self._make_column(number, decided, aligns, where))
        return found

    def _is_whole(self, memory: str) -> bool:
        """Whether instances there are made of whole regions."""
        machine = self.machine.machine
        return machine.whole_region_instances and machine.memories[memory].whole

    def _make_column(
        self, number: int, decided: LaunchDecisions, aligns: Aligns, where: Ints
    ) -> _Columns:
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
            align = aligns[index] if aligns else None
            found.layout[:, index] = self._layouts.code(requirement, region, layout, align)
            exact = layout.exact and layout.compact
            found.exact[:, index] = _EXACT if exact else _WHOLE * self._is_whole(memory)
            found.collect[:, index] = decided.collects[index]
        return _Columns(*(column.ravel() for column in found))


_EXACT, _WHOLE = 1, 2
MOST_KEPT = 20_000
"""Answers, placements, and sets of columns that are kept; a tuning run needs some hundreds."""


class _Answer(NamedTuple):
    """What is decided for all points of a launch alike.

    Attributes:
        decided: The decisions.
        function: The function that places the points, if any.
        statements: Those whose identities the key of the answer holds, kept alive.
    """

    decided: LaunchDecisions
    function: str | None
    statements: Sequence[Statement]


class _Placement(NamedTuple):
    """The processors of a launch's points, and the statements of its key, kept alive."""

    processors: Ints
    statements: Sequence[Statement]


class _Rules(NamedTuple):
    """The identities of a mapper's statements, by what they can affect.

    Whoever keeps a key of them must keep the statements alive.

    Attributes:
        loading: The statements that can make loading fail.
        definitions: The statements that mapping functions depend on.
        for_all: The rules for every task, or for a processor kind.
        by_task: The rules for each task.
    """

    loading: tuple[int, ...]
    definitions: tuple[int, ...]
    for_all: tuple[int, ...]
    by_task: dict[str, list[int]]

    @classmethod
    def of(cls, statements: Sequence[Statement], tasks: AbstractSet[str]) -> _Rules:
        loading: list[int] = []
        definitions: list[int] = []
        for_all: list[int] = []
        by_task: dict[str, list[int]] = {}
        for statement in statements:
            subjects = _SUBJECTS.get(type(statement))
            if subjects is None:
                loading.append(id(statement))
                definitions.append(id(statement))
                continue
            if isinstance(statement, _MAPS):
                loading.append(id(statement))
            for subject in subjects(statement):
                if subject in tasks:
                    by_task.setdefault(subject, []).append(id(statement))
                else:  # every task, a processor kind, or a task that there is not
                    for_all.append(id(statement))
        return cls(tuple(loading), tuple(definitions), tuple(for_all), by_task)


_MAPS = (syntax.IndexTaskMap, syntax.SingleTaskMap)
_SUBJECTS: dict[type, Callable[[Any], Sequence[str]]] = {
    syntax.Task: attrgetter("tasks"),
    syntax.Region: attrgetter("tasks"),
    syntax.Layout: attrgetter("tasks"),
    syntax.ControlReplicate: attrgetter("tasks"),
    syntax.IndexTaskMap: attrgetter("keys"),
    syntax.SingleTaskMap: attrgetter("keys"),
    syntax.InstanceLimit: lambda statement: (statement.task,),
    syntax.CollectMemory: lambda statement: (statement.task,),
}
"""Whom each kind of rule is about; other statements define what mapping functions use."""
