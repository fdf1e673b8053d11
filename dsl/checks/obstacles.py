"""What stops a mapper that is otherwise right: memory without room, limits that clash."""

from __future__ import annotations

from collections.abc import Iterator

from dsl import syntax
from dsl.checks.context import CheckContext
from dsl.checks.diagnostics import Diagnostic
from dsl.units import amount

__all__ = ["check_limits", "check_memory"]


def check_memory(context: CheckContext) -> Iterator[Diagnostic]:
    """The first instance that finds no room when the program's launches are mapped in order."""
    shortage = context.obstacle.shortage if context.obstacle else None
    if shortage is None:
        return
    task = context.application.tasks[shortage.task]
    requirement = task.requirements[shortage.requirement]
    kind = context.kind_of(shortage.task) or "*"
    rule = context.region_rule(shortage.task, requirement, kind, shortage.memory)
    others = [m for m in context.machine.visible_memories(kind) if m != shortage.memory]
    yield context.diagnostic(
        "out-of-memory",
        rule.position if rule else None,
        f"{shortage.task} finds no room for {requirement.names[0]}, {amount(shortage.bytes)} a "
        f"point, in {shortage.memory}, which holds {amount(shortage.capacity)} in all",
        f"put it, or other regions, into {' or '.join(others)}" if others else None,
    )


def check_limits(context: CheckContext) -> Iterator[Diagnostic]:
    """Limits that deadlock: a task waits for a place that is held by one that waits for it."""
    deadlock = context.obstacle.deadlock if context.obstacle else ()
    if not deadlock:
        return
    first: dict[str, syntax.InstanceLimit] = {}
    for rule in context.rules(syntax.InstanceLimit):
        if rule.task in deadlock:
            first.setdefault(rule.task, rule)  # the first statement for a task counts
    said = [f"InstanceLimit {rule.task} {rule.limit}" for rule in first.values()]
    rest = f" and {said[-1]} clash" if len(said) > 1 else " cannot be kept"
    yield context.diagnostic(
        "limits-clash",
        next(iter(first.values())).position,
        f"{', '.join(said[:-1]) or said[0]}{rest}: a task waits for a place that one before it "
        "holds, which waits for that task",
        "leave out one of them" if len(said) > 1 else "leave it out, or allow more",
    )
