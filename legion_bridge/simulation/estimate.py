"""What an iteration takes, estimated without simulating it.

The estimate adds up, launch by launch, the copies that it waits for and the slowest processor
that runs its points. It knows no overlap and no queues, so it is good for comparing mappers that
differ in a few decisions, and for nothing else. What links cost, ``link_paths.py`` says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

import dsl
from legion_bridge.machines.flat_machine import MEMORY_CODES, PROCESSOR_CODES
from legion_bridge.outcome import Outcome
from legion_bridge.simulation.data_movement import DataMovement, Moved

if TYPE_CHECKING:
    from legion_bridge.machines.flat_machine import FlatMachine
    from legion_bridge.mapping.decisions import Decisions
    from legion_bridge.programs.flat_program import FlatProgram
    from legion_bridge.simulation.point_times import PointTimes
    from legion_bridge.simulation.simulator import Simulator

__all__ = ["Costs", "Estimate", "Estimator", "costs_of"]

Floats = NDArray[np.float64]
Key = TypeVar("Key")


class Estimate(NamedTuple):
    """Seconds of one iteration.

    Attributes:
        total: The whole.
        copying: Of each launch of the loop, waiting for its copies.
        running: Of each launch of the loop, on its busiest processor.
        moved: The copies.
    """

    total: float
    copying: Floats
    running: Floats
    moved: tuple[Moved, ...]


class Estimator:
    """Estimates for mappers of one application on one machine.

    Args:
        simulator: Tells what mappers decide; nothing is simulated.

    Attributes:
        program, flat_machine: The two as arrays.
    """

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self.machine = simulator.machine
        self.program = simulator.program
        self.flat_machine = simulator.flat_machine
        self._movement = DataMovement(self.program, self.flat_machine)
        self._below = _descendants(self.program.launch_parent)
        self._timed = self.program.launch_timed[self.program.setup_launches :] != 0
        self._first_alike = _first_alike(self.flat_machine)

    def decide(self, program: dsl.Program) -> Decisions | None:
        """What a mapper decides; None where it fails or Legion refuses it."""
        try:
            decisions = self._simulator.decide_program(program)
        except dsl.MapperError:
            return None
        return None if isinstance(decisions, Outcome) else decisions

    def full_memory(self, decisions: Decisions) -> str | None:
        """The memory kind that overflows first when all is mapped in order, if any."""
        shortage = self._simulator.shortage(decisions)
        return None if shortage is None else shortage.memory

    def times(self, decisions: Decisions) -> PointTimes:
        """How long each point takes by itself."""
        return self._simulator.times(decisions)

    def estimate(self, decisions: Decisions) -> Estimate:
        """The seconds of an iteration under some decisions."""
        moved = tuple(
            each
            for region in self._movement.of(decisions)
            for each in region
            if self.program.launch_timed[each.launch]
        )
        copying = self._copying(moved)
        running = self._running(decisions)
        runtime = self._runtime()
        timed = self._timed
        total = max(float(copying[timed].sum() + running[timed].sum()), runtime)
        return Estimate(total, copying, running, moved)

    def linked_access(self, decisions: Decisions) -> dict[tuple[str, int], tuple[float, float]]:
        """What tasks of the loop reach over links, by task and number of the requirement.

        Returns:
            Bytes of an iteration, and seconds of the point that takes longest for its own.
        """
        found: dict[tuple[str, int], tuple[float, float]] = {}
        program, machine = self.program, self.flat_machine
        for number in np.flatnonzero(self._timed) + program.setup_launches:
            launch, chosen = program.launches[number], decisions.launches[number]
            for index, memory in enumerate(chosen.memories):
                if memory is None or not self.machine.access[chosen.kind, memory].links:
                    continue
                at = (PROCESSOR_CODES[chosen.kind], MEMORY_CODES[memory])
                reads = launch.requirements[index].privilege == "READ_ONLY"
                each = (machine.gather if reads else machine.update)[at]
                moved, scattered = launch.work.traffic[:, index], launch.work.accesses[:, index]
                speeds = self._access_speeds(decisions.processor[self._part(int(number))], at[1])
                cost = moved / speeds + scattered * each
                known = found.get((launch.task, index), (0.0, 0.0))
                found[launch.task, index] = (
                    known[0] + float(moved.sum()),
                    known[1] + float(cost.max(initial=0.0)),
                )
        return found

    def _copying(self, moved: tuple[Moved, ...]) -> Floats:
        launches = len(self.program.launches)
        busy = np.zeros((launches, self.flat_machine.link_total))
        latency, alone = np.zeros(launches), np.zeros(launches)
        for each in moved:
            busy[each.launch] += each.busy
            latency[each.launch] = max(latency[each.launch], each.latency)
            alone[each.launch] = max(alone[each.launch], each.alone)
        copying: Floats = np.maximum(busy.max(axis=1, initial=0.0), alone) + latency
        return copying[self.program.setup_launches :]

    def _running(self, decisions: Decisions) -> Floats:
        program, times = self.program, self.times(decisions)
        starts = program.launch_point
        found = []
        for launch in range(program.setup_launches, len(program.launches)):
            part = slice(int(starts[launch]), int(starts[launch + 1]))
            processors = decisions.processor[part]
            seconds = times.seconds[part]
            carried = times.link_bytes[part]
            through = 0.0
            if carried.any():
                code = int(times.link_memory[part].max())
                through = self._zero_copy(processors, carried, code)
                seconds = np.maximum(seconds, carried / self._access_speeds(processors, code))
            load = float(np.bincount(processors, seconds).max(initial=0.0))
            limit = decisions.launches[launch].limit
            if limit:
                load = max(load, self._limited(decisions, part, seconds, limit))
            found.append(max(load, through))
        return np.array(found) + self._held_up(decisions, times.seconds, found)

    def _held_up(self, decisions: Decisions, seconds: Floats, running: Sequence[float]) -> Floats:
        """What limits on tasks that launch others add: their points' work is done in turn."""
        program, setup = self.program, self.program.setup_launches
        found = np.zeros(len(running))
        for launch in range(setup, len(program.launches)):
            limit, below = decisions.launches[launch].limit, self._below[launch]
            if limit and below:
                part = self._part(launch)
                _, origin = np.unique(self._origins(decisions, part), return_inverse=True)
                waits = np.bincount(origin) > limit
                spans = self._spans(decisions, seconds, launch)
                longest = float((np.bincount(origin, spans) * waits).max(initial=0.0)) / limit
                spent = sum(running[each - setup] for each in below)
                found[launch - setup] = max(0.0, longest - spent)
        return found

    def _part(self, launch: int) -> slice:
        """The points of a launch."""
        starts = self.program.launch_point
        return slice(int(starts[launch]), int(starts[launch + 1]))

    def _spans(self, decisions: Decisions, seconds: Floats, launch: int) -> Floats:
        """Seconds of what each point of a launch launches: launch by launch, the busiest
        processor.
        """
        program, above = self.program, self._part(launch)
        points, processors = above.stop - above.start, len(self.flat_machine.processor_kind)
        spans = np.zeros(points)
        for each in self._below[launch]:
            part = self._part(each)
            ancestor = program.point_parent[part]
            while len(ancestor) and ancestor[0] >= above.stop:
                ancestor = program.point_parent[ancestor]
            where = (ancestor - above.start) * processors + decisions.processor[part]
            load = np.bincount(where, seconds[part], points * processors)
            spans += load.reshape(points, processors).max(axis=1)
        return spans

    def _origins(self, decisions: Decisions, part: slice) -> NDArray[np.int64]:
        """Where the parent of each point runs, by which limits count: on a processor or, for the
        top-level task, on each rank.
        """
        parents, processor = self.program.point_parent[part], decisions.processor
        ranks = self.flat_machine.processor_rank[processor[part]]
        # Tasks that no map places launch from the first of their processors, as in the kernel.
        first = self._first_alike[processor[parents]]
        origins = np.where(decisions.unpinned[parents] != 0, first, processor[parents])
        found: NDArray[np.int64] = np.where(parents < 0, -1 - ranks, origins)
        return found

    def _limited(self, decisions: Decisions, part: slice, seconds: Floats, limit: int) -> float:
        """Seconds of a launch of whose points so many may be under way for each parent."""
        origins = self._origins(decisions, part).tolist()
        free: dict[int, float] = {}
        places: dict[int, list[float]] = {}
        last = 0.0
        for origin, processor, cost in zip(
            origins, decisions.processor[part].tolist(), seconds.tolist(), strict=True
        ):
            held = places.setdefault(origin, [])
            # Before a place is first taken it is free from the start: heaps grow with the points,
            # and not with a limit that a mapper may give any size.
            start = heappop(held) if len(held) == limit else 0.0
            end = max(start, free.get(processor, 0.0)) + cost
            heappush(held, end)
            free[processor] = end
            last = max(last, end)
        return last

    def _access_speeds(self, processors: NDArray[np.int64], memory_kind: int) -> Floats:
        """Bytes a second at which each processor reaches a memory in place."""
        paths = self._movement.paths
        return np.array([paths.access(each, memory_kind).slowest for each in processors.tolist()])

    def _zero_copy(
        self, processors: NDArray[np.int64], carried: Floats, memory_kind: int
    ) -> float:
        """Seconds of the busiest link between processors and a memory that they reach in place."""
        paths, busy = self._movement.paths, np.zeros(self.flat_machine.link_total)
        for processor, amount in zip(processors.tolist(), carried.tolist(), strict=True):
            path = paths.access(processor, memory_kind)
            for link, seconds in zip(path.links, paths.uses(path, amount, copies=0), strict=True):
                busy[link] += seconds
        return float(busy.max(initial=0.0))

    def _runtime(self) -> float:
        """Seconds that the runtime of a rank needs for an iteration, points spread evenly."""
        costs, setup, ranks = self.machine.runtime, self.program.setup_launches, self.machine.ranks
        message = costs.message if ranks > 1 else 0.0
        seconds = 0.0
        for number in np.flatnonzero(self._timed) + setup:
            points = int(np.diff(self.program.launch_point[number : number + 2])[0])
            width = len(self.program.launches[number].requirements)
            seconds += points * (costs.point + width * costs.requirement) / ranks
            if self.program.launch_parent[number] < 0:  # every rank looks at it
                seconds += costs.launch + message + costs.domain * points
            else:
                seconds += costs.launch / ranks
        return seconds


def _first_alike(machine: FlatMachine) -> NDArray[np.int64]:
    """``[processors]`` the first processor of the same kind and rank."""
    alike = np.stack([machine.processor_rank, machine.processor_kind])
    _, first, group = np.unique(alike, axis=1, return_index=True, return_inverse=True)
    return first[group.ravel()]


def _descendants(parents: NDArray[np.int64]) -> list[list[int]]:
    """For each launch those that its points make, and those that these make."""
    found: list[list[int]] = [[] for _ in parents]
    for launch, parent in enumerate(parents.tolist()):
        above = parent
        while above >= 0:
            found[above].append(launch)
            above = int(parents[above])
    return found


# By task and region


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds of one iteration, the most first.

    Attributes:
        running: By task, on the busiest processor.
        copying: By region and task: what the task waits for.
        total: The whole iteration.
    """

    running: Mapping[str, float] = field(default_factory=dict)
    copying: Mapping[tuple[str, str], float] = field(default_factory=dict)
    total: float = 0.0

    def of_task(self, task: str) -> float:
        """What a task takes with its copies."""
        copies = sum(cost for (_, asking), cost in self.copying.items() if asking == task)
        return self.running.get(task, 0.0) + copies

    def of_region(self, region: str) -> float:
        """What copies of a region take."""
        return sum(cost for (moved, _), cost in self.copying.items() if moved == region)


def costs_of(program: FlatProgram, estimate: Estimate) -> Costs:
    """An estimate by task and region."""
    setup = program.setup_launches
    running: dict[str, float] = defaultdict(float)
    for number, cost in enumerate(estimate.running.tolist()):
        if program.launch_timed[setup + number]:
            running[program.launches[setup + number].task] += cost
    copying: dict[tuple[str, str], float] = defaultdict(float)
    for moved in estimate.moved:
        launch = program.launches[moved.launch]
        region = launch.requirements[moved.requirement].region
        copying[region, launch.task] += float(moved.busy.max()) + moved.latency
    return Costs(_ranked(running), _ranked(copying), estimate.total)


def _ranked(costs: Mapping[Key, float]) -> dict[Key, float]:
    return dict(sorted(costs.items(), key=lambda item: -item[1]))
