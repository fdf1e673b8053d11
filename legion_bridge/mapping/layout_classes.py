"""Layout classes: which instances can replace each other, and what copies between others cost."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dsl.syntax import Align
from dsl.tables import LayoutDecision
from legion_bridge.machines.machine import Machine
from legion_bridge.mapping.launch_decisions import LaunchDecisions
from legion_bridge.programs.application import Launch, Region, Requirement
from legion_bridge.simulation.layout_traffic import element_bytes, together_factor

__all__ = ["LayoutClasses", "alignments"]

Aligns = tuple[Align | None, ...]
_C_ORDER, _TOGETHER = 2, 1
_EVEN = np.ones((2 * _C_ORDER, 2 * _C_ORDER))


class LayoutClasses:
    """Numbers the layouts that the simulation distinguishes.

    Where instances hold whole regions (``Memory.whole``), they hold all fields, and one replaces
    another only if the alignment is the same, too, as in Legion. Elsewhere a single field, or a
    single dimension, has no order.
    """

    def __init__(self, machine: Machine) -> None:
        self.exact = machine.whole_region_instances
        self._transpose = machine.runtime.transpose
        self._processors = tuple(machine.processors.values())
        self._codes: dict[tuple[object, ...], int] = {}
        # Whether in C order, factor on traffic, factor on room.
        self._classes: list[tuple[bool, float, float]] = []
        self._weights = np.zeros((0, 0)) if self.exact else _EVEN
        self._lock = threading.Lock()

    @property
    def weights(self) -> NDArray[np.float64]:
        """``[classes, classes]`` factor on the bytes of copies from one to another.

        Half of a copy's traffic is at each end; a copy that changes the order is strided, too.
        """
        weights, classes = self._weights, tuple(self._classes)  # other threads may add to them
        if self.exact and len(weights) != len(classes):
            c_order, factor, _ = (np.array(column) for column in zip(*classes, strict=True))
            strides = (c_order[:, None] != c_order[None, :]) * (self._transpose - 1)
            self._weights = weights = (factor[:, None] + factor[None, :]) / 2 + strides
        return weights

    @property
    def rooms(self) -> NDArray[np.float64]:
        """``[classes]`` bytes of an instance over those of its data, as fields are aligned."""
        if not self.exact:
            return np.ones(len(self._weights))
        return np.array([room for _, _, room in tuple(self._classes)])

    def code(
        self, requirement: Requirement, region: Region, layout: LayoutDecision, align: Align | None
    ) -> int:
        """The class of a requirement's layout."""
        c_order = layout.c_order and region.dimension > 1
        if not self.exact:
            together = not layout.soa and len(requirement.fields) > 1
            return _C_ORDER * c_order + _TOGETHER * together
        names = [field.name for field in region.fields]
        factor = max(together_factor(p, region, names, layout) for p in self._processors)
        key = (region.name, c_order, layout.soa, align)
        room = 1.0 if layout.soa else element_bytes(region, layout) / region.field_bytes(names)
        with self._lock:
            code = self._codes.setdefault(key, len(self._classes))
            if code == len(self._classes):
                self._classes.append((c_order, factor, room))
        return code


def alignments(launches: Sequence[Launch], decisions: Sequence[LaunchDecisions]) -> list[Aligns]:
    """The alignment of each requirement's instance, by launch.

    A requirement that asks for none takes the instance that holds its data when it is first
    mapped: that of the last requirement before it in the same memory, order and form that is not
    collected. It keeps this alignment from then on.
    """
    last: dict[tuple[object, ...], Align] = {}
    return [
        tuple(
            _alignment(last, launch.requirements[i].region, decided, i)
            for i in range(len(launch.requirements))
        )
        for launch, decided in zip(launches, decisions, strict=True)
    ]


def _alignment(
    last: dict[tuple[object, ...], Align], region: str, decided: LaunchDecisions, index: int
) -> Align | None:
    layout = decided.layouts[index]
    if layout is None:
        return None
    key = (region, decided.memories[index], layout.soa, layout.c_order)
    if layout.align is not None and not decided.collects[index]:
        last[key] = layout.align
    return layout.align or last.get(key)
