"""Which tasks, and which region's copies, an estimated iteration is made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from legion_bridge.programs.flat_program import FlatProgram
    from legion_bridge.simulation.estimate import Estimate

__all__ = ["Costs", "costs_of"]


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds of one iteration, the most first.

    Attributes:
        running: By task, on the busiest processor.
        copying: By region and task: what the task waits for.
        total: The whole iteration.
    """

    running: Mapping[str, float] = field(default_factory=dict)
    copying: Mapping[tuple[str, str], float] = field(default_factory=dict)
    total: float = 0.0

    def of_task(self, task: str) -> float:
        """What a task takes with its copies."""
        copies = sum(cost for (_, asking), cost in self.copying.items() if asking == task)
        return self.running.get(task, 0.0) + copies

    def of_region(self, region: str) -> float:
        """What copies of a region take."""
        return sum(cost for (moved, _), cost in self.copying.items() if moved == region)


def costs_of(program: FlatProgram, estimate: Estimate) -> Costs:
    """An estimate by task and region."""
    setup = program.setup_launches
    running: dict[str, float] = defaultdict(float)
    for number, cost in enumerate(estimate.running.tolist()):
        if program.launch_timed[setup + number]:
            running[program.launches[setup + number].task] += cost
    copying: dict[tuple[str, str], float] = defaultdict(float)
    for moved in estimate.moved:
        launch = program.launches[moved.launch]
        region = launch.requirements[moved.requirement].region
        copying[region, launch.task] += float(moved.busy.max()) + moved.latency
    return Costs(_ranked(running), _ranked(copying), estimate.total)


Key = TypeVar("Key")


def _ranked(costs: Mapping[Key, float]) -> dict[Key, float]:
    return dict(sorted(costs.items(), key=lambda item: -item[1]))
