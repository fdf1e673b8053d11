"""Which piece of its data each point takes, as a formula of its coordinates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from legion_bridge.programs.application import Application, Launch, Requirement

__all__ = ["Coordinates", "piece_formula"]

Ints = NDArray[np.int64]

MOST_FITTED = 20_000
"""Points up to which formulas are looked for."""
MOST_LISTED = 16
"""Pieces that are listed where no formula is found."""
MOST_VARIABLES = 5
NAMES = "ijklmnpq"
PARTS = 2
"""Of a coordinate: the whole, or quotient and remainder by a divisor."""


class Coordinates:
    """The coordinates of all points of a group of launches, one after the other.

    Those of the tasks that launch them come first, the number of the launch in its group last;
    coordinates that never change are left out.

    Args:
        launches: All launches of the phase.
        group: Numbers of launches of one task with one domain and one parent.

    Attributes:
        values: By name, ``[points]``: the number of each point of the first launch along a
            dimension, then those of the second launch, and so on.
        own: The names of the coordinates of the launch domain itself; ``"0"`` for one that never
            changes.
        step: The name of the launch's number; empty where there is one launch.
    """

    def __init__(self, launches: Sequence[Launch], group: Sequence[int]) -> None:
        names = iter(NAMES)
        chain = [group[0]]
        while (parent := launches[chain[0]].parent) is not None:
            chain.insert(0, parent)
        columns: list[tuple[int, Ints]] = []
        count = 1
        for number in chain:
            grid = _grid(launches[number])
            columns = [(n, np.repeat(column, grid.shape[1])) for n, column in columns]
            columns += [(number, np.tile(column, count)) for column in grid]
            count *= grid.shape[1]
        self.values: dict[str, Ints] = {}
        self.own: tuple[str, ...] = ()
        self.above: dict[str, list[str]] = {}
        for number, column in columns:
            name = next(names, "") if np.ptp(column) else ""
            if name:
                self.values[name] = np.tile(column, len(group))
            if number == group[0]:
                self.own = (*self.own, name or "0")
            elif name:
                self.above.setdefault(launches[number].task, []).append(name)
        self.step = "s" if len(group) > 1 else ""
        if self.step:
            self.values["s"] = np.repeat(np.arange(len(group)), count)


def _grid(launch: Launch) -> Ints:
    """``[dimensions, points]`` from zero on, in row-major order."""
    if launch.single:
        return np.zeros((1, 1), np.int64)
    if launch.points:
        return np.array(launch.points, np.int64).T
    return np.array([axis.ravel() for axis in np.indices(launch.domain)], np.int64)


def piece_formula(
    application: Application, coordinates: Coordinates, requirement: Requirement, colors: Ints
) -> str:
    """The piece that each point takes, in brackets; empty where there is one for all.

    Args:
        application: The program.
        coordinates: Those of the points.
        requirement: Whose partition it is.
        colors: ``[points]`` numbers of the pieces.
    """
    if not np.ptp(colors):
        return ""
    if len(colors) > MOST_FITTED or len(coordinates.values) > MOST_VARIABLES:
        return "[varies]"
    grid = _piece_grid(application, requirement)[colors]
    shown = [column for column in grid.T if np.ptp(column)]
    formulas = [_formula(column, coordinates) for column in shown]
    if all(formulas) and formulas:
        return f"[{', '.join(map(str, formulas))}]"
    if len(colors) <= MOST_LISTED:
        return f"[{' '.join(map(str, colors.tolist()))}]"
    return "[varies]"


def _piece_grid(application: Application, requirement: Requirement) -> Ints:
    """``[pieces, dimensions]`` the place of each piece in its grid; its number where none is."""
    lower = application.piece_bounds(requirement)[:, 0]
    places = [np.unique(column, return_inverse=True)[1] for column in lower.T]
    grid = np.array(places, np.int64).T
    if len(np.unique(grid, axis=0)) < len(grid):
        return np.arange(len(grid))[:, None]
    return grid


def _formula(column: Ints, coordinates: Coordinates) -> str | None:
    """A column as a sum of coordinates, taken modulo its extent where it wraps round."""
    extent = int(column.max()) + 1
    found = _sum_of(column, extent, coordinates)
    if found is not None:
        return found
    for divisor in range(2, extent):
        if extent % divisor == 0:
            high = _sum_of(column // divisor, extent // divisor, coordinates)
            low = _sum_of(column % divisor, divisor, coordinates)
            if high is not None and low is not None:
                return f"{divisor}*({high})+{low}"
    return None


def _sum_of(column: Ints, extent: int, coordinates: Coordinates) -> str | None:
    names = list(coordinates.values)
    for factors in _factors(len(names), extent):
        total = np.zeros(len(column), np.int64)
        for name, factor in zip(names, factors, strict=True):
            total += factor * coordinates.values[name]
        offset = int(column[0] - total[0])
        words = [n if f == 1 else f"{f}*{n}" for n, f in zip(names, factors, strict=True) if f]
        if (total + offset == column).all():
            return "+".join([*words, *([str(offset)] if offset else [])]) or "0"
        if ((total + offset) % extent == column).all():
            rest = offset % extent
            return f"({'+'.join([*words, *([str(rest)] if rest else [])])})%{extent}"
    return None


def _factors(count: int, extent: int) -> Iterator[tuple[int, ...]]:
    """Factors of the coordinates, the simplest first."""
    largest = min(max(extent, 2), 4 if count > 3 else 8)
    return iter(sorted(product(range(largest + 1), repeat=count), key=lambda f: (sum(f), f[::-1])))
