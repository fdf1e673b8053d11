"""What expressions evaluate to (section 4).

A value that varies over the index points of a launch holds arrays with one element per point, at
hand where a single value would be: an int may be an int64 array, a bool a bool array, and so may
the elements of a tuple. What has a shape of its own (the length of a tuple, a machine space) is
the same for all points at hand; where it would not be, the points are divided (`Divergence`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dsl.evaluation.arithmetic import Bools, Ints
from dsl.evaluation.processors import MachineSpace
from dsl.syntax import FunctionDefinition

__all__ = [
    "Divergence",
    "Function",
    "GeneralTuple",
    "IndexTask",
    "IntTuple",
    "MemoryName",
    "PointSet",
    "ProcessorName",
    "SingleTask",
    "Splice",
    "StarValue",
    "Value",
    "describe",
    "is_bool",
    "is_int",
    "merge",
    "select",
    "uniform",
]

Rows: TypeAlias = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class IntTuple:
    """A tuple known to hold ints; ``kind`` makes it a point of a machine of that kind."""

    items: tuple[Ints, ...]
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class GeneralTuple:
    """Any other tuple, even where all its elements happen to be ints.

    ``depth`` is the number of general tuples one within the other.
    """

    items: tuple[Any, ...]
    depth: int = 1


@dataclass(frozen=True, slots=True)
class PointSet:
    """The points that an index with a star stands for, in order."""

    points: tuple[tuple[Ints, Ints], ...]
    kind: str | None


@dataclass(frozen=True, slots=True)
class IndexTask:
    """A point task of an index launch."""

    ipoint: tuple[Ints, ...]
    ispace: tuple[int, ...]
    ilower: tuple[Ints, ...]


@dataclass(frozen=True, slots=True)
class SingleTask:
    """A single task, or the task that launched one.

    ``processor`` is the node and the processor that the launching task runs on, or None where
    that processor is not one that the language knows of; ``parent`` is the launching task.
    """

    processor: tuple[int, int] | None
    parent: SingleTask | None = None


@dataclass(frozen=True, slots=True)
class ProcessorName:
    """A processor kind."""

    kind: str


@dataclass(frozen=True, slots=True)
class MemoryName:
    """A memory kind."""

    kind: str


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the mapper."""

    definition: FunctionDefinition


@dataclass(frozen=True, slots=True)
class StarValue:
    """A bare star."""


@dataclass(frozen=True, slots=True)
class Splice:
    """``*t``: elements for the list around it."""

    items: tuple[Any, ...]


Value: TypeAlias = (
    int
    | NDArray[Any]
    | IntTuple
    | GeneralTuple
    | MachineSpace
    | PointSet
    | IndexTask
    | SingleTask
    | ProcessorName
    | MemoryName
    | Function
    | StarValue
    | Splice
)


class Divergence(Exception):  # noqa: N818  a turn of the evaluation, not an error
    """A value would have different shapes at different points: they must part.

    Attributes:
        groups: The points that can go together, each as rows among the points at hand.
    """

    def __init__(self, groups: Sequence[Rows]) -> None:
        super().__init__("index points part")
        self.groups = groups

    @classmethod
    def by(cls, labels: NDArray[Any]) -> Divergence:
        """Points with equal labels go together."""
        _, inverse = np.unique(labels, return_inverse=True)
        order = np.argsort(inverse, kind="stable")
        bounds = np.flatnonzero(np.diff(inverse[order])) + 1
        return cls(np.split(order, bounds))


def is_int(value: Any) -> bool:
    """Whether a value is an int, or one per point."""
    return type(value) is int or (type(value) is np.ndarray and value.dtype != np.bool_)


def is_bool(value: Any) -> bool:
    """Whether a value is a bool, or one per point."""
    return type(value) is bool or (type(value) is np.ndarray and value.dtype == np.bool_)


def uniform(value: Ints) -> int:
    """The one value that all points share.

    Raises:
        Divergence: They do not share one.
    """
    if isinstance(value, int):
        return value
    if value.min() == value.max():
        return int(value[0])
    raise Divergence.by(value)


def select(value: Any, rows: Rows) -> Any:
    """A value as it is at some of the points at hand."""
    if isinstance(value, np.ndarray):
        return value[rows]
    if isinstance(value, IntTuple):
        return IntTuple(_select_all(value.items, rows), value.kind)
    if isinstance(value, GeneralTuple):
        return GeneralTuple(_select_all(value.items, rows), value.depth)
    if isinstance(value, PointSet):
        points = [(select(node, rows), select(proc, rows)) for node, proc in value.points]
        return PointSet(tuple(points), value.kind)
    if isinstance(value, IndexTask):
        lower = _select_all(value.ilower, rows)
        return IndexTask(_select_all(value.ipoint, rows), value.ispace, lower)
    return value


def _select_all(items: tuple[Any, ...], rows: Rows) -> tuple[Any, ...]:
    return tuple([select(item, rows) for item in items])


def merge(values: tuple[Any, Any], rows: tuple[Rows, Rows]) -> Any:
    """One value from those of two parts of the points at hand.

    Raises:
        Divergence: The two are of different shapes.
    """
    a, b = values
    if (is_int(a) and is_int(b)) or (is_bool(a) and is_bool(b)):
        return _merge_numbers(a, b, rows)
    if type(a) is type(b):
        if isinstance(a, IntTuple) and a.kind == b.kind:
            return IntTuple(_merge_items(a.items, b.items, rows), a.kind)
        if isinstance(a, GeneralTuple):
            depth = max(a.depth, b.depth)
            return GeneralTuple(_merge_items(a.items, b.items, rows), depth)
        if isinstance(a, PointSet) and a.kind == b.kind:
            _require_as_long(a.points, b.points, rows)
            pairs = zip(a.points, b.points, strict=True)
            points = [(merge((p, q), rows), merge((r, t), rows)) for (p, r), (q, t) in pairs]
            return PointSet(tuple(points), a.kind)
        if isinstance(a, _UNIFORM) and a == b:
            return a
    raise Divergence(rows)


# Values of these hold no arrays.
_UNIFORM = (MachineSpace, SingleTask, ProcessorName, MemoryName, Function, StarValue)


def _merge_numbers(a: Ints | Bools, b: Ints | Bools, rows: tuple[Rows, Rows]) -> Any:
    if isinstance(a, int) and isinstance(b, int) and a == b:
        return a
    merged = np.empty(len(rows[0]) + len(rows[1]), bool if is_bool(a) else np.int64)
    merged[rows[0]] = a
    merged[rows[1]] = b
    return merged


def _require_as_long(a: Sequence[Any], b: Sequence[Any], rows: tuple[Rows, Rows]) -> None:
    if len(a) != len(b):
        raise Divergence(rows)


def _merge_items(
    a: tuple[Any, ...], b: tuple[Any, ...], rows: tuple[Rows, Rows]
) -> tuple[Any, ...]:
    _require_as_long(a, b, rows)
    return tuple([merge(pair, rows) for pair in zip(a, b, strict=True)])


_WORDS: dict[type, str] = {
    PointSet: "a set of machine points",
    IndexTask: "a task",
    SingleTask: "a task",
    MachineSpace: "a machine space",
    StarValue: "a bare *",
    Splice: "an unpacked tuple",
}


def describe(value: Any) -> str:
    """What a value is, in the words of the language."""
    if is_bool(value):
        return "a bool"
    if is_int(value):
        return "an int"
    if isinstance(value, IntTuple):
        return "a machine point" if value.kind else f"an int tuple of {len(value.items)}"
    if isinstance(value, GeneralTuple):
        return f"a tuple of {len(value.items)}"
    if isinstance(value, ProcessorName | MemoryName):
        return f"the kind {value.kind}"
    if isinstance(value, Function):
        return f"the function {value.definition.name}"
    return _WORDS[type(value)]
