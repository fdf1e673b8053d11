"""What no mapper can beat: a proven lower bound of the seconds that an iteration takes.

Four things hold whatever a mapper decides, and the largest of them is the floor.

- *Work.* Each point task runs somewhere, for no less than it takes in the best memory and layout
  that a processor of the kind may see, and that has room for its data. All of it, spread over all
  processors as if it could be divided at will, takes a while; a launch of few points cannot even
  be divided that well.
- *The critical path.* What reads data starts after what wrote it, and after the folds of what was
  reduced to it; what takes a future after what gives it; and the top-level task goes on after
  what it waits for (``critical_path.py``).
- *Spreading.* Points that share data either share a processor too, and wait for each other, or
  something must travel (``spread_points.py``). What travels in collective operations has no bound
  here.
- *The runtime.* It analyses each launch on each rank, and each point on some rank.

Where a mapper may put data before the program's clock starts, or all of what shares data on one
processor, nothing must travel. docs/floor.md says where the bound is loose.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from legion_bridge.machines.flat_machine import PROCESSOR_CODES, FlatMachine
from legion_bridge.programs.flat_program import FlatProgram
from legion_bridge.simulation.critical_path import CriticalPaths, Uses, least_above
from legion_bridge.simulation.point_times import least_times
from legion_bridge.simulation.spread_points import Spread

__all__ = ["Bounds", "Floor", "bounds_of"]

Floats = NDArray[np.float64]
Bound: TypeAlias = Literal["work", "critical path", "spreading", "runtime"]

MOST_POINTS = 200_000
"""Point tasks of an iteration beyond which the critical path is left out: it takes seconds."""
MOST_LAST = 64
"""Points of a launch up to which it is asked what follows on the last of them."""

GOLDEN = (5**0.5 - 1) / 2
SECTIONS = 40
"""Golden sections of a search: they leave 4e-9 of where it began."""


class Bounds(NamedTuple):
    """Seconds that one iteration takes at least; of its timed part, where that is a part of it.

    Attributes:
        work: All point tasks, each at its fastest, spread perfectly over all processors.
        critical_path: The longest chain of point tasks and folds that wait for each other.
        spreading: What takes at least so long, as points that share data are spread or are not.
        runtime: The runtime's own work on the rank that has most of it.
    """

    work: float = 0.0
    critical_path: float = 0.0
    spreading: float = 0.0
    runtime: float = 0.0

    @property
    def seconds(self) -> float:
        """The largest of them."""
        return max(self)

    @property
    def bound(self) -> Bound:
        """Which of them it is."""
        names: tuple[Bound, ...] = ("work", "critical path", "spreading", "runtime")
        return max(zip(self, names, strict=True), key=lambda each: each[0])[1]


class Floor:
    """What no mapper of a program on a machine can beat.

    It is worked out when it is first asked for, which takes milliseconds, and then kept.

    Args:
        find: Works it out.
    """

    def __init__(self, find: Callable[[], Bounds]) -> None:
        self._find = find

    @cached_property
    def bounds(self) -> Bounds:
        """Each of the bounds."""
        return self._find()

    @property
    def seconds(self) -> float:
        """Seconds of an iteration."""
        return self.bounds.seconds

    def __repr__(self) -> str:
        return f"Floor({self.bounds})"

    def __reduce__(self) -> tuple[type[Floor], tuple[Callable[[], Bounds]]]:
        return Floor, (partial(Bounds, *self.bounds),)


def bounds_of(program: FlatProgram, machine: FlatMachine) -> Bounds:
    """The bounds of a program on a machine; zero where the clock may start after timed tasks."""
    launches = _timed_launches(program)
    if not launches or (program.segmented and not _starts_with_the_clock(program)):
        return Bounds()
    least = {launch: _least_by_kind(program, machine, launch) for launch in launches}
    work = max(_divided_work(machine, least), _undivided_work(machine, least))
    runtime = _runtime(program, machine, launches)
    if program.launch_point[-1] > MOST_POINTS:
        return Bounds(work, runtime=runtime)
    paths = CriticalPaths(program, machine.machine, least)
    critical = paths.follow()
    if machine.machine.runtime.collective == "nccl":
        return Bounds(work, critical, runtime=runtime)
    known = max(work, critical, runtime)
    spreading = _spreading(paths, machine, known)
    return Bounds(work, critical, spreading if spreading > known else 0.0, runtime)


def _timed_launches(program: FlatProgram) -> list[int]:
    loop = range(program.setup_launches, len(program.launches))
    return [launch for launch in loop if program.launch_timed[launch]]


def _least_by_kind(program: FlatProgram, machine: FlatMachine, launch: int) -> dict[str, Floats]:
    """``[points]`` seconds of a launch's points, for each kind of processor that can run them.

    A launch whose data has no room beside one kind of processor cannot run there.
    """
    application, made = program.application, program.launches[launch]
    needed = _needed(program, launch)
    found = {
        kind: least_times(machine, application, made, kind, needed)
        for kind in application.task_kinds[made.task].variants
        if kind in machine.machine.processors
    }
    return {kind: times for kind, times in found.items() if np.isfinite(times).all()}


def _needed(program: FlatProgram, launch: int) -> Floats:
    """``[points, requirements]`` bytes of the instances that each point has, at least.

    All of them are there when the point runs. What two requirements share counts once, and
    nothing where instances may be smaller than what lies within their bounds.
    """
    first, last = program.launch_point[launch : launch + 2].tolist()
    width = len(program.launches[launch].requirements)
    if not program.is_dense or not width:
        return np.zeros((last - first, width))
    start = int(program.point_requirement[first])
    which, slots = program.slots.rows(np.arange(start, start + (last - first) * width))
    of, atoms = program.slot_atoms.rows(slots)
    place = which[of]
    _, once = np.unique(place // width * len(program.atom_bytes) + atoms, return_index=True)
    size = np.zeros((last - first, width))
    np.add.at(size.ravel(), place[once], program.atom_bytes[atoms[once]])
    return size


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


# Points that share data


def _spreading(paths: CriticalPaths, machine: FlatMachine, known: float) -> float:
    """What takes at least so long takes, as the points of its launches are spread."""
    spread = Spread(paths)
    for launch in paths.least:
        known = spread.bound(launch, known)
        if paths.program.segmented:
            known = max(known, _after_all(paths, machine, launch, known))
    return known


def _after_all(paths: CriticalPaths, machine: FlatMachine, launch: int, known: float) -> float:
    """Seconds of a part of an iteration in which a launch runs, and what follows on it.

    One of its points ends no sooner than all of them take on all processors, as none begins
    before the part does; which it is, the mapper may choose.
    """
    first, last = paths.program.launch_point[launch : launch + 2].tolist()
    if not paths.least[launch] or not 0 < last - first <= MOST_LAST:
        return 0.0
    alone = _launch_alone(machine, paths.least[launch])
    ends = (
        paths.follow(not_before={point: alone - float(paths.seconds[point])})
        for point in range(first, last)
    )
    return least_above(ends, known)


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
        uses = Uses.of(program, launch)
        volume = int(np.diff(program.launch_point[launch : launch + 2])[0])
        if not blocking:
            awaited = np.zeros(volume, bool)
            for points, atoms in (uses.writes, uses.sums):
                awaited[points[needed[atoms]]] = True
            if not awaited.all():
                return False
        needed[uses.writes[1]] = False
        needed[uses.read] = True
    return True
