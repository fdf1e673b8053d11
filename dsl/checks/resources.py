"""Processor kinds and memories that a task cannot have: the next choice is taken."""

from __future__ import annotations

from collections.abc import Iterator

from dsl import syntax
from dsl.checks.subject import Subject
from dsl.diagnostics import Diagnostic
from dsl.facts import TaskFacts

__all__ = ["check_resources"]


def check_resources(subject: Subject) -> Iterator[Diagnostic]:
    """Rules of which the machine or the task takes nothing, or not what comes first."""
    for rule in subject.rules(syntax.Task):
        for name in rule.tasks:
            if name in subject.application.tasks:
                yield from _kinds(subject, rule, subject.application.tasks[name])
    for region in subject.rules(syntax.Region):
        yield from _memories(subject, region)


def _kinds(subject: Subject, rule: syntax.Task, task: TaskFacts) -> Iterator[Diagnostic]:
    def fits(kind: str) -> bool:
        return kind in task.variants and kind in subject.present

    if not any(map(fits, rule.kinds)):
        possible = [kind for kind in task.variants if kind in subject.present]
        yield subject.diagnostic(
            "kind-without-variant",
            rule.position,
            f"{task.name} cannot run on {' or '.join(rule.kinds)}: the runtime chooses",
            f"it can run on {', '.join(possible)}" if possible else None,
        )
    elif not fits(rule.kinds[0]):
        why = "has no variant for" if rule.kinds[0] in subject.present else "finds no"
        yield subject.diagnostic(
            "kind-skipped", rule.position, f"{task.name} {why} {rule.kinds[0]}: the next is taken"
        )


def _memories(subject: Subject, rule: syntax.Region) -> Iterator[Diagnostic]:
    for kind in _processors(subject, rule):
        visible = subject.machine.visible_memories(kind)
        seen = [m for m in rule.memories if m == "VIRTUAL" or m in visible]
        if not seen:
            yield subject.diagnostic(
                "memory-unseen",
                rule.position,
                f"{kind} processors see no {' and no '.join(rule.memories)}: "
                f"they get {visible[0]} unless another statement says",
                f"{kind} processors see {', '.join(visible)}",
            )
        elif seen[0] != rule.memories[0]:
            yield subject.diagnostic(
                "memory-skipped",
                rule.position,
                f"{kind} processors see no {rule.memories[0]}: {seen[0]} is taken",
            )


def _processors(subject: Subject, rule: syntax.Region) -> list[str]:
    """The processor kinds, of those on the machine, that a rule speaks of."""
    if rule.processor != "*":
        return [kind for kind in (rule.processor,) if kind in subject.present]
    if "*" in rule.tasks:
        return []  # a rule for everything is right for some
    kinds = {subject.kind_of(task.name): None for task in subject.tasks_of(rule.tasks)}
    return [kind for kind in kinds if kind is not None]
