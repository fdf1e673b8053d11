"""What operators, indices, slices and members do with values (sections 3, 4 and 7)."""

from __future__ import annotations

from typing import Any

import numpy as np

from dsl.evaluation.arithmetic import (
    ARITHMETIC,
    COMPARISONS,
    Bools,
    Ints,
    negate,
    product,
    require,
)
from dsl.evaluation.faults import Fault
from dsl.evaluation.processors import MachineSpace
from dsl.evaluation.values import (
    Divergence,
    GeneralTuple,
    IndexTask,
    IntTuple,
    PointSet,
    SingleTask,
    StarValue,
    describe,
    is_bool,
    is_int,
    uniform,
)
from dsl.limits import MAX_TUPLE

__all__ = [
    "as_ints",
    "binary",
    "has_wildcard",
    "index",
    "is_beyond",
    "member",
    "negated",
    "slice_of",
]


def as_ints(value: Any) -> tuple[Ints, ...] | None:
    """The elements of a tuple that holds ints alone; None of anything else."""
    if isinstance(value, IntTuple):
        return value.items
    if isinstance(value, GeneralTuple) and all(is_int(item) for item in value.items):
        return value.items
    return None


# Operators (section 4)


def binary(operator: str, a: Any, b: Any) -> Any:
    """``a operator b``."""
    if is_int(a) and is_int(b):
        if operator in ARITHMETIC:
            return ARITHMETIC[operator](a, b)
        if operator in COMPARISONS:
            return COMPARISONS[operator](a, b)
    elif is_bool(a) and is_bool(b):
        if operator in _LOGIC:
            return _LOGIC[operator](a, b)
    elif operator in ARITHMETIC:
        left, right = as_ints(a), as_ints(b)
        if left is not None and right is not None:
            return _elementwise(operator, left, right)
    raise _type_mismatch(operator, a, b)


_LOGIC: dict[str, Any] = {
    "&&": lambda a, b: a & b,
    "||": lambda a, b: a | b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


def _elementwise(operator: str, a: tuple[Ints, ...], b: tuple[Ints, ...]) -> IntTuple:
    if len(a) != len(b):
        raise Fault(
            "type-mismatch",
            f"{operator} between tuples of {len(a)} and {len(b)} elements",
            "both tuples must be of the same length",
        )
    operation = ARITHMETIC[operator]
    return IntTuple(tuple([operation(x, y) for x, y in zip(a, b, strict=True)]))


def _type_mismatch(operator: str, a: Any, b: Any) -> Fault:
    return Fault(
        "type-mismatch",
        f"{operator} does not combine {describe(a)} and {describe(b)}",
        _operator_hint(operator, a, b),
    )


def _operator_hint(operator: str, a: Any, b: Any) -> str | None:
    tuples = [as_ints(v) is not None for v in (a, b)]
    if StarValue in (type(a), type(b)):
        return "a * before an operator is a bare star: unpack with parentheses, as in *(a + b)"
    if operator in ("&&", "||") and is_int(a) and is_int(b):
        return f"{operator} combines bools: compare the ints first, as in x != 0"
    if any(tuples) and operator in ARITHMETIC and (is_int(a) or is_int(b)):
        return "an int is not spread over a tuple: write out a tuple of the same length"
    if all(tuples):
        return f"tuples cannot be compared: compare element by element, as in a[0] {operator} b[0]"
    if is_bool(a) and is_int(b) and operator in COMPARISONS:
        return "comparisons do not chain: write a < b && b < c"
    if {is_bool(a), is_int(a)} == {is_bool(b), is_int(b)} == {True, False}:
        return "a bool is not a number: choose with c ? 1 : 0"
    return None


def negated(value: Any, *, literal: bool) -> Any:
    """``-value``; of a tuple only where it is written out in ints."""
    if is_int(value):
        return negate(value)
    if literal:
        return IntTuple(tuple([negate(item) for item in value.items]))
    raise Fault(
        "bad-negate",
        f"- does not apply to {describe(value)}",
        "subtract from zeros, as in (0, 0) - t" if as_ints(value) is not None else None,
    )


# Indices and slices (sections 4 and 7)


def index(base: Any, indices: list[Any]) -> Any:
    """``base[indices]``."""
    if isinstance(base, MachineSpace):
        return _machine_point(base, indices)
    if isinstance(base, IntTuple | GeneralTuple):
        return _element(base.items, indices)
    raise Fault("bad-index", f"{describe(base)} cannot be indexed")


def _element(items: tuple[Any, ...], indices: list[Any]) -> Any:
    if len(indices) != 1 or not is_int(indices[0]):
        given = " and ".join(describe(i) for i in indices[:3])
        raise Fault("bad-index", f"a tuple is indexed by one int, not by {given}")
    where: Ints = indices[0]
    length = len(items)
    value = f"{where} " if isinstance(where, int) else ""
    require(
        _both(-length <= where, where < length),
        "index-bounds",
        f"the index {value}is out of range for a tuple of {length}",
    )
    if isinstance(where, int):
        return items[where]
    if all(is_int(item) for item in items):
        columns = np.stack(np.broadcast_arrays(where, *items)[1:])
        return columns[where, np.arange(len(where))]
    return items[uniform(where)]


def _both(a: Bools, b: Bools) -> Bools:
    return a & b


def _machine_point(space: MachineSpace, indices: list[Any]) -> IntTuple | PointSet:
    _require_kind(space)
    for i in indices:
        if not is_int(i) and not isinstance(i, StarValue):
            hint = "spread a tuple with *, as in m[*t]" if as_ints(i) is not None else None
            raise Fault("bad-index", f"a machine is indexed by ints, not by {describe(i)}", hint)
    if len(indices) > 1:
        indices = [_star_or_index(i) for i in indices]
    stars = [at for at, i in enumerate(indices) if isinstance(i, StarValue)]
    if stars:
        return _point_set(space, indices, stars)
    return IntTuple(space.locate(indices), space.kind)


def is_beyond(space: MachineSpace, indices: list[Any]) -> bool:
    """Whether some index is beyond its dimension, where it stands for another processor."""
    return any(
        is_int(component) and bool(np.any(component >= size))
        for component, size in zip(indices, space.sizes, strict=False)
    )


def has_wildcard(indices: list[Any]) -> bool:
    """Whether some index, of several that named a point, is a star because it is -1."""
    return any(is_int(component) and bool(np.all(component == -1)) for component in indices)


def _star_or_index(component: Any) -> Any:
    """In a list of several, -1 is the star, and no other index is negative (section 7)."""
    if isinstance(component, StarValue):
        return component
    star = component == -1
    if isinstance(star, bool):
        if star:
            return StarValue()
    elif star.all():
        return StarValue()
    elif star.any():
        raise Divergence.by(star)
    require(
        component >= 0,
        "index-bounds",
        "a machine index is negative",
        "add the size before taking the modulus, as in (i % n + n) % n",
    )
    return component


def _point_set(space: MachineSpace, indices: list[Any], stars: list[int]) -> PointSet:
    if len(indices) != len(space.sizes):
        space.locate([0] * len(indices))
    extents = [space.sizes[at] for at in stars]
    if any(extent != 1 for extent in extents[:-1]):
        raise Fault("bad-index", "a machine index has at most one star")
    if not 1 <= extents[-1] <= MAX_TUPLE:
        sentence = f"the star ranges over {extents[-1]} indices"
        raise Fault("index-bounds" if extents[-1] < 1 else "too-large", sentence)
    points = []
    for at_star in range(extents[-1]):
        chosen = {**dict.fromkeys(stars, 0), stars[-1]: at_star}
        points.append(space.locate([chosen.get(at, i) for at, i in enumerate(indices)]))
    return PointSet(tuple(points), space.kind)


def slice_of(base: Any, lower: Any, upper: Any) -> IntTuple | GeneralTuple:
    """``base[lower:upper]``, where a missing bound is 0, and an upper 0 is the end."""
    if isinstance(base, MachineSpace):
        _require_kind(base)
        base = IntTuple(base.sizes)
    if not isinstance(base, IntTuple | GeneralTuple):
        raise Fault("bad-index", f"{describe(base)} cannot be sliced")
    for bound in (lower, upper):
        if not is_int(bound):
            raise Fault("bad-index", f"a slice is bounded by ints, not by {describe(bound)}")
    items = _stretch(base.items, uniform(lower), uniform(upper))
    if isinstance(base, IntTuple):
        return IntTuple(items)
    return GeneralTuple(items, base.depth)


def _stretch(items: tuple[Any, ...], low: int, high: int) -> tuple[Any, ...]:
    length = len(items)
    if high >= 0 and high >= length:
        raise Fault(
            "slice-bounds",
            f"the slice ends at {high} in a tuple of {length}",
            "the end must be below the length: leave it out to reach the end, as in t[1:]",
        )
    low = low + length if low < 0 else low
    high = high + length if high <= 0 else high
    if low >= high:
        return ()
    if low < 0:
        raise Fault("slice-bounds", f"the slice starts before a tuple of {length}")
    return items[low:high]


# Members


def member(value: Any, name: str) -> Any:
    """``value.name``, not called."""
    if name in ("size", "volume", "len"):
        return _extent(value, name)
    if name in ("ipoint", "ispace", "ilower", "parent"):
        return _of_task(value, name)
    raise Fault("bad-member", f"{name} is not a value: call it, as in m.{name}(...)")


def _extent(value: Any, name: str) -> Any:
    if isinstance(value, MachineSpace):
        _require_kind(value)
        items: tuple[Ints, ...] | None = value.sizes
    else:
        items = as_ints(value)
    if items is None:
        raise Fault("bad-member", f"{describe(value)} has no {name}", _extent_hint(value, name))
    if name == "len":
        return len(items)
    return product(items) if name == "volume" else IntTuple(items)


def _extent_hint(value: Any, name: str) -> str | None:
    if isinstance(value, GeneralTuple):
        return "only a tuple of ints has it"
    if isinstance(value, IndexTask | SingleTask):
        return f"take it of the launch, as in t.ispace.{name}"
    return None


def _of_task(value: Any, name: str) -> Any:
    if not isinstance(value, IndexTask | SingleTask):
        raise Fault("bad-member", f"{describe(value)} has no {name}: only a task has")
    if name == "parent":
        parent = value.parent if isinstance(value, SingleTask) else None
        if parent is None:
            hint = "use it in the function of a SingleTaskMap"
            raise Fault("no-parent", "this task has no parent that a mapper can ask", hint)
        return parent
    if isinstance(value, SingleTask):
        hint = "use it in the function of an IndexTaskMap"
        raise Fault("no-ipoint-on-single", f"a single task has no {name}", hint)
    return IntTuple(getattr(value, name))


def _require_kind(space: MachineSpace) -> None:
    if space.kind is None:
        raise Fault("machine-arg", "Machine needs a processor kind", "write Machine(GPU)")
