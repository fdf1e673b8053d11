"""Rules that the language passes over in silence: their meaning stays, and is pointed out here."""

from __future__ import annotations

from collections.abc import Iterator

from dsl import syntax
from dsl.checks.diagnostics import Diagnostic
from dsl.checks.context import Subject

__all__ = ["check_silent"]


def check_silent(subject: Subject) -> Iterator[Diagnostic]:
    """Rules without effect, and rules that others hide."""
    yield from _hidden(subject)
    for layout in subject.rules(syntax.Layout):
        if layout.exact and not layout.compact:
            yield subject.diagnostic(
                "exact-without-compact",
                layout.position,
                "Exact has an effect only together with Compact",
                "add Compact, or leave Exact out",
            )
    for limit in subject.rules(syntax.InstanceLimit):
        if limit.limit == 0:
            yield subject.diagnostic(
                "limit-no-effect",
                limit.position,
                f"a limit of 0 lets any number of instances of {limit.task} run at once",
                "the least limit is 1",
            )
    yield from _maps(subject)
    yield from _collections(subject)


def _keys(rule: syntax.Statement) -> list[tuple[str, ...]]:
    """The keys of the tables that a rule fills (section 10)."""
    if isinstance(rule, syntax.Task):
        return [("Task", task) for task in rule.tasks]
    if isinstance(rule, syntax.Region):
        return [("Region", task, rule.region, rule.processor) for task in rule.tasks]
    if isinstance(rule, syntax.Layout):
        place = "*" if rule.place == "VIRTUAL" else rule.place
        return [("Layout", task, rule.region, place) for task in rule.tasks]
    if isinstance(rule, syntax.InstanceLimit):
        return [("InstanceLimit", rule.task)]
    if isinstance(rule, syntax.IndexTaskMap):
        return [("IndexTaskMap", key) for key in rule.keys]
    if isinstance(rule, syntax.SingleTaskMap):
        return [("SingleTaskMap", key) for key in rule.keys]
    return []


def _hidden(subject: Subject) -> Iterator[Diagnostic]:
    first: dict[tuple[str, ...], syntax.Statement] = {}
    for rule in subject.program.statements:
        for key in _keys(rule):
            earlier = first.setdefault(key, rule)
            if earlier is rule:
                continue
            line = earlier.position.line if earlier.position else "?"
            yield subject.diagnostic(
                "rule-hidden",
                rule.position,
                f"{' '.join(key)} was decided in line {line}: the first statement counts",
                "take one of the two out",
            )


def _maps(subject: Subject) -> Iterator[Diagnostic]:
    tasks = subject.application.tasks
    for rule in subject.program.statements:
        if not isinstance(rule, syntax.IndexTaskMap | syntax.SingleTaskMap):
            continue
        index = isinstance(rule, syntax.IndexTaskMap)
        word = "IndexTaskMap" if index else "SingleTaskMap"
        for key in rule.keys:
            if key == "*":
                yield subject.diagnostic(
                    "wildcard-map",
                    rule.position,
                    f"{word} * has no effect",
                    f"name the tasks, or a processor kind: {word} GPU {rule.function};",
                )
            elif key in tasks and not (
                tasks[key].launch_domains if index else tasks[key].launched_singly
            ):
                how = "only as single tasks" if index else "only in index launches"
                yield subject.diagnostic(
                    "map-no-effect", rule.position, f"{key} is launched {how}: no effect"
                )


def _collections(subject: Subject) -> Iterator[Diagnostic]:
    for rule in subject.rules(syntax.CollectMemory):
        chosen = [
            requirement
            for task in subject.tasks_of((rule.task,))
            for requirement in task.requirements
            if rule.region in ("*", *requirement.names)
        ]
        if chosen and not any(r.privilege == "READ_ONLY" for r in chosen):
            yield subject.diagnostic(
                "collect-no-effect",
                rule.position,
                f"{rule.task} only writes {rule.region}: nothing is collected",
            )
