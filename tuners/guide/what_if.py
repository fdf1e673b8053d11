"""What a changed mapper would cost, estimated without running it.

The estimate adds up, launch by launch, the copies that it waits for and the slowest processor
that runs its points. It knows no overlap and no queues, so it is good for comparing mappers that
differ in a few decisions, and for nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

import dsl
from dsl.parsing.statement_cache import StatementCache
from legion_bridge.outcome import Outcome
from legion_bridge.point_times import PointTimer
from legion_bridge.simulator import Simulator
from tuners.guide.data_movement import DataMovement, Moved

if TYPE_CHECKING:
    from legion_bridge import Application, Machine
    from legion_bridge.mapping import Decisions
    from legion_bridge.point_times import PointTimes

__all__ = ["Estimate", "WhatIf"]

Floats = NDArray[np.float64]

_prepared: WeakKeyDictionary[Application, WhatIf] = WeakKeyDictionary()


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


class WhatIf:
    """Estimates for mappers of one application on one machine.

    Attributes:
        program, flat_machine: The two as arrays.
    """

    def __init__(self, application: Application, machine: Machine) -> None:
        simulator = Simulator(application, machine)
        self._simulator = simulator
        self.machine = simulator.machine
        self.program = simulator.program
        self.flat_machine = simulator.flat_machine
        self._timer = PointTimer(self.program, self.flat_machine)
        self._movement = DataMovement(self.program, self.flat_machine)
        self._statements = StatementCache()

    @staticmethod
    def of(application: Application, machine: Machine) -> WhatIf:
        """The one for an application, made once."""
        known = _prepared.get(application)
        if known is None or known.machine != machine.for_ranks(application.ranks_per_node):
            known = _prepared[application] = WhatIf(application, machine)
        return known

    def decide(self, program: dsl.Program) -> Decisions | None:
        """What a mapper decides; None where it fails or Legion refuses it."""
        try:
            decisions = self._simulator.decide_program(program)
        except dsl.MapperError:
            return None
        return None if isinstance(decisions, Outcome) else decisions

    def decide_text(self, text: str) -> Decisions | None:
        """The same for a text; None as well where it does not parse."""
        try:
            return self.decide(self._statements.parse(text))
        except dsl.MapperSyntaxError:
            return None

    def times(self, decisions: Decisions) -> PointTimes:
        """How long each point takes by itself."""
        return self._timer.times(decisions.launches)

    def estimate(self, decisions: Decisions) -> Estimate:
        """The seconds of an iteration under some decisions."""
        moved = tuple(each for region in self._movement.of(decisions) for each in region)
        copying = self._copying(moved)
        running = self._running(decisions)
        runtime = self._runtime()
        total = max(float(copying.sum() + running.sum()), runtime)
        return Estimate(total, copying, running, moved)

    def _copying(self, moved: tuple[Moved, ...]) -> Floats:
        launches = len(self.program.launches)
        busy = np.zeros((launches, self.flat_machine.link_total))
        latency = np.zeros(launches)
        for each in moved:
            busy[each.launch] += each.busy
            latency[each.launch] = max(latency[each.launch], each.latency)
        copying: Floats = busy.max(axis=1, initial=0.0) + latency
        return copying[self.program.setup_launches :]

    def _running(self, decisions: Decisions) -> Floats:
        program, times = self.program, self.times(decisions)
        starts = program.launch_point
        found = []
        for launch in range(program.setup_launches, len(program.launches)):
            part = slice(int(starts[launch]), int(starts[launch + 1]))
            processors = decisions.processor[part]
            seconds = times.seconds[part]
            limit = decisions.launches[launch].limit
            carried = times.link_bytes[part]
            through = 0.0
            if carried.any():
                code = int(times.link_memory[part].max())
                through = self._zero_copy(processors, carried, code)
                seconds = np.maximum(seconds, carried / self._bandwidth(processors, code))
            load = float(np.bincount(processors, seconds).max(initial=0.0))
            if limit:
                load = max(load, float(seconds.sum()) / limit)
            found.append(max(load, through))
        return np.array(found)

    def _bandwidth(self, processors: NDArray[np.int64], memory_kind: int) -> Floats:
        kinds = self.flat_machine.processor_kind[processors]
        speeds: Floats = self.flat_machine.bandwidth[kinds, memory_kind]
        return speeds

    def _zero_copy(
        self, processors: NDArray[np.int64], carried: Floats, memory_kind: int
    ) -> float:
        """Seconds of the busiest link between processors and a memory that they reach in place."""
        busy = np.zeros(self.flat_machine.link_total)
        for processor, amount in zip(processors.tolist(), carried.tolist(), strict=True):
            for link in self._movement.ways.access(processor, memory_kind).links:
                busy[link] += amount / float(self.flat_machine.link_bandwidth[link])
        return float(busy.max(initial=0.0))

    def _runtime(self) -> float:
        """Seconds that the runtime of one rank needs for an iteration, at the least."""
        costs = self.machine.runtime
        program = self.program
        first = int(program.launch_point[program.setup_launches])
        points = int(program.launch_point[-1]) - first
        widths = int(program.point_requirement[-1] - program.point_requirement[first])
        launches = len(program.launches) - program.setup_launches
        seconds = launches * costs.launch + points * costs.point + widths * costs.requirement
        return seconds / self.machine.ranks
