"""Multiplications on a flat grid of nodes, 2 x 2 GPUs in each: Cannon, SUMMA, PUMMA.

Every GPU owns a tile of A and takes all chunks of the inner dimension in turn, node by node of
its row (``task_6``), then GPU by GPU within that node (``task_4``). The three algorithms differ in
nothing but the order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsl.facts import Privilege
from legion_bridge.applications.building import Use, grid, launch, partitions_of, volumes
from legion_bridge.applications.matrices import (
    REAL,
    Tiles,
    ceiling_bounds,
    flops,
    init_cublas,
    matrices,
    node_size,
    split_bounds,
    task_kinds,
    tile,
)
from legion_bridge.errors import ApplicationError
from legion_bridge.programs.application import Application, Launch, Partition, TaskKind

__all__ = ["Order", "build_systolic", "near_square"]

Ints = NDArray[np.int64]
ITERATIONS = 10


class Order(NamedTuple):
    """In which order a point takes its chunks, as shifts by its coordinates.

    At step (to, ti), GPU (il, jl) of node (in, jn) takes half ``(halves * (il + jl) + ti) mod 2``
    of the chunk of node ``(row * in + column * jn + to) mod gx`` of its row.
    """

    row: int
    column: int
    halves: int

    def outer(self, in_: Ints, jn: Ints, to: int, gx: int) -> Ints:
        """Nodes whose chunks the nodes take at step ``to``."""
        return (self.row * in_ + self.column * jn + to) % gx

    def inner(self, il: Ints, jl: Ints, ti: int) -> Ints:
        """Halves of them that the GPUs take at step ``ti``."""
        return (self.halves * (il + jl) + ti) % 2


def near_square(nodes: int) -> tuple[int, int]:
    """The factors of a number that differ least, the larger first.

    >>> near_square(8), near_square(16)
    ((4, 2), (4, 4))
    """
    small = max(w for w in range(1, int(nodes**0.5) + 1) if nodes % w == 0)
    return nodes // small, small


def build_systolic(
    name: str, summary: str, order: Order, n: int, shape: tuple[int, int]
) -> Application:
    """One of the three at a size.

    Args:
        name: Of the application.
        summary: What it is, in a sentence.
        order: In which order a point takes its chunks.
        n: Rows of the matrices; 0 for 20000 times the root of the nodes.
        shape: Nodes along rows and along columns.

    Raises:
        ApplicationError: The matrices are too small for the grid.
    """
    gx, gy = shape
    nodes = gx * gy
    n = n or node_size(nodes)
    if n < 2 * max(gx, gy):
        raise ApplicationError(
            f"{name}: matrices of {n} rows cannot be cut for {gx} x {gy} nodes; take a larger n, "
            "or a smaller grid"
        )
    partitions, tiles = _partitions(n, gx, gy)
    return Application(
        name=name,
        summary=summary,
        parameters={"nodes": nodes, "n": n, "gx": gx, "gy": gy},
        task_kinds=task_kinds(task_5="GPU", task_6="OMP", task_7="OMP")
        | {name: TaskKind(name, ("CPU", "OMP", "GPU")) for name in ("taco_fill", "taco_validate")},
        regions=matrices(n),
        partitions=partitions,
        setup=(init_cublas(nodes),),
        loop=(*_homes(partitions, gx, gy), *_multiplication(tiles, order, gx, gy)),
        finish=(launch("taco_validate", (2 * gx, 2 * gy), [Use(tile("A", "home", "READ_ONLY"))]),),
        warmup=0,
        timed=ITERATIONS,
        traced=False,
        work=flops(n),
        unit="GFLOP/s",
    )


def _partitions(n: int, gx: int, gy: int) -> tuple[dict[str, Partition], Tiles]:
    """Home tiles, what a node and what a node's step works on, and the leaves' tiles."""
    rows, columns, whole = ceiling_bounds(n, gx), ceiling_bounds(n, gy), ceiling_bounds(n, 1)
    halves = {"rows": split_bounds(rows, 2), "columns": split_bounds(columns, 2)}
    tiles = Tiles(halves["rows"], halves["columns"], chunks=halves["rows"])
    home = grid(ceiling_bounds(n, 2 * gx), ceiling_bounds(n, 2 * gy))
    partitions = (
        partitions_of("A", A_home=home, A_block=grid(rows, columns))
        | partitions_of(
            "B",
            B_home=home,
            B_strip=grid(rows, whole),
            B_chunk=grid(rows, rows),
            B_half=grid(halves["rows"], rows),
        )
        | partitions_of(
            "C",
            C_home=home,
            C_strip=grid(whole, columns),
            C_chunk=grid(rows, columns),
            C_half=grid(rows, halves["columns"]),
        )
    )
    return partitions | tiles.partitions, tiles


def _homes(partitions: dict[str, Partition], gx: int, gy: int) -> list[Launch]:
    """Every iteration fills and places the matrices anew, while the clock stands."""
    domain = (2 * gx, 2 * gy)
    size = REAL * volumes(partitions["A_home"].pieces)
    fills = [
        launch("taco_fill", domain, [Use(tile(m, "home", "WRITE_ONLY"), size)], timed=False)
        for m in "ABC"
    ]
    return fills + [
        launch(task, domain, [Use(tile(m, "home", "READ_ONLY"))], timed=False, blocking=True)
        for task, m in (("task_1", "A"), ("task_2", "B"), ("task_3", "C"))
    ]


def _multiplication(tiles: Tiles, order: Order, gx: int, gy: int) -> list[Launch]:
    """``task_7`` on the nodes, ``task_6`` for their steps, ``task_5`` on the GPUs, leaves."""
    first = 6  # after the fills and placements
    in_, jn = np.indices((gx, gy)).reshape(2, -1)
    il, jl = (np.tile(x, gx * gy) for x in np.indices((2, 2)).reshape(2, -1))
    i, j = 2 * np.repeat(in_, 4) + il, 2 * np.repeat(jn, 4) + jl
    nodes, gpus = len(in_), len(i)
    launches = [
        launch(
            "task_7", (gx, gy), _inner("block", "strip", (in_ * gy + jn, in_, jn)), blocking=True
        )
    ]
    for to in range(gx):
        step = first + len(launches)
        outer = order.outer(in_, jn, to, gx)
        block = (in_ * gy + jn, in_ * gx + outer, outer * gy + jn)
        far = np.repeat(outer, 4)
        tile_of = (i * 2 * gy + j, i * gx + far, far * 2 * gy + j)
        launches += [
            launch("task_6", (), _inner("block", "chunk", block), parents=nodes, parent=first),
            launch("task_5", (2, 2), _inner("tile", "half", tile_of), parents=nodes, parent=step),
            *(
                tiles.leaf(
                    (),
                    (i, j, 2 * far + order.inner(il, jl, ti)),
                    "READ_WRITE",
                    parents=gpus,
                    parent=step + 1,
                )
                for ti in (0, 1)
            ),
        ]
    return launches


def _inner(of_a: str, of_bc: str, colors: Sequence[Ints]) -> list[Use]:
    """The virtual requirements of a task that only launches others."""
    privileges: tuple[Privilege, ...] = ("READ_WRITE", "READ_ONLY", "READ_ONLY")
    return [
        Use(tile(matrix, partition, privilege, virtual=True), colors=color)
        for matrix, privilege, partition, color in zip(
            "ABC", privileges, (of_a, of_bc, of_bc), colors, strict=True
        )
    ]
