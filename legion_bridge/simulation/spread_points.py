"""What points must send each other once they are spread over processors.

A processor that runs more than ``c`` points of a launch, none shorter than ``w``, is busy for at
least ``(c + 1) w`` an iteration. So an iteration takes that, or no processor runs more than ``c``
of them; and then

- of ``r`` points that reduce to the same data, at most ``c`` reduce where the data is, if their
  reductions lie in memories of their processors; the folds of the others come from elsewhere;
- ``r`` points that read the same data hold it in ``r / c`` memories, rounded up. Where the clock
  starts with data in fewer places, at least one of them must wait for a copy;
- a launch of more points than the processors of a node may run is on several nodes. If data
  connects all its points, some of it is needed on two, and travels between them.

So an iteration takes at least the smaller of ``(c + 1) w`` and the critical path with these; which
points are late is the mapper's choice, so that the least of all choices counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray

from legion_bridge.machines.machine import WHERE
from legion_bridge.programs.flat_program import FlatProgram
from legion_bridge.simulation.critical_path import CriticalPaths, FoldTimes, Uses, least_above

__all__ = ["Spread", "placed_before"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
WITHIN_A_NODE = WHERE[:-1]
MOST_TOGETHER = 3
"""Points of a launch on one processor, up to which it is asked what must travel."""
MOST_CHOICES = 160
"""Critical paths that are followed at most, for all choices of one launch together."""


class Spread:
    """The bounds that follow from spreading the points of single launches.

    Args:
        paths: The critical paths of the program.
    """

    def __init__(self, paths: CriticalPaths) -> None:
        self._paths = paths
        self._program = program = paths.program
        self._transfers = paths.transfers
        self._machine = paths.machine
        self._uses = paths.uses
        self._least = paths.least
        self._folds = paths.folds
        self._bytes = program.atom_bytes
        self._placed = np.zeros(len(self._bytes), np.int64)
        if program.segmented:
            self._placed = placed_before(program, paths.uses)

    def bound(self, launch: int, known: float) -> float:
        """Seconds of an iteration at least.

        Args:
            launch: Whose points are spread.
            known: Seconds that it takes at least anyway.
        """
        kinds = self._least[launch]
        if not kinds or any(self._machine.processors[kind].pooled for kind in kinds):
            return known
        shortest = min(float(times.min(initial=np.inf)) for times in kinds.values())
        for together in range(1, MOST_TOGETHER + 1):
            otherwise = (together + 1) * shortest
            if known < otherwise < np.inf:
                apart = self._apart(launch, together)
                ways = self._ways(launch, together, apart, known)
                known = max(known, min(otherwise, max(ways, default=0.0)))
        return known

    def _ways(self, launch: int, together: int, apart: Floats, known: float) -> Iterator[float]:
        """Critical paths, all of which an iteration takes at least, if longer than is known."""
        folds = FoldTimes(self._folds.least, apart, launch)
        if apart.any():
            yield self._paths.follow(folds)
        choices = MOST_CHOICES
        for readers, delay in self._late(launch, together):
            choices -= len(readers)
            if choices >= 0:
                late = (self._paths.follow(folds, {point: delay}) for point in readers)
                yield least_above(late, known)
        if choices > 0:
            yield least_above(self._across_nodes(launch, together, apart, choices), known)

    # Folds

    def _apart(self, launch: int, together: int) -> Floats:
        """``[atoms]`` seconds that the folds of a launch take beyond the least, all together."""
        points, atoms = self._uses[launch].sums
        extra = np.zeros(len(self._bytes))
        if not len(points):
            return extra
        pairs = np.unique(np.stack([points, atoms]), axis=1)
        reduced, count = np.unique(pairs[1], return_counts=True)
        carried = self._bytes[reduced]
        dense = self._program.is_dense
        least = np.full(len(reduced), np.inf)
        for kind in self._least[launch]:
            for own in self._machine.visible_memories(kind):
                within = self._within(kind, own, together)
                full = carried > self._machine.capacity(own)
                for home in self._machine.memories:
                    costs = [
                        self._transfers.seconds(own, home, where, carried, fold=True)
                        for where in WHERE
                    ]
                    seconds = _nearest_first(costs, within, count)
                    least = np.minimum(least, np.where(full & dense, np.inf, seconds))
        least[np.isinf(least)] = 0.0
        extra[reduced] = np.maximum(least - count * self._folds.least[reduced], 0.0)
        return extra

    def _within(self, kind: str, memory: str, together: int) -> tuple[float, float, float, float]:
        """Points that one memory, rank, node and the machine can have at most."""
        machine = self._machine
        rank = together * machine.processors[kind].count
        scope = machine.memories[memory].scope
        own = {kind: together, "rank": rank}.get(scope, np.inf)
        return own, max(rank, own), max(rank * machine.ranks_per_node, own), np.inf

    # Copies

    def _late(self, launch: int, together: int) -> Iterator[tuple[list[int], float]]:
        """Points one of which waits for a copy of data that all read, and how long."""
        if not self._placed.any() or self._machine.whole_region_instances:
            return  # with whole regions, copies are weighted by their layouts
        for readers, atoms in self._shared(launch):
            delays = [
                self._delay(kind, memory, readers, atoms, together)
                for kind in self._least[launch]
                for memory in self._machine.visible_memories(kind)
            ]
            if min(delays) > 0.0:
                yield readers, min(delays)

    def _delay(
        self, kind: str, memory: str, readers: Sequence[int], atoms: Ints, together: int
    ) -> float:
        """Seconds that one of the readers waits, if all read from memories of a kind."""
        if self._bytes[atoms].sum() > self._machine.capacity(memory) and self._program.is_dense:
            return np.inf
        memories = ceil(len(readers) / self._within(kind, memory, together)[0])
        missing = atoms[(self._placed[atoms] > 0) & (self._placed[atoms] < memories)]
        if not len(missing):
            return 0.0
        largest = self._bytes[missing].max(keepdims=True)
        return min(
            float(self._transfers.seconds(source, memory, where, largest)[0])
            for source in self._machine.memories
            for where in WHERE[1:]
        )

    def _shared(self, launch: int) -> list[tuple[list[int], Ints]]:
        """The points that read the same, where several do, and what they read."""
        first = int(self._program.launch_point[launch])
        points, atoms = self._uses[launch].reads
        readers: dict[int, list[int]] = {}
        for point, atom in zip((first + points).tolist(), atoms.tolist(), strict=True):
            readers.setdefault(atom, []).append(point)
        together: dict[tuple[int, ...], list[int]] = {}
        for atom, reading in readers.items():
            if len(set(reading)) > 1:
                together.setdefault(tuple(dict.fromkeys(reading)), []).append(atom)
        return [(list(each), np.array(found)) for each, found in together.items()]

    # Nodes

    def _across_nodes(
        self, launch: int, together: int, apart: Floats, choices: int
    ) -> Iterator[float]:
        """Critical paths of which one is taken, as points of a launch are on several nodes.

        In each of them something else that points share crosses the network.
        """
        nowhere, machine = 0.0, self._machine
        first, last = self._program.launch_point[launch : launch + 2].tolist()
        per_node = max(machine.processors[kind].count for kind in self._least[launch])
        crowded = last - first > together * per_node * machine.ranks_per_node
        if machine.nodes < 2 or not crowded or not self._is_made_in_time(launch):
            yield nowhere
            return
        read, summed = self._shared(launch), self._summed(launch)
        groups = [readers for readers, _ in (*read, *summed)]
        followed = sum(len(readers) for readers, _ in read) + len(summed)
        if followed > choices or not _connects(groups, last - first, first):
            yield nowhere
            return
        for readers, atoms in read:
            yield from self._read_across(launch, readers, atoms, apart)
        for _, atoms in summed:
            yield self._summed_across(launch, atoms, apart)

    def _is_made_in_time(self, launch: int) -> bool:
        """Whether points of a launch read what is made anew in each iteration, or reduce."""
        return bool(self._placed.any()) or len(self._uses[launch].sums[0]) > 0

    def _read_across(
        self, launch: int, readers: Sequence[int], atoms: Ints, apart: Floats
    ) -> Iterator[float]:
        here = atoms[self._placed[atoms] == 1]
        if not len(here):
            yield 0.0
            return
        largest = self._bytes[here].max(keepdims=True)
        delay = float(self._transfers.least(largest, besides=WITHIN_A_NODE)[0])
        folds = FoldTimes(self._folds.least, apart, launch)
        for point in readers:
            yield self._paths.follow(folds, {point: delay})

    def _summed_across(self, launch: int, atoms: Ints, apart: Floats) -> float:
        far = self._transfers.least(self._bytes[atoms], besides=WITHIN_A_NODE, fold=True)
        more = apart.copy()
        more[atoms] = np.maximum(more[atoms], far - self._folds.least[atoms])
        return self._paths.follow(FoldTimes(self._folds.least, more, launch))

    def _summed(self, launch: int) -> list[tuple[list[int], Ints]]:
        """The points that reduce to the same data, where several do, and the data."""
        first = int(self._program.launch_point[launch])
        points, atoms = self._uses[launch].sums
        found = []
        for atom in np.unique(atoms).tolist():
            reducing = np.unique(points[atoms == atom]) + first
            if len(reducing) > 1:
                found.append((reducing.tolist(), np.array([atom])))
        return found


def _nearest_first(costs: Sequence[Floats], within: Sequence[float], count: Ints) -> Floats:
    """Seconds of all folds into a memory, as many from near to it as can be.

    Args:
        costs: ``[sums]`` seconds of one fold from each distance, the nearest first.
        within: How many may come from no farther than each.
        count: ``[sums]`` how many there are.
    """
    nearest = np.minimum.accumulate(costs[::-1], axis=0)[::-1]  # those from afar may be faster
    taken, total = np.zeros(len(count)), np.zeros(len(count))
    for most, seconds in zip(within, nearest, strict=True):
        here = np.clip(most - taken, 0.0, count - taken)
        taken = taken + here
        total += np.where(here > 0, seconds, 0.0) * here
    return total


def _connects(groups: Sequence[Sequence[int]], count: int, first: int) -> bool:
    """Whether one comes from each point to each other through groups that share some."""
    label = list(range(count))

    def root(point: int) -> int:
        while label[point] != point:
            point = label[point] = label[label[point]]
        return point

    for group in groups:
        for point in group[1:]:
            label[root(point - first)] = root(group[0] - first)
    return len({root(point) for point in range(count)}) == 1


def placed_before(program: FlatProgram, uses: Mapping[int, Uses]) -> Ints:
    """``[atoms]`` in how many memories each may lie when the clock starts in an iteration.

    Whoever writes it leaves it in one memory, and each point that reads it afterwards may bring
    it to one more. 0 where nobody writes it before the clock, or somebody does while it runs.
    """
    places = np.zeros(len(program.atom_bytes), np.int64)
    for launch in range(program.setup_launches, len(program.launches)):
        each = uses[launch] if launch in uses else Uses.of(program, launch)
        if program.launch_timed[launch]:
            for _, atoms in (each.writes, each.sums, each.nested):
                places[atoms] = 0
            continue
        written = np.unique(each.writes[1])
        readers = np.bincount(each.reads[1], minlength=len(places))
        readers[written] = 0
        places[(places > 0)] += readers[places > 0]
        places[written] = 1
        for _, atoms in (each.sums, each.nested):
            places[atoms] = 0
    return places
