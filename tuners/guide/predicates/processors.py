"""Tasks on slower processors than they could have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tuners.guide.case import Case
from tuners.guide.guidance import Change, Found, Move, listed
from tuners.guide.moves import joined, run_on, store_in

__all__ = ["all_to_faster", "made_elsewhere", "slow_processors"]

MATTERS = 0.01
"""Share of an iteration from which on a task is looked at."""
LOOKED_AT = 4
"""Tasks that are looked at one by one; all those that matter are also looked at together."""


def slow_processors(case: Case) -> Iterator[Found]:
    """Tasks that a faster kind of processor could run."""
    if case.profile is None:
        return
    slow = [task for task in case.mattering if _faster(case, task)]
    together = [*_to_faster(case, slow), *all_to_faster(case)] if len(slow) > 1 else []
    for number, task in enumerate(slow[:LOOKED_AT]):
        cost = sum(s.seconds for s in case.profile.critical_path if s.task == task)
        use = case.profile.tasks.get(task)
        yield Found(
            {
                "task": task,
                "slow": case.kind(task),
                "fast": " or ".join(_faster(case, task)),
                "points": str(use.points if use else 1),
                "wait": case.wait(cost),
            },
            cost,
            [*(together if number == 0 else []), *_to_faster(case, [task])],
        )


def _faster(case: Case, task: str) -> tuple[str, ...]:
    """The kinds that are usually faster than the task's own, the fastest first."""
    kinds = case.background.kinds[task]
    own = case.kind(task)
    return kinds[: kinds.index(own)] if own in kinds else ()


def all_to_faster(case: Case) -> list[Move]:
    """All tasks of the loop on the fastest processors that can run them."""
    tasks = [t for t in case.background.loop_tasks if t in case.arguments and _faster(case, t)]
    return _to_faster(case, tasks)


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
                "wait": case.wait(case.waited_for(region=region)),
            },
            case.waited_for(region=region),
            _to_faster(case, slow),
        )
