"""Tasks on slow processors, on too few of them, or far from their data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import prod

from dsl import syntax
from dsl.templates.distinct_maps import distinct_maps
from dsl.templates.index_map_library import MAP_DIMENSIONS
from tuners.guide.case import Case
from tuners.guide.moves import Change, joined, place_with_parent, run_on, spread, store_in
from tuners.guide.rules import Found, Move
from tuners.guide.wording import amount, listed, percent, seconds

__all__ = [
    "far_from_parent",
    "imbalance",
    "made_elsewhere",
    "needless_communication",
    "slow_processors",
]

MATTERS = 0.01
"""Share of an iteration from which on a task is looked at."""
LOOKED_AT = 4
"""Tasks that are looked at one by one; all those that matter are also looked at together."""
UNEVEN = 1.3
"""How much longer than the mean of a task's processors the busiest works where it is uneven."""


# Kinds


def slow_processors(case: Case) -> Iterator[Found]:
    """Tasks that a faster kind of processor could run."""
    if case.profile is None:
        return
    slow = [task for task in _mattering(case) if _faster(case, task)]
    together = _all_to_faster(case, slow) if len(slow) > 1 else []
    for number, task in enumerate(slow[:LOOKED_AT]):
        cost = case.costs.of_task(task)
        use = case.profile.tasks.get(task)
        yield Found(
            {
                "task": task,
                "slow": case.kind(task),
                "fast": " or ".join(_faster(case, task)),
                "points": str(use.points if use else 1),
                "cost": seconds(cost),
                "share": percent(min(cost / case.costs.total, 1.0)),
            },
            cost,
            [*(together if number == 0 else []), *_to_faster(case, [task])],
        )


def _mattering(case: Case) -> list[str]:
    """Tasks that take a share of the iteration, the most expensive first."""
    tasks = [task for task in case.costs.running if task in case.arguments]
    ranked = sorted(tasks, key=case.costs.of_task, reverse=True)
    return [task for task in ranked if case.costs.of_task(task) > MATTERS * case.costs.total]


def _faster(case: Case, task: str) -> tuple[str, ...]:
    """The kinds that are usually faster than the task's own, the fastest first."""
    kinds = case.background.kinds[task]
    own = case.kind(task)
    return kinds[: kinds.index(own)] if own in kinds else ()


def _all_to_faster(case: Case, tasks: Sequence[str]) -> list[Move]:
    return [*_to_faster(case, tasks), *_to_faster(case, _all_slow(case))]


def _all_slow(case: Case) -> list[str]:
    return [t for t in case.background.loop_tasks if t in case.arguments and _faster(case, t)]


def _to_faster(case: Case, tasks: Sequence[str]) -> list[Move]:
    """Some tasks on their fastest kind, with all data in its best memory, or as it is."""
    if not tasks:
        return []
    kinds = {task: _faster(case, task)[0] for task in tasks}
    runs = joined(run_on(case, task, kind) for task, kind in kinds.items())
    shared = dict.fromkeys(kinds.values())
    names = {"tasks": listed(list(tasks)), "kind": " and ".join(shared)}
    moves = []
    stored = joined(_best_memories(case, task, kind) for task, kind in kinds.items())
    if stored:
        best = " and ".join(dict.fromkeys(case.memories(kind)[0] for kind in shared))
        values = {**names, "how": f", with their data in {best}"}
        moves.append(Move(joined([runs, stored]), "task", values, tuple(tasks)))
    moves.append(Move(runs, "task", {**names, "how": ""}, tuple(tasks)))
    return moves


def _best_memories(case: Case, task: str, kind: str) -> Change:
    """The arguments of a task in the best memory of a kind, as far as they are not."""
    best = case.memories(kind)[0]
    return joined(
        store_in(case, task, argument, kind, best)
        for argument in case.arguments[task]
        if case.memory(task, argument, kind) != best
    )


def made_elsewhere(case: Case) -> Iterator[Found]:
    """Regions that a task on slower processors makes, for others to copy."""
    if case.profile is None:
        return
    regions = dict.fromkeys(region for region, _ in case.costs.copying)
    for region in sorted(regions, key=case.costs.of_region, reverse=True)[:LOOKED_AT]:
        cost = case.costs.of_region(region)
        users = dict.fromkeys(task for task, _ in case.users(region))
        slow = [task for task in users if _faster(case, task)]
        if not slow or len(slow) == len(users) or cost < MATTERS * case.costs.total:
            continue
        yield Found(
            {
                "region": region,
                "makers": listed(slow),
                "slow": " and ".join(dict.fromkeys(case.kind(task) for task in slow)),
                "cost": seconds(cost),
                "share": percent(min(cost / case.costs.total, 1.0)),
            },
            cost,
            _to_faster(case, slow),
        )


# Maps


def imbalance(case: Case) -> Iterator[Found]:
    """Tasks whose points lie on few of the processors, or unevenly."""
    if case.profile is None:
        return
    for task in _mattering(case)[:LOOKED_AT]:
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
            _maps(case, [task]),
        )


def needless_communication(case: Case) -> Iterator[Found]:
    """Copies between memories of one kind: another map may bring tasks to their data."""
    if case.profile is None or case.decisions is None:
        return
    moved: dict[str, float] = {}
    for each in case.what_if.estimate(case.decisions).moved:
        task = case.what_if.program.launches[each.launch].task
        between = sum(size for source, target, size in each.between if source == target)
        moved[task] = moved.get(task, 0.0) + between
    heavy = [task for task in _mattering(case) if moved.get(task)]
    for number, task in enumerate(heavy[:LOOKED_AT]):
        cost = case.costs.of_task(task) - case.costs.running[task]
        if cost < MATTERS * case.costs.total:
            continue
        alike = _alike(case, task)
        moves = _maps(case, [task])
        if number == 0 and len(alike) > 1:
            moves += _maps(case, alike)
        values = {"task": task, "bytes": amount(moved[task]), "cost": seconds(cost)}
        yield Found(values, cost, moves)


def _alike(case: Case, task: str) -> list[str]:
    """The tasks that are launched over the same domains on the same kind."""
    domains = _domains(case, task)
    return [
        other
        for other in case.background.loop_tasks
        if other in case.arguments
        and _domains(case, other) == domains
        and case.kind(other) == case.kind(task)
    ]


def _domains(case: Case, task: str) -> tuple[tuple[int, ...], ...]:
    return tuple(domain for domain in case.tasks[task].launch_domains if prod(domain) > 1)


def _maps(case: Case, tasks: Sequence[str]) -> list[Move]:
    """Some tasks under each map of the library, and under the runtime's own."""
    task, kind = tasks[0], case.kind(tasks[0])
    domains = _domains(case, task)
    if not domains or max(map(len, domains)) > MAP_DIMENSIONS:
        return []
    names = {"tasks": listed(list(tasks)), "kind": kind}
    moves = [
        Move(
            joined(spread(each, kind, name) for each in tasks),
            "index map",
            {**names, "map": f"{name}_{kind}"},
            tuple(tasks),
        )
        for name in distinct_maps([kind], domains, case.machine.shape)
    ]
    own = _without_map(case, tasks)
    if own:
        values = {**names, "map": "the runtime's own choice"}
        moves.append(Move(own, "index map", values, tuple(tasks)))
    return moves


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
    program, processor = case.what_if.program, case.decisions.processor
    for task in _mattering(case)[:LOOKED_AT]:
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
