"""The points of an index launch: one notion of them for all who evaluate a mapping function."""

from __future__ import annotations

from math import prod
from typing import NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["IndexLaunch", "LaunchDomain"]


class IndexLaunch(Protocol):
    """Whatever is launched over a domain."""

    @property
    def domain(self) -> tuple[int, ...]:
        """Extents of the launch domain; of a sparse one, of the box around it."""

    @property
    def lower(self) -> tuple[int, ...]:
        """Lower bounds of that box; ``()`` stands for zeros."""

    @property
    def points(self) -> tuple[tuple[int, ...], ...]:
        """The points of a sparse domain in row-major order; ``()`` where it is all of the box."""


class LaunchDomain(NamedTuple):
    """A launch domain: a box of points, or some points in a box.

    Attributes:
        extents: Of the box; what a mapping function reads as ``ispace``.
        lower: Lower bounds of the box, one a dimension; what it reads as ``ilower``.
        points: The points of a sparse domain in row-major order; ``()`` for all of the box.

    >>> LaunchDomain((2, 2), (3, -1)).point(2)
    (4, -1)
    """

    extents: tuple[int, ...]
    lower: tuple[int, ...]
    points: tuple[tuple[int, ...], ...] = ()

    @classmethod
    def of(cls, launch: IndexLaunch) -> Self:
        """That of a launch."""
        return cls(launch.domain, launch.lower or (0,) * len(launch.domain), launch.points)

    @property
    def volume(self) -> int:
        """Number of points."""
        return len(self.points) or prod(self.extents)

    @property
    def upper(self) -> tuple[int, ...]:
        """Inclusive upper bounds of the box."""
        return tuple([a + n - 1 for a, n in zip(self.lower, self.extents, strict=True)])

    def point(self, number: int) -> tuple[int, ...]:
        """A point by its number in row-major order."""
        return tuple([int(x[0]) for x in self.coordinates(np.array([number]))])

    def coordinates(self, numbers: NDArray[np.intp]) -> tuple[NDArray[np.int64], ...]:
        """The coordinates of some points by their numbers: an array for each dimension."""
        if self.points:
            return tuple(np.array(self.points, np.int64)[numbers].T)
        found = np.unravel_index(numbers, self.extents)
        if any(self.lower):
            return tuple([x + least for x, least in zip(found, self.lower, strict=True)])
        return tuple(found)
