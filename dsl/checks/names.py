"""Checks for names that the program does not have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dsl import syntax
from dsl.checks.context import CheckContext
from dsl.checks.diagnostics import Diagnostic
from dsl.machine_shape import PROCESSOR_KINDS
from dsl.nearest import did_you_mean

__all__ = ["check_names", "tasks_named_in"]


def check_names(context: CheckContext) -> Iterator[Diagnostic]:
    """Reports tasks and regions that do not exist, with the nearest name that does."""
    for rule in context.program.statements:
        for task in tasks_named_in(rule):
            yield from _task(context, rule, task)
        if isinstance(rule, syntax.Region | syntax.Layout):
            yield from _region(context, rule, rule.tasks, rule.region)
        elif isinstance(rule, syntax.CollectMemory):
            yield from _region(context, rule, (rule.task,), rule.region)


def tasks_named_in(rule: syntax.Statement) -> Sequence[str]:
    """The tasks that a rule names, ``*`` and processor kinds aside."""
    names: Sequence[str] = ()
    if isinstance(rule, syntax.Task | syntax.Region | syntax.Layout | syntax.ControlReplicate):
        names = rule.tasks
    elif isinstance(rule, syntax.InstanceLimit | syntax.CollectMemory):
        names = (rule.task,)
    elif isinstance(rule, syntax.IndexTaskMap | syntax.SingleTaskMap):
        names = [key for key in rule.keys if key not in PROCESSOR_KINDS]
    return [name for name in names if name != "*"]


def _task(context: CheckContext, rule: syntax.Statement, task: str) -> Iterator[Diagnostic]:
    known = context.application.tasks
    # The task that Legion starts with launches the others and is launched by none.
    if task in known or isinstance(rule, syntax.ControlReplicate):
        return
    yield context.diagnostic(
        "unknown-task",
        rule.position,
        f"{context.application.name} has no task {task}: the statement has no effect",
        did_you_mean(task, known),
    )


def _region(
    context: CheckContext, rule: syntax.Statement, tasks: Sequence[str], region: str
) -> Iterator[Diagnostic]:
    asked = context.tasks_of(tasks)
    if region == "*" or not asked:
        return
    names = {name: None for task in asked for r in task.requirements for name in r.names}
    wanted = str(int(region)) if region.isdecimal() else region
    if wanted in names:
        if not any(wanted in r.names and r.fields for task in asked for r in task.requirements):
            yield context.diagnostic(
                "region-without-data",
                rule.position,
                f"{' and '.join(task.name for task in asked[:3])} asks for no data of {region}: "
                "the statement has no effect",
                "leave the statement out",
            )
        return
    who = context.application.name if "*" in tasks else ", ".join(tasks)
    semantic = [name for name in names if not name.isdecimal()]
    yield context.diagnostic(
        "unknown-region",
        rule.position,
        f"{who} has no region argument {region}: the statement has no effect",
        did_you_mean(region, semantic) or None,
    )
