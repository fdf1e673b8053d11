"""Instance limits that make points wait, and collected data that is copied again."""

from __future__ import annotations

from collections.abc import Iterator

from dsl import syntax
from tuners.guide.case import Case
from tuners.guide.moves import collect_nothing, unlimited
from tuners.guide.rules import Found, Move
from tuners.guide.wording import listed, seconds

__all__ = ["collection", "instance_limits"]


def instance_limits(case: Case) -> Iterator[Found]:
    """Tasks whose points wait for each other because few may be under way."""
    if case.profile is None:
        return
    limits = {rule.task: rule.limit for rule in case.rules(syntax.InstanceLimit) if rule.limit}
    waiting = {task: case.profile.limited.get(task, 0.0) for task in limits}
    ranked = sorted(waiting, key=lambda task: -waiting[task])
    everyone = [task for task in ranked if waiting[task]]
    for number, task in enumerate(everyone[:4]):
        moves = [Move(unlimited(case, [task]), "limit", {"tasks": task}, (task,))]
        if number == 0 and len(limits) > 1:
            moves += [
                Move(unlimited(case, group), "limit", {"tasks": listed(group)}, tuple(group))
                for group in (everyone, ranked)
            ]
        values = {"task": task, "limit": str(limits[task]), "waited": seconds(waiting[task])}
        yield Found(values, min(waiting[task], case.profile.iteration), moves)


def collection(case: Case) -> Iterator[Found]:
    """Read-only data that is thrown away after each task and copied again for the next."""
    if case.profile is None:
        return
    for rule in case.rules(syntax.CollectMemory):
        tasks = list(case.costs.running) if rule.task == "*" else [rule.task]
        again = [
            task
            for task in tasks
            if any(cost for (_, asking), cost in case.costs.copying.items() if asking == task)
        ]
        if again:
            cost = sum(case.costs.of_task(t) - case.costs.running.get(t, 0.0) for t in again)
            change = collect_nothing(case, [rule.task])
            values = {"tasks": listed(again), "cost": seconds(cost)}
            yield Found(values, cost, [Move(change, "limit", values, tuple(again))])
