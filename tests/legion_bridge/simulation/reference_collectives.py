"""What the points of a launch get together, told once more in the plainest words.

A second opinion on ``kernel/collectives.c``: which atoms of data one collective operation moves,
and which memories take part in it. What each link carries is not told here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from legion_bridge.programs.flat_program import PRIVILEGE_CODES

if TYPE_CHECKING:
    from .reference_run import Holder, Plan, Step

__all__ = ["Group", "groups_of"]

READS = (PRIVILEGE_CODES["READ_ONLY"], PRIVILEGE_CODES["READ_WRITE"])
READ_WRITE = PRIVILEGE_CODES["READ_WRITE"]


@dataclass
class _Reader:
    column: int
    needs: bool
    writes: bool


@dataclass(eq=False)
class Group:
    """A collective operation.

    Attributes:
        summed: Whether partial sums are added up.
        readers: By atom and memory, whether it lacks the newest value.
        served: Memories that have been given an atom.
        steps: By memory, once it has begun.
        sources: By atom, from where it is taken, and whether that is a sum.
        given, values: By atom, what each source held when the first step began that gets it, and
            what all get.
    """

    summed: bool
    readers: dict[int, dict[int, bool]] = field(default_factory=dict)
    served: set[tuple[int, int]] = field(default_factory=set)
    steps: dict[int, Step] = field(default_factory=dict)
    sources: dict[int, list[tuple[Holder, bool]]] = field(default_factory=dict)
    given: dict[int, list[Any]] = field(default_factory=dict)
    values: dict[int, Any] = field(default_factory=dict)


def groups_of(plan: Plan, points: Iterable[int]) -> dict[int, Group]:
    """The group of each atom that several get together."""
    found: dict[object, Group] = {}
    by_atom: dict[int, Group] = {}
    for atom, readers in _readers(plan, points).items():
        key = _key(plan, atom, readers)
        if key is None:
            continue
        group = found.setdefault(key, Group(summed=bool(plan.pending[atom])))
        group.readers[atom] = {memory: each.needs for memory, each in readers.items()}
        by_atom[atom] = group
    return by_atom


def _readers(plan: Plan, points: Iterable[int]) -> dict[int, dict[int, _Reader]]:
    found: dict[int, dict[int, _Reader]] = defaultdict(dict)
    start, program = plan.program.point_requirement, plan.program
    for point in points:
        for requirement in range(int(start[point]), int(start[point + 1])):
            memory = int(plan.decisions.memory[requirement])
            privilege = int(program.privilege[requirement])
            if privilege not in READS or memory < 0 or plan.machine.memory_owner[memory] < 0:
                continue
            column = requirement - int(start[point])
            for slot in program.slots.row(requirement).tolist():
                for atom in program.slot_atoms.row(slot).tolist():
                    needs = all(holder.memory != memory for holder in plan.valid[atom])
                    writes = privilege == READ_WRITE
                    each = found[atom].setdefault(memory, _Reader(column, needs, writes))
                    each.column = min(each.column, column)
                    each.writes |= writes
    return found


def _key(plan: Plan, atom: int, readers: dict[int, _Reader]) -> object:
    """What atoms of one group have in common; None where an atom is folded and copied."""
    pending = plan.pending[atom]
    kinds = {int(plan.machine.memory_kind[memory]) for memory in readers}
    sums = sorted(each.holder.memory for each in pending)
    if len(readers) > 1 and any(each.writes for each in readers.values()):
        return None
    if any(each.last >= plan.began for each in pending):
        return None
    if not sums and sum(each.needs for each in readers.values()) < 2:
        return None
    if sums and len(set(sums)) == 1 and len(readers) == 1:
        return None
    base = sender(plan, atom, readers)
    if base is None and not sums:
        return None
    given = [*sums, *([] if base is None else [base.memory])]
    if any(plan.machine.memory_owner[memory] < 0 for memory in given):
        return None
    if len(kinds | {int(plan.machine.memory_kind[memory]) for memory in given}) > 1:
        return None
    column = readers[min(readers)].column
    if not sums:
        return column, tuple(sorted(readers))
    added = max(plan.launch_of[each.last] for each in pending)
    return column, added, tuple(sums)


def sender(plan: Plan, atom: int, readers: Iterable[int]) -> Holder | None:
    """The oldest that holds the newest value on a node of some reader, else the oldest."""

    def node(memory: int) -> int:
        return int(plan.machine.rank_node[plan.machine.memory_rank[memory]])

    near = {node(memory) for memory in readers}
    oldest = list(reversed(plan.valid[atom]))
    return next((h for h in oldest if node(h.memory) in near), oldest[0] if oldest else None)
