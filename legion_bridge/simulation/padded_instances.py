"""Instances that alignment makes larger than their memory.

Fields that lie together are aligned each, in each point: ten fields of a byte that are aligned to
64 bytes take 640 bytes a point. The kernel counts the bytes of the data; what no memory could hold
even by itself is found here.
"""

from __future__ import annotations

import math

import numpy as np

from dsl.bounded_cache import BoundedCache
from dsl.machine_shape import MEMORY_KINDS
from legion_bridge.machines.flat_machine import FlatMachine
from legion_bridge.mapping.decisions import Decisions
from legion_bridge.mapping.launch_decisions import LaunchDecisions
from legion_bridge.mapping.layouts import element_bytes
from legion_bridge.programs.flat_program import FlatProgram
from legion_bridge.simulation.shortage import Shortage

__all__ = ["PaddedInstances"]

_MOST_KEPT = 20_000
_FITS = (-1, 0)


class PaddedInstances:
    """Finds them, on machines whose instances hold whole regions (``Memory.whole``)."""

    def __init__(self, program: FlatProgram, machine: FlatMachine) -> None:
        self._program, self._machine = program, machine
        self._whole = {
            kind
            for kind, memory in machine.machine.memories.items()
            if machine.machine.whole_region_instances and memory.whole
        }
        self._known = BoundedCache[tuple[int, LaunchDecisions], tuple[int, int]](_MOST_KEPT)

    def shortage(self, decisions: Decisions) -> Shortage | None:
        """The first requirement whose instance no memory of its kind can hold, if any."""
        if not self._whole:
            return None
        for number, decided in enumerate(decisions.launches):
            found = self._known.get((number, decided))
            if found is None:
                found = self._known.keep((number, decided), self._too_large(number, decided))
            if found != _FITS:
                return self._described(number, *found, decisions)
        return None

    def _too_large(self, number: int, decided: LaunchDecisions) -> tuple[int, int]:
        """The first requirement of a launch that finds no room, and the bytes that it takes."""
        application = self._program.application
        launch = self._program.launches[number]
        for index, requirement in enumerate(launch.requirements):
            memory, layout = decided.memories[index], decided.layouts[index]
            if layout is None or layout.soa or memory not in self._whole:
                continue
            if requirement.privilege == "REDUCE":  # an instance of its own fields
                continue
            region = application.regions[requirement.region]
            if layout.exact and layout.compact:
                points = int(application.piece_volumes(requirement).max(initial=0))
            else:
                points = math.prod(
                    high - low + 1 for low, high in zip(region.lower, region.upper, strict=True)
                )
            taken = points * element_bytes(region, layout)
            if taken > self._machine.machine.memories[memory].capacity:
                return index, taken
        return _FITS

    def _described(self, number: int, index: int, taken: int, decisions: Decisions) -> Shortage:
        point = int(np.searchsorted(self._program.point_launch, number))
        memory = int(decisions.memory[int(self._program.point_requirement[point]) + index])
        return Shortage(
            task=self._program.launches[number].task,
            requirement=index,
            memory=MEMORY_KINDS[int(self._machine.memory_kind[memory])],
            place=self._machine.memory_name(memory),
            processor=self._machine.processor_name(int(decisions.processor[point])),
            bytes=taken,
            capacity=int(self._machine.memory_capacity[memory]),
        )
