"""Where the time of a simulated run went: the critical path, and how busy everything was."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

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
from legion_bridge.traces.critical_path import Segment, critical_path, in_window, measured
from legion_bridge.traces.parts import hidden_behind, parts_of_segments, processor_parts

__all__ = ["profile_of"]

Bools = NDArray[np.bool_]


NAMELESS: dict[str, str] = {
    "task": "the busiest processor",
    "runtime": "the busiest runtime",
    "copy": "the busiest link",
}
"""Whose work it is where that makes an iteration longer than what was simulated took."""


def profile_of(trace: Trace) -> Profile:
    """The profile of the measured iterations, brought to one iteration."""
    timed, path = measured(trace), critical_path(trace)
    return Profile(
        iteration=(trace.end - trace.begin) / trace.iterations,
        processors=_processors(trace, timed),
        links=_links(trace),
        memories=_memories(trace),
        critical_path=_shares(trace, path),
        parts=parts_of_segments(path, trace.iterations),
        hidden=hidden_behind(trace, path),
        copies=_copies(trace, timed),
        untimed=_copies(trace, in_window(trace) & ~timed),
        zero_copy=_zero_copy(trace),
        carried=carried_by_link(trace, timed),
        within=copied_within(trace, timed),
        limited=waits_for_limits(trace, timed),
        tasks=task_uses(trace, timed),
    )


def _processors(trace: Trace, chosen: Bools) -> tuple[Usage, ...]:
    """Those that ran a measured task; all that they ran in the measured time counts."""
    operations = trace.operations
    tasks = chosen & (operations.kind == OperationKind.TASK) & (operations.end > operations.start)
    parts = processor_parts(trace, np.unique(operations.place[tasks]).tolist())
    iteration = (trace.end - trace.begin) / trace.iterations
    found = []
    for number, each in parts.items():
        busy = each.computing + each.starting + each.in_place
        name = trace.machine.processor_name(number)
        found.append(Usage(name, busy, 0.0, busy / iteration, each))
    return tuple(found)


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


def _shares(trace: Trace, path: Sequence[Segment]) -> tuple[CriticalShare, ...]:
    names = OperationNames(trace)
    seconds: dict[tuple[str, str, str, str], float] = defaultdict(float)
    for kind, number, start, end in path:
        name = names.name(number) if number >= 0 else NAMELESS.get(kind, kind)
        about = (names.task(number), names.region(number)) if number >= 0 else ("", "")
        seconds[kind, name, *about] += (end - start) / trace.iterations
    iteration = (trace.end - trace.begin) / trace.iterations
    ranked = sorted(seconds.items(), key=lambda item: (-item[1], item[0]))
    return tuple(
        CriticalShare(kind, name, part, part / iteration, task, region)
        for (kind, name, task, region), part in ranked
    )


def _copies(trace: Trace, chosen: Bools) -> dict[str, float]:
    operations = trace.operations
    together = operations.kind == OperationKind.COLLECTIVE
    moved = chosen & (
        np.isin(operations.kind, (OperationKind.COPY, OperationKind.FOLD)) | together
    )
    regions = list(trace.program.application.regions)
    sizes = operations.bytes + np.where(together, operations.load, 0.0)
    amounts = np.bincount(operations.region[moved], weights=sizes[moved], minlength=len(regions))
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
