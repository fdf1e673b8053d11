"""Where the time of a simulated run went: the critical path, and how busy everything was."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from legion_bridge.outcome import CriticalShare, MemoryPeak, Profile, Usage
from legion_bridge.simulation.kernel_arrays import OperationKind
from legion_bridge.simulation.simulator import Trace
from legion_bridge.traces.attribution import (
    OperationNames,
    carried_by_link,
    copied_within,
    task_uses,
    waits_for_limits,
)

__all__ = ["critical_path", "profile_of"]

Floats = NDArray[np.float64]


def profile_of(trace: Trace) -> Profile:
    """The profile of the measured iterations, brought to one iteration."""
    measured = _measured(trace)
    return Profile(
        iteration=(trace.end - trace.begin) / trace.iterations,
        processors=_processors(trace),
        links=_links(trace),
        memories=_memories(trace),
        critical_path=_shares(trace),
        copies=_copies(trace, measured),
        untimed=_copies(trace, _in_window(trace) & ~measured),
        zero_copy=_zero_copy(trace),
        carried=carried_by_link(trace, measured),
        within=copied_within(trace, measured),
        limited=waits_for_limits(trace, measured),
        tasks=task_uses(trace, measured),
    )


def critical_path(trace: Trace) -> list[tuple[int, float]]:
    """The operations that the end of the run waited for, the last first.

    Each operation is followed back to what kept it waiting: an operation that it depends on, or
    one that held its processor or its link.

    Returns:
        Operations, and the seconds of the measured window that each accounts for.
    """
    operations = trace.operations
    current = _last(trace)
    path = []
    upper = trace.end
    while current >= 0 and upper > trace.begin:
        lower = max(float(operations.start[current]), trace.begin)
        if upper > lower:
            path.append((current, upper - lower))
        upper = min(upper, lower)
        current = int(operations.cause[current])
    return path


def _last(trace: Trace) -> int:
    """The measured task that ends last of those that the program's clock runs for."""
    operations = trace.operations
    tasks = np.flatnonzero(_measured(trace) & (operations.kind == OperationKind.TASK))
    return int(tasks[np.argmax(operations.end[tasks])])


def _measured(trace: Trace) -> NDArray[np.bool_]:
    """Which operations are measured: those of the window that the program's clock runs for."""
    launch = trace.program.point_launch[trace.operations.point]
    measured: NDArray[np.bool_] = _in_window(trace) & (trace.program.launch_timed[launch] != 0)
    return measured


def _in_window(trace: Trace) -> NDArray[np.bool_]:
    """Which operations belong to the measured iterations."""
    iteration = trace.operations.iteration
    inside: NDArray[np.bool_] = iteration >= trace.first
    return inside & (iteration < trace.first + trace.iterations)


def _processors(trace: Trace) -> tuple[Usage, ...]:
    operations = trace.operations
    tasks = _measured(trace) & (operations.kind == OperationKind.TASK)
    busy = np.bincount(
        operations.place[tasks],
        weights=(operations.end - operations.start)[tasks],
        minlength=len(trace.machine.processor_kind),
    )
    window = trace.end - trace.begin
    return tuple(
        Usage(
            trace.machine.processor_name(int(number)),
            float(busy[number]) / trace.iterations,
            0.0,
            min(float(busy[number]) / window, 1.0),
        )
        for number in np.flatnonzero(busy)
    )


def _links(trace: Trace) -> tuple[Usage, ...]:
    operations, names = trace.operations, trace.machine.link_names
    window = trace.end - trace.begin
    return tuple(
        Usage(
            names[number],
            float(operations.link_busy[number]) / trace.iterations,
            float(operations.link_bytes[number]) / trace.iterations,
            min(float(operations.link_busy[number]) / window, 1.0),
        )
        for number in np.flatnonzero(operations.link_bytes)
    )


def _memories(trace: Trace) -> tuple[MemoryPeak, ...]:
    return tuple(
        MemoryPeak(
            trace.machine.memory_name(int(number)),
            float(trace.peak[number]),
            float(trace.machine.memory_capacity[number]),
        )
        for number in np.flatnonzero(trace.peak)
    )


def _shares(trace: Trace) -> tuple[CriticalShare, ...]:
    names = OperationNames(trace)
    seconds: dict[tuple[str, str, str, str], float] = defaultdict(float)
    for number, part in critical_path(trace):
        about = names.task(number), names.region(number)
        seconds[names.kind(number), names.name(number), *about] += part / trace.iterations
    total = sum(seconds.values()) or 1.0
    ranked = sorted(seconds.items(), key=lambda item: (-item[1], item[0]))
    return tuple(
        CriticalShare(kind, name, part, part / total, task, region)
        for (kind, name, task, region), part in ranked
    )


def _copies(trace: Trace, chosen: NDArray[np.bool_]) -> dict[str, float]:
    operations = trace.operations
    moved = chosen & np.isin(operations.kind, (OperationKind.COPY, OperationKind.FOLD))
    regions = list(trace.program.application.regions)
    amounts = np.bincount(
        operations.region[moved], weights=operations.bytes[moved], minlength=len(regions)
    )
    return {
        name: float(amount) / trace.iterations
        for name, amount in zip(regions, amounts, strict=True)
        if amount
    }


def _zero_copy(trace: Trace) -> dict[str, float]:
    """Bytes that tasks move to and from memory behind links, by task and requirement."""
    found: dict[str, float] = defaultdict(float)
    program, access = trace.program, trace.machine.machine.access
    for number in range(program.setup_launches, len(program.launches)):
        launch, chosen = program.launches[number], trace.decisions.launches[number]
        for index, memory in enumerate(chosen.memories):
            amount = float(launch.work.traffic[:, index].sum())
            if memory is not None and access[chosen.kind, memory].links and amount:
                region = launch.requirements[index].semantic_names[0]
                found[f"{launch.task} {region}"] += amount
    return dict(found)
