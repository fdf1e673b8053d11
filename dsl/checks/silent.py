"""Reports rules that the language ignores silently; their meaning does not change."""

from __future__ import annotations

from collections.abc import Iterator

from dsl import syntax
from dsl.checks.context import CheckContext
from dsl.checks.diagnostics import Diagnostic

__all__ = ["check_silent"]


def check_silent(context: CheckContext) -> Iterator[Diagnostic]:
    """Reports rules without effect, and rules that others hide."""
    yield from _hidden(context)
    for layout in context.rules(syntax.Layout):
        if layout.exact and not layout.compact:
            yield context.diagnostic(
                "exact-without-compact",
                layout.position,
                "Exact has an effect only together with Compact",
                "add Compact, or leave Exact out",
            )
    for limit in context.rules(syntax.InstanceLimit):
        if limit.limit == 0:
            yield context.diagnostic(
                "limit-no-effect",
                limit.position,
                f"a limit of 0 lets any number of instances of {limit.task} run at once",
                "the least limit is 1",
            )
    yield from _maps(context)
    yield from _collections(context)


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


def _hidden(context: CheckContext) -> Iterator[Diagnostic]:
    first: dict[tuple[str, ...], syntax.Statement] = {}
    for rule in context.program.statements:
        for key in _keys(rule):
            earlier = first.setdefault(key, rule)
            if earlier is rule:
                continue
            line = earlier.position.line if earlier.position else "?"
            yield context.diagnostic(
                "rule-hidden",
                rule.position,
                f"{' '.join(key)} was decided in line {line}: the first statement counts",
                "take one of the two out",
            )


def _maps(context: CheckContext) -> Iterator[Diagnostic]:
    tasks = context.application.tasks
    for rule in context.program.statements:
        if not isinstance(rule, syntax.IndexTaskMap | syntax.SingleTaskMap):
            continue
        index = isinstance(rule, syntax.IndexTaskMap)
        word = "IndexTaskMap" if index else "SingleTaskMap"
        for key in rule.keys:
            if key == "*":
                yield context.diagnostic(
                    "wildcard-map",
                    rule.position,
                    f"{word} * has no effect",
                    f"name the tasks, or a processor kind: {word} GPU {rule.function};",
                )
            elif key in tasks and not (
                tasks[key].launch_domains if index else tasks[key].launched_singly
            ):
                how = "only as single tasks" if index else "only in index launches"
                yield context.diagnostic(
                    "map-no-effect", rule.position, f"{key} is launched {how}: no effect"
                )


def _collections(context: CheckContext) -> Iterator[Diagnostic]:
    for rule in context.rules(syntax.CollectMemory):
        chosen = [
            requirement
            for task in context.tasks_of((rule.task,))
            for requirement in task.requirements
            if rule.region in ("*", *requirement.names)
        ]
        if chosen and not any(r.privilege == "READ_ONLY" for r in chosen):
            yield context.diagnostic(
                "collect-no-effect",
                rule.position,
                f"{rule.task} only writes {rule.region}: nothing is collected",
            )
