"""Rectangles of evenly divided regions, which partitions are made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from legion_bridge.programs.application import Partition

__all__ = [
    "EMPTY",
    "Bounds",
    "boxes",
    "even_bounds",
    "extents",
    "grid",
    "partitions_of",
    "volumes",
]

Bounds = NDArray[np.int64]
EMPTY = (0, -1)
"""Inclusive bounds of an interval without points."""


def even_bounds(extent: int, pieces: int) -> Bounds:
    """``int64[pieces, 2]`` inclusive bounds of nearly equal intervals of ``[0, extent)``.

    >>> even_bounds(10, 3).tolist()
    [[0, 2], [3, 5], [6, 9]]
    """
    cuts = np.arange(pieces + 1, dtype=np.int64) * extent // pieces
    return np.stack([cuts[:-1], cuts[1:] - 1], axis=1)


def boxes(x: Bounds, y: Bounds) -> Bounds:
    """``int64[colours, 2, 2]`` products of intervals, those of ``x`` varying fastest.

    >>> boxes(even_bounds(4, 2), even_bounds(6, 1)).tolist()
    [[[0, 0], [1, 5]], [[2, 0], [3, 5]]]
    """
    along_x, along_y = np.tile(x, (len(y), 1)), np.repeat(y, len(x), axis=0)
    return np.stack([along_x, along_y], axis=2)


def grid(rows: Bounds, columns: Bounds) -> Bounds:
    """``int64[colours, 2, 2]`` the same, those of ``columns`` varying fastest."""
    return boxes(columns, rows)[:, :, ::-1].copy()


def extents(pieces: Bounds) -> Bounds:
    """``int64[colours, dimension]`` points along each dimension; 0 or less where empty."""
    extent: Bounds = pieces[:, 1] - pieces[:, 0] + 1
    return extent


def volumes(pieces: Bounds) -> Bounds:
    """``int64[colours]`` points in each piece; 0 where it is empty."""
    volume: Bounds = np.maximum(extents(pieces), 0).prod(axis=1)
    return volume


def partitions_of(region: str, **pieces: Bounds) -> dict[str, Partition]:
    """Partitions of one region by name, each from ``int64[colours, 2, dimension]``."""
    return {name: Partition(name, region, bounds) for name, bounds in pieces.items()}
