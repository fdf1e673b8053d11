"""Layouts of instances: which can replace each other, what they cost copies and kernels.

A kernel goes through one field after the other, along the first dimension. Where the layout is
another, it moves whole cache lines of which it uses a part (``Processor.line``), or strides.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from math import inf, log2
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsl.syntax import Align
from dsl.tables import LayoutDecision
from legion_bridge.machines.machine import Machine, Processor
from legion_bridge.mapping.launch_decisions import LaunchDecisions
from legion_bridge.programs.application import Launch, Region, Requirement

__all__ = [
    "LayoutClasses",
    "LayoutFactors",
    "aligned",
    "alignments",
    "element_bytes",
    "together_factor",
    "traffic_factor",
]

Floats = NDArray[np.float64]
Aligns = tuple[Align | None, ...]
MOST_ALIGNED = 20_000
"""Decisions that are kept with their alignments; a tuning run needs some hundreds."""
_C_ORDER, _TOGETHER = 2, 1
_AT_LEAST = ("==", ">=")
_NEAREST, _FARTHEST = 2.0, 8.0  # lines from point to point between which ``farther`` was measured
_PAGE = 64.0  # lines from point to point beyond which ``paged`` grows no more
_EVEN = np.ones((2 * _C_ORDER, 2 * _C_ORDER))


class LayoutFactors(NamedTuple):
    """What layout classes cost.

    Attributes:
        weights: ``[classes, classes]`` factor on the bytes of copies from one to another. Half of
            a copy's traffic is at each end; a copy that changes the order is strided, too.
        rooms: ``[classes]`` bytes from one point to the next where all fields lie together, as
            they are aligned; 0 where they lie apart, or the machine does not tell.
    """

    weights: Floats
    rooms: Floats


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
        # Whether in C order, factor on traffic, bytes from point to point.
        self._classes: list[tuple[bool, float, float]] = []
        self._factors = LayoutFactors(_EVEN, np.zeros(len(_EVEN)))
        if self.exact:
            self._factors = LayoutFactors(np.zeros((0, 0)), np.zeros(0))
        self._lock = threading.Lock()

    @property
    def factors(self) -> LayoutFactors:
        """What the classes cost, of all that are known by now."""
        factors, classes = self._factors, tuple(self._classes)  # other threads may add to them
        if self.exact and len(factors.rooms) != len(classes):
            c_order, factor, rooms = (np.array(column) for column in zip(*classes, strict=True))
            strides = (c_order[:, None] != c_order[None, :]) * (self._transpose - 1)
            weights = (factor[:, None] + factor[None, :]) / 2 + strides
            self._factors = factors = LayoutFactors(weights, rooms)
        return factors

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
        factor *= (
            max(_paging_factor(p, element_bytes(region, layout)) for p in self._processors)
            if not layout.soa
            else 1.0
        )
        key = (region.name, c_order, layout.soa, align)
        room = 0.0 if layout.soa else float(element_bytes(region, layout))
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


@lru_cache(maxsize=MOST_ALIGNED)
def aligned(decided: LaunchDecisions, aligns: Aligns) -> LaunchDecisions:
    """Decisions with the alignments that ``alignments`` found for them."""
    layouts = tuple(
        layout and (layout if layout.align == align else replace(layout, align=align))
        for layout, align in zip(decided.layouts, aligns, strict=True)
    )
    return replace(decided, layouts=layouts)


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


# What a layout does to traffic


def element_bytes(region: Region, layout: LayoutDecision) -> int:
    """Bytes from one point of a region to the next where its fields lie together.

    An instance holds all fields of its region, each aligned as the layout asks.
    """
    align = layout.align
    unit = align.bytes if align is not None and align.operator in _AT_LEAST else 1
    return sum(-(-field.bytes // unit) * unit for field in region.fields)


def together_factor(
    processor: Processor,
    region: Region,
    fields: Sequence[str],
    layout: LayoutDecision,
    points: float = inf,
) -> float:
    """Factor on the traffic of fields that lie together with the others of their region.

    Args:
        points: That a task goes through; what a near cache holds of them is brought once.
    """
    if layout.soa or not fields:
        return 1.0
    if not processor.line:
        return processor.together if len(fields) > 1 else 1.0
    step, sizes = element_bytes(region, layout), {f.name: f.bytes for f in region.fields}
    moved = sum(max(sizes[name], min(step, processor.line)) for name in fields)
    if step * points <= processor.near:
        lines = processor.together * min(moved, step)
    else:
        lines = processor.together * _distance_factor(processor, step) * moved
    return max(1.0, lines / region.field_bytes(fields))


def _paging_factor(processor: Processor, step: int) -> float:
    """Further factor on copies of points that lie ``step`` bytes from the next one."""
    if not processor.line:
        return 1.0
    doublings = log2(min(max(step / processor.line, _FARTHEST), _PAGE) / _FARTHEST)
    return float(processor.paged**doublings)


def _distance_factor(processor: Processor, step: int) -> float:
    """Factor on the traffic of points whose fields lie ``step`` bytes from the next point's."""
    lines = step / processor.line
    if lines <= 1.0:
        return 1.0
    doublings = log2(min(max(lines, _NEAREST), _FARTHEST) / _NEAREST)
    return float(processor.far * processor.farther**doublings)


def _strided_factor(processor: Processor, region: Region, points: float) -> float:
    """Factor on the traffic of a kernel that goes across the fastest dimension."""
    if region.dimension < 2:
        return 1.0
    widest = max(field.bytes for field in region.fields)
    fits = processor.near_strided > 0.0 and widest * points <= processor.near
    return processor.near_strided if fits else processor.strided


def traffic_factor(
    processor: Processor,
    region: Region,
    fields: Sequence[str],
    layout: LayoutDecision,
    points: float = inf,
) -> float:
    """Factor on the traffic of a kernel that goes along the first dimension.

    Args:
        points: That a task goes through.
    """
    together = together_factor(processor, region, fields, layout, points)
    strided = _strided_factor(processor, region, points) if layout.c_order else 1.0
    # Where lines are counted, those that fields share serve the next stride, too.
    return max(together, strided) if processor.line else together * strided
