"""Data in the wrong memory: traffic over links, copies there and back, memories that fill up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dsl.units import amount, percent, seconds
from tuners.guide.case import Argument, Case
from tuners.guide.guidance import Change, Found, Move, listed
from tuners.guide.moves import User, joined, placeholders, regions_of, store_in, tasks_of

__all__ = ["busy_links", "copies", "memory_nearly_full", "zero_copy"]

MATTERS = 0.01
"""Share of an iteration from which on traffic is looked at."""
BUSY = 0.5
"""Share of an iteration from which on a link is called busy."""
FULL = 0.9
"""Share of a memory's capacity from which on it is called nearly full."""
WARNED = 0.2
"""Share of an iteration that a danger counts for among what costs time."""
LOOKED_AT = 4


def zero_copy(case: Case) -> Iterator[Found]:
    """Tasks that read or write zero-copy memory over a link, again and again."""
    if case.profile is None:
        return
    heavy = [each for each in _traffic(case) if each[3] > MATTERS * case.profile.iteration]
    for number, (task, argument, moved, cost) in enumerate(heavy[:LOOKED_AT]):
        moves = _to_best(case, [(task, argument)])
        own = [(t, a) for t, a, *_ in heavy if t == task]
        moves += _to_best(case, own) if len(own) > 1 else []
        for region in case.regions_of(task, argument):
            moves += _to_best(case, _in_zero_copy(case, case.users(region)))
        if number == 0:
            moves += _to_best(case, [(t, a) for t, a, *_ in heavy])
            everyone = [(t, a) for t in case.costs.running for a in case.arguments.get(t, ())]
            moves += _to_best(case, _in_zero_copy(case, everyone))
        yield Found(
            {
                "task": task,
                "region": argument.label,
                "bytes": amount(moved) if moved else "element by element",
                "memory": case.memory(task, argument),
                "cost": seconds(cost),
                "share": percent(cost / case.iteration, decimals=1),
            },
            cost,
            moves,
        )


def _traffic(case: Case) -> list[tuple[str, Argument, float, float]]:
    """Task, argument, bytes over links and the seconds they take, the most first."""
    if case.decisions is None:
        return []
    uses = case.estimator.linked_access(case.decisions)
    found = [
        (task, argument, moved, cost)
        for (task, number), (moved, cost) in uses.items()
        for argument in case.arguments.get(task, ())
        if argument.number == number
    ]
    return sorted(found, key=lambda each: -each[3])


def _over_links(case: Case, task: str, argument: Argument) -> bool:
    access = case.machine.access.get((case.kind(task), case.memory(task, argument)))
    return access is not None and bool(access.links)


def _in_zero_copy(case: Case, users: Sequence[User]) -> list[User]:
    return [(task, argument) for task, argument in users if _over_links(case, task, argument)]


def _to_best(case: Case, users: Sequence[User]) -> list[Move]:
    """Some arguments in the best memory of the processors that use them."""
    change = joined(
        store_in(case, task, argument, case.kind(task), case.memories(case.kind(task))[0])
        for task, argument in users
    )
    if not change:
        return []
    best = dict.fromkeys(case.memories(case.kind(task))[0] for task, _ in users)
    return [_stored(change, users, " and ".join(best))]


def _stored(change: Change, users: Sequence[User], memory: str) -> Move:
    values = {**placeholders(users), "target": memory}
    return Move(change, "region", values, tasks_of(users), regions_of(users))


def copies(case: Case) -> Iterator[Found]:
    """Regions that are copied in every iteration: one memory for all of their users may do."""
    if case.profile is None:
        return
    regions = dict.fromkeys(region for region, _ in case.costs.copying)
    ranked = sorted(regions, key=case.costs.of_region, reverse=True)
    for region in ranked[:LOOKED_AT]:
        cost = case.costs.of_region(region)
        if cost < MATTERS * case.costs.total:
            return
        users = case.users(region)
        waited = case.waited_for(region=region)
        asking = [task for (moved, task) in case.costs.copying if moved == region]
        yield Found(
            {
                "region": region,
                "bytes": amount(case.profile.copies.get(region, 0.0)),
                "wait": case.wait(waited),
                "tasks": listed(asking),
                "memories": listed(_memories_of(case, users)),
            },
            waited,
            [
                *_together(case, users),
                *_one_by_one(case, users, asking),
            ],
        )


def _memories_of(case: Case, users: Sequence[User]) -> list[str]:
    return list(dict.fromkeys(case.memory(task, argument) for task, argument in users))


def _together(case: Case, users: Sequence[User]) -> list[Move]:
    """All users of a region in one memory kind, for each that some of them see."""
    kinds = dict.fromkeys(m for task, _ in users for m in case.memories(case.kind(task)))
    moves = []
    for memory in kinds:
        chosen = [
            (task, argument)
            for task, argument in users
            if memory in case.memories(case.kind(task)) and case.memory(task, argument) != memory
        ]
        moves += _in_memory(case, chosen, memory)
    return moves


def _one_by_one(case: Case, users: Sequence[User], asking: Sequence[str]) -> list[Move]:
    """Each task that waits for copies, with the region in another memory."""
    moves = []
    for task, argument in users:
        if task in asking[:LOOKED_AT]:
            for memory in case.memories(case.kind(task)):
                if memory != case.memory(task, argument):
                    moves += _in_memory(case, [(task, argument)], memory)
    return moves


def _in_memory(case: Case, users: Sequence[User], memory: str) -> list[Move]:
    change = joined(
        store_in(case, task, argument, case.kind(task), memory) for task, argument in users
    )
    return [_stored(change, users, memory)] if change else []


def busy_links(case: Case) -> Iterator[Found]:
    """Links that are in use most of the time, and whose data they carry."""
    if case.profile is None:
        return
    busy = [link for link in case.profile.links if link.fraction >= BUSY]
    busy.sort(key=lambda link: -link.fraction)
    for link in busy[:2]:
        carried = case.profile.carried.get(link.name, {})
        ranked = sorted(carried.items(), key=lambda item: -item[1])
        said = [f"{amount(size)} of {region}" for region, size in ranked]
        yield Found(
            {
                "link": link.name,
                "share": percent(link.fraction, decimals=1),
                "bytes": amount(link.bytes),
                "carried": listed(said, 3) if said else amount(link.bytes),
            },
            link.busy,
        )


def memory_nearly_full(case: Case) -> Iterator[Found]:
    """Memories that hold almost all that they can."""
    if case.profile is None:
        return
    full = [each for each in case.profile.memories if each.peak >= FULL * each.capacity]
    for memory in full[:2]:
        yield Found(
            {
                "memory": memory.name,
                "peak": amount(memory.peak),
                "capacity": amount(memory.capacity),
                "share": percent(memory.peak / memory.capacity),
            },
            WARNED * case.profile.iteration,
        )
