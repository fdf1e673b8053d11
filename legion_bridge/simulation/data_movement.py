"""Which bytes travel in one iteration where decisions are given: validity, and no clock.

The newest value of each atom of data (``legion_bridge.programs.flat_program``) lies in some
places; a place is a memory and a layout. What a task reads and its place lacks is copied from the
nearest place that has it; what it writes makes all others stale; reductions are folded by the next
reader. The loop is followed twice, and the second time counts: what the setup left has found its
place by then.

The places of an atom are a set of bits in one number. An example on a machine with three memories,
where place ``layout * 3 + memory`` has bit 0 to 5 for two layouts, and an atom that was just
written to memory 2 in layout 0::

    write to place 2          holders = 0b000100    nobody else has the newest value
    read in place 1           0b000100 >> 1 & 1 is 0: a copy from place 2 to place 1
                              holders = 0b000110    both have it
    read in place 5           0b000110 >> 5 & 1 is 0: a copy, though memory 2 has it, for the
                              layout is another (5 = 1 * 3 + 2)
                              holders = 0b100110
    write to place 1          holders = 0b000010    the copies are stale
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dsl.bounded_cache import BoundedCache
from legion_bridge.programs.flat_program import PRIVILEGE_CODES
from legion_bridge.simulation.link_paths import LinkPaths

if TYPE_CHECKING:
    from dsl.bounded_cache import BoundedCache
    from legion_bridge.machines.flat_machine import FlatMachine
    from legion_bridge.mapping.decisions import Decisions
from legion_bridge.programs.flat_program import FlatProgram

__all__ = ["DataMovement", "Moved"]

Floats = NDArray[np.float64]

ITERATIONS = 2
"""Iterations that are followed."""
MOST_KEPT = 20_000
"""Regions under decisions, and sources of copies, that are remembered."""

READ_ONLY, WRITE_ONLY, REDUCE = (
    PRIVILEGE_CODES[name] for name in ("READ_ONLY", "WRITE_ONLY", "REDUCE")
)


class Moved(NamedTuple):
    """The copies that one requirement of one launch causes in an iteration.

    Attributes:
        launch, requirement: Numbers.
        busy: Seconds of each link, ``[links]``.
        latency: Seconds before the first byte of its slowest copy.
        alone: Seconds of its slowest copy by itself, but for the latency.
        bytes: All that is copied; ``between`` by source and target memory kind.
    """

    launch: int
    requirement: int
    busy: Floats
    latency: float
    alone: float
    bytes: float
    between: tuple[tuple[int, int, float], ...]


class _Access(NamedTuple):
    """One requirement of one launch.

    Attributes:
        pairs: Atoms, each with the flat requirement (of one point) that asks for it, and with
            that of the parent into whose reduction it is folded; -1 for none.
    """

    launch: int
    requirement: int
    privilege: int
    pairs: tuple[tuple[int, int, int], ...]


class _Trip(NamedTuple):
    """One copy: what one requirement of a point fetches from one memory, or folds from one task.

    Attributes:
        source, target: Memories.
        flat: The flat requirement that asks for it.
        reducer: The flat requirement of the reduction that is folded; -1 for a copy.
    """

    source: int
    target: int
    flat: int
    reducer: int = -1


Travels: TypeAlias = dict[_Trip, float]
"""Bytes by copy."""


class _Data(NamedTuple):
    """Where the values of a region are.

    Attributes:
        valid: By atom, a bit for each place that has its newest value.
        pending: By atom, the reductions that nobody has folded in yet: flat requirements, and
            their memories.
        transient: Flat requirements that read an instance of their own, which is collected.
    """

    valid: dict[int, int]
    pending: dict[int, dict[int, int]]
    transient: frozenset[int]


class DataMovement:
    """Follows data through a program, region by region."""

    def __init__(self, program: FlatProgram, machine: FlatMachine) -> None:
        self.paths = LinkPaths(machine)
        self._memories = len(machine.memory_kind)
        self._machine = machine
        self._program = program
        self._sizes = program.atom_bytes.tolist()
        self._accesses = _accesses(program)
        self._flats = [
            np.unique([flat for access in accesses for _, flat, _ in access.pairs])
            for accesses in self._accesses
        ]
        self._known = BoundedCache[tuple[int, bytes], tuple[Moved, ...]](MOST_KEPT)
        self._sources = BoundedCache[tuple[int, int, float], int](MOST_KEPT)

    def of(self, decisions: Decisions) -> list[tuple[Moved, ...]]:
        """What moves in an iteration, by region."""
        found = []
        places = decisions.layout * self._memories + decisions.memory
        for region, flats in enumerate(self._flats):
            key = (region, places[flats].tobytes() + decisions.collect[flats].tobytes())
            moved = self._known.get(key)
            if moved is None:
                moved = self._region(region, places.tolist(), decisions.collect.tolist())
                moved = self._known.keep(key, moved)
            found.append(moved)
        return found

    def _region(self, region: int, places: list[int], collect: list[int]) -> tuple[Moved, ...]:
        data = _Data({}, {}, self._transient(region, places, collect))
        moved: list[Moved] = []
        for _ in range(ITERATIONS):
            moved = []
            for access in self._accesses[region]:
                travels = self._access(access, places, collect, data)
                if travels:
                    moved.append(self._moved(access, travels))
        return tuple(moved)

    def _transient(self, region: int, places: list[int], collect: list[int]) -> frozenset[int]:
        """The flat requirements that find no instance at their place to read: one is made for
        each, even where other instances have the data, and collected again.
        """
        flats, program = self._flats[region].tolist(), self._program
        reads = [f for f in flats if collect[f] and program.privilege[f] == READ_ONLY]
        if not reads:
            return frozenset()
        gone = set(reads)
        kept = {
            (places[flat], slot)
            for flat in flats
            if flat not in gone and program.privilege[flat] != REDUCE
            for slot in program.slots.row(flat).tolist()
        }
        return frozenset(
            flat
            for flat in reads
            for slot in program.slots.row(flat).tolist()
            if not any(
                (places[flat], each) in kept for each in (slot, *program.wider.row(slot).tolist())
            )
        )

    def _access(
        self, access: _Access, places: list[int], collect: list[int], data: _Data
    ) -> Travels:
        """Follows one requirement."""
        valid, pending, transient = data
        memories = self._memories
        travels: Travels = {}
        for atom, flat, into in access.pairs:
            place = places[flat]
            if access.privilege == REDUCE:
                if into < 0:
                    pending.setdefault(atom, {})[flat] = place % memories
                else:
                    trip = _Trip(place % memories, places[into] % memories, into, flat)
                    self._fold(atom, trip, travels)
                continue
            if flat in transient and valid.get(atom, 0) >> place & 1 and not pending.get(atom):
                trip = _Trip(place % memories, place % memories, flat)
                travels[trip] = travels.get(trip, 0.0) + self._sizes[atom]
                continue
            if access.privilege == WRITE_ONLY:
                pending.pop(atom, None)
            else:
                others = valid.get(atom, 0)
                collected = collect[flat] and access.privilege == READ_ONLY and others
                self._bring(atom, flat, place, data, travels)
                if collected and not others >> place & 1 and valid[atom] != 1 << place:
                    valid[atom] = others  # nobody copies from it
            if access.privilege != READ_ONLY:
                valid[atom] = 1 << place
        return travels

    def _bring(self, atom: int, flat: int, place: int, data: _Data, travels: Travels) -> None:
        """Copies to a place that lacks an atom, and the folds that are due."""
        valid, pending, _ = data
        holders, size, memory = valid.get(atom, 0), self._sizes[atom], place % self._memories
        if not holders >> place & 1:
            if holders:
                source = self._nearest(holders, memory, size)
                trip = _Trip(source, memory, flat)
                travels[trip] = travels.get(trip, 0.0) + size
            valid[atom] = holders | 1 << place
        if pending.get(atom):
            for reducer, source in pending.pop(atom).items():
                self._fold(atom, _Trip(source, memory, flat, reducer), travels)
            valid[atom] = 1 << place

    def _fold(self, atom: int, trip: _Trip, travels: Travels) -> None:
        travels[trip] = travels.get(trip, 0.0) + self._sizes[atom]

    def _nearest(self, holders: int, target: int, size: float) -> int:
        """The memory among holders from which so many bytes reach the target first."""
        key = (holders, target, size)
        found = self._sources.get(key)
        if found is None:
            places = (bit for bit in range(holders.bit_length()) if holders >> bit & 1)
            memories = sorted({place % self._memories for place in places})
            source = min(memories, key=lambda memory: self.paths.seconds(memory, target, size))
            found = self._sources.keep(key, source)
        return found

    def _moved(self, access: _Access, travels: Travels) -> Moved:
        busy = np.zeros(self._machine.link_total)
        between: dict[tuple[int, int], float] = {}
        latency = alone = 0.0
        kinds = self._machine.memory_kind
        for trip, amount in travels.items():
            factor = self.paths.fold_factor(*trip[:2]) if trip.reducer >= 0 else 1.0
            load = amount * factor
            path = self.paths.copy(trip.source, trip.target, load)
            for link, seconds in zip(path.links, self.paths.uses(path, load), strict=True):
                busy[link] += seconds
            latency = max(latency, path.latency)
            alone = max(alone, load / path.slowest)
            pair = int(kinds[trip.source]), int(kinds[trip.target])
            between[pair] = between.get(pair, 0.0) + amount
        return Moved(
            access.launch,
            access.requirement,
            busy,
            latency,
            alone,
            sum(travels.values()),
            tuple((source, target, amount) for (source, target), amount in between.items()),
        )


def _accesses(program: FlatProgram) -> list[list[_Access]]:
    """The loop's uses of each region in program order."""
    found: dict[int, list[_Access]] = {}
    starts = program.slots.start
    owner = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    for launch in range(program.setup_launches, len(program.launches)):
        first, last = program.launch_point[launch], program.launch_point[launch + 1]
        for number in range(len(program.launches[launch].requirements)):
            flats = (program.point_requirement[first:last] + number).tolist()
            rows = [(flat, i) for flat in flats for i in range(starts[flat], starts[flat + 1])]
            if not rows:
                continue
            pairs = tuple(
                (atom, flat, -1 if into < 0 else int(owner[into]))
                for flat, occurrence in rows
                for into in (int(program.fold_into[occurrence]),)
                for atom in program.slot_atoms.row(program.slots.values[occurrence]).tolist()
            )
            privilege = int(program.privilege[rows[0][0]])
            region = int(program.slot_region[program.slots.values[rows[0][1]]])
            found.setdefault(region, []).append(_Access(launch, number, privilege, pairs))
    return list(found.values())
