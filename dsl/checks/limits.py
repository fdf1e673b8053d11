"""Instance limits under which a program waits for ever."""

from __future__ import annotations

from collections.abc import Iterator

from dsl import syntax
from dsl.checks.context import CheckContext
from dsl.checks.diagnostics import Diagnostic

__all__ = ["check_limits"]


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
