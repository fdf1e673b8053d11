"""What an instance's layout does to the traffic of those who read and write it.

A kernel goes through one field after the other, along the first dimension. Where the layout is
another, it moves whole cache lines of which it uses a part (``Processor.line``), or strides.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

from dsl.tables import LayoutDecision
from legion_bridge.machines.machine import Processor
from legion_bridge.programs.application import Region

__all__ = ["element_bytes", "together_factor", "traffic_factor"]

_AT_LEAST = ("==", ">=")
_NEAREST, _FARTHEST = 2.0, 8.0  # lines from point to point between which ``farther`` was measured


def element_bytes(region: Region, layout: LayoutDecision) -> int:
    """Bytes from one point of a region to the next where its fields lie together.

    An instance holds all fields of its region, each aligned as the layout asks.
    """
    align = layout.align
    unit = align.bytes if align is not None and align.operator in _AT_LEAST else 1
    return sum(-(-field.bytes // unit) * unit for field in region.fields)


def together_factor(
    processor: Processor, region: Region, fields: Sequence[str], layout: LayoutDecision
) -> float:
    """Factor on the traffic of fields that lie together with the others of their region."""
    if layout.soa or not fields:
        return 1.0
    if not processor.line:
        return processor.together if len(fields) > 1 else 1.0
    step, sizes = element_bytes(region, layout), {f.name: f.bytes for f in region.fields}
    moved = sum(max(sizes[name], min(step, processor.line)) for name in fields)
    lines = processor.together * _distance_factor(processor, step) * moved
    return max(1.0, lines / region.field_bytes(fields))


def _distance_factor(processor: Processor, step: int) -> float:
    """Factor on the traffic of points whose fields lie ``step`` bytes from the next point's."""
    lines = step / processor.line
    if lines <= 1.0:
        return 1.0
    doublings = log2(min(max(lines, _NEAREST), _FARTHEST) / _NEAREST)
    return float(processor.far * processor.farther**doublings)


def traffic_factor(
    processor: Processor, region: Region, fields: Sequence[str], layout: LayoutDecision
) -> float:
    """Factor on the traffic of a kernel that goes along the first dimension."""
    together = together_factor(processor, region, fields, layout)
    strided = processor.strided if layout.c_order and region.dimension > 1 else 1.0
    # Where lines are counted, those that fields share serve the next stride, too.
    return max(together, strided) if processor.line else together * strided
