"""Which statements of a mapper have a say in what it decides.

They are told apart by their identities: ``dsl.StatementCache`` makes equal ones the same object.
Whoever keeps an identity must keep the statement alive, for Python uses numbers again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from dsl import syntax
from dsl.syntax import Statement

__all__ = ["Rules", "definitions_for"]


class Rules(NamedTuple):
    """The identities of a mapper's statements, by what they can affect.

    Attributes:
        statements: The statements.
        loading: The statements that can make loading fail.
        definitions: The statements that mapping functions depend on.
        for_all: The rules for every task, or for a processor kind.
        by_task: The rules for each task, by its number.
    """

    statements: Sequence[Statement]
    loading: tuple[int, ...]
    definitions: tuple[int, ...]
    for_all: tuple[int, ...]
    by_task: list[tuple[int, ...]]

    @classmethod
    def of(cls, statements: Sequence[Statement], tasks: Mapping[str, int]) -> Rules:
        loading: list[int] = []
        definitions: list[int] = []
        for_all: list[int] = []
        by_task: list[list[int]] = [[] for _ in tasks]
        for statement in statements:
            subjects = _SUBJECTS.get(type(statement))
            if subjects is None:
                loading.append(id(statement))
                definitions.append(id(statement))
                continue
            if isinstance(statement, _MAPS):
                loading.append(id(statement))
            for subject in subjects(statement):
                task = tasks.get(subject)
                if task is not None:
                    by_task[task].append(id(statement))
                else:  # every task, a processor kind, or a task that there is not
                    for_all.append(id(statement))
        return cls(
            statements,
            loading=tuple(loading),
            definitions=tuple(definitions),
            for_all=tuple(for_all),
            by_task=[tuple(each) for each in by_task],
        )

    def about(self, task: int) -> Iterator[Statement]:
        """The statements that are about a task, in their order."""
        wanted = {*self.for_all, *self.by_task[task]}
        return (statement for statement in self.statements if id(statement) in wanted)


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
