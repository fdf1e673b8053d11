"""Whose data and points a simulated run spent its time on, and what its operations are called."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from dsl.machine_shape import MEMORY_KINDS, PROCESSOR_KINDS
from legion_bridge.machines.machine import Link
from legion_bridge.outcome import TaskUse
from legion_bridge.simulation.kernel_arrays import OperationKind
from legion_bridge.simulation.link_paths import LinkPath, LinkPaths
from legion_bridge.simulation.simulator import Trace

__all__ = [
    "LABELS",
    "OperationNames",
    "carried_by_link",
    "copied_within",
    "task_uses",
    "waits_for_limits",
]

Bools = NDArray[np.bool_]
COPIES = (OperationKind.COPY, OperationKind.FOLD)
LABELS = {
    OperationKind.RUNTIME: "runtime",
    OperationKind.TASK: "task",
    OperationKind.COPY: "copy",
    OperationKind.FOLD: "fold",
    OperationKind.FILL: "fill",
    OperationKind.JOIN: "wait",
    OperationKind.COLLECTIVE: "collective",
}
"""What kinds of operations are called in profiles and pictures."""


def carried_by_link(trace: Trace, measured: Bools) -> dict[str, dict[str, float]]:
    """Bytes of one iteration by link and region; what tasks move in place is among them."""
    found: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    paths, names = LinkPaths(trace.machine), trace.machine.link_names
    regions = list(trace.program.application.regions)

    def add(path: LinkPath, region: str, amount: float) -> None:
        for link in path.links:
            found[names[link]][region] += amount / trace.iterations

    operations = trace.operations
    kinds = (*COPIES, OperationKind.FILL, OperationKind.COLLECTIVE)
    for number in np.flatnonzero(measured & np.isin(operations.kind, kinds)).tolist():
        region = regions[int(operations.region[number])]
        for path, amount, _ in paths.moves(operations, number):
            add(path, region, amount)
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
    found: dict[str, float] = defaultdict(float)
    until = operations.start.tolist()
    for operation, for_permit, _, since in reversed(operations.waits.tolist()):
        if for_permit and measured[operation]:
            launch = program.point_launch[operations.point[operation]]
            found[program.launches[int(launch)].task] += until[operation] - since
        until[operation] = since
    return {task: waited / trace.iterations for task, waited in found.items() if waited > 0.0}


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


class OperationNames:
    """Names operations by task, or by what travels where on behalf of which task."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._regions = list(trace.program.application.regions)
        self._paths = LinkPaths(trace.machine)
        self._names: dict[tuple[int, int, int, int], str] = {}

    def kind(self, number: int) -> str:
        """Such as ``"copy"``."""
        return LABELS[OperationKind(int(self._trace.operations.kind[number]))]

    def task(self, number: int) -> str:
        """The task on whose behalf an operation happens."""
        point = int(self._trace.operations.point[number])
        return self._trace.program.launches[int(self._trace.program.point_launch[point])].task

    def region(self, number: int) -> str:
        """The region of what travels; empty for what moves no data."""
        region = int(self._trace.operations.region[number])
        return self._regions[region] if region >= 0 else ""

    def name(self, number: int) -> str:
        """The task, or such as ``"xm (FBMEM to FBMEM over PCIe into GPU) for stencil"``."""
        task = self.task(number)
        region = int(self._trace.operations.region[number])
        if region < 0:
            return task
        return f"{self.movement(number)} for {task}"

    def movement(self, number: int) -> str:
        """What travels and how: the region, two memory kinds, the link that limits it."""
        operations, machine = self._trace.operations, self._trace.machine
        source, target = int(operations.source[number]), int(operations.place[number])
        kinds = [MEMORY_KINDS[int(machine.memory_kind[memory])] for memory in (source, target)]
        path = self._paths.of(operations, number)
        over = ""
        if path.links:
            slowest = min(path.links, key=lambda link: float(machine.link_bandwidth[link]))
            over = f" over {self._link(slowest)}"
        return f"{self._regions[int(operations.region[number])]} ({' to '.join(kinds)}{over})"

    def _link(self, number: int) -> str:
        """The kind of a link, such as ``"PCIe into GPU"``."""
        machine = self._trace.machine
        name = max(
            (n for n, first in machine.link_first.items() if first <= number),
            key=machine.link_first.__getitem__,
        )
        link: Link = machine.machine.links[name]
        whole = not link.label.endswith((" of", " into", " to", " from"))
        return link.label if whole else f"{link.label} {link.scope}"
