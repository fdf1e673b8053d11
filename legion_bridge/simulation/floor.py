"""What no mapper can beat: a proven lower bound of the seconds that an iteration takes.

Three things hold whatever a mapper decides, and the largest of them is the floor.

- *Work.* Each point task runs somewhere, for no less than it takes in the best memory and layout
  that a processor of the kind may see. All of it, spread over all processors as if it could be
  divided at will, takes a while; a launch of few points cannot even be divided that well.
- *The critical path.* What reads data starts after what wrote it or reduced to it, what takes a
  future after what gives it, and the top-level task goes on after what it waits for.
- *The runtime.* It analyses each launch on each rank, and each point on some rank.

Copies are left out: a mapper may put all of a program on one processor, or replicate data before
the program's clock starts, and then nothing travels. Where reductions must be folded, as in
Solomonik's and COSMA's algorithms, or where little is computed, the bound is therefore loose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from legion_bridge.machines.flat_machine import PROCESSOR_CODES, FlatMachine
from legion_bridge.programs.flat_program import PRIVILEGE_CODES, FlatProgram
from legion_bridge.simulation.point_times import least_times

__all__ = ["Floor", "floor_of"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bound: TypeAlias = Literal["work", "critical path", "runtime"]

ROUNDS = 4
"""Iterations of which the critical path is followed; most cycles of dependences take one."""
MOST_POINTS = 200_000
"""Point tasks of an iteration beyond which the critical path is left out: it takes seconds."""

GOLDEN = (5**0.5 - 1) / 2
SECTIONS = 40
"""Golden sections of a search: they leave 4e-9 of where it began."""

_READS = (PRIVILEGE_CODES["READ_ONLY"], PRIVILEGE_CODES["READ_WRITE"])
_WRITES = (PRIVILEGE_CODES["READ_WRITE"], PRIVILEGE_CODES["WRITE_ONLY"])
_REDUCES = (PRIVILEGE_CODES["REDUCE"],)


@dataclass(frozen=True, slots=True)
class Floor:
    """Seconds that one iteration takes at least; of its timed part, where that is a part of it.

    Attributes:
        work: All point tasks, each at its fastest, spread perfectly over all processors.
        critical_path: The longest chain of point tasks that wait for each other.
        runtime: The runtime's own work on the rank that has most of it.
    """

    work: float
    critical_path: float
    runtime: float

    @property
    def seconds(self) -> float:
        """The largest of them."""
        return max(self.work, self.critical_path, self.runtime)

    @property
    def bound(self) -> Bound:
        """Which of them it is."""
        bounds: dict[Bound, float] = {
            "work": self.work,
            "critical path": self.critical_path,
            "runtime": self.runtime,
        }
        return max(bounds, key=lambda each: bounds[each])


def floor_of(program: FlatProgram, machine: FlatMachine) -> Floor:
    """The floor of a program on a machine; zero where the clock may start after timed tasks do."""
    launches = _timed_launches(program)
    if not launches or (program.segmented and not _starts_with_the_clock(program)):
        return Floor(0.0, 0.0, 0.0)
    least = {launch: _least_by_kind(program, machine, launch) for launch in launches}
    return Floor(
        work=max(_divided_work(machine, least), _undivided_work(machine, least)),
        critical_path=_critical_path(program, machine, least),
        runtime=_runtime(program, machine, launches),
    )


def _timed_launches(program: FlatProgram) -> list[int]:
    loop = range(program.setup_launches, len(program.launches))
    return [launch for launch in loop if program.launch_timed[launch]]


def _least_by_kind(program: FlatProgram, machine: FlatMachine, launch: int) -> dict[str, Floats]:
    """``[points]`` seconds of a launch's points, for each kind of processor that can run them."""
    first, last = program.launch_point[launch : launch + 2].tolist()
    application = program.application
    variants = application.task_kinds[program.launches[launch].task].variants
    return {
        kind: least_times(machine, application, program.launches[launch], kind, last - first)
        for kind in variants
        if kind in machine.machine.processors
    }


# Work


def _processors(machine: FlatMachine, kind: str) -> int:
    return int(np.count_nonzero(machine.processor_kind == PROCESSOR_CODES[kind]))


def _divided_work(machine: FlatMachine, least: Mapping[int, Mapping[str, Floats]]) -> float:
    """Seconds that all processors take together, were each launch divisible among the kinds.

    Dividing launches so that the busiest kind is done soonest is a linear program. By its dual,
    any weights of the kinds that add up to 1 prove a bound: the sum over launches of the least
    weighted seconds that one kind takes with all its processors. The best weights are searched;
    the bound is concave in them.
    """
    kinds = sorted({kind for times in least.values() for kind in times})
    shares = [
        np.array([_share(machine, times, kind) for times in least.values() if times])
        for kind in kinds
    ]
    return _weighed(np.full(len(shares[0]), np.inf), shares, 1.0) if shares else 0.0


def _share(machine: FlatMachine, times: Mapping[str, Floats], kind: str) -> float:
    """Seconds of a launch on all processors of a kind; infinite where it has no such variant."""
    if kind not in times:
        return np.inf
    return float(times[kind].sum()) / _processors(machine, kind)


def _weighed(least: Floats, shares: Sequence[Floats], left: float) -> float:
    """The best bound that weights of some kinds prove.

    Args:
        least: ``[launches]`` weighted seconds of the kinds that have their weights.
        shares: ``[launches]`` seconds, for each kind that has none.
        left: What their weights add up to.
    """

    def bound(weight: float) -> float:
        weighed = np.minimum(least, _times(weight, shares[0]))
        if len(shares) == 1:
            return float(weighed.sum())
        return _weighed(weighed, shares[1:], left - weight)

    return bound(left) if len(shares) == 1 else _highest(bound, left)


def _times(weight: float, seconds: Floats) -> Floats:
    """The product, infinite where the seconds are."""
    return np.where(np.isinf(seconds), np.inf, weight * np.where(np.isinf(seconds), 0.0, seconds))


def _highest(concave: Callable[[float], float], end: float) -> float:
    """The highest value of a concave function from zero on, by golden sections."""
    low, high = 0.0, end
    left, right = end * (1 - GOLDEN), end * GOLDEN
    values = concave(left), concave(right)
    best = max(values)
    for _ in range(SECTIONS):
        if values[0] < values[1]:
            low, left, right = left, right, left + GOLDEN * (high - left)
            values = values[1], concave(right)
        else:
            high, right, left = right, left, low + (1 - GOLDEN) * (right - low)
            values = concave(left), values[0]
        best = max(best, *values)
    return best


def _undivided_work(machine: FlatMachine, least: Mapping[int, Mapping[str, Floats]]) -> float:
    """Seconds of the launch that needs most, were it alone and its points all like the fastest.

    All points of a launch run on one kind of processor, and a map gives a point the same one in
    each iteration, so that ``n`` points on ``m`` processors take as long as ``ceil(n / m)`` of
    them. Where points that no map places go to whichever processor is free they may take turns.
    """
    return max((_launch_alone(machine, times) for times in least.values()), default=0.0)


def _launch_alone(machine: FlatMachine, times: Mapping[str, Floats]) -> float:
    found = [0.0]
    for kind, each in times.items():
        turns = len(each) / _processors(machine, kind)
        if not machine.machine.processors[kind].pooled:
            turns = np.ceil(turns)
        found.append(float(turns * each.min(initial=np.inf)) if len(each) else 0.0)
    return min(found[1:], default=0.0)


# The critical path


def _critical_path(
    program: FlatProgram, machine: FlatMachine, least: Mapping[int, Mapping[str, Floats]]
) -> float:
    """Seconds of the longest chain of an iteration, or a round of the longest cycle through some.

    Where the clock runs in a part of each iteration, that part is a chain of its own. Else the
    iterations are followed for some rounds, each operation as early as it can be; then the way
    back from the last one to end passes a point in two iterations, and what lies between the two
    comes again for ever: its seconds over its iterations are a bound, whatever else happens.
    """
    if program.launch_point[-1] > MOST_POINTS:
        return 0.0
    chains = _Chains(program, machine, least)
    if program.segmented:
        return float(chains.follow().max(initial=0.0))
    ends = [chains.follow() for _ in range(ROUNDS)]
    return max((seconds / rounds for seconds, rounds in _cycles(chains, ends)), default=0.0)


def _cycles(chains: _Chains, ends: list[Floats]) -> Iterator[tuple[float, int]]:
    """Seconds and iterations between two visits of a point, on the way back from the last end."""
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


class _Chains:
    """Follows the program round by round, each point task as early as what it needs allows."""

    def __init__(
        self, program: FlatProgram, machine: FlatMachine, least: Mapping[int, Mapping[str, Floats]]
    ) -> None:
        self._program = program
        self._points = int(program.launch_point[-1])
        runtime = machine.machine.runtime
        self._analysis = min(1.0, runtime.untraced) * (
            runtime.point + runtime.requirement * np.diff(program.point_requirement)
        )
        self._seconds = np.zeros(self._points)
        for launch, times in least.items():
            if times:
                first, last = program.launch_point[launch : launch + 2]
                self._seconds[first:last] = np.minimum.reduce(list(times.values()))
        self._launches = tuple(least)
        atoms = len(program.atom_bytes)
        self._written, self._reduced = _Latest(atoms), _Latest(atoms)
        self._atoms = {launch: _atoms_of(program, launch) for launch in self._launches}
        self._ended = np.zeros(self._points)  # with all that a point launched
        self._ended_by = np.full(self._points, -1, np.int64)
        self._causes: list[Ints] = []
        self._blocking: int | None = None

    def follow(self) -> Floats:
        """One round.

        Returns:
            ``[points]`` when each point task ends; 0 for those of other launches.
        """
        program, shift = self._program, len(self._causes) * self._points
        causes = np.full(self._points, -1, np.int64)
        ends = np.zeros(self._points)
        for launch in self._launches:
            first, last = program.launch_point[launch : launch + 2].tolist()
            start, cause = self._start(launch, first, last, ends, shift)
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
        points, atoms = self._atoms[launch][0]
        if len(points):
            for latest in (self._written, self._reduced):
                waits, at, by = latest.of(points, atoms)
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
        _, (points, atoms), (reducers, sums) = self._atoms[launch]
        self._written.at[atoms], self._written.by[atoms] = (
            ends[first + points],
            first + points + shift,
        )
        self._reduced.at[atoms], self._reduced.by[atoms] = 0.0, -1
        order = np.argsort(ends[first + reducers], kind="stable")
        reducers, sums = reducers[order], sums[order]
        later = ends[first + reducers] > self._reduced.at[sums]
        self._reduced.at[sums[later]] = ends[first + reducers[later]]
        self._reduced.by[sums[later]] = first + reducers[later] + shift
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


Pairs: TypeAlias = tuple[Ints, Ints]


def _atoms_of(program: FlatProgram, launch: int) -> tuple[Pairs, Pairs, Pairs]:
    """The atoms that each point of a launch reads, writes and reduces to.

    Returns:
        Three pairs of arrays of one length: places of points in the launch, and atoms.
    """
    first, last = program.launch_point[launch : launch + 2].tolist()
    start = program.point_requirement
    requirements = np.arange(start[first], start[last])
    points = np.repeat(np.arange(last - first), np.diff(start[first : last + 1]))
    requirement, slots = _rows(program.slots.start, program.slots.values, requirements)
    which, atoms = _rows(program.slot_atoms.start, program.slot_atoms.values, slots)
    owner = requirement[which]
    privilege = program.privilege[requirements][owner]

    def pairs(privileges: tuple[int, ...]) -> Pairs:
        chosen = np.isin(privilege, privileges)
        return points[owner[chosen]], atoms[chosen]

    return pairs(_READS), pairs(_WRITES), pairs(_REDUCES)


def _rows(start: Ints, values: Ints, rows: Ints) -> Pairs:
    """The values of some rows of a ragged array, and for each the place of its row in ``rows``."""
    lengths = start[rows + 1] - start[rows]
    which = np.repeat(np.arange(len(rows)), lengths)
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return which, values[start[rows][which] + within]


# The runtime


def _runtime(program: FlatProgram, machine: FlatMachine, launches: list[int]) -> float:
    """Seconds of the rank whose runtime has most to do.

    Every rank analyses each launch of the top-level task; the points, and the launches that they
    make, are shared out at best evenly.
    """
    runtime, ranks = machine.machine.runtime, machine.machine.ranks
    each = runtime.launch + (runtime.message if ranks > 1 else 0.0)
    everywhere = shared = 0.0
    for launch in launches:
        first, last = program.launch_point[launch : launch + 2].tolist()
        width = len(program.launches[launch].requirements)
        shared += (last - first) * (runtime.point + runtime.requirement * width)
        if program.launch_parent[launch] < 0:
            everywhere += each + runtime.domain * (last - first)
        else:
            shared += each * len(np.unique(program.point_parent[first:last]))
    return min(1.0, runtime.untraced) * (everywhere + shared / ranks)


# Where the clock runs in a part of each iteration


def _starts_with_the_clock(program: FlatProgram) -> bool:
    """Whether no timed point task can start before all that is untimed has ended.

    That is so where the timed launches follow a launch that the top-level task waits for, and
    where it, or another like it, cannot end before each untimed point task.
    """
    loop = range(program.setup_launches, len(program.launches))
    timed = [bool(program.launch_timed[launch]) for launch in loop]
    begins = timed.index(True)
    if not all(timed[begins:]) or begins == 0:
        return False
    needed = np.zeros(len(program.atom_bytes), bool)
    waits = False
    for launch in reversed(loop[:begins]):
        blocking = bool(program.launch_blocking[launch])
        waits = waits or blocking
        if not waits or program.launch_parent[launch] >= 0:
            return False
        (_, read), (writers, written), (reducers, reduced) = _atoms_of(program, launch)
        volume = int(np.diff(program.launch_point[launch : launch + 2])[0])
        if not blocking:
            awaited = np.zeros(volume, bool)
            awaited[writers[needed[written]]] = True
            awaited[reducers[needed[reduced]]] = True
            if not awaited.all():
                return False
        needed[written] = False
        needed[read] = True
    return True
