"""Changes that mend a mapper which fails, by name: what the rules of ``rules.toml`` ask for.

A repair takes a case, the placeholders of its rule and the diagnostic behind it, if one is, and
yields changes. None of them need be right: the engine keeps those after which a check finds no
more errors than before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from dsl import syntax
from dsl.nearest import nearest
from dsl.syntax import walk
from dsl.tables import accepts_layout
from tuners.guide.case import Argument, Case
from tuners.guide.free_memory import free_memory, leave_memory
from tuners.guide.guidance import Change, Move, listed, memory_word
from tuners.guide.moves import (
    joined,
    place_with_parent,
    placeholders,
    regions_of,
    spread,
    store_as,
    store_in,
    tasks_of,
    unlimited,
)
from tuners.guide.predicates.maps import maps_for
from tuners.guide.predicates.processors import all_to_faster
from tuners.guide.syntax_repairs import mend_syntax

if TYPE_CHECKING:
    from tuners.guide.guidance import Block
    from tuners.problems.problem import Finding

__all__ = ["REPAIRS", "Repair"]

Values = Mapping[str, str]
Moves = Iterator[Move]
Repair = Callable[[Case, Values, "Finding | None"], Moves]
Rule = TypeVar("Rule", bound=syntax.Statement)

_KINDS = ("GPU", "CPU", "OMP")
MOST = 3
"""Tasks that are looked at one by one."""


# Layouts and memories


def needed_layouts(case: Case, _: Values, __: Finding | None) -> Moves:
    """Every argument as its task was compiled for it."""
    refused = [
        (task, argument)
        for task, arguments in _arguments(case)
        for argument in arguments
        if not _accepted(case, task, argument)
    ]
    change = joined(store_as(case, *user, _needed(user[1])) for user in refused)
    if change:
        wanted = dict.fromkeys(_said(argument) for _, argument in refused)
        values = {**placeholders(refused), "layout": " or ".join(wanted)}
        yield Move(change, "layout", values, tasks_of(refused), regions_of(refused))


def _arguments(case: Case) -> list[tuple[str, tuple[Argument, ...]]]:
    return [] if case.program is None else list(case.arguments.items())


def _accepted(case: Case, task: str, argument: Argument) -> bool:
    facts, layout = argument.facts, case.layout(task, argument)
    return accepts_layout(facts.layout_need, facts.dimension, len(facts.fields), layout)


def _needed(argument: Argument) -> dict[str, bool]:
    need, words = argument.facts.layout_need, {}
    if need is not None and need.order is not None:
        words["c_order"] = need.order == "C_order"
    if need is not None and need.soa is not None:
        words["soa"] = need.soa
    return words


def _said(argument: Argument) -> str:
    words = _needed(argument)
    fields = ["SOA" if words["soa"] else "AOS"] if "soa" in words else []
    order = ["C_order" if words["c_order"] else "F_order"] if "c_order" in words else []
    return " ".join([*fields, *order])


def visible_memories(case: Case, _: Values, __: Finding | None) -> Moves:
    """Arguments without an instance, or in a memory that is not seen, in the best that is."""
    if case.program is None or case.subject.mapper is None:
        return
    users = [
        (task, argument)
        for task, arguments in case.arguments.items()
        for argument in arguments
        if case.memory(task, argument) == "VIRTUAL"
    ]
    change = joined(
        store_in(case, task, argument, case.kind(task), case.memories(case.kind(task))[0])
        for task, argument in users
    )
    if change:
        yield Move(change, "region", placeholders(users), tasks_of(users), regions_of(users))


def room(case: Case, values: Values, __: Finding | None) -> Moves:
    """The largest arguments leave a memory that overflows."""
    found = list(free_memory(case))
    yield from found
    memory, number = memory_word(values.get("memory", "")), values.get("requirement")
    if not found and case.program is not None and memory and number:
        yield from leave_memory(case, memory, values["task"], int(number))


def default_layouts(case: Case, _: Values, __: Finding | None) -> Moves:
    """No layouts but the runtime's own, and those that tasks were compiled for."""
    rules = case.rules(syntax.Layout)
    if rules:
        tasks = list(dict.fromkeys(task for rule in rules for task in rule.tasks))
        said = "all tasks" if "*" in tasks else listed(tasks)
        yield Move(Change(gone=tuple(rules)), "layout", {"tasks": said}, tuple(tasks))


def no_alignment(case: Case, values: Values, __: Finding | None) -> Moves:
    """The task's data aligned as the runtime likes."""
    concerned = [
        rule
        for rule in case.rules(syntax.Layout)
        if rule.align is not None and {values.get("task"), "*"}.intersection(rule.tasks)
    ]
    if concerned:
        tasks = list(dict.fromkeys(task for rule in concerned for task in rule.tasks))
        new = tuple(replace(rule, align=None, position=None) for rule in concerned)
        said = "all tasks" if "*" in tasks else listed(tasks)
        yield Move(Change(new, tuple(concerned)), "layout", {"tasks": said}, tuple(tasks))


def collect(case: Case, _: Values, __: Finding | None) -> Moves:
    """What was only read is collected."""
    if case.program is not None:
        yield Move(Change((syntax.CollectMemory(task="*", region="*"),)), "limit", {})


def no_replication(case: Case, values: Values, __: Finding | None) -> Moves:
    """A task is not replicated."""
    rules = [r for r in case.rules(syntax.ControlReplicate) if values.get("task") in r.tasks]
    if rules:
        tasks = tuple(dict.fromkeys(task for rule in rules for task in rule.tasks))
        yield Move(Change(gone=tuple(rules)), "task", {"tasks": listed(tasks)}, tasks)


# Limits and maps


def no_limits(case: Case, _: Values, __: Finding | None) -> Moves:
    """The limit that a check blames taken out, else all of them."""
    rules = case.rules(syntax.InstanceLimit)
    blamed = {f.position for f in case.diagnostics if f.code == "limits-clash"}
    tasks = [rule.task for rule in rules if rule.position in blamed] or [r.task for r in rules]
    if tasks:
        tasks = list(dict.fromkeys(tasks))
        yield Move(unlimited(case, tasks), "limit", {"tasks": listed(tasks)}, tuple(tasks))


def stay_inside(case: Case, values: Values, finding: Finding | None) -> Moves:
    """Indices of a mapping function wrapped around."""
    names = {rule.function for rule in _blamed_maps(case, finding, values.get("task"))}
    for function in case.rules(syntax.FunctionDefinition):
        if function.name in names:
            wrapped = _wrapped(function)
            if wrapped != function:
                change = Change((wrapped,), (function,))
                yield Move(change, "index map", {"function": function.name})


def count_from_lower(case: Case, values: Values, finding: Finding | None) -> Moves:
    """Points of a launch that does not begin at zero counted from its first."""
    launches = [launch for task in case.tasks.values() for launch in task.launches]
    if not any(any(launch.lower) for launch in launches):
        return
    names = {rule.function for rule in _blamed_maps(case, finding, values.get("task"))}
    for function in case.rules(syntax.FunctionDefinition):
        read = {node.name for node in walk(function) if isinstance(node, syntax.Member)}
        if function.name in names and "ipoint" in read and "ilower" not in read:
            change = Change((_from_lower(function),), (function,))
            yield Move(change, "index map", {"function": function.name})


def _from_lower(node: Any) -> Any:
    """A part of the syntax tree with ``t.ilower`` taken from each ``t.ipoint``."""
    if isinstance(node, tuple):
        return tuple(map(_from_lower, node))
    if isinstance(node, syntax.Member) and node.name == "ipoint":
        return syntax.Binary("-", node, replace(node, name="ilower"))
    if not is_dataclass(node) or isinstance(node, type | syntax.Position):
        return node
    return replace(node, **{f.name: _from_lower(getattr(node, f.name)) for f in fields(node)})


def library_map(case: Case, values: Values, finding: Finding | None) -> Moves:
    """A map of the library in the place of a mapping function."""
    for rule in _blamed_maps(case, finding, values.get("task")):
        yield from _from_library(case, rule)


def _blamed_maps(
    case: Case, finding: Finding | None, task: str | None
) -> list[syntax.IndexTaskMap]:
    """The index maps that a diagnostic points to: by the statement, or by its function."""
    maps = case.rules(syntax.IndexTaskMap)
    place = finding.position if finding else None
    functions = [
        f.name
        for f in case.rules(syntax.FunctionDefinition)
        if place and f.position and f.position.line <= place.line <= f.position.end_line
    ]
    blamed = [
        rule
        for rule in maps
        if rule.function in functions
        or (place and rule.position and rule.position.line == place.line)
        or (task is not None and task in rule.keys)
    ]
    return blamed or maps


def _wrapped(function: syntax.FunctionDefinition) -> syntax.FunctionDefinition:
    """The function with each index of the processor that it returns taken modulo the size."""
    return replace(function, body=tuple(map(_wrapped_return, function.body)))


def _wrapped_return(
    statement: syntax.Assignment | syntax.Return | syntax.Print,
) -> syntax.Assignment | syntax.Return | syntax.Print:
    if not isinstance(statement, syntax.Return) or not isinstance(statement.value, syntax.Index):
        return statement
    index = statement.value
    if any(isinstance(each, syntax.Star | syntax.Unpack) for each in index.indices):
        return statement
    sizes = syntax.Member(base=index.base, name="size")
    wrapped = tuple(
        syntax.Binary(
            operator="%",
            left=each,
            right=syntax.Index(base=sizes, indices=(syntax.Integer(value=number),)),
        )
        for number, each in enumerate(index.indices)
    )
    return replace(statement, value=replace(index, indices=wrapped))


def _from_library(case: Case, rule: syntax.IndexTaskMap) -> Moves:
    changes = []
    for key in rule.keys:
        kind = key if key in _KINDS else case.kind(key) if key in case.tasks else None
        if kind is not None:
            changes.append(spread(key, kind, "block1d"))
    if changes:
        values = {"function": rule.function, "tasks": listed(rule.keys)}
        keys = tuple(key for key in rule.keys if key in case.tasks)
        yield Move(joined(changes), "index map", values, keys)


def with_parent(case: Case, _: Values, finding: Finding | None) -> Moves:
    """A single task stays where the task that launches it runs, or where the runtime says."""
    place = finding.position if finding else None
    maps = case.rules(syntax.SingleTaskMap)
    blamed = [
        rule for rule in maps if place and rule.position and rule.position.line == place.line
    ] or maps
    for rule in blamed:
        keys = [(key, key if key in _KINDS else case.kind(key)) for key in rule.keys]
        change = joined(place_with_parent(key, kind) for key, kind in keys)
        yield Move(change, "single map", {"tasks": listed(rule.keys)}, rule.keys)
        yield Move(Change(gone=(rule,)), "single map", {"tasks": listed(rule.keys)}, rule.keys)


# Speed, for runs that leave no profile


def faster_processors(case: Case, _: Values, __: Finding | None) -> Moves:
    """All tasks on the fastest processors that can run them."""
    yield from all_to_faster(case)


def other_maps(case: Case, _: Values, __: Finding | None) -> Moves:
    """The most expensive tasks under other maps."""
    for task in case.mattering[:MOST]:
        yield from maps_for(case, [task])


# Definitions


def define_machine(case: Case, _: Values, __: Finding | None) -> Moves:
    """A name that stands for the machine of a kind, such as ``mgpu``, is defined."""
    defined = {each.name for each in case.rules(syntax.Assignment)}
    defined |= {each.name for each in case.rules(syntax.FunctionDefinition)}
    used = (
        [n.name for n in walk(case.program) if isinstance(n, syntax.Name)] if case.program else ()
    )
    for name in dict.fromkeys(used):
        kinds = [kind for kind in _KINDS if kind.lower() in name.lower()]
        if name not in defined and len(kinds) == 1 and not _is_local(case, name):
            value = syntax.Call(
                function=syntax.MachineName(),
                arguments=(syntax.ProcessorKind(kind=kinds[0]),),
            )
            change = Change((syntax.Assignment(name=name, value=value),))
            yield Move(change, "index map", {"name": name, "kind": kinds[0]})


def _is_local(case: Case, name: str) -> bool:
    return any(
        name in {p.name for p in function.parameters}
        or any(isinstance(s, syntax.Assignment) and s.name == name for s in function.body)
        for function in case.rules(syntax.FunctionDefinition)
    )


def define_first(case: Case, _: Values, __: Finding | None) -> Moves:
    """Maps whose function comes later, or never, are put behind it, or left out."""
    seen: set[str] = set()
    functions = {each.name for each in case.rules(syntax.FunctionDefinition)}
    for each in case.program.statements if case.program else ():
        if isinstance(each, syntax.FunctionDefinition):
            seen.add(each.name)
        elif isinstance(each, syntax.IndexTaskMap | syntax.SingleTaskMap):
            if each.function in seen:
                continue
            block = _block_of(each)
            values = {"function": each.function, "tasks": listed(each.keys)}
            later = Change((each,), (each,)) if each.function in functions else None
            near = nearest(each.function, functions)
            if later:
                yield Move(later, block, values, each.keys)
            elif near:
                meant = Change((replace(each, function=near),), (each,))
                yield Move(meant, block, values, each.keys)
            elif isinstance(each, syntax.IndexTaskMap):
                yield from _from_library(case, each)


def leave_out(case: Case, _: Values, finding: Finding | None) -> Moves:
    """The statement that a diagnostic points to goes."""
    place = finding.position if finding else None
    for each in case.program.statements if case.program and place else ():
        inside = each.position and place and each.position.line <= place.line
        if inside and place.line <= each.position.end_line:  # type: ignore[union-attr]  # both are there
            yield Move(Change(gone=(each,)), _block_of(each), {"statement": type(each).__name__})
            return


_BLOCKS: Mapping[type, Block] = {
    syntax.Task: "task",
    syntax.Region: "region",
    syntax.Layout: "layout",
    syntax.InstanceLimit: "limit",
    syntax.CollectMemory: "limit",
    syntax.SingleTaskMap: "single map",
}


def _block_of(statement: syntax.Statement) -> Block:
    return _BLOCKS.get(type(statement), "index map")


def nearest_name(case: Case, values: Values, finding: Finding | None) -> Moves:
    """A task or region that the program does not have becomes the one that was meant."""
    place = finding.position if finding else None
    meant = re.search(r"did you mean (\w+)", values.get("advice", ""))
    for each in case.program.statements if case.program and place and meant else ():
        if each.position != place or place is None or meant is None:
            continue
        wrong = re.search(r"no (?:task|region argument) (\w+)", values["sentence"])
        new = _renamed(each, wrong[1], meant[1]) if wrong else None
        if new is not None:
            yield Move(Change((new,), (each,)), _block_of(each), {"name": meant[1]})


def _renamed(rule: syntax.Statement, wrong: str, right: str) -> syntax.Statement | None:
    def swap(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(right if name == wrong else name for name in names)

    if isinstance(rule, syntax.Task):
        return replace(rule, tasks=swap(rule.tasks))
    if isinstance(rule, syntax.Region | syntax.Layout):
        region = right if rule.region == wrong else rule.region
        return replace(rule, tasks=swap(rule.tasks), region=region)
    if isinstance(rule, syntax.IndexTaskMap | syntax.SingleTaskMap):
        return replace(rule, keys=swap(rule.keys))
    if isinstance(rule, syntax.InstanceLimit):
        return replace(rule, task=right)
    return None


def map_kinds(case: Case, _: Values, __: Finding | None) -> Moves:
    """A map for ``*`` becomes one for the processor kind of its machine."""
    for rule in case.rules(syntax.IndexTaskMap):
        if "*" not in rule.keys:
            continue
        kinds = dict.fromkeys(case.kind(task) for task in case.tasks if task in case.arguments)
        for kind in kinds:
            change = Change((replace(rule, keys=(kind,)),), (rule,))
            yield Move(change, "index map", {"kind": kind, "function": rule.function})


REPAIRS: Mapping[str, Repair] = MappingProxyType(
    {
        repair.__name__: repair
        for repair in (
            collect,
            count_from_lower,
            default_layouts,
            define_first,
            define_machine,
            faster_processors,
            leave_out,
            library_map,
            map_kinds,
            mend_syntax,
            nearest_name,
            needed_layouts,
            no_alignment,
            no_limits,
            no_replication,
            other_maps,
            room,
            stay_inside,
            visible_memories,
            with_parent,
        )
    }
)
