"""Memory that cannot hold what the mapper puts there."""

from __future__ import annotations

from collections.abc import Iterator

from dsl.checks.context import CheckContext
from dsl.checks.diagnostics import Diagnostic
from dsl.units import amount

__all__ = ["check_memory"]


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
