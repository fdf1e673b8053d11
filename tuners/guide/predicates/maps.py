"""Points on few processors, or far from their data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import prod

from dsl import syntax
from dsl.templates.space.distinct_maps import distinct_maps
from dsl.templates.space.index_map_library import MAP_DIMENSIONS
from dsl.units import amount, seconds
from tuners.guide.case import Case
from tuners.guide.guidance import Change, Found, Move, listed
from tuners.guide.moves import joined, place_with_parent, spread

__all__ = ["alike", "far_from_parent", "imbalance", "maps_for", "needless_communication"]

MATTERS = 0.01
"""Share of an iteration from which on copies are looked at."""
LOOKED_AT = 4
"""Tasks that are looked at one by one."""
UNEVEN = 1.3
"""How much longer than the mean of a task's processors the busiest works where it is uneven."""


def imbalance(case: Case) -> Iterator[Found]:
    """Tasks whose points lie on few of the processors, or unevenly."""
    if case.profile is None:
        return
    for task in case.mattering[:LOOKED_AT]:
        use = case.profile.tasks.get(task)
        if use is None or use.points < 2 or not use.busy:
            continue
        shape = case.machine.shape
        present = shape.nodes * shape.count(use.kind)
        useful = min(present, use.points)
        uneven = use.longest * useful / use.busy
        if useful < 2 or (use.processors >= useful and uneven < UNEVEN):
            continue
        yield Found(
            {
                "task": task,
                "points": str(use.points),
                "used": str(use.processors),
                "present": str(present),
                "kind": use.kind,
                "longest": seconds(use.longest),
                "mean": seconds(use.busy / useful),
            },
            use.longest - use.busy / useful,
            maps_for(case, [task]),
        )


def needless_communication(case: Case) -> Iterator[Found]:
    """Copies between memories of one kind: another map may bring tasks to their data."""
    if case.profile is None or case.decisions is None:
        return
    moved: dict[str, float] = {}
    for each in case.estimator.estimate(case.decisions).moved:
        task = case.estimator.program.launches[each.launch].task
        between = sum(size for source, target, size in each.between if source == target)
        moved[task] = moved.get(task, 0.0) + between
    heavy = [task for task in case.mattering if moved.get(task)]
    for number, task in enumerate(heavy[:LOOKED_AT]):
        cost = case.costs.of_task(task) - case.costs.running[task]
        if cost < MATTERS * case.costs.total:
            continue
        others = alike(case, task)
        moves = maps_for(case, [task])
        if number == 0 and len(others) > 1:
            moves += maps_for(case, others)
        waited = case.waited_for(task=task)
        values = {"task": task, "bytes": amount(moved[task]), "wait": case.wait(waited)}
        yield Found(values, waited, moves)


def alike(case: Case, task: str) -> list[str]:
    """A task, and those of the loop that are launched over the same domains on the same kind."""
    domains = _domains(case, task)
    loop = [
        other
        for other in case.background.loop_tasks
        if other in case.arguments
        and _domains(case, other) == domains
        and case.kind(other) == case.kind(task)
    ]
    return loop if task in loop else [task, *loop]


def _domains(case: Case, task: str) -> tuple[tuple[int, ...], ...]:
    return tuple(domain for domain in case.tasks[task].launch_domains if prod(domain) > 1)


def maps_for(case: Case, tasks: Sequence[str]) -> list[Move]:
    """Some tasks under each map of the library, and under the runtime's own.

    A task that is launched alone goes where the task runs that launches it: that one is mapped.
    """
    launchers = list(dict.fromkeys(_launcher(case, task) for task in tasks))
    kind, domains = case.kind(launchers[0]), _domains(case, launchers[0])
    if not domains or max(map(len, domains)) > MAP_DIMENSIONS:
        return []
    followers = [task for task in tasks if task not in launchers and case.kind(task) == kind]
    follow = joined(place_with_parent(task, kind) for task in followers)
    names = {"tasks": listed([*launchers, *followers]), "kind": kind}
    about = (*launchers, *followers)
    moves = []
    for name in distinct_maps([kind], domains, case.machine.shape):
        change = joined([*(spread(each, kind, name) for each in launchers), follow])
        moves.append(Move(change, "index map", {**names, "map": f"{name}_{kind}"}, about))
    own = _without_map(case, launchers)
    if own:
        values = {**names, "map": "the runtime's own choice"}
        moves.append(Move(own, "index map", values, tuple(launchers)))
    return moves


def _launcher(case: Case, task: str) -> str:
    """The task itself where it is launched over a domain; else the nearest above it that is."""
    above = task
    while not _domains(case, above) and case.tasks[above].parents:
        above = case.tasks[above].parents[0]
    return above if _domains(case, above) and above in case.arguments else task


def _without_map(case: Case, tasks: Iterable[str]) -> Change:
    """The maps of some tasks taken out, where they have their own."""
    wanted = set(tasks)
    return Change(
        gone=tuple(
            rule for rule in case.rules(syntax.IndexTaskMap) if wanted.issuperset(rule.keys)
        )
    )


def far_from_parent(case: Case) -> Iterator[Found]:
    """Single tasks that run elsewhere than the task that launched them, where their data lies."""
    if case.decisions is None:
        return
    program, processor = case.estimator.program, case.decisions.processor
    for task in case.mattering[:LOOKED_AT]:
        summary = case.tasks[task]
        kind = case.kind(task)
        if not summary.launched_singly or not summary.parents:
            continue
        numbers = [n for n, launch in enumerate(program.launches) if launch.task == task]
        points = [
            point
            for n in numbers
            for point in range(int(program.launch_point[n]), int(program.launch_point[n + 1]))
        ]
        far = [p for p in points if processor[p] != processor[program.point_parent[p]]]
        if not far:
            continue
        change = place_with_parent(task, kind)
        values = {
            "task": task,
            "far": str(len(far)),
            "points": str(len(points)),
            "parent": listed(summary.parents),
            "kind": kind,
        }
        yield Found(values, case.costs.of_task(task), [Move(change, "single map", {}, (task,))])
