"""What the built-in applications are made of: tiles of regions, launches by what they use."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from legion_bridge.errors import ApplicationError
from legion_bridge.programs.application import Launch, Partition, Requirement, Work

__all__ = [
    "EMPTY",
    "Amount",
    "Bounds",
    "LaunchOptions",
    "Use",
    "WorkOptions",
    "boxes",
    "check_pieces",
    "even_bounds",
    "extents",
    "grid",
    "launch",
    "partitions_of",
    "volumes",
]

Bounds = NDArray[np.int64]
MOST_PIECES = 50_000
"""Points of a launch and pieces of a region at most: those of 12,500 nodes with four GPUs each."""
EMPTY = (0, -1)
"""Inclusive bounds of an interval without points."""


def check_pieces(count: int) -> int:
    """The number of pieces or points, where a program of that many can be held.

    Raises:
        ApplicationError: There are too many.
    """
    if count > MOST_PIECES:
        raise ApplicationError(
            f"{count:,} pieces are too many: at most {MOST_PIECES:,} are simulated"
        )
    return count


def even_bounds(extent: int, pieces: int) -> Bounds:
    """``int64[pieces, 2]`` inclusive bounds of nearly equal intervals of ``[0, extent)``.

    Raises:
        ApplicationError: There are too many.

    >>> even_bounds(10, 3).tolist()
    [[0, 2], [3, 5], [6, 9]]
    """
    cuts = np.arange(check_pieces(pieces) + 1, dtype=np.int64) * extent // pieces
    return np.stack([cuts[:-1], cuts[1:] - 1], axis=1)


def boxes(x: Bounds, y: Bounds) -> Bounds:
    """``int64[colours, 2, 2]`` products of intervals, those of ``x`` varying fastest.

    >>> boxes(even_bounds(4, 2), even_bounds(6, 1)).tolist()
    [[[0, 0], [1, 5]], [[2, 0], [3, 5]]]
    """
    check_pieces(len(x) * len(y))
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


Amount = float | NDArray[np.floating[Any]] | NDArray[np.int64]
"""One number for all points, or one for each."""


class Use(NamedTuple):
    """A requirement, and what each point does to it.

    Attributes:
        traffic: Bytes streamed to and from it.
        accesses: Scattered accesses to it.
        colors: Which piece each point takes; None for its own number.
    """

    requirement: Requirement
    traffic: Amount = 0.0
    accesses: Amount = 0.0
    colors: NDArray[np.int64] | None = None


class WorkOptions(TypedDict, total=False):
    """Options of ``Work.of`` beside traffic and accesses."""

    flops: Amount
    rate: str
    kernels: int
    window: float
    window_traffic: float
    side: Amount


class LaunchOptions(TypedDict, total=False):
    """Options of ``Launch`` that concern its place in the program."""

    parent: int | None
    after: tuple[int, ...]
    blocking: bool
    timed: bool


def launch(
    task: str,
    domain: tuple[int, ...],
    uses: Sequence[Use] = (),
    work: WorkOptions | None = None,
    *,
    parents: int = 1,
    **place: Unpack[LaunchOptions],
) -> Launch:
    """A launch of a task, an index launch where the domain is not empty.

    Args:
        task: Its name.
        domain: Extents of the launch domain; ``()`` for a single task.
        uses: Its requirements, in order, and what its points do to them.
        work: What else its points do.
        parents: Points of all its parents together.
        place: Attributes of ``Launch`` that concern its place in the program.
    """
    points = check_pieces(parents * math.prod(domain))
    shape = (points, len(uses))
    traffic, accesses = np.zeros(shape), np.zeros(shape)
    for index, use in enumerate(uses):
        traffic[:, index], accesses[:, index] = use.traffic, use.accesses
    return Launch(
        task=task,
        domain=domain,
        requirements=tuple(use.requirement for use in uses),
        colors=tuple(use.colors for use in uses),
        work=Work.of(points, len(uses), traffic=traffic, accesses=accesses, **(work or {})),
        **place,
    )
