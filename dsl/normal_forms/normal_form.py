"""The normal form of a mapper: equal for mappers that decide alike, as far as text shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from dsl import syntax
from dsl.machine_shape import PROCESSOR_KINDS
from dsl.normal_forms.canonical_names import Irregular
from dsl.normal_forms.definitions import Definitions
from dsl.syntax import Program
from dsl.unparse import unparse

__all__ = ["Decision", "Key", "all_decisions", "decided", "decisions_of", "needed", "normal_form"]


def normal_form(program: Program) -> str:
    """The text of a mapper that takes the same decisions, and fails on the same machines.

    It does not keep comments, spacing, the order of statements where that does not matter,
    statements that an earlier or a more general one overrides or makes idle, functions and
    variables that nothing uses, statements after a return, prints that cannot fail, nor the names
    of functions, variables and parameters. Lists are put together anew, and what has a portable
    form is written in it.

    A program that cannot be loaded, and one that uses names in unusual ways (functions that
    call each other in a circle, a comprehension that captures a name), only loses comments and
    spacing. The normal form of a normal form is that text itself.

    >>> from dsl import parse
    >>> print(normal_form(parse("Task b GPU, CPU; Task a GPU, CPU; Task a OMP;  # idle")))
    Task a,b GPU,CPU;
    <BLANKLINE>
    """
    try:
        definitions = Definitions(program.statements)
        table = needed(all_decisions(program.statements, definitions))
    except Irregular:
        return unparse(program)
    ordered = sorted(table.items(), key=lambda item: (_ORDER[item[0][0]], item[0]))
    maps = [decision for key, decision in ordered if key[0] in _MAPS]
    statements = [*definitions.closure(maps), *_statements(ordered)]
    # A program has a statement: here is one that decides nothing.
    statements = statements or [syntax.Assignment("nothing", syntax.Integer(0))]
    return unparse(Program(tuple(statements)))


_MAPS = ("IndexTaskMap", "SingleTaskMap")
_ORDER = {
    kind: place
    for place, kind in enumerate(
        ("Task", "Region", "Layout", "InstanceLimit", "CollectMemory", "ControlReplicate", *_MAPS)
    )
}


def _statements(ordered: Iterable[tuple[Key, Decision]]) -> Iterator[syntax.Statement]:
    """One statement for each decision; names with the same decision in one list where it may."""
    lists: dict[tuple[str, Decision, tuple[str, ...]], list[str]] = {}
    for (kind, name, *where), decision in ordered:
        listed = kind in ("Task", "ControlReplicate", *_MAPS) and name not in _NO_NAMES
        about = () if listed else (name, *where)
        lists.setdefault((kind, decision, about), []).append(name)
    for (kind, decision, about), names in lists.items():
        yield _statement(kind, tuple(names), about[1:], decision)


_NO_NAMES = ("*", *PROCESSOR_KINDS)


def _statement(
    kind: str, names: tuple[str, ...], where: tuple[str, ...], decision: Decision
) -> syntax.Statement:
    match kind:
        case "Task":
            return syntax.Task(names, decision)
        case "Region":
            return syntax.Region(names, where[0], where[1], decision)
        case "Layout":
            return syntax.Layout(names, where[0], where[1], *decision)
        case "InstanceLimit":
            return syntax.InstanceLimit(names[0], decision)
        case "CollectMemory":
            return syntax.CollectMemory(names[0], where[0])
        case "ControlReplicate":
            return syntax.ControlReplicate(names)
        case "IndexTaskMap":
            return syntax.IndexTaskMap(names, decision)
        case _:
            return syntax.SingleTaskMap(names, decision)


# What a mapper decides, key by key: the first statement for a key wins (section 10).

#: A kind of statement, and what it is about: ``("Region", task, region, processor)``, say.
Key: TypeAlias = tuple[str, ...]

#: What is decided: kinds, memories, a layout, a number, or the canonical name of a function.
Decision: TypeAlias = Any


def all_decisions(
    statements: Iterable[syntax.Statement], definitions: Definitions
) -> dict[Key, Decision]:
    """The decisions of a program."""
    table: dict[Key, Decision] = {}
    for statement in statements:
        for key, decision in decisions_of(statement, definitions):
            table.setdefault(key, decision)
    return table


def decisions_of(
    statement: syntax.Statement, definitions: Definitions
) -> Iterator[tuple[Key, Decision]]:
    """The decisions of one statement, with lists written out; definitions decide nothing."""
    match statement:
        case syntax.InstanceLimit(task, limit):
            yield ("InstanceLimit", task), limit
        case syntax.CollectMemory(task, region):
            yield ("CollectMemory", task, region), True
        case syntax.IndexTaskMap(keys, function) | syntax.SingleTaskMap(keys, function):
            # The key * is never looked up.
            for key in [key for key in keys if key != "*"]:
                yield (type(statement).__name__, key), definitions.canonical_name(function)
        case syntax.Task() | syntax.Region() | syntax.Layout() | syntax.ControlReplicate():
            for task in statement.tasks:
                yield _of_task(statement, task)


def _of_task(
    statement: syntax.Task | syntax.Region | syntax.Layout | syntax.ControlReplicate, task: str
) -> tuple[Key, Decision]:
    """The decision of a statement for one task of its list."""
    match statement:
        case syntax.Task(_, kinds):
            return ("Task", task), tuple(dict.fromkeys(kinds))
        case syntax.Region(_, region, processor, memories):
            return ("Region", task, region, processor), _reachable(memories)
        case syntax.Layout(_, region, place):
            # A layout of virtual instances is stored as one for all memories.
            place = "*" if place == "VIRTUAL" else place
            return ("Layout", task, region, place), _words(statement)
        case _:
            return ("ControlReplicate", task), True


def _reachable(memories: Iterable[str]) -> tuple[str, ...]:
    """Memories without repetition, up to a virtual instance, which ends the search."""
    found: dict[str, None] = {}
    for memory in memories:
        found[memory] = None
        if memory == "VIRTUAL":
            break
    return tuple(found)


def _words(layout: syntax.Layout) -> tuple[bool, bool, bool, bool, syntax.Align | None]:
    """The layout; `Exact` alone has no effect."""
    exact = layout.exact and layout.compact
    return layout.soa, layout.c_order, layout.compact, exact, layout.align


def decided(table: Mapping[Key, Decision], key: Key) -> Decision:
    """What is decided for a key, perhaps by a more general one; None where nothing is decided."""
    if key[0] == "Task":
        return table.get(key, table.get(("Task", "*")))
    if key[0] == "CollectMemory":
        _, task, region = key
        general = [(task, region), (task, "*"), ("*", region), ("*", "*")]
        return True if any(("CollectMemory", *each) in table for each in general) else None
    if key[0] == "InstanceLimit":
        return table.get(key, 0)
    return table.get(key)


def needed(table: Mapping[Key, Decision]) -> dict[Key, Decision]:
    """The decisions without those that follow from others."""
    return {key: decision for key, decision in table.items() if not _follows(table, key)}


def _follows(table: Mapping[Key, Decision], key: Key) -> bool:
    """Whether the decision would be the same without this key."""
    kind, *about = key
    if kind == "Task":
        return about != ["*"] and table.get(("Task", "*")) == table[key]
    if kind == "InstanceLimit":
        return bool(table[key] == 0)
    if kind == "CollectMemory":
        task, region = about
        general = {(task, "*"), ("*", region), ("*", "*")} - {(task, region)}
        return any(("CollectMemory", *each) in table for each in general)
    return False
