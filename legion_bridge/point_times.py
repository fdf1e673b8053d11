"""How long each point task takes by itself: a roofline over what it computes and moves."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from dsl.mapper import LayoutDecision
from numpy.typing import NDArray

from legion_bridge.application import Application, Launch, Requirement
from legion_bridge.flat_machine import MEMORY_CODES, PROCESSOR_CODES, FlatMachine
from legion_bridge.flatten import RATE_CODES, FlatProgram
from legion_bridge.mapping import Decisions, LaunchDecisions

__all__ = ["PointTimes", "point_times"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class PointTimes(NamedTuple):
    """``[P]`` each.

    Attributes:
        seconds: Time on its processor, without what travels over links.
        link_bytes: Bytes that it moves to and from a memory behind links (zero-copy).
        link_memory: Code of that memory kind, or -1.
    """

    seconds: Floats
    link_bytes: Floats
    link_memory: Ints


def point_times(program: FlatProgram, machine: FlatMachine, decisions: Decisions) -> PointTimes:
    """The times of all point tasks.

    A task takes as long as the slowest of its kernel launches, its arithmetic and its streams;
    scattered accesses come on top. Traffic grows where an instance's layout is not the kernel's
    own, or where a window of it outgrows the cache.
    """
    points = int(program.launch_point[-1])
    times = PointTimes(np.zeros(points), np.zeros(points), np.full(points, -1, np.int64))
    for number, launch in enumerate(program.launches):
        chosen = slice(int(program.launch_point[number]), int(program.launch_point[number + 1]))
        part = PointTimes(*(column[chosen] for column in times))
        _launch_times(machine, program.application, launch, decisions.launches[number], part)
    return times


def _launch_times(
    machine: FlatMachine,
    application: Application,
    launch: Launch,
    chosen: LaunchDecisions,
    times: PointTimes,
) -> None:
    """Fills in the times of one launch."""
    code, work = PROCESSOR_CODES[chosen.kind], launch.work
    times.seconds[:] = machine.start[code]
    if application.task_kinds[launch.task].inner:
        return
    if chosen.kind in work.seconds:
        times.seconds[:] += work.seconds[chosen.kind]
        return
    streams = np.zeros(len(times.seconds))
    scattered = np.zeros_like(streams)
    window = work.window_traffic if work.window > machine.cache[code] else 1.0
    for index, requirement in enumerate(launch.requirements):
        memory, layout = chosen.memories[index], chosen.layouts[index]
        if memory is None or layout is None:
            continue
        at = (code, MEMORY_CODES[memory])
        dimension = application.regions[requirement.region].dimension
        factor = window * _layout_factor(machine, code, requirement, layout, dimension)
        traffic = work.traffic[:, index] * factor
        if machine.access_scopes[(*at, 0)] >= 0:
            times.link_bytes[:] += traffic
            times.link_memory[:] = at[1]
        else:
            streams += traffic / machine.bandwidth[at]
        table = machine.gather if requirement.privilege == "READ_ONLY" else machine.update
        scattered += work.accesses[:, index] * table[at]
    arithmetic = work.flops / machine.rates[code, RATE_CODES[work.rate]]
    launches = work.kernels * machine.kernel[code]
    times.seconds[:] += np.maximum(np.maximum(arithmetic, streams), launches) + scattered


def _layout_factor(
    machine: FlatMachine,
    code: int,
    requirement: Requirement,
    layout: LayoutDecision,
    dimension: int,
) -> float:
    """Factor on the traffic of an instance whose layout is not the kernel's own."""
    factor = 1.0
    if not layout.soa and len(requirement.fields) > 1:
        factor *= float(machine.together[code])
    if layout.c_order and dimension > 1 and requirement.need is None:
        factor *= float(machine.strided[code])
    return factor
