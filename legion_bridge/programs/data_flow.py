"""Data flow: which task passes which data to which other task."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from legion_bridge.programs.application import Application, Launch, Requirement

__all__ = ["Flow", "Made", "data_flow", "made_by"]


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
    found: dict[tuple[str, str, str, bool], dict[str, None]] = {}
    for read in _reads(application):
        later = 0 < read.writer.iteration < read.iteration
        key = (read.writer.task, read.task, read.region, later)
        found.setdefault(key, {})[read.field] = None
    return tuple(
        Flow(source, target, region, tuple(fields), later)
        for (source, target, region, later), fields in found.items()
    )


@dataclass(frozen=True, slots=True)
class Made:
    """Who made data that a launch of the loop reads, in the steady state.

    Attributes:
        task: The task.
        summed: Whether it added to what was there, so that its sums are folded first.
        last_iteration: Whether that was in the iteration before.
        before_loop: Whether that was before the loop.
    """

    task: str
    summed: bool
    last_iteration: bool
    before_loop: bool


def made_by(application: Application) -> Mapping[tuple[int, int], Sequence[Made]]:
    """Who made what each requirement of each launch of the loop reads; nobody for all others.

    Returns:
        By the launch's number in the loop and the requirement's place.
    """
    found: dict[tuple[int, int], dict[Made, None]] = defaultdict(dict)
    for read in _reads(application):
        if read.iteration == STEADY and read.number >= 0:
            writer = read.writer
            made = Made(
                writer.task,
                writer.requirement.privilege == "REDUCE",
                0 < writer.iteration < STEADY,
                writer.iteration == 0,
            )
            found[read.number, read.place][made] = None
    return defaultdict(tuple, {key: tuple(each) for key, each in found.items()})


STEADY = 2
"""The iteration that stands for those in which nothing changes any more."""


class _Read(NamedTuple):
    """A field that a requirement of a launch reads, and a launch that wrote it.

    Attributes:
        iteration: 0 for the setup.
        number: Of the launch in the loop; -1 before and after it.
        place: Of the requirement among those of the launch.
    """

    iteration: int
    number: int
    place: int
    task: str
    region: str
    field: str
    writer: _Writer


def _reads(application: Application) -> Iterator[_Read]:
    """Everything that is read, with each of those who wrote it."""
    overlaps = _Overlaps(application)
    writers: dict[tuple[str, str], list[_Writer]] = {}
    for iteration, number, launch in _program(application):
        if application.task_kinds[launch.task].inner:
            continue
        for index, requirement in enumerate(launch.requirements):
            for field in _read(requirement):
                for writer in writers.get((requirement.region, field), ()):
                    if overlaps(writer.requirement, requirement):
                        region = requirement.region
                        yield _Read(iteration, number, index, launch.task, region, field, writer)
        for requirement in launch.requirements:
            if _writes(requirement):
                whole = _whole(application, requirement)
                _write(writers, _Writer(iteration, launch.task, requirement), whole=whole)


def _program(application: Application) -> Iterator[tuple[int, int, Launch]]:
    """The setup, which is iteration 0, two iterations, and the finish as part of the last.

    With each launch its number in the loop; -1 before and after it.
    """
    yield from ((0, -1, launch) for launch in application.setup)
    for iteration in (1, STEADY):
        yield from ((iteration, *numbered) for numbered in enumerate(application.loop))
    yield from ((STEADY, -1, launch) for launch in application.finish)


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
