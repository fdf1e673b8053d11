"""Which bytes travel in one iteration where decisions are given: validity, and no clock.

The newest value of each atom of data (``legion_bridge.flatten``) lies in some places; a place is a
memory and a layout. What a task reads and its place lacks is copied from the nearest place that
has it; what it writes makes all others stale; reductions are folded by the next reader. The setup
is followed once, then the loop until its traffic repeats.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from legion_bridge.flatten import PRIVILEGE_CODES
from legion_bridge.link_use import Ways

if TYPE_CHECKING:
    from legion_bridge.flat_machine import FlatMachine
    from legion_bridge.flatten import FlatProgram
    from legion_bridge.mapping import Decisions

__all__ = ["LAYOUTS", "DataMovement", "Moved"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LAYOUTS = 4
"""Layout classes; a place is ``memory * LAYOUTS + class``."""
PASSES = 2
"""Iterations that are followed: the first moves data to where the loop wants it."""
KEPT = 20_000
"""Regions under decisions that are remembered."""

READ_ONLY, WRITE_ONLY, REDUCE = (
    PRIVILEGE_CODES[name] for name in ("READ_ONLY", "WRITE_ONLY", "REDUCE")
)


class Moved(NamedTuple):
    """The copies that one requirement of one launch causes in an iteration.

    Attributes:
        launch, requirement: Numbers.
        busy: Seconds of each link, ``[links]``.
        latency: Seconds before the first byte of its slowest copy.
        bytes: All that is copied; ``between`` by source and target memory kind.
    """

    launch: int
    requirement: int
    busy: Floats
    latency: float
    bytes: float
    between: tuple[tuple[int, int, float], ...]


class _Access(NamedTuple):
    """One requirement of one launch: atoms, and the flat requirement that each belongs to."""

    launch: int
    requirement: int
    privilege: int
    atoms: Ints
    flat: Ints


class DataMovement:
    """Follows data through a program, region by region."""

    def __init__(self, program: FlatProgram, machine: FlatMachine) -> None:
        self._setup = program.setup_launches
        self._accesses, self._atom_bytes = _accesses(program)
        self.ways = Ways(machine)
        self._machine = machine
        self._known: OrderedDict[tuple[int, bytes], tuple[Moved, ...]] = OrderedDict()
        count = len(machine.memory_kind)
        self._latency = np.zeros((count, count))
        self._slowness = np.zeros((count, count))
        self._links: list[list[Floats]] = []
        self._prepare(count)

    @property
    def regions(self) -> int:
        """How many regions have data."""
        return len(self._accesses)

    def of(self, decisions: Decisions) -> list[tuple[Moved, ...]]:
        """What moves in an iteration, by region."""
        found = []
        places = decisions.memory * LAYOUTS + decisions.layout
        for region, accesses in enumerate(self._accesses):
            flat = np.concatenate([access.flat for access in accesses])
            key = (region, places[flat].tobytes() + decisions.collect[flat].tobytes())
            if key not in self._known:
                self._known[key] = self._region(region, places, decisions.collect)
                if len(self._known) > KEPT:
                    self._known.popitem(last=False)
            found.append(self._known[key])
        return found

    def _prepare(self, count: int) -> None:
        links = self._machine.link_total
        for source in range(count):
            row = []
            for target in range(count):
                way = self.ways.copy(source, target)
                each = np.zeros(links)
                for link in way.links:
                    each[link] += 1.0 / float(self._machine.link_bandwidth[link])
                row.append(each)
                self._latency[source, target] = way.latency
                self._slowness[source, target] = 1.0 / way.slowest
            self._links.append(row)

    def _region(self, region: int, places: Ints, collect: Ints) -> tuple[Moved, ...]:
        accesses, sizes = self._accesses[region], self._atom_bytes[region]
        state = _State(len(sizes), len(self._machine.memory_kind))
        moved: list[Moved] = []
        for step in range(1 + PASSES):
            moved = []
            for access in accesses:
                if (access.launch < self._setup) == (step == 0):
                    found = self._access(state, access, places, collect, sizes)
                    if found is not None:
                        moved.append(found)
        return tuple(moved)

    def _access(
        self, state: _State, access: _Access, places: Ints, collect: Ints, sizes: Floats
    ) -> Moved | None:
        atoms, target = access.atoms, places[access.flat]
        if access.privilege == REDUCE:
            state.pending[atoms, target // LAYOUTS] = True
            return None
        travels = np.zeros((state.memories, state.memories))
        if access.privilege != WRITE_ONLY:
            self._bring(state, atoms, target, sizes, travels)
        else:
            state.pending[atoms] = False
        if access.privilege == READ_ONLY:
            kept = collect[access.flat] == 0
            before = state.valid[atoms, target]
            state.valid[atoms[kept], target[kept]] = True
            state.valid[atoms, target] |= before
        else:
            state.valid[atoms] = False
            state.valid[atoms, target] = True
        return self._moved(access, travels)

    def _bring(
        self, state: _State, atoms: Ints, target: Ints, sizes: Floats, travels: Floats
    ) -> None:
        """Copies to all targets that lack their atoms, and the folds that are due."""
        lacking = ~state.valid[atoms, target]
        if lacking.any():
            pairs = np.unique(atoms[lacking] * state.places + target[lacking])
            atom, to = pairs // state.places, pairs % state.places // LAYOUTS
            holders = state.valid[atom].reshape(len(atom), state.memories, LAYOUTS).any(axis=2)
            known = holders.any(axis=1)
            atom, to, holders = atom[known], to[known], holders[known]
            cost = self._latency[:, to].T + self._slowness[:, to].T * sizes[atom, None]
            source = np.where(holders, cost, np.inf).argmin(axis=1)
            np.add.at(travels, (source, to), sizes[atom])
        due = state.pending[atoms].any(axis=1)
        if due.any():
            atom, first = np.unique(atoms[due], return_index=True)
            to = target[due][first]
            for memory in range(state.memories):
                mine = state.pending[atom, memory]
                # A fold reads and writes its target (legion_bridge.simulator.FOLD_FACTOR).
                np.add.at(travels, (memory, to[mine] // LAYOUTS), 2.0 * sizes[atom[mine]])
            state.pending[atom] = False
            state.valid[atom] = False
            state.valid[atom, to] = True
            others = due & ~state.valid[atoms, target]
            if others.any():
                pairs = np.unique(atoms[others] * state.places + target[others])
                atom, at = pairs // state.places, pairs % state.places // LAYOUTS
                source = state.valid[atom].argmax(axis=1) // LAYOUTS
                np.add.at(travels, (source, at), sizes[atom])

    def _moved(self, access: _Access, travels: Floats) -> Moved | None:
        sources, targets = np.nonzero(travels)
        if not len(sources):
            return None
        busy = np.zeros(self._machine.link_total)
        between = []
        kinds = self._machine.memory_kind
        for source, target in zip(sources.tolist(), targets.tolist(), strict=True):
            amount = float(travels[source, target])
            busy += self._links[source][target] * amount
            between.append((int(kinds[source]), int(kinds[target]), amount))
        latency = float(self._latency[sources, targets].max())
        return Moved(
            access.launch,
            access.requirement,
            busy,
            latency,
            float(travels.sum()),
            tuple(between),
        )


class _State:
    """Where the newest value of each atom of a region lies.

    Attributes:
        valid: ``[atoms, places]``.
        pending: ``[atoms, memories]`` reductions that nobody has folded in yet.
    """

    def __init__(self, atoms: int, memories: int) -> None:
        self.memories = memories
        self.places = memories * LAYOUTS
        self.valid: Bools = np.zeros((atoms, self.places), bool)
        self.pending: Bools = np.zeros((atoms, memories), bool)


def _accesses(program: FlatProgram) -> tuple[list[list[_Access]], list[Floats]]:
    """All uses of each region in program order, with its atoms numbered from 0."""
    found: dict[int, list[_Access]] = {}
    for launch, asked in enumerate(program.launches):
        width = len(asked.requirements)
        first, last = program.launch_point[launch], program.launch_point[launch + 1]
        for index in range(width):
            flats = program.point_requirement[first:last] + index
            rows = [(int(flat), slot) for flat in flats for slot in program.slots.row(int(flat))]
            if not rows:
                continue
            atoms = [program.slot_atoms.row(int(slot)) for _, slot in rows]
            region = int(program.slot_region[rows[0][1]])
            access = _Access(
                launch,
                index,
                int(program.privilege[rows[0][0]]),
                np.concatenate(atoms),
                np.repeat([flat for flat, _ in rows], [len(each) for each in atoms]),
            )
            found.setdefault(region, []).append(access)
    numbered, sizes = [], []
    for accesses in found.values():
        used = np.unique(np.concatenate([access.atoms for access in accesses]))
        sizes.append(program.atom_bytes[used])
        numbered.append(
            [each._replace(atoms=np.searchsorted(used, each.atoms)) for each in accesses]
        )
    return numbered, sizes
