"""The points of an index launch: one notion of them for all who evaluate a mapping function."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from dsl.errors import MapperEvaluationError
from dsl.limits import INT_MAX, INT_MIN, MAX_POINTS

__all__ = ["IndexLaunch", "LaunchDomain", "require_32_bits"]

_MAX_RANK = 9  # dimensions of a launch domain, the most that Legion can be built for


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

    @classmethod
    def box(cls, extents: Sequence[int], lower: Sequence[int] | None = None) -> Self:
        """All points of a box; its lower bounds are zeros where none are given."""
        sizes = tuple([int(extent) for extent in extents])
        return cls(sizes, tuple(map(int, lower)) if lower else (0,) * len(sizes))

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

    def require_possible(self) -> None:
        """Raises where nobody can launch over it.

        Raises:
            MapperEvaluationError: It is no domain, is too large, or does not fit into 32 bits.
        """
        extents, rank = self.extents, len(self.extents)
        require_32_bits(extents)
        if not 1 <= rank <= _MAX_RANK or any(extent < 0 for extent in extents):
            raise MapperEvaluationError(f"{extents} is not a launch domain", code="launch-domain")
        self._require_rank(self.lower, *self.points)
        require_32_bits((*self.lower, *self.upper))
        if self.volume > MAX_POINTS:
            raise MapperEvaluationError(
                f"a launch has at most {MAX_POINTS:,} points, not {self.volume:,}",
                code="too-large",
            )

    def require_point(self, point: Sequence[int]) -> None:
        """Raises where a point cannot be one of it.

        Raises:
            MapperEvaluationError: The numbers of dimensions differ, or something does not fit
                into 32 bits.
        """
        self._require_rank(self.lower, point)
        require_32_bits((*self.extents, *self.lower, *point))

    def _require_rank(self, *points: Sequence[int]) -> None:
        rank = len(self.extents)
        if any(len(point) != rank for point in points):
            raise MapperEvaluationError(
                f"the lower bounds and points of a launch domain of {rank} dimensions have {rank} "
                "coordinates each",
                code="launch-domain",
            )


def require_32_bits(components: Sequence[int]) -> None:
    """Raises where a coordinate or an extent is no 32-bit number.

    Raises:
        MapperEvaluationError: One is not.
    """
    if any(not INT_MIN <= x <= INT_MAX for x in components):
        raise MapperEvaluationError(
            "a launch domain or a point of it does not fit into 32 bits", code="overflow"
        )
