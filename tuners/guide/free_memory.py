"""Freeing a memory that overflows: what leaves it, and what need not be there so long."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from dsl import syntax
from dsl.machine_shape import MEMORY_KINDS
from legion_bridge.programs.flat_program import PRIVILEGE_CODES
from tuners.guide.case import Case
from tuners.guide.guidance import Change, Move, listed
from tuners.guide.moves import User, joined, placeholders, regions_of, store_in, tasks_of
from tuners.guide.predicates.maps import alike, maps_for

if TYPE_CHECKING:
    from legion_bridge.mapping.decisions import Decisions

__all__ = ["free_memory", "leave_memory", "overflow"]

MOST = 3
"""Tasks that are looked at one by one."""


def free_memory(case: Case) -> Iterator[Move]:
    """Changes after which a memory holds less, where it holds more than it can.

    Arguments lie elsewhere, the largest first; or data that was only read is collected; or points
    are spread over more processors, where each has a memory of its own.
    """
    if case.decisions is None:
        return
    demand = _demand(case, case.decisions)
    first = case.estimator.full_memory(case.decisions)
    for kind in dict.fromkeys([*([first] if first else []), *_overflowing(case, demand)]):
        by_user: dict[tuple[str, int], float] = defaultdict(float)
        for (_, user), size in demand.items():
            by_user[user] += size
        ranked = [user for user, _ in sorted(by_user.items(), key=lambda item: -item[1])]
        users = _users_of(case, ranked, kind)
        yield from _leaving(case, users, kind)
        tasks = list(dict.fromkeys(task for task, _ in users))
        yield from _collecting(case, tasks, kind)
        if case.machine.memories[kind].scope != "rank":
            yield from _spreading(case, tasks, kind)


def leave_memory(case: Case, memory: str, task: str, number: int) -> Iterator[Move]:
    """What a real runtime found no room for lies elsewhere, by itself and with others.

    The machine's file may say otherwise: here the runtime has the word.
    """
    everyone = [(task, number)]
    everyone += [(each, a.number) for each, own in case.arguments.items() for a in own]
    yield from _leaving(case, _users_of(case, list(dict.fromkeys(everyone)), memory), memory)


def _users_of(case: Case, pairs: Sequence[tuple[str, int]], memory: str) -> list[User]:
    """Those tasks and numbers of arguments that lie in a memory kind."""
    return [
        (task, argument)
        for task, number in pairs
        for argument in case.arguments.get(task, ())
        if argument.number == number and case.memory(task, argument) == memory
    ]


def overflow(case: Case, decisions: Decisions) -> float:
    """Bytes that do not fit into memories, if every instance is kept."""
    machine = case.estimator.flat_machine
    sums = _sums(_demand(case, decisions))
    return sum(max(0.0, size - float(machine.memory_capacity[m])) for m, size in sums.items())


def _collecting(case: Case, tasks: Sequence[str], memory: str) -> Iterator[Move]:
    """What tasks only read is collected: by those of the loop, by all."""
    asked = [task for task in tasks if task in case.background.loop_tasks]
    for group in [[task] for task in asked[:MOST]] + ([asked] if len(asked) > 1 else []):
        rules = [syntax.CollectMemory(task=task, region="*") for task in group]
        values = {**_said(group, memory), "how": "collect what they have only read"}
        yield Move(Change(tuple(rules)), "limit", values, tuple(group))


def _spreading(case: Case, tasks: Sequence[str], memory: str) -> Iterator[Move]:
    """The points of each task, and of all of them, under other maps."""
    for task in tasks[:MOST]:
        for group in ([task], alike(case, task)):
            for move in maps_for(case, group):
                how = f"spread their points by {move.values['map']}"
                yield move._replace(values={**_said(group, memory), "how": how})


def _said(tasks: Sequence[str], memory: str) -> dict[str, str]:
    return {"tasks": listed(tasks), "memory": memory}


def _leaving(case: Case, users: Sequence[User], memory: str) -> Iterator[Move]:
    """One, two, four ... and all of the users of a memory in the best other one."""
    counts = [1 << power for power in range(len(users).bit_length())]
    for count in [*counts, len(users)]:
        leaving = []
        for task, argument in users[:count]:
            kind = case.kind(task)
            others = [each for each in case.memories(kind) if each != memory]
            if others:
                leaving.append((task, argument, kind, others[0]))
        change = joined(store_in(case, *each) for each in leaving)
        if change:
            pairs = [each[:2] for each in leaving]
            said = placeholders(pairs)
            target = " or ".join(dict.fromkeys(each[3] for each in leaving))
            values = {**said, "memory": memory, "how": f"put {said['regions']} into {target}"}
            yield Move(change, "region", values, tasks_of(pairs), regions_of(pairs))


_Demand: TypeAlias = dict[tuple[int, tuple[str, int]], float]
"""Bytes by memory, and by the task and the number of the argument that asks for them first."""


def _demand(case: Case, decisions: Decisions) -> _Demand:
    """What all instances take that tasks ask for: an upper bound, as stale ones are evicted."""
    program = case.estimator.program
    found: _Demand = defaultdict(float)
    seen: set[tuple[int, int, int]] = set()
    points = np.searchsorted(program.point_requirement, np.arange(len(decisions.memory)), "right")
    for flat, point in enumerate((points - 1).tolist()):
        memory = int(decisions.memory[flat])
        if memory < 0:
            continue
        number = flat - int(program.point_requirement[point])
        task = program.launches[int(program.point_launch[point])].task
        # Each reduction has an instance of its own; others share those of their layout.
        reduces = program.privilege[flat] == PRIVILEGE_CODES["REDUCE"]
        kind = -1 - flat if reduces else int(decisions.layout[flat])
        for slot in program.slots.row(flat).tolist():
            key = (memory, kind, slot)
            if key not in seen:
                seen.add(key)
                found[memory, (task, number)] += float(program.slot_bytes[slot])
    return found


def _sums(demand: _Demand) -> dict[int, float]:
    sums: dict[int, float] = defaultdict(float)
    for (memory, _), size in demand.items():
        sums[memory] += size
    return sums


def _overflowing(case: Case, demand: _Demand) -> list[str]:
    machine = case.estimator.flat_machine
    sums = _sums(demand)
    full = [m for m, size in sums.items() if size > float(machine.memory_capacity[m])]
    return list(dict.fromkeys(MEMORY_KINDS[int(machine.memory_kind[m])] for m in full))
