"""A simulated run as tracks of spans, one track for whatever can do one thing at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from legion_bridge.simulation.kernel_arrays import OperationKind
from legion_bridge.simulation.simulator import Trace
from legion_bridge.traces.critical_path import SegmentKind, critical_path
from legion_bridge.traces.link_use import link_uses

__all__ = ["GROUPS", "Span", "Track", "tracks"]

Group: TypeAlias = Literal["critical path", "runtime", "processors", "links"]
GROUPS: tuple[Group, ...] = ("critical path", "runtime", "processors", "links")


SMALL = 1e-9
"""Seconds by which rounding may let one copy on a link begin before the last has ended."""


class Span(NamedTuple):
    """An operation in its time on a track; seconds since the program began.

    Attributes:
        part: On the critical path, what of the operation or for it the time goes to.
    """

    operation: int
    start: float
    end: float
    part: SegmentKind | None = None


class Track(NamedTuple):
    """What happened on one processor, link or runtime, or on the critical path.

    Attributes:
        name: Such as ``"GPU 2 of node 0"``.
        spans: In order; they do not overlap.
    """

    group: Group
    name: str
    spans: tuple[Span, ...]


def tracks(trace: Trace) -> list[Track]:
    """All tracks on which something happened, in the order of ``GROUPS``."""
    return [
        Track("critical path", "critical path", tuple(_critical(trace))),
        *_by_place(trace, OperationKind.RUNTIME, "runtime"),
        *_by_place(trace, OperationKind.TASK, "processors"),
        *_links(trace),
    ]


def _critical(trace: Trace) -> Iterator[Span]:
    for segment in reversed(critical_path(trace)):
        if segment.operation >= 0:
            yield Span(segment.operation, segment.start, segment.end, segment.kind)


def _by_place(trace: Trace, kind: OperationKind, group: Group) -> Iterator[Track]:
    operations = trace.operations
    numbers = np.flatnonzero(operations.kind == kind)
    order = np.lexsort((numbers, operations.start[numbers], operations.place[numbers]))
    found: dict[int, list[Span]] = defaultdict(list)
    for number in numbers[order].tolist():
        span = Span(number, float(operations.start[number]), float(operations.end[number]))
        found[int(operations.place[number])].append(span)
    for place, spans in found.items():
        yield Track(group, _place_name(trace, kind, place), tuple(spans))


def _place_name(trace: Trace, kind: OperationKind, place: int) -> str:
    if kind is OperationKind.RUNTIME:
        return f"runtime of node {place}"
    return trace.machine.processor_name(place)


def _links(trace: Trace) -> Iterator[Track]:
    found: dict[int, list[Span]] = defaultdict(list)
    for use in link_uses(trace):
        found[use.link].append(Span(use.operation, use.start, use.end))
    for link in sorted(found):
        name = trace.machine.link_names[link]
        for lane, spans in enumerate(_lanes(_in_order(found[link])), start=1):
            yield Track("links", name if lane == 1 else f"{name}, {lane} at once", tuple(spans))


def _lanes(spans: Sequence[Span]) -> list[list[Span]]:
    """As many tracks as there are copies that share a link at once."""
    lanes: list[list[Span]] = []
    for span in spans:
        free = next((lane for lane in lanes if lane[-1].end <= span.start + SMALL), None)
        if free is None:
            lanes.append([span])
        else:
            free.append(span)
    return lanes


def _in_order(spans: Sequence[Span]) -> tuple[Span, ...]:
    return tuple(sorted(spans, key=lambda span: (span.start, span.end, span.operation)))
