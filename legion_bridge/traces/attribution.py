"""Whose data and whose points a simulated run spent its time on, for profiles."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from dsl.machine_shape import PROCESSOR_KINDS
from legion_bridge.outcome import TaskUse
from legion_bridge.simulation.kernel_arrays import OperationKind
from legion_bridge.simulation.link_paths import LinkPath, LinkPaths
from legion_bridge.simulation.simulator import Trace

__all__ = ["carried_by_link", "copied_within", "task_uses", "waits_for_limits"]

Bools = NDArray[np.bool_]
COPIES = (OperationKind.COPY, OperationKind.FOLD)


def carried_by_link(trace: Trace, measured: Bools) -> dict[str, dict[str, float]]:
    """Bytes of one iteration by link and region; what tasks move in place is among them."""
    found: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    paths, names = LinkPaths(trace.machine), trace.machine.link_names
    regions = list(trace.program.application.regions)

    def add(path: LinkPath, region: str, amount: float) -> None:
        for link in path.links:
            found[names[link]][region] += amount / trace.iterations

    for source, target, region, amount in _moved(trace, measured, (*COPIES, OperationKind.FILL)):
        add(paths.copy(source, target), regions[region], amount)
    for processor, memory, region_name, amount in _in_place(trace, measured):
        add(paths.access(processor, memory), region_name, amount)
    return {link: dict(amounts) for link, amounts in found.items()}


def copied_within(trace: Trace, measured: Bools) -> dict[str, float]:
    """Bytes of one iteration that are copied within one memory, by region.

    They are conversions to another layout, or copies between instances of overlapping pieces.
    """
    found: dict[str, float] = defaultdict(float)
    regions = list(trace.program.application.regions)
    for source, target, region, amount in _moved(trace, measured, COPIES):
        if source == target:
            found[regions[region]] += amount / trace.iterations
    return dict(found)


def waits_for_limits(trace: Trace, measured: Bools) -> dict[str, float]:
    """Seconds of one iteration that points waited, in all, for a place under an instance limit.

    Those that the program's clock does not run for are left out.
    """
    operations, program = trace.operations, trace.program
    runtime = measured & (operations.kind == OperationKind.RUNTIME) & (operations.cause >= 0)
    late = np.flatnonzero(runtime & (operations.start > operations.ready))
    # A rank's runtime is otherwise held by the analysis of another point.
    held = operations.kind[operations.cause[late]] != OperationKind.RUNTIME
    found: dict[str, float] = defaultdict(float)
    for number in late[held].tolist():
        launch = int(program.point_launch[int(operations.point[number])])
        if trace.decisions.launches[launch].limit and program.launch_timed[launch]:
            waited = float(operations.start[number] - operations.ready[number])
            found[program.launches[launch].task] += waited / trace.iterations
    return dict(found)


def task_uses(trace: Trace, measured: Bools) -> dict[str, TaskUse]:
    """Where the points of each task of the loop ran, and for how long, in one iteration."""
    operations, program = trace.operations, trace.program
    numbers = np.flatnonzero(measured & (operations.kind == OperationKind.TASK))
    launches = program.point_launch[operations.point[numbers]]
    busy = (operations.end - operations.start)[numbers]
    tasks: dict[str, list[int]] = defaultdict(list)
    for launch in np.unique(launches).tolist():
        tasks[program.launches[launch].task].append(launch)
    found = {}
    for task, own in tasks.items():
        mine = np.isin(launches, own)
        loads = np.bincount(operations.place[numbers[mine]], busy[mine])
        kind = int(trace.machine.processor_kind[operations.place[numbers[mine]][0]])
        found[task] = TaskUse(
            kind=PROCESSOR_KINDS[kind],
            points=int(mine.sum()) // trace.iterations,
            processors=int(np.count_nonzero(loads)),
            busy=float(busy[mine].sum()) / trace.iterations,
            longest=float(loads.max()) / trace.iterations,
        )
    return found


def _moved(
    trace: Trace, measured: Bools, kinds: tuple[OperationKind, ...]
) -> list[tuple[int, int, int, float]]:
    """Bytes of the operations of some kinds, by source, target and region."""
    operations = trace.operations
    numbers = np.flatnonzero(measured & np.isin(operations.kind, kinds))
    keys = np.stack(
        [operations.source[numbers], operations.place[numbers], operations.region[numbers]]
    )
    unique, where = np.unique(keys, axis=1, return_inverse=True)
    sums = np.bincount(where.ravel(), operations.bytes[numbers], unique.shape[1])
    return [
        (source, target, region, float(amount))
        for (source, target, region), amount in zip(unique.T.tolist(), sums, strict=True)
    ]


def _in_place(trace: Trace, measured: Bools) -> list[tuple[int, int, str, float]]:
    """Bytes that tasks moved over links, by processor, memory kind and region."""
    operations, program = trace.operations, trace.program
    tasks = measured & (operations.kind == OperationKind.TASK) & (operations.bytes > 0)
    found: dict[tuple[int, int, str], float] = defaultdict(float)
    for number in np.flatnonzero(tasks).tolist():
        point = int(operations.point[number])
        launch = int(program.point_launch[point])
        shares = _shares(trace, launch, point - int(program.launch_point[launch]))
        place = (int(operations.place[number]), int(operations.source[number]))
        for region, share in shares.items():
            found[(*place, region)] += share * float(operations.bytes[number])
    return [(*key, amount) for key, amount in found.items()]


def _shares(trace: Trace, launch: int, point: int) -> dict[str, float]:
    """Which share of what a point moves over links is which region's."""
    asked, chosen = trace.program.launches[launch], trace.decisions.launches[launch]
    access = trace.machine.machine.access
    amounts: dict[str, float] = defaultdict(float)
    for index, memory in enumerate(chosen.memories):
        if memory is not None and access[chosen.kind, memory].links:
            region = asked.requirements[index].region
            amounts[region] += float(asked.work.traffic[point, index])
    total = sum(amounts.values())
    return {region: amount / total for region, amount in amounts.items()} if total else {}
