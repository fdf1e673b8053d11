"""Multiplications whose points share tiles of A and add up: Solomonik's 2.5D, Johnson, COSMA.

The points along K each multiply their own part of the inner dimension; their sums are reduced
into the tile's home when ``task_1`` reads A at the end. Where the homes are is decided before the
clock starts, by tasks that overwrite the tiles with whatever they find.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from legion_bridge.applications.building import Use, grid, launch, partitions_of, volumes
from legion_bridge.applications.matrices import (
    REAL,
    Tiles,
    ceiling_bounds,
    flops,
    init_cublas,
    matrices,
    split_bounds,
    task_kinds,
    tile,
)
from legion_bridge.errors import ApplicationError
from legion_bridge.programs.application import (
    Application,
    Launch,
    Partition,
    Requirement,
    TaskKind,
)

__all__ = ["Grid", "Problem", "build_one_round", "build_solomonik"]

Ints = NDArray[np.int64]
ITERATIONS = 10
"""Those that are measured; one more, before them, is not."""


class Grid(NamedTuple):
    """Points along the rows of A, its columns, and the inner dimension."""

    x: int
    y: int
    z: int


class Problem(NamedTuple):
    """What is multiplied, and how.

    Attributes:
        name: Of the application.
        summary: What it is, in a sentence.
        shape: Of the grid of points.
        parameters: What it was built with; ``nodes`` and ``n`` among them.
    """

    name: str
    summary: str
    shape: Grid
    parameters: dict[str, int]

    def bounds(self, pieces: int) -> NDArray[np.int64]:
        """Equal intervals of the rows or columns of a matrix.

        Raises:
            ApplicationError: There are too few of them.
        """
        n = self.parameters["n"]
        if not 1 <= pieces <= n:
            raise ApplicationError(
                f"{self.name}: {n} rows cannot be cut into {pieces} tiles; take a larger n, or a "
                "smaller grid"
            )
        return ceiling_bounds(n, pieces)


def build_one_round(problem: Problem) -> Application:
    """Johnson's and COSMA's multiplications, where each point multiplies once.

    Raises:
        ApplicationError: The matrices are too small for the grid.
    """
    gx, gy, gz = problem.shape
    tiles = Tiles(*(problem.bounds(extent) for extent in problem.shape))
    parts = tiles.partitions
    i, j, k = np.indices(problem.shape).reshape(3, -1)
    of_c = np.arange(gz * gy).reshape(gz, gy).T.ravel()  # point (0, j, k) places tile (k, j)
    loop = (
        _placement("task_1", (gx, gy, 1), parts["A_tile"]),
        _placement("task_2", (gx, 1, gz), parts["B_tile"]),
        _placement("task_3", (1, gy, gz), parts["C_tile"], of_c),
        tiles.leaf(tuple(problem.shape), (i, j, k), "REDUCE"),
        _gathering((gx, gy, 1)),
    )
    return _application(problem, task_kinds(), parts, loop)


def build_solomonik(problem: Problem, steps: int) -> Application:
    """Solomonik's multiplication: the points of each layer shift tiles among each other.

    Args:
        problem: Whose shape has its layers along z.
        steps: Steps of each point.

    Raises:
        ApplicationError: The matrices are too small for the grid.
    """
    gx, gy, gz = problem.shape
    rows, columns, slabs = (problem.bounds(extent) for extent in problem.shape)
    tiles = Tiles(rows, columns, split_bounds(slabs, steps))
    home = grid(rows, columns)
    parts = (
        tiles.partitions
        | partitions_of("B", B_home=home, B_slab=grid(rows, slabs))
        | partitions_of("C", C_home=home, C_slab=grid(slabs, columns))
    )
    i, j, k = np.indices(problem.shape).reshape(3, -1)
    points = launch(
        "task_5",
        (gx, gy, gz),
        [
            # A reduction cannot be virtual: the point has an instance of its own, into which
            # those of its leaves are folded.
            Use(tile("A", "tile", "REDUCE"), colors=i * gy + j),
            Use(tile("B", "slab", "READ_ONLY", virtual=True), colors=i * gz + k),
            Use(tile("C", "slab", "READ_ONLY", virtual=True), colors=k * gy + j),
        ],
    )
    homes = [
        _placement(f"task_{number}", (gx, gy, 1), parts[name])
        for number, name in enumerate(("A_tile", "B_home", "C_home"), start=1)
    ]
    leaves = [
        tiles.leaf(
            (),
            (i, j, k * steps + (i + j + t) % steps),
            "REDUCE",
            parents=len(i),
            parent=len(homes),
        )
        for t in range(steps)
    ]
    loop = (*homes, points, *leaves, _gathering((gx, gy, 1)))
    return _application(problem, task_kinds(task_5="GPU"), parts, loop)


def _placement(
    task: str, domain: tuple[int, ...], partition: Partition, colors: Ints | None = None
) -> Launch:
    size = REAL * volumes(partition.pieces)
    requirement = Requirement(partition.region, partition.name, "WRITE_ONLY", ("vals",))
    use = Use(requirement, size if colors is None else size[colors], colors=colors)
    return launch(task, domain, [use], timed=False, blocking=True)


def _gathering(domain: tuple[int, ...]) -> Launch:
    """The task that reads A, for which all sums must be in its home."""
    return launch("task_1", domain, [Use(tile("A", "tile", "READ_ONLY"))], blocking=True)


def _application(
    problem: Problem,
    kinds: dict[str, TaskKind],
    partitions: dict[str, Partition],
    loop: tuple[Launch, ...],
) -> Application:
    n = problem.parameters["n"]
    return Application(
        name=problem.name,
        summary=problem.summary,
        parameters=problem.parameters,
        task_kinds=kinds,
        regions=matrices(n),
        partitions=partitions,
        setup=(init_cublas(problem.parameters["nodes"]),),
        loop=loop,
        warmup=1,
        timed=ITERATIONS,
        traced=False,
        work=flops(n),
        unit="GFLOP/s",
        ranks_per_node=problem.parameters.get("ranks_per_node", 1),
    )
