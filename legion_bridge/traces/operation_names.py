"""What people call the operations of a simulated run."""

from __future__ import annotations

from dsl.machine_shape import MEMORY_KINDS
from legion_bridge.machines.machine import Link
from legion_bridge.simulation.kernel_arrays import OperationKind
from legion_bridge.simulation.link_paths import LinkPaths
from legion_bridge.simulation.simulator import Trace

__all__ = ["LABELS", "OperationNames"]

LABELS = {
    OperationKind.RUNTIME: "runtime",
    OperationKind.TASK: "task",
    OperationKind.COPY: "copy",
    OperationKind.FOLD: "fold",
    OperationKind.FILL: "fill",
    OperationKind.JOIN: "wait",
}
"""What kinds of operations are called in profiles and pictures."""


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
        path = self._paths.copy(source, target)
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
