"""What the end of an iteration waited for, followed back to its beginning.

The processor that ends last is followed back: an instant goes to the task that it runs, or, where
it has nothing to run, to what its next task waits for. That is an operation that it depends on, or
one that holds its link or the runtime, or a place under an instance limit; where it is a task on
another processor, that one is followed from there. So a copy or the runtime's work counts as far
as it keeps a processor waiting, and not where it is hidden behind a task. A task that launches
others computes nothing: where it waits for a place under a limit, whoever has that is followed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Generator, Iterator
from functools import cached_property
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from legion_bridge.machines.flat_machine import FlatMachine
from legion_bridge.simulation.kernel_arrays import Operation, OperationKind
from legion_bridge.simulation.simulator import Trace

__all__ = [
    "Chains",
    "Segment",
    "SegmentKind",
    "busiest_kind",
    "critical_path",
    "in_window",
    "measured",
]

Bools = NDArray[np.bool_]

SegmentKind: TypeAlias = Literal[
    "start", "task", "in place", "copy", "fold", "fill", "collective", "runtime", "limit", "idle"
]
KINDS: dict[int, SegmentKind] = {
    OperationKind.RUNTIME: "runtime",
    OperationKind.COPY: "copy",
    OperationKind.FOLD: "fold",
    OperationKind.FILL: "fill",
    OperationKind.JOIN: "idle",
    OperationKind.COLLECTIVE: "collective",
}


GRID, SHORT = 2e-12, 1e-9
"""Seconds, and share of a task's time, that it may take longer by the kernel's rounding alone."""


class Segment(NamedTuple):
    """A stretch of time, and what it went to; seconds since the program began.

    Attributes:
        kind: ``"start"`` and ``"task"`` are a task's start and the rest of it, ``"in place"`` what
            it waits for the links to a memory that it reaches in place, ``"limit"`` the wait of
            the runtime for a permit under an instance limit. A processor whose core the runtime
            or a copy has borrowed waits for the ``"runtime"``.
        operation: Which one; -1 where nothing is waited for, or where the busiest of all works
            longer than what was simulated took.
    """

    kind: SegmentKind
    operation: int
    start: float
    end: float


class _Wait(NamedTuple):
    """A wait for a permit, and what its operation had waited for before."""

    since: float
    cause: int


class _Busy(NamedTuple):
    """The tasks of a processor that take time, in their order."""

    starts: list[float]
    operations: list[int]


class Chains:
    """Follows operations of a run back along what they waited for."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._operations = trace.operations
        self._kind: list[int] = trace.operations.kind.tolist()
        self._start: list[float] = trace.operations.start.tolist()
        self._end: list[float] = trace.operations.end.tolist()
        self._cause: list[int] = trace.operations.cause.tolist()

    def back(self, task: int, upper: float, lower: float) -> Iterator[Segment]:
        """What the time between two instants went to, the last first.

        Args:
            task: What runs, or begins, at the later of them.
            upper, lower: The instants; the segments fill all of the time between them.
        """
        while upper > lower:
            start = max(self._start[task], lower)
            if upper > start:
                yield from self.split(task, start, upper)
            upper = min(upper, start)
            before = self._before(task)
            free = max(self._end[before] if before >= 0 else lower, lower)
            task, upper = yield from self._gap(task, before, upper, free)

    def _gap(
        self, task: int, before: int, upper: float, free: float
    ) -> Generator[Segment, None, tuple[int, float]]:
        """What a task waits for since its processor is free.

        Returns:
            The task that is to be followed from there, and the instant: the one before it, or
            one on another processor that it waits for.
        """
        operation = self._cause[task]
        launches = self._trace.program.has_children[self._operations.point[task]]
        while upper > free and operation >= 0:
            if self._kind[operation] == OperationKind.TASK:
                if self._operations.place[operation] != self._operations.place[task]:
                    return operation, upper
                yield Segment("runtime", operation, free, upper)  # it has borrowed the core
                return before, free
            start = max(self._start[operation], free)
            if upper > start:
                yield Segment(KINDS[self._kind[operation]], operation, start, upper)
            upper = min(upper, start)
            permit = self._permits.get(operation)
            if permit is None or launches:  # its processor idles anyway: whose end returns it?
                operation = self._cause[operation]
                continue
            since = max(permit.since, free)
            if upper > since:
                yield Segment("limit", operation, since, upper)
            upper, operation = min(upper, since), permit.cause
        if upper > free:
            yield Segment("idle", -1, free, upper)
        return before, min(upper, free)

    def split(self, task: int, lower: float, upper: float) -> Iterator[Segment]:
        """A task between two instants, by what it does, the last first."""
        start, end = self._start[task], self._end[task]
        computed = min(start + float(self._operations.seconds[task]), end)
        if end - computed < max(GRID, SHORT * (end - start)):
            computed = end
        started = min(start + self._start_cost(task), computed)
        marks = (start, started, computed, end, max(end, upper))
        kinds: tuple[SegmentKind, ...] = ("start", "task", "in place", "runtime")
        for at in (3, 2, 1, 0):
            first, last = max(marks[at], lower), min(marks[at + 1], upper)
            if last > first:
                yield Segment(kinds[at], task, first, last)

    def span(self, operation: int) -> tuple[float, float]:
        """When an operation starts and ends."""
        return self._start[operation], self._end[operation]

    def tasks_on(self, processor: int) -> list[int]:
        """The tasks of a processor that take time, in their order."""
        return self._busy[processor].operations if processor in self._busy else []

    def _start_cost(self, operation: int) -> float:
        machine: FlatMachine = self._trace.machine
        processor = int(self._operations.place[operation])
        return float(machine.start[machine.processor_kind[processor]])

    def _before(self, task: int) -> int:
        """The task before a task on its processor, or -1."""
        busy = self._busy.get(int(self._operations.place[task]))
        at = bisect_left(busy.starts, self._start[task]) if busy else 0
        return busy.operations[at - 1] if busy and at else -1

    @cached_property
    def _busy(self) -> dict[int, _Busy]:
        found = self._operations
        tasks = np.flatnonzero((found.kind == OperationKind.TASK) & (found.end > found.start))
        by_processor: dict[int, _Busy] = defaultdict(lambda: _Busy([], []))
        for operation in tasks[np.argsort(found.start[tasks], kind="stable")].tolist():
            busy = by_processor[int(found.place[operation])]
            busy.starts.append(self._start[operation])
            busy.operations.append(operation)
        return dict(by_processor)

    @cached_property
    def _permits(self) -> dict[int, _Wait]:
        """The waits for a permit that came last before their operations started."""
        waits = self._operations.waits
        last = {int(wait["operation"]): wait for wait in waits}
        return {
            number: _Wait(float(wait["since"]), int(wait["cause"]))
            for number, wait in last.items()
            if wait["for_permit"] and float(wait["since"]) < self._start[number]
        }


def critical_path(trace: Trace) -> list[Segment]:
    """What the measured time went to, the last first; the segments fill all of it."""
    operations = trace.operations
    tasks = np.flatnonzero(measured(trace) & (operations.kind == OperationKind.TASK))
    last = int(tasks[np.argmax(operations.end[tasks])])
    end = float(operations.end[last])
    found = list(Chains(trace).back(last, min(end, trace.end), trace.begin))
    if trace.end > end:
        found.insert(0, Segment(busiest_kind(trace), -1, end, trace.end))
    return found


def busiest_kind(trace: Trace) -> SegmentKind:
    """What the busiest of all processors, runtimes and links does.

    Iterations take no less than that works, though those that were simulated seem to.
    """
    operations: Operation = trace.operations
    chosen = measured(trace)

    def longest(kind: OperationKind) -> float:
        mine = chosen & (operations.kind == kind)
        spent = (operations.end - operations.start)[mine]
        return float(np.bincount(operations.place[mine], spent).max(initial=0.0))

    found: dict[SegmentKind, float] = {
        "task": longest(OperationKind.TASK),
        "runtime": longest(OperationKind.RUNTIME),
        "copy": float(operations.link_busy.max(initial=0.0)),
    }
    return max(found, key=lambda kind: found[kind])


def measured(trace: Trace) -> Bools:
    """Which operations are measured: those of the window that the program's clock runs for."""
    launch = trace.program.point_launch[trace.operations.point]
    found: Bools = in_window(trace) & (trace.program.launch_timed[launch] != 0)
    return found


def in_window(trace: Trace) -> Bools:
    """Which operations belong to the measured iterations."""
    iteration = trace.operations.iteration
    inside: Bools = iteration >= trace.first
    return inside & (iteration < trace.first + trace.iterations)
