"""The normal form of a mapper: equal for mappers that decide alike, as far as text shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dsl import syntax
from dsl.machine_shape import PROCESSOR_KINDS
from dsl.normal_forms.canonical_names import Irregular
from dsl.normal_forms.decisions import Decision, Key, all_decisions, needed
from dsl.normal_forms.definitions import Definitions
from dsl.syntax import Program
from dsl.unparse import unparse

__all__ = ["normal_form"]


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
