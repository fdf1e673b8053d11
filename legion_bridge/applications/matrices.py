"""What all six distributed matrix multiplications share: A = B C, tile by tile.

There is a grid of points (I, J, K); a point owns tile (I, J) of A. Its leaf at step t does
``A(I, J) += B(I, q) C(q, J)``, one matrix product of cuBLAS, with a chunk q of the inner
dimension. The algorithms differ in the order in which a point takes its chunks, in the number of
points that share a tile of A (their sums are reduced), and in where the tiles are at home.

Matrices are square, of doubles, in row-major order, which the leaf's kernel insists on.
"""

from __future__ import annotations

import math
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from dsl.facts import Privilege
from legion_bridge.applications.building import (
    Bounds,
    LaunchOptions,
    Use,
    WorkOptions,
    check_pieces,
    extents,
    grid,
    launch,
    partitions_of,
    volumes,
)
from legion_bridge.programs.application import (
    Field,
    Launch,
    LayoutNeed,
    Partition,
    Region,
    Requirement,
    TaskKind,
)

__all__ = [
    "GPUS_PER_NODE",
    "Tiles",
    "ceiling_bounds",
    "flops",
    "init_cublas",
    "matrices",
    "node_size",
    "split_bounds",
    "task_kinds",
    "tile",
]

REAL = 8
GPUS_PER_NODE = 4
"""The generated programs divide a node's work by 2 x 2."""
ROW_MAJOR = LayoutNeed("C_order", None, "DGEMM parameter number 8 had an illegal value")
SUM = "sum<double>"

Ints = NDArray[np.int64]


def node_size(nodes: int) -> int:
    """Rows of matrices that take as much room on each of ``nodes`` nodes as 20000 on one.

    >>> [node_size(nodes) for nodes in (1, 2, 8)]
    [20000, 28284, 56568]
    """
    return math.isqrt(20000 * 20000 * nodes) // 2 * 2


def ceiling_bounds(extent: int, pieces: int) -> Bounds:
    """``int64[pieces, 2]`` intervals of equal length, the last ones cut off or empty.

    >>> ceiling_bounds(10, 4).tolist()
    [[0, 2], [3, 5], [6, 8], [9, 9]]
    """
    length = -(-extent // pieces)
    lower = np.arange(check_pieces(pieces), dtype=np.int64) * length
    return np.stack([lower, np.minimum(lower + length, extent) - 1], axis=1)


def split_bounds(bounds: Bounds, pieces: int) -> Bounds:
    """``int64[intervals * pieces, 2]`` each interval divided in turn, lengths rounded up.

    >>> split_bounds(ceiling_bounds(10, 2), 2).tolist()
    [[0, 2], [3, 4], [5, 7], [8, 9]]
    """
    length = -(-(bounds[0, 1] - bounds[0, 0] + 1) // pieces)
    check_pieces(len(bounds) * pieces)
    lower = bounds[:, :1] + np.arange(pieces) * length
    upper = np.minimum(lower + length - 1, bounds[:, 1:])
    return np.stack([lower.ravel(), upper.ravel()], axis=1)


def matrices(n: int) -> dict[str, Region]:
    """The regions A, B and C of a size."""
    values = (Field("vals", REAL),)
    return {name: Region(name, (0, 0), (n - 1, n - 1), values) for name in "ABC"}


class Tiles:
    """The tiles that leaves work on, and partitions made of them.

    Attributes:
        partitions: ``A_tile``, ``B_tile``, ``C_tile``, whose colours are ``I, J``, ``I, q`` and
            ``q, J`` in row-major order.
    """

    def __init__(self, rows: Bounds, columns: Bounds, chunks: Bounds) -> None:
        self.shape = {
            "A": (len(rows), len(columns)),
            "B": (len(rows), len(chunks)),
            "C": (len(chunks), len(columns)),
        }
        self.partitions: dict[str, Partition] = (
            partitions_of("A", A_tile=grid(rows, columns))
            | partitions_of("B", B_tile=grid(rows, chunks))
            | partitions_of("C", C_tile=grid(chunks, columns))
        )

    def leaf(
        self,
        domain: tuple[int, ...],
        coordinates: tuple[Ints, Ints, Ints],
        privilege: Privilege,
        *,
        parents: int = 1,
        **place: Unpack[LaunchOptions],
    ) -> Launch:
        """``task_4``: a matrix product at each point.

        Args:
            domain: Its launch domain.
            coordinates: I, J and q of every point.
            privilege: On its tile of A: ``"READ_WRITE"`` or ``"REDUCE"``.
            parents: Points of all its parents together.
            place: As of ``launch``.
        """
        i, j, q = coordinates
        pieces = {name: self.partitions[f"{name}_tile"].pieces for name in "ABC"}
        at = {"A": (i, j), "B": (i, q), "C": (q, j)}
        colors = {name: np.ravel_multi_index(at[name], self.shape[name]) for name in "ABC"}
        volume = {name: volumes(pieces[name])[colors[name]] for name in "ABC"}
        inner = np.maximum(extents(pieces["B"])[colors["B"], 1], 0)
        uses = [
            Use(
                tile("A", "tile", privilege, need=ROW_MAJOR),
                2 * REAL * volume["A"],
                colors=colors["A"],
            ),
            Use(
                tile("B", "tile", "READ_ONLY", need=ROW_MAJOR),
                REAL * volume["B"],
                colors=colors["B"],
            ),
            Use(
                tile("C", "tile", "READ_ONLY", need=ROW_MAJOR),
                REAL * volume["C"],
                colors=colors["C"],
            ),
        ]
        work: WorkOptions = {"flops": 2 * volume["A"] * inner, "rate": "dgemm"}
        return launch("task_4", domain, uses, work, parents=parents, **place)


def tile(
    matrix: str,
    partition: str,
    privilege: Privilege,
    *,
    virtual: bool = False,
    need: LayoutNeed | None = None,
) -> Requirement:
    """A requirement on pieces of one of a matrix's partitions, such as ``"home"``."""
    reduction = SUM if privilege == "REDUCE" else None
    name = f"{matrix}_{partition}"
    return Requirement(matrix, name, privilege, ("vals",), reduction, virtual, need)


def init_cublas(nodes: int) -> Launch:
    """The launch that makes a handle of the library on every GPU."""
    return launch("init_cublas", (nodes * GPUS_PER_NODE,), blocking=True)


def task_kinds(**inner: str) -> dict[str, TaskKind]:
    """Placement and leaf tasks, and inner tasks by the processor kind that they run on."""
    plain = ("init_cublas", "task_1", "task_2", "task_3", "task_4")
    return {name: TaskKind(name, ("GPU",)) for name in plain} | {
        name: TaskKind(name, (kind,), inner=True) for name, kind in inner.items()
    }


def flops(n: int) -> float:
    """Billions of operations of one multiplication, as the programs count them."""
    return n * n * (2 * n - 1) / 1e9
