"""Instance limits under which a program waits for ever."""

from __future__ import annotations

from collections.abc import Iterator

from dsl import syntax
from dsl.checks.diagnostics import Diagnostic
from dsl.checks.context import Subject

__all__ = ["check_limits"]


def check_limits(subject: Subject) -> Iterator[Diagnostic]:
    """Limits that clash: a task waits for a place that is held by one that waits for it."""
    clash = subject.forecast.clash if subject.forecast else ()
    if not clash:
        return
    first: dict[str, syntax.InstanceLimit] = {}
    for rule in subject.rules(syntax.InstanceLimit):
        if rule.task in clash:
            first.setdefault(rule.task, rule)  # the first statement for a task counts
    said = [f"InstanceLimit {rule.task} {rule.limit}" for rule in first.values()]
    rest = f" and {said[-1]} clash" if len(said) > 1 else " cannot be kept"
    yield subject.diagnostic(
        "limits-clash",
        next(iter(first.values())).position,
        f"{', '.join(said[:-1]) or said[0]}{rest}: a task waits for a place that one before it "
        "holds, which waits for that task",
        "leave out one of them" if len(said) > 1 else "leave it out, or allow more",
    )
