"""Making room in a memory that overflows: which arguments leave it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dsl.machine_shape import MEMORY_KINDS
from tuners.guide.case import Argument, Case
from tuners.guide.moves import joined, store_in
from tuners.guide.rules import Move
from tuners.guide.wording import listed

if TYPE_CHECKING:
    from legion_bridge.mapping import Decisions

__all__ = ["make_room"]

User = tuple[str, Argument]


def make_room(case: Case) -> Iterator[Move]:
    """Arguments in another memory, where theirs holds more than it can; the largest first.

    What a memory must hold is the sum of all instances that tasks ask for in it: an upper bound,
    as instances without valid data are evicted.
    """
    if case.decisions is None:
        return
    demand = _demand(case, case.decisions)
    for kind in _overflowing(case, demand):
        by_user: dict[tuple[str, int], float] = defaultdict(float)
        for (_, user), size in demand.items():
            by_user[user] += size
        users = [
            (task, argument)
            for (task, index), _ in sorted(by_user.items(), key=lambda item: -item[1])
            for argument in case.arguments.get(task, ())
            if argument.number == index and case.memory(task, argument) == kind
        ]
        yield from _leaving(case, users, kind)


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
            tasks = tuple(dict.fromkeys(each[0] for each in leaving))
            regions = tuple(dict.fromkeys(each[1].name for each in leaving))
            values = {
                "tasks": listed(tasks),
                "regions": listed(regions),
                "memory": memory,
                "target": " or ".join(dict.fromkeys(each[3] for each in leaving)),
            }
            yield Move(change, "region", values, tasks, regions)


def _demand(case: Case, decisions: Decisions) -> dict[tuple[int, tuple[str, int]], float]:
    """Bytes of instances by memory, and by the task and argument that asks for them first."""
    program = case.what_if.program
    found: dict[tuple[int, tuple[str, int]], float] = defaultdict(float)
    seen: set[tuple[int, int, int]] = set()
    for flat in range(len(decisions.memory)):
        memory = int(decisions.memory[flat])
        if memory < 0:
            continue
        point = int(np.searchsorted(program.point_requirement, flat, "right")) - 1
        index = flat - int(program.point_requirement[point])
        task = program.launches[int(program.point_launch[point])].task
        for slot in program.slots.row(flat).tolist():
            key = (memory, int(decisions.layout[flat]), slot)
            if key not in seen:
                seen.add(key)
                found[memory, (task, index)] += float(program.slot_bytes[slot])
    return found


def _overflowing(case: Case, demand: dict[tuple[int, tuple[str, int]], float]) -> list[str]:
    machine = case.what_if.flat_machine
    sums: dict[int, float] = defaultdict(float)
    for (memory, _), size in demand.items():
        sums[memory] += size
    full = [m for m, size in sums.items() if size > float(machine.memory_capacity[m])]
    return list(dict.fromkeys(MEMORY_KINDS[int(machine.memory_kind[m])] for m in full))
