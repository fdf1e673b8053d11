"""Simulated runs: a program on a machine under a mapper, in a fraction of a millisecond.

``Simulator`` keeps all that does not depend on the mapper, and plans and executes the rest
(``kernel/plan.c``, ``kernel/execute.c``). A few iterations are simulated: the first ones, in which
the runtime has no trace and data finds its place, and some in the steady state, whose mean stands
for all that the program measures (``steady_state.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsl.errors import MapperEvaluationError
from dsl.load import load
from dsl.machine_shape import MEMORY_KINDS
from dsl.mapper import Mapper
from dsl.syntax import Program
from legion_bridge.errors import BridgeError, MappingError
from legion_bridge.machines.flat_machine import FlatMachine, flatten_machine
from legion_bridge.machines.machine import Machine
from legion_bridge.mapping.decisions import Decider, Decisions
from legion_bridge.outcome import Objective, Outcome
from legion_bridge.programs.application import Application, Launch, Requirement
from legion_bridge.programs.flat_program import PRIVILEGE_CODES, FlatProgram, flatten
from legion_bridge.simulation.floor import Floor, bounds_of
from legion_bridge.simulation.kernel_arrays import (
    Arrays,
    KernelStatus,
    Operation,
    operations_of,
    prepared_arrays,
)
from legion_bridge.simulation.kernel_library import require_kernel
from legion_bridge.simulation.link_paths import route_costs
from legion_bridge.simulation.padded_instances import PaddedInstances
from legion_bridge.simulation.point_times import PointTimer, PointTimes
from legion_bridge.simulation.shortage import Shortage
from legion_bridge.simulation.steady_state import (
    Measured,
    Window,
    beside_the_clock,
    is_settled,
    measure,
    windows,
)

if TYPE_CHECKING:
    from legion_bridge._kernel import Prepared

__all__ = ["Simulator", "Trace", "simulate"]

UNTRACED = 2
"""Iterations that the runtime analyses before it replays a trace (facts of the mapper logs)."""
AT_ONCE = 1
"""How data is collected that no reductions are folded into (``kernel/kernel.h``)."""
MOST_ITERATIONS = 1 << 20
"""More than are simulated."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Trace(NamedTuple):
    """A simulated run in full, for profiles: see ``profile.py``.

    Attributes:
        peak: ``[memories]`` most bytes in use, in mapping order.
        begin, end: The measured window in seconds; ``iterations`` from ``first`` lie in it.
    """

    program: FlatProgram
    machine: FlatMachine
    decisions: Decisions
    times: PointTimes
    operations: Operation
    peak: Floats
    begin: float
    end: float
    first: int
    iterations: int


class _Run(NamedTuple):
    """What the kernel gives for a window."""

    window: Window
    status: int
    requirement: int
    slot: int
    in_turn: int  # whether permits had to go in the order of planning
    peak: bytes
    timed: tuple[float, ...]
    untimed: tuple[float, ...]
    busiest: float
    trace: dict[str, bytes | int] | None


class Simulator:
    """Simulates one application on one machine, for any number of mappers.

    What a mapper decides, and what no mapper can beat, is known without the compiled kernel; all
    that runs raises ``SimulatorMissingError`` where that is missing.

    Args:
        application: What runs.
        machine: What it runs on; shared out over ranks as the application asks.
        objective: What the throughput of outcomes is over.

    Attributes:
        floor: What an iteration takes at least, whatever the mapper.
        replicas: How many replicas of a program the application stands for: see ``replicas.py``.
    """

    replicas = 1

    def __init__(
        self, application: Application, machine: Machine, objective: Objective = "timed"
    ) -> None:
        self.application = application
        self.objective = objective
        self.machine = machine.for_ranks(application.ranks_per_node)
        self.program = flatten(application, whole=self.machine.whole_region_instances)
        self.flat_machine = flatten_machine(self.machine)
        self.floor = Floor(partial(bounds_of, self.program, self.flat_machine))
        self._timer = PointTimer(self.program, self.flat_machine)
        self._decider = self._new_decider()
        self._alike = _each_for_itself(self.program, self.flat_machine)
        self._padded = PaddedInstances(self.program, self.flat_machine)
        self._windows = windows(self.program)
        self._folded = _folded(self.program, self.machine)

    def _volume(self, launch: Launch) -> int:
        """Points of a launch's domain, all of which every rank looks at."""
        return launch.volume

    def _new_decider(self) -> Decider:
        return Decider(self.program, self.flat_machine)

    @cached_property
    def _arrays(self) -> Arrays:
        """All that does not depend on the mapper."""
        traced = self.application.traced
        untraced = min(UNTRACED, self._windows[0].first) if traced else MOST_ITERATIONS
        volumes = np.array([self._volume(launch) for launch in self.program.launches], np.int64)
        computed = {"launch_volume": volumes, **self._alike}
        return _prepared_arrays(
            self.program, self.flat_machine, computed, untraced=untraced, replicas=self.replicas
        )

    @cached_property
    def _prepared(self) -> Prepared:
        """What the kernel makes of it."""
        require_kernel()
        from legion_bridge._kernel import prepare  # noqa: PLC0415  (it may be missing)

        return prepare(self._arrays)

    def run(self, mapper: Mapper) -> Outcome:
        """The outcome under a mapper that was loaded for ``machine.shape``; without a profile."""
        try:
            decisions = self.decide(mapper)
        except MapperEvaluationError as error:
            return self.failure(f"Mapper function failed: {error}")
        return decisions if isinstance(decisions, Outcome) else self.run_decisions(decisions)

    def decide(self, mapper: Mapper) -> Decisions | Outcome:
        """What a mapper decides, or the outcome where Legion would refuse it.

        Raises:
            MapperEvaluationError: A mapping function fails.
        """
        return self.decide_program(mapper.program, lambda: mapper)

    def decide_program(
        self, program: Program, mapper: Callable[[], Mapper] | None = None
    ) -> Decisions | Outcome:
        """What a program decides; it is loaded only where something is asked for the first time.

        Raises:
            MapperLoadError: It cannot be loaded.
            MapperEvaluationError: A mapping function fails.
        """
        loaded = mapper or partial(load, program, self.machine.shape)
        try:
            return self._decider.decide_program(program, loaded)
        except MappingError as refused:
            return self.failure(str(refused))

    def times(self, decisions: Decisions) -> PointTimes:
        """How long each point takes by itself under given decisions."""
        return self._timer.times(decisions.found)

    def run_decisions(self, decisions: Decisions) -> Outcome:
        """The outcome under given decisions; without a profile."""
        if short := self._padded.shortage(decisions):
            return self.failure(str(short))
        times = self._timer.times(decisions.found)
        run = self._simulate(decisions, times, trace=False)
        return self._outcome(run, decisions)

    def trace(self, decisions: Decisions) -> tuple[Outcome, Trace | None]:
        """The outcome under given decisions, and the whole run unless it failed."""
        if short := self._padded.shortage(decisions):
            return self.failure(str(short)), None
        times = self._timer.times(decisions.found)
        run = self._simulate(decisions, times, trace=True)
        outcome = self._outcome(run, decisions)
        if run.trace is None:
            return outcome, None
        begin, end = self._measured(run)
        return outcome, Trace(
            program=self.program,
            machine=self.flat_machine,
            decisions=decisions,
            times=times,
            operations=operations_of(run.trace),
            peak=np.frombuffer(run.peak, np.float64),
            begin=begin,
            end=end,
            first=run.window.first,
            iterations=run.window.end - run.window.first,
        )

    def shortage(self, decisions: Decisions) -> Shortage | None:
        """The first requirement that finds no room when all is mapped in order, if any."""
        stop = self.stop(decisions)
        return stop if isinstance(stop, Shortage) else None

    def stop(self, decisions: Decisions) -> Shortage | tuple[str, ...] | None:
        """What stops the program under given decisions, if anything.

        Returns:
            The first requirement that finds no room when all is mapped in order; or the tasks
            with instance limits, where tasks wait in a ring under these.
        """
        if short := self._padded.shortage(decisions):
            return short
        run = self._simulate(decisions, self._timer.times(decisions.found), trace=False)
        if run.status == KernelStatus.OUT_OF_MEMORY:
            return self._shortage(run, decisions)
        if run.status == KernelStatus.CYCLE:
            launches = zip(self.program.launches, decisions.launches, strict=True)
            return tuple(dict.fromkeys(each.task for each, chosen in launches if chosen.limit))
        return None

    def deadlocks(self, decisions: Decisions, limited: Collection[str]) -> bool:
        """Whether tasks wait in a ring where the limits of some tasks alone hold."""
        launches = tuple(
            chosen if launch.task in limited else replace(chosen, limit=0)
            for launch, chosen in zip(self.program.launches, decisions.launches, strict=True)
        )
        changed = replace(decisions, launches=launches)
        run = self._simulate(changed, self._timer.times(decisions.found), trace=False)
        return bool(run.status == KernelStatus.CYCLE)

    def failure(self, raw: str) -> Outcome:
        """A run that ended in an error of the runtime."""
        unit, collective = self.application.unit, self.machine.runtime.collective
        return Outcome("execution_error", 0.0, unit, None, raw, collective=collective)

    def _simulate(self, decisions: Decisions, times: PointTimes, *, trace: bool) -> _Run:
        """The run in the first window in which it is settled, or in the last one."""
        window, *later = self._windows
        counted: float | None = None

        def more(timed: tuple[float, ...], busiest: float, at_last: float) -> Window | None:
            nonlocal window, counted
            if not later or is_settled(window, timed, busiest):
                return None
            if is_settled(window.latest, timed, at_last, longest=1):
                later.clear()
                window, counted = window.latest, at_last
                return window if trace else None  # only a trace is about what is measured alone
            window = later.pop(0)
            return window

        prepared = self._prepared
        from legion_bridge._kernel import simulate as run_kernel  # noqa: PLC0415  (likewise)

        run = run_kernel(prepared, self._decided(decisions, times), window, trace, more)
        found = _Run(window, *run)
        return found if counted is None else found._replace(busiest=counted)

    def _outcome(self, run: _Run, decisions: Decisions) -> Outcome:
        if run.status == KernelStatus.OUT_OF_MEMORY:
            return self.failure(str(self._shortage(run, decisions)))
        if run.status == KernelStatus.CYCLE:
            if not any(launch.limit for launch in decisions.launches):
                name = self.application.name
                raise BridgeError(f"{name}: operations of the simulation wait in a ring")
            return self.failure(
                "Assertion `event.exists()' failed: under an instance limit, a task waits for one "
                "that waits for it"
            )
        measured = self._measured(run)
        begin, end = measured
        iteration = (end - begin) / (run.window.end - run.window.first)
        elapsed = iteration * self.application.timed
        work = self.application.work * self.application.timed
        throughput, unit = work / elapsed, self.application.unit
        raw = f"ELAPSED TIME = {elapsed:7.3f} s, {throughput:.4g} {unit}"
        setup, whole = beside_the_clock(self.program, run.window, run.timed, run.untimed, measured)
        return Outcome(
            "ok",
            throughput if self.objective == "timed" else work / whole,
            unit,
            elapsed,
            raw,
            iteration=iteration,
            floor=self.floor,
            setup=setup,
            whole=whole,
            collective=self.machine.runtime.collective,
        )

    def _measured(self, run: _Run) -> Measured:
        segmented = self.program.segmented
        return measure(
            run.window, run.timed, run.untimed, segmented=segmented, busiest=run.busiest
        )

    def _decided(self, decisions: Decisions, times: PointTimes) -> Arrays:
        return {
            "processor": decisions.processor,
            "seconds": times.seconds,
            "link_bytes": times.link_bytes,
            "link_memory": times.link_memory,
            "unpinned": decisions.unpinned,
            "limit": np.array([launch.limit for launch in decisions.launches], np.int64),
            "memory": decisions.memory,
            "layout": decisions.layout,
            "extent": decisions.exact,
            "collect": decisions.collect
            if self._folded is None
            else decisions.collect * (AT_ONCE + self._folded),
            "layout_weight": decisions.layouts.weights,
            "layout_room": decisions.layouts.rooms,
        }

    def _shortage(self, run: _Run, decisions: Decisions) -> Shortage:
        starts, requirement = self.program.point_requirement, run.requirement
        point = int(np.searchsorted(starts, requirement, "right")) - 1
        launch = self.program.launches[int(self.program.point_launch[point])]
        memory = int(decisions.memory[requirement])
        return Shortage(
            task=launch.task,
            requirement=requirement - int(starts[point]),
            memory=MEMORY_KINDS[int(self.flat_machine.memory_kind[memory])],
            place=self.flat_machine.memory_name(memory),
            processor=self.flat_machine.processor_name(int(decisions.processor[point])),
            bytes=int(self.program.slot_bytes[run.slot]),
            capacity=int(self.flat_machine.memory_capacity[memory]),
        )


def simulate(application: Application, machine: Machine, mapper: Mapper) -> Outcome:
    """One simulated run; ``Simulator`` saves the preparation where there are many.

    Args:
        mapper: Loaded for ``machine.for_ranks(application.ranks_per_node).shape``.
    """
    return Simulator(application, machine).run(mapper)


def _folded(program: FlatProgram, machine: Machine) -> Ints | None:
    """``[R]`` 1 for data that reductions are folded into, which the machine collects when it is
    stale; ``None`` where it collects all as soon as it was read.
    """
    if not machine.runtime.keeps_folded:
        return None
    owner = np.repeat(np.arange(len(program.privilege)), np.diff(program.slots.start))
    region = program.slot_region[program.slots.values]
    folded = np.unique(region[program.privilege[owner] == PRIVILEGE_CODES["REDUCE"]])
    tied = np.zeros(len(program.privilege), np.int64)
    tied[owner[np.isin(region, folded)]] = 1
    return tied


def _each_for_itself(program: FlatProgram, machine: FlatMachine) -> Arrays:
    """Nothing stands for anything else."""
    return {
        "twin_start": np.zeros(len(machine.memory_kind) + 1, np.int64),
        "twin_values": np.zeros(0, np.int64),
        "atom_common": np.zeros(len(program.atom_bytes), np.int64),
    }


def _prepared_arrays(
    program: FlatProgram, machine: FlatMachine, more: Arrays, *, untraced: int, replicas: int
) -> Arrays:
    """All that does not depend on the mapper."""
    joins = program.launch_blocking.copy()
    joins[program.after.values] = 1
    runtime = machine.machine.runtime
    message = runtime.message if machine.machine.ranks > 1 else 0.0
    return prepared_arrays(
        program,
        machine,
        {
            "launch_task": _task_numbers(program),
            "launch_joins": joins,
            **more,
            "point_refinements": _refinements(program),
            "after_start": program.after.start,
            "after_values": program.after.values,
            "slot_start": program.slots.start,
            "slot_values": program.slots.values,
            "slot_atom_start": program.slot_atoms.start,
            "slot_atom_values": program.slot_atoms.values,
            "wider_start": program.wider.start,
            "wider_values": program.wider.values,
            "access_bandwidth": machine.bandwidth,
            "route_cost": route_costs(machine.machine),
        },
        costs={
            "launch": runtime.launch + message,
            "point": runtime.point,
            "requirement": runtime.requirement,
            "untraced": runtime.untraced,
            "fold": runtime.fold,
            "domain": runtime.domain,
            "instance": runtime.instance,
            "fresh": runtime.fresh,
            "replicas": float(replicas),
            "refinement": runtime.refinement,
            "recording": runtime.recording,
            "permit": runtime.permit,
            "threads": runtime.threads,
        },
        settings={
            "setup_launches": program.setup_launches,
            "untraced": untraced,
            "recorded": runtime.recorded,
            "shares_cores": runtime.shares_cores,
            "collective": runtime.collective == "nccl",
        },
    )


def _refinements(program: FlatProgram) -> Ints:
    """``[P]`` requirements of each point on regions of which the loop uses several partitions."""
    launches = program.launches
    ways: dict[str, set[str | None]] = {}
    for launch in launches[program.setup_launches :]:
        for each in filter(_has_data, launch.requirements):
            ways.setdefault(each.region, set()).add(each.partition)
    counts = [
        sum(len(ways.get(r.region, ())) > 1 for r in launch.requirements if _has_data(r))
        for launch in launches
    ]
    return np.repeat(np.array(counts, np.int64), np.diff(program.launch_point))


def _has_data(requirement: Requirement) -> bool:
    return bool(requirement.fields) and not requirement.virtual


def _task_numbers(program: FlatProgram) -> Ints:
    """``[L]`` the last launch of the same task, which stands for the task."""
    last = {launch.task: number for number, launch in enumerate(program.launches)}
    return np.array([last[launch.task] for launch in program.launches], np.int64)
