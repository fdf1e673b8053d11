"""Which statements of a mapper have a say in what it decides.

They are told apart by their identities: ``dsl.StatementCache`` makes equal ones the same object.
Whoever keeps an identity must keep the statement alive, for Python uses numbers again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from dsl import syntax
from dsl.syntax import Statement

__all__ = ["Rules", "definitions_for"]


class Rules:
    """The identities of a mapper's statements, by what they can affect.

    Args:
        statements: The mapper's.
        tasks: The tasks of the program, with their numbers.

    Attributes:
        statements: The statements.
        loading: The statements that can make loading fail.
        definitions: The statements that mapping functions depend on.
        for_all: The rules for every task, or for a processor kind.
        by_task: The rules for each task, by its number.
    """

    __slots__ = ("_places", "by_task", "definitions", "for_all", "loading", "statements")

    def __init__(self, statements: Sequence[Statement], tasks: Mapping[str, int]) -> None:
        loading: list[int] = []
        definitions: list[int] = []
        for_all: list[int] = []
        by_task: list[list[int]] = [[] for _ in tasks]
        for statement in statements:
            number = id(statement)
            subjects = _SUBJECTS.get(type(statement))
            if subjects is None:
                loading.append(number)
                definitions.append(number)
                continue
            if isinstance(statement, _MAPS):
                loading.append(number)
            for subject in subjects(statement):
                task = tasks.get(subject)
                if task is not None:
                    by_task[task].append(number)
                else:  # every task, a processor kind, or a task that there is not
                    for_all.append(number)
        self.statements = statements
        self.loading = tuple(loading)
        self.definitions = tuple(definitions)
        self.for_all = tuple(for_all)
        self.by_task = [tuple(each) for each in by_task]
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
