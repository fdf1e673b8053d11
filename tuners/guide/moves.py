"""Changes of a mapper that a rule may suggest: statements that come, and statements that go.

A statement that speaks of nothing else is changed where it stands, so that the mapper keeps its
form (and a template recognises it); otherwise a more special one is put before the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import TypeAlias, TypeVar

import dsl
from dsl import syntax
from dsl.templates.space.index_map_library import (
    INDEX_MAPS,
    SHARDING_MAPS,
    SINGLE_MAP,
    function_name,
    library_definitions,
)
from tuners.guide.case import Argument, Case
from tuners.guide.guidance import Change, Move, listed

__all__ = [
    "User",
    "helps",
    "joined",
    "place_with_parent",
    "placeholders",
    "regions_of",
    "run_on",
    "spread",
    "store_as",
    "store_in",
    "tasks_of",
    "unlimited",
]


_Rule = TypeVar("_Rule", syntax.Region, syntax.Layout)


User: TypeAlias = tuple[str, Argument]
"""A task and one of its arguments."""


def placeholders(users: Iterable[User]) -> dict[str, str]:
    """Tasks and their arguments as placeholders of a sentence."""
    pairs = list(users)
    return {
        "tasks": listed(tasks_of(pairs)),
        "regions": listed(list(dict.fromkeys(argument.label for _, argument in pairs))),
    }


def tasks_of(users: Iterable[User]) -> tuple[str, ...]:
    """The tasks, each once."""
    return tuple(dict.fromkeys(task for task, _ in users))


def regions_of(users: Iterable[User]) -> tuple[str, ...]:
    """The names of the arguments, each once."""
    return tuple(dict.fromkeys(argument.name for _, argument in users))


def joined(changes: Iterable[Change]) -> Change:
    """Several changes as one."""
    parts = list(changes)
    new = dict.fromkeys(each for part in parts for each in part.new)
    gone = dict.fromkeys(each for part in parts for each in part.gone)
    return Change(tuple(new), tuple(gone))


def helps(case: Case, moves: Iterable[Move], least: float) -> bool:
    """Whether some move is estimated to save more than a share of an iteration."""
    changes = [move.change for move in moves]
    return any((case.saved(each) or 0.0) > least for each in changes if isinstance(each, Change))


def run_on(case: Case, task: str, kind: str) -> Change:
    """The task runs on a processor kind; its maps, which are made for another, come along."""
    own = tuple(rule for rule in case.rules(syntax.Task) if rule.tasks == (task,))
    runs = Change((syntax.Task(tasks=(task,), kinds=(kind,)),), own)
    rules: list[syntax.IndexTaskMap | syntax.SingleTaskMap] = []
    rules += case.rules(syntax.IndexTaskMap)
    rules += case.rules(syntax.SingleTaskMap)
    return joined([runs, *(_for_kind(rule, task, kind) for rule in rules if task in rule.keys)])


def _for_kind(rule: syntax.IndexTaskMap | syntax.SingleTaskMap, task: str, kind: str) -> Change:
    """A task's map for another kind: the same of the library, else the runtime's own choice."""
    name, _, _ = rule.function.rpartition("_")
    if isinstance(rule, syntax.IndexTaskMap) and name in (*INDEX_MAPS, *SHARDING_MAPS):
        return spread(task, kind, name)
    if isinstance(rule, syntax.SingleTaskMap) and name == SINGLE_MAP:
        return place_with_parent(task, kind)
    others = tuple(key for key in rule.keys if key != task)
    return Change((replace(rule, keys=others),) if others else (), (rule,))


def store_in(case: Case, task: str, argument: Argument, kind: str, memory: str) -> Change:
    """An argument lies in a memory kind, where the task runs on a processor kind."""
    own = _own(
        case.rules(syntax.Region),
        task,
        argument,
        lambda rule: rule.processor in ("*", kind),
    )
    if own is not None:
        return Change((replace(own, memories=(memory,), position=None),), (own,))
    statement = syntax.Region(
        tasks=(task,), region=argument.name, processor=kind, memories=(memory,)
    )
    return Change((statement,))


def store_as(case: Case, task: str, argument: Argument, words: Mapping[str, bool]) -> Change:
    """An argument has another layout: ``soa``, ``c_order``, ``exact``; the rest stays."""
    own = _own(case.rules(syntax.Layout), task, argument, lambda _: True)
    if own is not None:
        return Change((replace(own, **words, position=None),), (own,))  # type: ignore[arg-type]  # as below
    kind = case.subject.kind_of(task)
    memory = case.subject.memory_of(case.tasks[task], argument.facts)
    places = tuple(place for place in (memory, kind) if place)
    rule = case.subject.layout_rule(task, argument.facts, places)
    base = rule or syntax.Layout(tasks=(task,), region=argument.name, place="*")
    new = replace(
        base,
        tasks=(task,),
        region=argument.name,
        place=memory or "*",
        position=None,
        **words,  # type: ignore[arg-type]  # soa, c_order, compact and exact are all bool
    )
    return Change((new,))


def _own(
    rules: Sequence[_Rule], task: str, argument: Argument, fits: Callable[[_Rule], bool]
) -> _Rule | None:
    """The only statement about just this argument, whose place in the text can be kept."""
    found = [
        rule for rule in rules if rule.tasks == (task,) and rule.region in argument.facts.names
    ]
    return found[0] if len(found) == 1 and fits(found[0]) else None


def unlimited(case: Case, tasks: Iterable[str]) -> Change:
    """Any number of instances of some tasks may be under way."""
    wanted = set(tasks)
    return Change(
        gone=tuple(rule for rule in case.rules(syntax.InstanceLimit) if rule.task in wanted)
    )


def spread(task: str, kind: str, name: str) -> Change:
    """The points of a task go to processors by a map of the library."""
    return Change(
        (
            *_definitions(name, kind),
            syntax.IndexTaskMap(keys=(task,), function=function_name(name, kind)),
        )
    )


def place_with_parent(task: str, kind: str) -> Change:
    """A single task stays on the processor of the task that launched it."""
    return Change(
        (
            *_definitions(SINGLE_MAP, kind),
            syntax.SingleTaskMap(keys=(task,), function=function_name(SINGLE_MAP, kind)),
        )
    )


@cache
def _definitions(name: str, kind: str) -> tuple[syntax.Statement, ...]:
    return dsl.parse("\n".join(library_definitions([(name, kind)]))).statements
