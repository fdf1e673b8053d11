"""Boxes of points, as logs tell domains, regions and pieces."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import product
from typing import TypeAlias

__all__ = ["Box", "Index", "around", "filled", "points_of", "volume_of"]

Index: TypeAlias = tuple[int, ...]
Box: TypeAlias = tuple[Index, Index]
"""Lower and upper bounds, inclusive."""


def volume_of(box: Box) -> int:
    """Points in a box; 0 where an upper bound lies below its lower one.

    >>> volume_of(((0, 1), (1, 3))), volume_of(((5,), (4,)))
    (6, 0)
    """
    return math.prod(max(b - a + 1, 0) for a, b in zip(*box, strict=True))


def filled(boxes: Iterable[Box]) -> list[Box]:
    """Boxes without the empty ones."""
    return [box for box in boxes if volume_of(box)]


def around(boxes: Iterable[Box]) -> Box:
    """The bounding box of some boxes, of which there must be one.

    >>> around([((0, 2), (1, 2)), ((0, 0), (0, 1))])
    ((0, 0), (1, 2))
    """
    lower, upper = zip(*boxes, strict=True)
    return (
        tuple(map(min, zip(*lower, strict=True))),
        tuple(map(max, zip(*upper, strict=True))),
    )


def points_of(box: Box) -> list[Index]:
    """Every point of a box, in row-major order.

    >>> points_of(((0, 5), (1, 6)))
    [(0, 5), (0, 6), (1, 5), (1, 6)]
    """
    return list(product(*(range(a, b + 1) for a, b in zip(*box, strict=True))))
