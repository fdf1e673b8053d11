"""The longest chain of point tasks that wait for each other, each as early as it can be.

What reads data starts after what wrote it, and after the folds of what was reduced to it; what
takes a future starts after what gives it; and the top-level task goes on after what it waits for.
Whatever a mapper decides, it can only make these later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from legion_bridge.machines.machine import Machine
from legion_bridge.programs.flat_program import PRIVILEGE_CODES, FlatProgram, Ragged
from legion_bridge.simulation.least_transfers import LeastTransfers

__all__ = ["CriticalPaths", "FoldTimes", "Uses", "least_above"]

ROUNDS = 4
"""Iterations of which the critical path is followed; most cycles of dependences take one."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Pairs: TypeAlias = tuple[Ints, Ints]
"""Two arrays of one length: places of points in their launch, and atoms."""

_READS = (PRIVILEGE_CODES["READ_ONLY"], PRIVILEGE_CODES["READ_WRITE"])
_WRITES = (PRIVILEGE_CODES["READ_WRITE"], PRIVILEGE_CODES["WRITE_ONLY"])
_REDUCE = PRIVILEGE_CODES["REDUCE"]


class Uses(NamedTuple):
    """The atoms that the points of a launch need and make.

    Attributes:
        reads, writes: What they read and write.
        sums: What they reduce to, to be folded into the data.
        nested: What they reduce to, to be folded into a reduction of their parent.
        read: The atoms of ``reads``, each once.
    """

    reads: Pairs
    writes: Pairs
    sums: Pairs
    nested: Pairs
    read: Ints

    @classmethod
    def of(cls, program: FlatProgram, launch: int) -> Uses:
        """Those of one launch."""
        first, last = program.launch_point[launch : launch + 2].tolist()
        start = program.point_requirement
        requirements = np.arange(start[first], start[last])
        points = np.repeat(np.arange(last - first), np.diff(start[first : last + 1]))
        requirement, slots = program.slots.rows(requirements)
        _, nested = Ragged(program.slots.start, program.fold_into).rows(requirements)
        which, atoms = program.slot_atoms.rows(slots)
        owner = requirement[which]
        privilege = program.privilege[requirements][owner]
        below = nested[which] >= 0

        def pairs(chosen: NDArray[np.bool_]) -> Pairs:
            return points[owner[chosen]], atoms[chosen]

        reads, reduces = np.isin(privilege, _READS), privilege == _REDUCE
        return cls(
            pairs(reads),
            pairs(np.isin(privilege, _WRITES)),
            pairs(reduces & ~below),
            pairs(reduces & below),
            np.unique(atoms[reads]),
        )


class FoldTimes(NamedTuple):
    """``[atoms]`` seconds of the folds of a reduction into the data.

    Attributes:
        least: Of one fold, wherever both lie.
        apart: What is added to ``least`` for all folds of what ``launch`` reduced.
        launch: A launch whose points are known to lie apart; -1 for none.
        in_turn: Whether the folds into the same data come one after the other.
    """

    least: Floats
    apart: Floats
    launch: int = -1
    in_turn: bool = True


class CriticalPaths:
    """The critical paths of one program, under what is known of its folds and starts.

    Args:
        program: The program.
        machine: What it runs on.
        least: For each launch that is followed, in the program's order, the least seconds of its
            points on each kind of processor.

    Attributes:
        transfers: What copies and folds take at least.
        uses: The atoms of each launch.
        seconds: ``[points]`` the least seconds of each on any kind of processor; 0 if unknown.
        analysis: ``[points]`` seconds of the runtime's work for each.
        folds: What folds take at least, wherever they are.
    """

    def __init__(
        self, program: FlatProgram, machine: Machine, least: Mapping[int, Mapping[str, Floats]]
    ) -> None:
        self.program = program
        self.machine = machine
        self.least = least
        self.transfers = LeastTransfers(machine)
        self.uses = {launch: Uses.of(program, launch) for launch in least}
        self.seconds = np.zeros(int(program.launch_point[-1]))
        for launch, times in least.items():
            if times:
                first, last = program.launch_point[launch : launch + 2]
                self.seconds[first:last] = np.minimum.reduce(list(times.values()))
        runtime = machine.runtime
        self.analysis = min(1.0, runtime.untraced) * (
            runtime.point + runtime.requirement * np.diff(program.point_requirement)
        )
        atoms = program.atom_bytes
        folds = self.transfers.least(atoms, fold=True)
        if runtime.collective == "nccl":  # who has a sum itself may get nothing from others
            folds = np.minimum(folds, min(each.base for each in machine.algorithms))
        in_turn = runtime.collective == "legion"
        self.folds = FoldTimes(folds, np.zeros(len(atoms)), in_turn=in_turn)

    def follow(
        self,
        folds: FoldTimes | None = None,
        not_before: Mapping[int, float] = MappingProxyType({}),
    ) -> float:
        """Seconds of the longest chain of an iteration, or a round of the longest cycle.

        Where the clock runs in a part of each iteration, that part is a chain of its own. Else
        what comes again in each round of a cycle is a bound, whatever else happens.

        Args:
            folds: What they take, where more is known.
            not_before: For some points a time before which they do not start.
        """
        chains = _Chains(self, folds or self.folds)
        if self.program.segmented:
            return float(chains.follow(not_before).max(initial=0.0))
        return max((seconds / rounds for seconds, rounds in _cycles(chains)), default=0.0)


def _cycles(chains: _Chains) -> Iterator[tuple[float, int]]:
    """Seconds and iterations between two visits of a point, on the way back from the last end.

    The iterations are followed for some rounds; then the way back from the last end passes a
    point in two iterations. What lies between the two comes again for ever.
    """
    ends = [chains.follow() for _ in range(ROUNDS)]
    iteration = len(ends) - 1
    point = int(ends[iteration].argmax())
    seen: dict[int, list[int]] = {}
    while point >= 0 and iteration >= 0:
        for later in seen.setdefault(point, []):
            yield float(ends[later][point] - ends[iteration][point]), later - iteration
        seen[point].append(iteration)
        point, iteration = chains.before(iteration, point)


class _Latest:
    """When the newest value of each atom is there, and which point task of which round made it.

    Attributes:
        at: ``[atoms]`` seconds.
        by: ``[atoms]`` number of the point task, counted through all rounds; -1 for nobody.
    """

    def __init__(self, atoms: int) -> None:
        self.at = np.zeros(atoms)
        self.by = np.full(atoms, -1, np.int64)

    def of(self, points: Ints, atoms: Ints) -> tuple[Ints, Floats, Ints]:
        """The latest of the atoms that each point needs.

        Args:
            points: The points, ascending, one for each of the atoms.
            atoms: What they need.

        Returns:
            The points, each once; when the last of its atoms is there; and who made that.
        """
        first = np.flatnonzero(np.diff(points, prepend=-1))
        at = self.at[atoms]
        latest = np.maximum.reduceat(at, first)
        group = np.repeat(np.arange(len(first)), np.diff(first, append=len(points)))
        last = np.flatnonzero(at == latest[group])
        last = last[np.diff(group[last], prepend=-1) > 0]
        return points[first], latest, self.by[atoms[last]]

    def set(self, points: Ints, atoms: Ints, at: Floats) -> None:
        """What points have made, each atom from some time on."""
        self.at[atoms], self.by[atoms] = at, points

    def raise_to(self, points: Ints, atoms: Ints, at: Floats) -> None:
        """The same where it is later than what is known."""
        order = np.argsort(at, kind="stable")
        points, atoms, at = points[order], atoms[order], at[order]
        later = at > self.at[atoms]
        self.set(points[later], atoms[later], at[later])


class _Sums:
    """What was reduced to each atom and not yet folded into it.

    A fold begins after the last task that reduced to its instance, so an atom is there a fold
    after the last of them. Where several instances are folded, a reservation keeps the folds
    apart, and none begins before the first of these tasks has ended: so the atom is not there
    before that and all folds together. (Instances are counted once until they are folded: a task
    that comes again goes on in the same one.)
    """

    def __init__(self, folds: FoldTimes) -> None:
        atoms = len(folds.least)
        self._folds = folds
        self.latest = _Latest(atoms)
        self._first = _Latest(atoms)
        self._first.at[:] = np.inf
        self._total = np.zeros(atoms)
        self._epoch = np.zeros(atoms, np.int64)
        self._counted: dict[int, Ints] = {}
        self._apart: Ints | None = None

    def add(self, launch: int, points: Ints, atoms: Ints, ends: Floats) -> None:
        """A launch has reduced to instances of its own."""
        self.latest.raise_to(points, atoms, ends + self._folds.least[atoms])
        if not self._folds.in_turn:
            return
        order = np.argsort(-ends, kind="stable")
        sooner = order[ends[order] < self._first.at[atoms[order]]]
        self._first.set(points[sooner], atoms[sooner], ends[sooner])
        counted = self._counted.setdefault(launch, np.full(len(atoms), -1))
        new = counted != self._epoch[atoms]
        counted[new] = self._epoch[atoms[new]]
        np.add.at(self._total, atoms[new], self._folds.least[atoms[new]])
        if launch == self._folds.launch:
            once = np.unique(atoms[new])
            self._total[once] += self._folds.apart[once]

    def add_nested(self, points: Ints, atoms: Ints, ends: Floats) -> None:
        """A launch has reduced, and is folded into what its parents reduce to, which is folded."""
        self.latest.raise_to(points, atoms, ends + 2 * self._folds.least[atoms])

    def fold(self, atoms: Ints, into: _Latest) -> None:
        """Somebody reads atoms: from now on they are there when all folds have ended."""
        for at, by in (
            (self.latest.at, self.latest.by),
            (np.where(self._total > 0, self._first.at + self._total, 0.0), self._first.by),
        ):
            into.raise_to(by[atoms], atoms, at[atoms])
        self.forget(atoms)

    def forget(self, atoms: Ints) -> None:
        """Nothing is to be folded into atoms any more."""
        self.latest.at[atoms], self.latest.by[atoms] = 0.0, -1
        self._first.at[atoms], self._first.by[atoms] = np.inf, -1
        self._total[atoms] = 0.0
        self._epoch[atoms] += 1


def least_above(paths: Iterable[float], known: float) -> float:
    """The least of some critical paths, which are followed no further once one is not longer."""
    least = np.inf
    for seconds in paths:
        least = min(least, seconds)
        if least <= known:
            break
    return float(least)


class _Chains:
    """Follows a program round by round, each point task as early as what it needs allows.

    Args:
        paths: What is followed.
        folds: What folds take.
    """

    def __init__(self, paths: CriticalPaths, folds: FoldTimes) -> None:
        self._program = program = paths.program
        self._points = int(program.launch_point[-1])
        self._analysis = paths.analysis
        self._seconds = paths.seconds
        self._uses = paths.uses
        self._written = _Latest(len(program.atom_bytes))
        self._sums = _Sums(folds)
        self._ended = np.zeros(self._points)  # with all that a point launched
        self._ended_by = np.full(self._points, -1, np.int64)
        self._causes: list[Ints] = []
        self._blocking: int | None = None

    def follow(self, not_before: Mapping[int, float] = MappingProxyType({})) -> Floats:
        """One round.

        Args:
            not_before: For some points the earliest start that is known.

        Returns:
            ``[points]`` when each point task ends; 0 for those of other launches.
        """
        program, shift = self._program, len(self._causes) * self._points
        causes = np.full(self._points, -1, np.int64)
        ends = np.zeros(self._points)
        for launch in self._uses:
            first, last = program.launch_point[launch : launch + 2].tolist()
            start, cause = self._start(launch, first, last, ends, shift)
            for point, at in not_before.items():
                if first <= point < last:
                    start[point - first] = max(start[point - first], at)
            ends[first:last] = start + self._seconds[first:last]
            causes[first:last] = cause
            self._end(launch, first, last, ends, shift)
        self._causes.append(causes)
        return ends

    def before(self, iteration: int, point: int) -> tuple[int, int]:
        """The point task that another waited for, and its round; negative where there is none."""
        cause = int(self._causes[iteration][point])
        if cause < 0:
            return -1, -1
        return cause % self._points, cause // self._points

    def _start(
        self, launch: int, first: int, last: int, ends: Floats, shift: int
    ) -> tuple[Floats, Ints]:
        """When the points of a launch can start, and what they wait for last."""
        program = self._program
        start, cause = np.zeros(last - first), np.full(last - first, -1, np.int64)
        parent = program.point_parent[first:last]
        if program.launch_parent[launch] >= 0:
            start[:], cause[:] = ends[parent], parent + shift
        elif self._blocking is not None:
            start[:], cause[:] = self._all_ended(self._blocking)
        start += self._analysis[first:last]
        for other in program.after.row(launch).tolist():
            _raise(start, cause, *self._all_ended(other))
        points, atoms = self._uses[launch].reads
        if len(points):
            self._sums.fold(self._uses[launch].read, self._written)
            waits, at, by = self._written.of(points, atoms)
            later = at > start[waits]
            start[waits[later]], cause[waits[later]] = at[later], by[later]
        return start, cause

    def _end(self, launch: int, first: int, last: int, ends: Floats, shift: int) -> None:
        """Takes note of what the points of a launch have made."""
        own = np.arange(first, last)
        self._ended[first:last], self._ended_by[first:last] = ends[first:last], own + shift
        above = self._program.point_parent[first:last]
        while (above >= 0).any():
            for point, parent in zip(own.tolist(), above.tolist(), strict=True):
                if ends[point] > self._ended[parent]:
                    self._ended[parent], self._ended_by[parent] = ends[point], point + shift
            above = self._program.point_parent[above]
        uses = self._uses[launch]
        points, atoms = uses.writes
        self._written.set(first + points + shift, atoms, ends[first + points])
        self._sums.forget(atoms)
        points, atoms = uses.sums
        self._sums.add(launch, first + points + shift, atoms, ends[first + points])
        points, atoms = uses.nested
        self._sums.add_nested(first + points + shift, atoms, ends[first + points])
        if self._program.launch_blocking[launch]:
            self._blocking = launch

    def _all_ended(self, launch: int) -> tuple[float, int]:
        """When the last point of a launch ended, with all that it launched, and which it is."""
        first, last = self._program.launch_point[launch : launch + 2].tolist()
        if first == last:
            return 0.0, -1
        latest = first + int(self._ended[first:last].argmax())
        return float(self._ended[latest]), int(self._ended_by[latest])


def _raise(start: Floats, cause: Ints, at: Floats | float, by: Ints | int) -> None:
    """Lets points start no earlier than given."""
    later = np.asarray(at) > start
    start[later] = np.broadcast_to(at, start.shape)[later]
    cause[later] = np.broadcast_to(by, cause.shape)[later]
