"""How long each point task takes by itself: a roofline over what it computes and moves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import inf
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsl.bounded_cache import BoundedCache
from dsl.tables import LayoutDecision
from legion_bridge.machines.flat_machine import MEMORY_CODES, PROCESSOR_CODES, FlatMachine
from legion_bridge.machines.machine import Processor
from legion_bridge.mapping.launch_decisions import LaunchDecisions
from legion_bridge.mapping.layouts import traffic_factor
from legion_bridge.programs.application import Application, Launch, Requirement, Work
from legion_bridge.programs.flat_program import FlatProgram
from legion_bridge.rates import RATE_CODES

__all__ = ["PointTimer", "PointTimes", "least_times"]

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


class PointTimer:
    """Times point tasks; what equal decisions took once they take again."""

    def __init__(self, program: FlatProgram, machine: FlatMachine) -> None:
        self.program = program
        self.machine = machine
        self._known = BoundedCache[tuple[int, LaunchDecisions], _LaunchTimes](MOST_KNOWN)
        first: dict[tuple[str, int, int], int] = {}
        self._alike = [  # of launches with the very same work the first stands for all
            first.setdefault((each.task, id(each.requirements), id(each.work)), number)
            for number, each in enumerate(program.launches)
        ]

    def times(self, launches: Sequence[LaunchDecisions]) -> PointTimes:
        """The times of all point tasks under the decisions for each launch.

        A task takes as long as the slowest of its kernel launches, its arithmetic and its
        streams; scattered accesses come on top. Traffic grows where an instance's layout is not
        the kernel's own, or where a window of it outgrows the cache.
        """
        get, make = self._known.get, self._launch
        parts = [get(key) or make(*key) for key in zip(self._alike, launches, strict=True)]
        amounts, memories = zip(*parts, strict=True)
        seconds, link_bytes = np.concatenate(amounts, axis=1)
        return PointTimes(seconds, link_bytes, np.concatenate(memories))

    def _launch(self, number: int, chosen: LaunchDecisions) -> _LaunchTimes:
        points = int(np.diff(self.program.launch_point[number : number + 2])[0])
        launch = self.program.launches[number]
        application = self.program.application
        times = _launch_times(self.machine, application, launch, chosen, points)
        amounts = np.stack([times.seconds, times.link_bytes])
        return self._known.keep((number, chosen), _LaunchTimes(amounts, times.link_memory))


MOST_KNOWN = 20_000
"""Launches under decisions that are kept; a tuning run needs some hundreds."""


class _LaunchTimes(NamedTuple):
    """Those of one launch: ``[2, points]`` seconds and link bytes, and the link memories."""

    amounts: Floats
    link_memory: Ints


def _launch_times(
    machine: FlatMachine,
    application: Application,
    launch: Launch,
    chosen: LaunchDecisions,
    points: int,
) -> PointTimes:
    code, work = PROCESSOR_CODES[chosen.kind], launch.work
    seconds = np.full(points, machine.start[code])
    link_bytes, link_memory = np.zeros(points), np.full(points, -1, np.int64)
    if application.task_kinds[launch.task].inner:
        return PointTimes(seconds, link_bytes, link_memory)
    streams, scattered = np.zeros(points), np.zeros(points)
    processor = machine.machine.processors[chosen.kind]
    for index, requirement in enumerate(launch.requirements):
        memory, layout = chosen.memories[index], chosen.layouts[index]
        if memory is None or layout is None:
            continue
        factor = _layout_factor(processor, application, requirement, layout)
        access = _access(machine, launch, index, (code, MEMORY_CODES[memory]), factor)
        streams += access.streamed
        scattered += access.scattered
        link_bytes += access.linked
        if access.behind_links:
            link_memory[:] = MEMORY_CODES[memory]
    if chosen.kind in work.seconds:
        least = streams if processor.line else 0.0
        seconds += np.maximum(work.seconds[chosen.kind], least)
        return PointTimes(seconds, link_bytes, link_memory)
    arithmetic = _arithmetic(machine, work, chosen.kind)
    launches = work.kernels * machine.kernel[code]
    seconds += np.maximum(np.maximum(arithmetic, streams), launches) + scattered
    if processor.overlap < 1.0:
        seconds += (1.0 - processor.overlap) * np.minimum(arithmetic, streams)
    return PointTimes(seconds, link_bytes, link_memory)


def _arithmetic(machine: FlatMachine, work: Work, kind: str) -> Floats:
    """``[points]`` seconds of the operations alone on a kind of processor."""
    rate = machine.rates[PROCESSOR_CODES[kind], RATE_CODES[work.rate]]
    seconds: Floats = work.flops / rate
    if work.side is None:
        return seconds
    return seconds / machine.machine.processors[kind].share_of(work.rate, work.side)


class _Access(NamedTuple):
    """What the points of a launch do with one requirement in one memory.

    Attributes:
        streamed, scattered: ``[points]`` seconds on the processor.
        linked: ``[points]`` bytes that travel over links instead of being streamed.
        behind_links: Whether the memory is behind links.
    """

    streamed: Floats
    scattered: Floats
    linked: Floats
    behind_links: bool


def _access(
    machine: FlatMachine, launch: Launch, index: int, at: tuple[int, int], factor: float
) -> _Access:
    """A requirement in a memory.

    Args:
        index: Of the requirement.
        at: Codes of the processor kind and the memory kind.
        factor: On the traffic, for the layout.
    """
    work = launch.work
    window = work.window_traffic if work.window > machine.cache[at[0]] else 1.0
    traffic = work.traffic[:, index] * (window * factor)
    reads = launch.requirements[index].privilege == "READ_ONLY"
    scattered = work.accesses[:, index] * (machine.gather if reads else machine.update)[at]
    nothing = np.zeros(len(traffic))
    if machine.access_scopes[(*at, 0)] >= 0:
        return _Access(nothing, scattered, traffic, True)
    return _Access(traffic / machine.bandwidth[at], scattered, nothing, False)


BLENDS = (1.0, 0.999, 0.995, 0.99, 0.98, 0.95, 0.9, 0.8, 0.5, 0.2, 0.0)
"""Shares of the time on a processor in the blends that ``least_times`` takes; the rest is that
on links."""


def least_times(
    machine: FlatMachine, application: Application, launch: Launch, kind: str, needed: Floats
) -> Floats:
    """What no decision but that for the kind of processor can make shorter.

    A task takes no less than its time on the processor, and no less than its data takes over
    links; so it takes no less than any blend of the two. In a blend each requirement counts by
    itself, in the memory and the layout that serve it best, of those that have room for it. All
    data of a task must have room at once.

    Args:
        machine: The machine.
        application: The program.
        launch: One of its launches.
        kind: The kind of processor.
        needed: ``[points, requirements]`` bytes of their instances at least.

    Returns:
        ``[points]`` seconds; infinite where the data has no room.
    """
    code, work = PROCESSOR_CODES[kind], launch.work
    start = np.full(len(needed), machine.start[code])
    if application.task_kinds[launch.task].inner:
        return start
    rooms = [machine.machine.capacity(m) for m in machine.machine.visible_memories(kind)]
    too_large = _too_large(needed, rooms)
    if kind in work.seconds:
        return np.where(too_large, np.inf, start + work.seconds[kind])
    arithmetic = _arithmetic(machine, work, kind)
    fixed = np.maximum(arithmetic, work.kernels * machine.kernel[code])
    choices = [
        (needed[:, index], list(_choices(machine, application, launch, kind, index)))
        for index, requirement in enumerate(launch.requirements)
        if requirement.fields and not requirement.virtual
    ]
    least = start + fixed
    for bytes_, each in choices:
        least = least + _least_of([c.where_it_fits(c.scattered, bytes_) for c in each])
    for share in BLENDS:
        blend = share * start
        for bytes_, each in choices:
            blend = blend + _least_of([c.where_it_fits(c.blended(share), bytes_) for c in each])
        least = np.maximum(least, blend)
    return np.where(too_large, np.inf, least)


def _least_of(seconds: Sequence[Floats]) -> Floats:
    least: Floats = np.minimum.reduce(seconds)
    return least


class _Choice(NamedTuple):
    """``[points]`` seconds of a requirement in one memory: on the processor, and over links.

    Attributes:
        room: Bytes of the memory.
    """

    streamed: Floats
    scattered: Floats
    carried: Floats
    room: int

    def where_it_fits(self, seconds: Floats, needed: Floats) -> Floats:
        """Seconds, infinite where the memory has no room for so many bytes."""
        return np.where(needed <= self.room, seconds, np.inf)

    def blended(self, share: float) -> Floats:
        """A share of the seconds on the processor, and the rest of those over links."""
        return share * (self.streamed + self.scattered) + (1.0 - share) * self.carried


def _too_large(needed: Floats, rooms: Sequence[int]) -> NDArray[np.bool_]:
    """``[points]`` whether the data of a point cannot lie in memories of these sizes together.

    What has room in the largest memory alone must lie there; the rest may be divided at will.
    """
    largest, *others = sorted(rooms, reverse=True)
    elsewhere = np.max(others, initial=0)
    there = np.where(needed > elsewhere, needed, 0.0).sum(axis=1)
    too_large: NDArray[np.bool_] = (
        (needed > largest).any(axis=1)
        | (there > largest)
        | (needed.sum(axis=1) > sum(rooms, start=0))
    )
    return too_large


def _choices(
    machine: FlatMachine, application: Application, launch: Launch, kind: str, index: int
) -> Iterator[_Choice]:
    """A requirement in each memory that a processor sees, in the layout that serves it best."""
    code, requirement = PROCESSOR_CODES[kind], launch.requirements[index]
    processor = machine.machine.processors[kind]
    factor = min(
        _layout_factor(processor, application, requirement, LayoutDecision(soa=soa, c_order=order))
        for soa in (True, False)
        for order in (True, False)
    )
    for memory in machine.machine.visible_memories(kind):
        at = (code, MEMORY_CODES[memory])
        access = _access(machine, launch, index, at, factor)
        yield _Choice(
            streamed=access.streamed,
            scattered=access.scattered,
            carried=access.linked / machine.bandwidth[at],
            room=machine.machine.capacity(memory),
        )


def _layout_factor(
    processor: Processor,
    application: Application,
    requirement: Requirement,
    layout: LayoutDecision,
) -> float:
    """Factor on the traffic of an instance whose layout is not the kernel's own."""
    region = application.regions[requirement.region]
    if requirement.need is not None:  # it was compiled for the order
        layout = replace(layout, c_order=False)
    points = application.piece_volumes(requirement).mean() if processor.near else inf
    return traffic_factor(processor, region, requirement.fields, layout, points)
