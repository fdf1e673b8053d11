"""Limits that clash: the simulator knows of none, so one is made up."""

from __future__ import annotations

import pytest

from legion_bridge.simulation.kernel_arrays import KernelStatus
from legion_bridge.simulation.simulator import Simulator


def clash_at_one(patches: pytest.MonkeyPatch, task: str) -> None:
    """Lets the simulator find a deadlock wherever a task has a limit of 1."""
    run = Simulator._simulate

    def stuck(self, decisions, times, *, trace):
        found = run(self, decisions, times, trace=trace)
        launches = zip(self.program.launches, decisions.launches, strict=True)
        if any(launch.task == task and chosen.limit == 1 for launch, chosen in launches):
            return found._replace(status=KernelStatus.CYCLE, trace=None)
        return found

    patches.setattr(Simulator, "_simulate", stuck)
