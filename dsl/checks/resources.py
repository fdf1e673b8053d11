"""What a task cannot have: kinds and memories, for which the next choice is taken; room; turns."""

from __future__ import annotations

from collections.abc import Iterator

from dsl import syntax
from dsl.checks.context import CheckContext
from dsl.checks.diagnostics import Diagnostic
from dsl.facts import TaskFacts
from dsl.units import amount

__all__ = ["check_limits", "check_memory", "check_resources"]


def check_resources(context: CheckContext) -> Iterator[Diagnostic]:
    """Reports rules whose first choice, or every choice, the task cannot have."""
    for rule in context.rules(syntax.Task):
        if rule.tasks == ("*",):
            yield from _other_kinds(context, rule)
        for task in context.named(rule.tasks):
            yield from _kinds(context, rule, task)
    for region in context.rules(syntax.Region):
        yield from _memories(context, region)
    for layout in context.rules(syntax.Layout):
        yield from _places(context, layout)


# Kinds


def _fits(context: CheckContext, task: TaskFacts, kind: str) -> bool:
    return kind in task.variants and kind in context.present


def _kinds(context: CheckContext, rule: syntax.Task, task: TaskFacts) -> Iterator[Diagnostic]:
    if not any(_fits(context, task, kind) for kind in rule.kinds):
        possible = [kind for kind in task.variants if kind in context.present]
        yield context.diagnostic(
            "kind-without-variant",
            rule.position,
            f"{task.name} cannot run on {' or '.join(rule.kinds)}: the runtime chooses",
            f"it can run on {', '.join(possible)}" if possible else None,
        )
    elif not _fits(context, task, rule.kinds[0]):
        why = "has no variant for" if rule.kinds[0] in context.present else "finds no"
        yield context.diagnostic(
            "kind-skipped", rule.position, f"{task.name} {why} {rule.kinds[0]}: the next is taken"
        )


def _other_kinds(context: CheckContext, rule: syntax.Task) -> Iterator[Diagnostic]:
    """A rule for all tasks that have none of their own; lists of preference are usual there."""
    named = {name for other in context.rules(syntax.Task) for name in other.tasks}
    tasks = [task for task in context.application.tasks.values() if task.name not in named]
    stuck = [t for t in tasks if not any(_fits(context, t, kind) for kind in rule.kinds)]
    if not stuck:
        return
    names = ", ".join(task.name for task in stuck[:3])
    more = f" and {len(stuck) - 3} more" if len(stuck) > 3 else ""
    yield context.diagnostic(
        "kind-without-variant" if len(stuck) == len(tasks) else "kind-skipped",
        rule.position,
        f"{names}{more} cannot run on {' or '.join(rule.kinds)}: the runtime chooses",
        f"end the list with a kind that they can run on: {stuck[0].variants[0]}",
    )


# Memories


def _memories(context: CheckContext, rule: syntax.Region) -> Iterator[Diagnostic]:
    concerned = context.concerned(rule.tasks, rule.region)
    kinds = list(dict.fromkeys(context.kind_of(task.name) for task, _ in concerned))
    spoken_of = [k for k in kinds if k is not None and rule.processor in ("*", k)]
    if concerned and not spoken_of and "*" not in rule.tasks:
        runs_on = " and ".join(kind for kind in kinds if kind)
        yield context.diagnostic(
            "rule-unused",
            rule.position,
            f"{' and '.join(rule.tasks)} runs on {runs_on}, not on {rule.processor}",
            f"write {runs_on} or * in its place",
        )
    if rule.processor == "*" and "*" in rule.tasks and _some_see(context, rule):
        return  # a rule for everything is right for some
    for kind in spoken_of:
        yield from _visible(context, rule, kind)


def _some_see(context: CheckContext, rule: syntax.Region) -> bool:
    return any(
        memory == "VIRTUAL" or memory in context.machine.visible_memories(kind)
        for kind in context.present
        for memory in rule.memories
    )


def _visible(context: CheckContext, rule: syntax.Region, kind: str) -> Iterator[Diagnostic]:
    visible = context.machine.visible_memories(kind)
    seen = [m for m in rule.memories if m == "VIRTUAL" or m in visible]
    if not seen:
        yield context.diagnostic(
            "memory-unseen",
            rule.position,
            f"{kind} processors see no {' and no '.join(rule.memories)}: "
            f"they get {visible[0]} unless another statement says",
            f"{kind} processors see {', '.join(visible)}",
        )
    elif seen[0] != rule.memories[0]:
        yield context.diagnostic(
            "memory-skipped",
            rule.position,
            f"{kind} processors see no {rule.memories[0]}: {seen[0]} is taken",
        )


def _places(context: CheckContext, rule: syntax.Layout) -> Iterator[Diagnostic]:
    """Reports layouts for a memory where the named tasks have no data."""
    if "*" in rule.tasks or rule.place in ("*", "VIRTUAL"):
        return
    concerned = context.concerned(rule.tasks, rule.region)
    places: dict[str | None, None] = {}
    for task, requirement in concerned:
        places[context.kind_of(task.name)] = None
        places[context.memory_of(task, requirement)] = None
    if concerned and rule.place not in places:
        found = " and ".join(dict.fromkeys(context.memory_of(*each) or "" for each in concerned))
        yield context.diagnostic(
            "rule-unused",
            rule.position,
            f"{' and '.join(rule.tasks)} has {rule.region} in {found}, not in {rule.place}"
            if rule.region != "*"
            else f"{' and '.join(rule.tasks)} has its data in {found}, not in {rule.place}",
            f"write {found} or * in its place",
        )


# What stops a mapper that is otherwise right


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
