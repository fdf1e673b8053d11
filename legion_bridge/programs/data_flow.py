"""Data flow: which task passes which data to which other task."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from legion_bridge.programs.application import Application, Launch, Requirement

__all__ = ["Flow", "data_flow"]


@dataclass(frozen=True, slots=True)
class Flow:
    """Data that one task writes and another reads.

    Attributes:
        source, target: Names of the tasks.
        region: Name of the region.
        fields: The fields that are passed on.
        next_iteration: Whether the reader belongs to the iteration after the writer's.
    """

    source: str
    target: str
    region: str
    fields: tuple[str, ...]
    next_iteration: bool


class _Writer(NamedTuple):
    iteration: int
    task: str
    requirement: Requirement


def data_flow(application: Application) -> tuple[Flow, ...]:
    """What flows between tasks in the setup, the steady state of the loop, and the finish.

    A task that only launches others passes nothing on itself. Two pieces of different partitions
    count as the same data where they overlap.

    >>> flow = data_flow(Application.load("stencil"))[0]
    >>> flow.source, flow.target, flow.region, flow.fields
    ('stencil', 'increment', 'points', ('input', 'input1'))
    """
    overlaps = _Overlaps(application)
    writers: dict[tuple[str, str], list[_Writer]] = {}
    found: dict[tuple[str, str, str, bool], dict[str, None]] = {}
    for iteration, launch in _program(application):
        if application.task_kinds[launch.task].inner:
            continue
        for requirement in launch.requirements:
            for field in _read(requirement):
                for writer in writers.get((requirement.region, field), ()):
                    if overlaps(writer.requirement, requirement):
                        later = 0 < writer.iteration < iteration
                        key = (writer.task, launch.task, requirement.region, later)
                        found.setdefault(key, {})[field] = None
        for requirement in launch.requirements:
            if _writes(requirement):
                whole = _whole(application, requirement)
                _write(writers, _Writer(iteration, launch.task, requirement), whole=whole)
    return tuple(
        Flow(source, target, region, tuple(fields), later)
        for (source, target, region, later), fields in found.items()
    )


def _program(application: Application) -> Iterator[tuple[int, Launch]]:
    """The setup, which is iteration 0, two iterations, and the finish as part of the last."""
    yield from ((0, launch) for launch in application.setup)
    for iteration in (1, 2):
        yield from ((iteration, launch) for launch in application.loop)
    yield from ((2, launch) for launch in application.finish)


def _read(requirement: Requirement) -> tuple[str, ...]:
    reads = requirement.privilege in {"READ_ONLY", "READ_WRITE"}
    return requirement.fields if reads else ()


def _writes(requirement: Requirement) -> bool:
    return requirement.privilege not in {"READ_ONLY", "NO_ACCESS"}


def _write(writers: dict[tuple[str, str], list[_Writer]], writer: _Writer, *, whole: bool) -> None:
    """A write takes the place of former ones to the same pieces; a reduction adds to them.

    Args:
        writers: The launches whose values each field of each region holds; changed in place.
        writer: The new one.
        whole: Whether its pieces make up all of the region.
    """
    requirement = writer.requirement
    for field in requirement.fields:
        known = writers.setdefault((requirement.region, field), [])
        if requirement.privilege == "REDUCE":
            known[:] = [w for w in known if w[:2] != writer[:2] or w.requirement != requirement]
        else:
            same = requirement.partition
            known[:] = [w for w in known if not whole and w.requirement.partition != same]
        known.append(writer)


def _whole(application: Application, requirement: Requirement) -> bool:
    """Whether pieces make up all of their region, as far as their volumes tell."""
    region = application.regions[requirement.region]
    extents = (b - a + 1 for a, b in zip(region.lower, region.upper, strict=True))
    return int(application.piece_volumes(requirement).sum()) >= math.prod(extents)


class _Overlaps:
    """Whether any pieces of two partitions overlap."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._known: dict[tuple[str | None, str | None], bool] = {}

    def __call__(self, a: Requirement, b: Requirement) -> bool:
        if None in (a.partition, b.partition) or a.partition == b.partition:
            return True
        key = (a.partition, b.partition)
        if key not in self._known:
            (p, q) = (self._application.piece_bounds(r) for r in (a, b))
            lower = np.maximum(p[:, None, 0], q[None, :, 0])
            upper = np.minimum(p[:, None, 1], q[None, :, 1])
            self._known[key] = bool((lower <= upper).all(axis=2).any())
        return self._known[key]
