"""Which statements of a mapper have a say in what it decides.

They are told apart by their identities: ``dsl.StatementCache`` makes equal ones the same object.
Whoever keeps an identity must keep the statement alive, for Python uses numbers again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, TypeAlias

from dsl import syntax
from dsl.syntax import Statement

__all__ = ["Rules", "Subjects", "definitions_for"]


class Subjects:
    """Whom each statement is about, for the tasks of a program.

    A tuner's mappers share most of their statements, so what is known of one is kept.

    Args:
        tasks: The tasks of the program, with their numbers.
    """

    def __init__(self, tasks: Mapping[str, int]) -> None:
        self.lists = _BY_TASK + len(tasks)
        self._tasks = tasks
        self._kept: dict[int, _Kept] = {}

    def sort(self, statements: Sequence[Statement]) -> list[list[int]]:
        """The identities of statements, by what they can affect: ``_LOADING`` and so on."""
        lists: list[list[int]] = [[] for _ in range(self.lists)]
        kept = self._kept
        for statement in statements:
            number = id(statement)
            found = kept.get(number)
            if found is None:
                found = self._keep(statement)
            for place in found[0]:
                lists[place].append(number)
        return lists

    def _keep(self, statement: Statement) -> _Kept:
        if len(self._kept) >= _MOST_KEPT:
            # Another thread may be reading the old one.
            self._kept = {}
        found = self._kept[id(statement)] = (tuple(self._places(statement)), statement)
        return found

    def _places(self, statement: Statement) -> Iterator[int]:
        subjects = _SUBJECTS.get(type(statement))
        if subjects is None:
            yield from (_LOADING, _DEFINING)
            return
        if isinstance(statement, _MAPS):
            yield _LOADING
        for subject in subjects(statement):
            task = self._tasks.get(subject)
            # A subject may be every task, a processor kind, or a task that there is not.
            yield _FOR_ALL if task is None else _BY_TASK + task


_LOADING, _DEFINING, _FOR_ALL, _BY_TASK = range(4)
_MOST_KEPT = 20_000
_Kept: TypeAlias = tuple[tuple[int, ...], Statement]
"""Lists that the statement stands in, and itself: while it is kept its identity is its own."""


class Rules:
    """The identities of a mapper's statements, by what they can affect.

    Args:
        statements: The mapper's.
        subjects: Whom each of them is about.

    Attributes:
        statements: The statements.
        loading: The statements that can make loading fail.
        definitions: The statements that mapping functions depend on.
        for_all: The rules for every task, or for a processor kind.
        by_task: The rules for each task, by its number.
    """

    __slots__ = ("_places", "by_task", "definitions", "for_all", "loading", "statements")

    def __init__(self, statements: Sequence[Statement], subjects: Subjects) -> None:
        lists = [tuple(each) for each in subjects.sort(statements)]
        self.statements = statements
        self.loading, self.definitions, self.for_all = lists[:_BY_TASK]
        self.by_task = lists[_BY_TASK:]
        self._places: dict[int, int] = {}

    def about(self, task: int) -> list[Statement]:
        """The statements that are about a task, in their order."""
        if not self._places:  # a statement that stands in several places counts in the first
            for place, statement in enumerate(self.statements):
                self._places.setdefault(id(statement), place)
        wanted = sorted({self._places[each] for each in (*self.for_all, *self.by_task[task])})
        return [self.statements[place] for place in wanted]


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


def definitions_for(function: str, statements: Iterable[Statement]) -> list[Statement]:
    """The definitions that a mapping function can depend on, in their order.

    They are those of the names that it mentions, directly or through others; whether a name is
    local somewhere is not asked.
    """
    definitions = [each for each in statements if isinstance(each, _DEFINITIONS)]
    names, new = set[str](), {function}
    while new:
        names |= new
        nodes = [node for each in definitions if each.name in new for node in syntax.walk(each)]
        new = {node.name for node in nodes if isinstance(node, syntax.Name)} - names
    return [each for each in definitions if each.name in names]


_DEFINITIONS = (syntax.Assignment, syntax.FunctionDefinition)
