"""Decisions: what a mapper says about every point task and requirement of a program on a machine.

``launch_decisions.py`` asks what holds for all points of a launch alike, and where each goes; here
the answers become arrays, and equal questions are asked once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dsl.bounded_cache import BoundedCache
from dsl.launch_domain import LaunchDomain
from dsl.machine_shape import PROCESSOR_KINDS
from dsl.mapper import Mapper
from dsl.syntax import Program, Statement
from dsl.tables import Tables
from legion_bridge.machines.flat_machine import FlatMachine
from legion_bridge.mapping.launch_decisions import LaunchDecisions, LaunchQuestions, placement
from legion_bridge.mapping.layouts import Aligns, LayoutClasses, LayoutFactors, aligned, alignments
from legion_bridge.mapping.rules import Rules, Subjects, definitions_for
from legion_bridge.programs.flat_program import FlatProgram

__all__ = ["Decider", "Decisions"]

Ints = NDArray[np.int64]
_ColumnKey: TypeAlias = tuple[int, LaunchDecisions, Aligns, bytes]


@dataclass(frozen=True, eq=False, slots=True)
class Decisions:
    """The decisions of a mapper, by launch and by point.

    Attributes:
        launches: What was decided for each launch as a whole.
        found: The same with the alignment of the instances that their points find, where that is
            another.
        processor: ``[P]`` processor of each point task.
        memory: ``[R]`` memory of each requirement of each point; -1 where there is no data.
        layout: ``[R]`` layout class (``LayoutClasses``); -1 where there is no data.
        unpinned: ``[P]`` whether a point runs on whichever processor of the kind is free.
        layouts: What the layout classes cost.
        exact: ``[R]`` codes of ``enum extent`` in ``kernel/kernel.h``.
        collect: ``[R]`` 1 where the instance is collected after the task, else 0.
    """

    launches: tuple[LaunchDecisions, ...]
    found: tuple[LaunchDecisions, ...]
    processor: Ints
    memory: Ints
    layout: Ints
    exact: Ints
    collect: Ints
    layouts: LayoutFactors
    unpinned: Ints


class Decider:
    """Asks mappers for all decisions, and keeps the answers that equal statements gave before.

    A tuner's mappers share most of their statements, and ``dsl.StatementCache`` makes equal ones
    the same object. So the answers for a launch are kept by the identity of the statements that
    can have a say in it. An example, with two launches, of the tasks ``a`` and ``b``::

        1  Task * GPU;                     3  InstanceLimit a 4;
        2  Region * * GPU FBMEM;           4  IndexTaskMap b cyclic;   (and its definition, 5)

    Loading can fail only by 4 and 5, so ``_loads`` knows this mapper by (4, 5). The answers for
    ``a`` depend on (1, 2) and (3), those for ``b`` on (1, 2) and (4); where ``b``'s points go
    depends on the definition (5), and on what this uses. Now a tuner changes 3 to
    ``InstanceLimit a 2``: of all these keys only that of ``a``'s answer is new, so ``a`` alone is
    asked about again.

    What all launches share of their keys, the rules for every task and the definitions, has a
    token, and all that is known of a launch (``_Known``) is kept by it and the rules for its task:
    an unchanged launch costs one look-up.

    An identity is a number that Python uses again once the object is gone. A cache therefore
    holds the statements beside each answer: as long as the key stands, they do.
    """

    def __init__(self, program: FlatProgram, machine: FlatMachine) -> None:
        self.program = program
        self.machine = machine
        shape = machine.machine.shape
        present = [k for k in PROCESSOR_KINDS if shape.count(k)]
        visible = {k: machine.machine.visible_memories(k) for k in present}
        alike = _first_alike(program)
        self._questions = {
            number: LaunchQuestions(program.application, program.launches[number], visible)
            for number in dict.fromkeys(alike)
        }
        tasks = dict.fromkeys(launch.task for launch in program.launches)
        numbers = {task: number for number, task in enumerate(tasks)}
        self._subjects = Subjects(numbers)
        self._launches = [
            _Launch.of(program, number, first, numbers) for number, first in enumerate(alike)
        ]
        self._domains: dict[str, list[LaunchDomain]] = {}
        self._decided = BoundedCache[tuple[int, LaunchDecisions], LaunchDecisions](MOST_KEPT)
        self._loads = BoundedCache[tuple[int, ...], Sequence[Statement]](MOST_KEPT)
        self._tokens = BoundedCache[tuple[tuple[int, ...], ...], _Token](MOST_KEPT)
        self._known = BoundedCache[tuple[object, ...], _Known](MOST_KEPT)
        self._answers = BoundedCache[tuple[object, ...], _Answer](MOST_KEPT)
        self._closures = BoundedCache[tuple[str, tuple[int, ...]], _Closure](MOST_KEPT)
        self._placements = BoundedCache[tuple[object, ...], _Placement](MOST_KEPT)
        self._columns = BoundedCache[_ColumnKey, Ints](MOST_KEPT)
        self._layouts = LayoutClasses(machine.machine)
        processors = machine.machine.processors.values()
        self._pooled = frozenset(each.kind for each in processors if each.pooled)
        self._all_pinned = np.zeros(int(program.launch_point[-1]), np.int64)
        self._all_pinned.flags.writeable = False

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
            mapper: Loads it, or gives what it has loaded; called only if something is asked for
                the first time.

        Raises:
            MappingError: Legion would refuse a decision.
            MapperLoadError: It cannot be loaded.
            MapperEvaluationError: A mapping function fails.
        """
        mapper, rules = _Once(mapper), Rules(source.statements, self._subjects)
        if self._loads.get(rules.loading) is None:
            mapper()
            self._loads.keep(rules.loading, rules.statements)
        shared = (rules.for_all, rules.definitions)
        token = self._tokens.get(shared) or self._tokens.keep(shared, _Token(rules.statements))
        known: list[_Known] = []
        for launch in self._launches:
            above = None if launch.parent is None else known[launch.parent].place
            numbers = None if above is None else above.numbers
            key = (launch.number, token, rules.by_task[launch.task], numbers)
            known.append(
                self._known.get(key)
                or self._known.keep(key, self._know(mapper, rules, launch, above))
            )
        found = launches = tuple([each.answer.decided for each in known])
        columns = [each.column for each in known]
        if self._layouts.exact:
            aligns = alignments(self.program.launches, launches)
            found = tuple(map(aligned, launches, aligns))
            places = [each.place for each in known]
            alike = [each.alike for each in self._launches]
            columns = list(map(self._column, alike, launches, aligns, places))
        memory, layout, exact, collect = np.concatenate(columns, axis=1)
        return Decisions(
            launches=launches,
            found=found,
            processor=np.concatenate([each.place.processors for each in known]),
            memory=memory,
            layout=layout,
            exact=exact,
            collect=collect,
            layouts=self._layouts.factors,
            unpinned=self._unpinned(known),
        )

    def _know(
        self,
        mapper: _Once,
        rules: Rules,
        launch: _Launch,
        parents: _Placement | None,
    ) -> _Known:
        """All that is decided for a launch, from what is kept of its parts."""
        key = (launch.alike, rules.for_all, rules.by_task[launch.task])
        answer = self._answers.get(key) or self._ask(key, rules, launch)
        above = None if parents is None else parents.processors[launch.above]
        place = self._placement(mapper, rules, launch, answer, above)
        # Where layouts are exact, columns depend on other launches, too: made when all are known.
        column = (
            _NO_COLUMN
            if self._layouts.exact
            else self._column(launch.alike, answer.decided, (), place)
        )
        return _Known(answer, place, column, rules.statements)

    def _ask(self, key: tuple[object, ...], rules: Rules, launch: _Launch) -> _Answer:
        """What is decided for all points of a launch alike, and the function that places them."""
        tables = Tables.of(rules.about(launch.task))
        decided = self._questions[launch.alike].ask(tables)
        # One object for equal decisions on a launch: they are compared sooner so.
        decided = self._decided.keep((launch.alike, decided), decided)
        function = tables.single_function if launch.single else tables.index_function
        named = function(launch.name, decided.kind)
        return self._answers.keep(key, _Answer(decided, named, rules.statements))

    def _placement(
        self,
        mapper: _Once,
        rules: Rules,
        launch: _Launch,
        answer: _Answer,
        above: Ints | None,
    ) -> _Placement:
        """Where a launch's points go.

        Args:
            above: The processor of each point's parent; None where the top-level task launches it.
        """
        kind, function = answer.decided.kind, answer.function
        used = self._used(rules, function) if function else ()
        parents = b"" if above is None else above.tobytes()
        key = (launch.number, kind, function, used, parents)
        found = self._placements.get(key)
        if found is None:
            if function and not launch.single and mapper.is_new(launch.name, kind):
                mapper().prepare_launches(launch.name, kind, self._domains_of(launch.name))
            where = self._where(mapper, launch.number, kind, above)
            placed = _Placement(where, where.tobytes(), rules.statements)
            found = self._placements.keep(key, placed)
        return found

    def _where(
        self, mapper: Callable[[], Mapper], number: int, kind: str, above: Ints | None
    ) -> Ints:
        """The processor of each point of a launch, whose parents' processors are known."""
        launch, points = self.program.launches[number], self._launches[number].points
        return placement(self.machine, mapper(), launch, kind, parents=above, points=points)

    def _domains_of(self, task: str) -> list[LaunchDomain]:
        """The domains of all index launches of a task."""
        if task not in self._domains:
            launches = self.program.launches
            of = [each for each in launches if each.task == task and not each.single]
            self._domains[task] = [LaunchDomain.of(each) for each in of]
        return self._domains[task]

    def _used(self, rules: Rules, function: str) -> tuple[int, ...]:
        """The identities of the definitions that a function can depend on."""
        key = (function, rules.definitions)
        found = self._closures.get(key)
        if found is None:
            used = definitions_for(function, rules.statements)
            found = self._closures.keep(key, _Closure(tuple(map(id, used)), rules.statements))
        return found.definitions

    def _unpinned(self, known: Sequence[_Known]) -> Ints:
        """``[P]`` whether a point runs on whichever processor of the kind is free."""
        if not self._pooled:
            return self._all_pinned
        answers = [each.answer for each in known]
        free = [each.function is None and each.decided.kind in self._pooled for each in answers]
        return np.array(free, np.int64)[self.program.point_launch]

    def _column(
        self, number: int, decided: LaunchDecisions, aligns: Aligns, place: _Placement
    ) -> Ints:
        key = (number, decided, aligns, place.numbers)
        found = self._columns.get(key)
        if found is None:
            made = self._make_column(number, decided, aligns, place.processors)
            found = self._columns.keep(key, made)
        return found

    def _is_whole(self, memory: str) -> bool:
        """Whether instances there are made of whole regions."""
        machine = self.machine.machine
        return machine.whole_region_instances and machine.memories[memory].whole

    def _make_column(
        self, number: int, decided: LaunchDecisions, aligns: Aligns, where: Ints
    ) -> Ints:
        """``[4, R]`` memory, layout, exact and collect of the requirements, point by point."""
        launch = self.program.launches[number]
        found = np.zeros((4, len(where), len(launch.requirements)), np.int64)
        memories, layouts, exacts, collects = found
        for index, requirement in enumerate(launch.requirements):
            memory, layout = decided.memories[index], decided.layouts[index]
            if memory is None or layout is None:
                memories[:, index] = layouts[:, index] = -1
                continue
            memories[:, index] = self.machine.memory_of(where, memory)
            region = self.program.application.regions[requirement.region]
            align = aligns[index] if aligns else None
            layouts[:, index] = self._layouts.code(requirement, region, layout, align)
            exact = layout.exact and layout.compact
            exacts[:, index] = _EXACT if exact else _WHOLE * self._is_whole(memory)
            collects[:, index] = decided.collects[index]
        return found.reshape(4, -1)


_EXACT, _WHOLE = 1, 2
_NO_COLUMN = np.zeros((4, 0), np.int64)
MOST_KEPT = 20_000
"""Answers, placements, and sets of columns that are kept; a tuning run needs some hundreds."""


class _Once:
    """Loads a mapper when it is first asked for; ``functools.cache`` takes longer to make."""

    __slots__ = ("_load", "_mapper", "_prepared")

    def __init__(self, load: Callable[[], Mapper]) -> None:
        self._load = load
        self._mapper: Mapper | None = None
        self._prepared: set[tuple[str, str]] = set()

    def is_new(self, task: str, kind: str) -> bool:
        """Whether it is asked about the launches of a task for the first time."""
        known = len(self._prepared)
        self._prepared.add((task, kind))
        return len(self._prepared) > known

    def __call__(self) -> Mapper:
        if self._mapper is None:
            self._mapper = self._load()
        return self._mapper


def _first_alike(program: FlatProgram) -> list[int]:
    """For each launch the first one of the same task with the very same requirements."""
    first: dict[tuple[str, int, bool], int] = {}
    return [
        first.setdefault((launch.task, id(launch.requirements), launch.single), number)
        for number, launch in enumerate(program.launches)
    ]


class _Launch(NamedTuple):
    """What is asked of a launch again and again.

    Attributes:
        number: Its place among all launches.
        alike: That of the first launch whose decisions but for its place are the same anyway.
        name, task: Of its task, by the task's place among all tasks.
        single: Whether it is a single task.
        points: Its points over all its parents.
        parent: The launch whose points make it, if any.
        above: Each point's parent, counted within that launch.
    """

    number: int
    alike: int
    name: str
    task: int
    single: bool
    points: int
    parent: int | None
    above: Ints | None

    @classmethod
    def of(
        cls, program: FlatProgram, number: int, alike: int, tasks: Mapping[str, int]
    ) -> _Launch:
        launch = program.launches[number]
        first, last = program.launch_point[number : number + 2].tolist()
        parent, above = int(program.launch_parent[number]), None
        if parent >= 0:
            above = program.point_parent[first:last] - program.launch_point[parent]
        return cls(
            number=number,
            alike=alike,
            name=launch.task,
            task=tasks[launch.task],
            single=launch.single,
            points=last - first,
            parent=parent if parent >= 0 else None,
            above=above,
        )


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


class _Token:
    """Stands for the statements that all launches share; holds all, so that theirs live."""

    __slots__ = ("statements",)

    def __init__(self, statements: Sequence[Statement]) -> None:
        self.statements = statements


class _Closure(NamedTuple):
    """The definitions that a function can depend on, and the statements of its key, kept alive."""

    definitions: tuple[int, ...]
    statements: Sequence[Statement]


class _Placement(NamedTuple):
    """The processors of a launch's points.

    Attributes:
        processors: Their numbers.
        numbers: The same, to look up what depends on them.
        statements: Those whose identities the key holds, kept alive.
    """

    processors: Ints
    numbers: bytes
    statements: Sequence[Statement]


class _Known(NamedTuple):
    """All that is decided for a launch.

    Attributes:
        answer: What is decided for all points alike.
        place: Where they go.
        column: ``[4, R]`` memory, layout, exact and collect of their requirements, if they do not
            depend on other launches.
        statements: Those whose identities the key holds, kept alive.
    """

    answer: _Answer
    place: _Placement
    column: Ints
    statements: Sequence[Statement]
