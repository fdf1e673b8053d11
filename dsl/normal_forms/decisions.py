"""What a mapper decides, key by key: the first statement for a key wins (section 10)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from dsl import syntax
from dsl.normal_forms.definitions import Definitions

__all__ = ["Decision", "Key", "all_decisions", "decided", "decisions_of", "needed"]

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
