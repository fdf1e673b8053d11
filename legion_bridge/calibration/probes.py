"""Small programs that tell one cost each, for the replay program to execute."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from dsl.facts import Privilege
from legion_bridge.programs.application import (
    Application,
    Field,
    Launch,
    Partition,
    Region,
    Requirement,
    TaskKind,
    Work,
)

__all__ = ["copies", "empty_tasks", "sweep", "two_partitions"]

WORD = 8  # bytes of a field


def _application(
    region: Region,
    partitions: tuple[Partition, ...],
    loop: list[Launch],
    iterations: int,
    *,
    traced: bool = False,
) -> Application:
    tasks = {launch.task: TaskKind(launch.task, ("CPU",)) for launch in loop}
    made = Application(
        name="probe",
        summary="A program that tells what one thing costs",
        parameters={},
        task_kinds=tasks,
        regions={region.name: region},
        partitions={each.name: each for each in partitions},
        setup=(),
        loop=tuple(loop),
        warmup=2,
        timed=iterations,
        traced=traced,
        work=1.0,
        unit="iterations/s",
    )
    made.validate()
    return made


def _grid(extent: int, fields: int, pieces: int) -> tuple[Region, Partition]:
    """A square of points, cut across its second dimension."""
    names = tuple(Field(f"field{number}", WORD) for number in range(fields))
    region = Region("grid", (0, 0), (extent - 1, extent - 1), names)
    cuts = np.linspace(0, extent, pieces + 1).astype(np.int64)
    bounds = [[[0, cuts[n]], [extent - 1, cuts[n + 1] - 1]] for n in range(pieces)]
    return region, Partition("pieces", "grid", np.array(bounds, np.int64))


def sweep(
    points: int,
    fields: int,
    pieces: int,
    iterations: int,
    *,
    passes: float = 1.0,
    accesses: float = 0.0,
    flops: float = 0.0,
    rate: str = "fp64",
    reads_only: bool = False,
) -> Application:
    """One task a piece, which goes through all its fields.

    Args:
        points: Of the grid, about.
        fields: Of 8 bytes each.
        pieces: Of the grid, with one task each.
        iterations: That count.
        passes: How often it goes through them; 0 for never.
        accesses: Scattered accesses of each task.
        flops, rate: Arithmetic of each task.
        reads_only: Whether it writes nothing.
    """
    extent = math.isqrt(points)
    region, partition = _grid(extent, fields, pieces)
    ways = 1 if reads_only else 2
    volume = (partition.pieces[:, 1] - partition.pieces[:, 0] + 1).prod(axis=1)
    traffic = (volume * fields * WORD * ways * passes)[:, None]
    needed = Requirement(
        region.name,
        partition.name,
        "READ_ONLY" if reads_only else "READ_WRITE",
        tuple(field.name for field in region.fields),
    )
    work = Work.of(pieces, 1, traffic=traffic, accesses=accesses, flops=flops, rate=rate)
    return _application(
        region, (partition,), [Launch("sweep", (pieces,), (needed,), work)], iterations
    )


def empty_tasks(
    pieces: int, launches: int, iterations: int, *, requirements: int = 1, traced: bool
) -> Application:
    """Launches of tasks that do nothing, each of which waits for the one before."""
    region, partition = _grid(64, requirements, pieces)
    needed = tuple(
        Requirement(region.name, partition.name, "READ_WRITE", (field.name,))
        for field in region.fields
    )
    work = Work.of(pieces, requirements)
    loop = [Launch("empty", (pieces,), needed, work) for _ in range(launches)]
    return _application(region, (partition,), loop, iterations, traced=traced)


def copies(
    points: int,
    fields: int,
    pieces: int,
    iterations: int,
    *,
    reads_only: bool = False,
    traced: bool = False,
) -> Application:
    """Two tasks that change the same data in turn, and do nothing else.

    A mapper that holds it in two places makes two copies of it in each iteration; one where the
    second task only reads.
    """
    extent = math.isqrt(points)
    region, partition = _grid(extent, fields, pieces)
    names = tuple(field.name for field in region.fields)
    changes: Privilege = "READ_WRITE"
    second: Privilege = "READ_ONLY" if reads_only else changes
    loop = [
        Launch(
            task,
            (pieces,),
            (Requirement(region.name, partition.name, privilege, names),),
            Work.of(pieces, 1),
        )
        for task, privilege in (("here", changes), ("there", second))
    ]
    return _application(region, (partition,), loop, iterations, traced=traced)


def two_partitions(pieces: int, iterations: int) -> Application:
    """Two tasks that change the same data in turn, each through a partition of its own.

    The second is cut in the middle of the pieces of the first, so that each of its pieces meets
    two of these; it has one piece more.
    """
    region, partition = _grid(64, 1, pieces)
    lower, upper = partition.pieces[:, 0, 1], partition.pieces[:, 1, 1]
    cuts = np.concatenate([lower[:1], (lower + upper + 1) // 2, upper[-1:] + 1])
    between = np.repeat(partition.pieces[:1], pieces + 1, axis=0)
    between[:, 0, 1], between[:, 1, 1] = cuts[:-1], cuts[1:] - 1
    other = replace(partition, name="others", pieces=between)
    loop = [
        Launch(
            task,
            (len(through.pieces),),
            (Requirement(region.name, through.name, "READ_WRITE", (region.fields[0].name,)),),
            Work.of(len(through.pieces), 1),
        )
        for task, through in (("here", partition), ("there", other))
    ]
    return _application(region, (partition, other), loop, iterations)
