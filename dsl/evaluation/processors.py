"""Machine spaces: views of a machine's processors, and the way back to the machine (section 5).

A space is made from ``Machine(KIND)``, of sizes (nodes, processors per node), by transforms. An
index into it goes back through the transforms, the last one first, to a node and a processor.
Index components may vary over the index points of a launch; sizes never do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from dsl.evaluation import factorisation
from dsl.evaluation.arithmetic import (
    Ints,
    add,
    divide,
    multiply,
    product,
    remainder,
    require,
    subtract,
)
from dsl.evaluation.faults import Fault
from dsl.limits import MAX_DIMENSIONS

__all__ = ["MachineSpace"]


class _Transform(Protocol):
    """One step between an older and a newer space."""

    def back(self, index: list[Ints]) -> list[Ints]:
        """From an index into the newer space to one into the older."""

    def forth(self, point: list[Ints]) -> list[Ints]:
        """From coordinates in the older space to those in the newer."""


@dataclass(frozen=True, slots=True)
class _Split:
    """One dimension becomes several, of which the first varies fastest."""

    dim: int
    factors: tuple[int, ...]
    indexable: bool = True

    def back(self, index: list[Ints]) -> list[Ints]:
        if not self.indexable:
            raise Fault("transform-dim", "a balance_split into other than 2 or 3 has no indices")
        end = self.dim + len(self.factors)
        old: Ints = 0
        stride = 1
        for part, factor in zip(index[self.dim : end], self.factors, strict=True):
            old = add(old, multiply(part, stride))
            stride *= factor
        return [*index[: self.dim], old, *index[end:]]

    def forth(self, point: list[Ints]) -> list[Ints]:
        rest = point[self.dim]
        parts = []
        for factor in self.factors[:-1]:
            parts.append(remainder(rest, factor))
            rest = divide(rest, factor)
        return [*point[: self.dim], *parts, rest, *point[self.dim + 1 :]]


@dataclass(frozen=True, slots=True)
class _Merge:
    """Dimensions a and b become one, of which b varies fastest; ``size`` is that of b."""

    a: int
    b: int
    size: int

    @property
    def place(self) -> int:
        return self.a if self.a < self.b else self.a - 1

    def back(self, index: list[Ints]) -> list[Ints]:
        merged = index[self.place]
        rest = [*index[: self.place], *index[self.place + 1 :]]
        pair = {self.a: divide(merged, self.size), self.b: remainder(merged, self.size)}
        for dim in sorted(pair):
            rest.insert(dim, pair[dim])
        return rest

    def forth(self, point: list[Ints]) -> list[Ints]:
        merged = add(multiply(point[self.a], self.size), point[self.b])
        rest = [x for dim, x in enumerate(point) if dim not in (self.a, self.b)]
        rest.insert(self.place, merged)
        return rest


@dataclass(frozen=True, slots=True)
class _Swap:
    """Dimensions a and b change places."""

    a: int
    b: int

    def back(self, index: list[Ints]) -> list[Ints]:
        old = list(index)
        old[self.a], old[self.b] = old[self.b], old[self.a]
        return old

    forth = back


@dataclass(frozen=True, slots=True)
class _Slice:
    """Only ``low`` to ``high`` of a dimension, both included."""

    dim: int
    low: int
    high: int

    def back(self, index: list[Ints]) -> list[Ints]:
        require(
            index[self.dim] <= self.high - self.low,
            "slice-range",
            f"the index is beyond the slice of {self.high - self.low + 1} in dimension {self.dim}",
            "slice(d, low, high) includes both ends: its size is high - low + 1",
        )
        return self._shifted(index, self.low)

    def forth(self, point: list[Ints]) -> list[Ints]:
        require(
            point[self.dim] >= self.low,
            "processor-outside-machine",
            f"the processor lies below the slice in dimension {self.dim}",
        )
        return self._shifted(point, -self.low)

    def _shifted(self, index: list[Ints], distance: int) -> list[Ints]:
        moved = list(index)
        moved[self.dim] = add(moved[self.dim], distance)
        return moved


@dataclass(frozen=True, slots=True)
class _Reverse:
    """A dimension counts down; ``size`` is its size."""

    dim: int
    size: int

    def back(self, index: list[Ints]) -> list[Ints]:
        old = list(index)
        old[self.dim] = subtract(self.size - 1, index[self.dim])
        return old

    forth = back


@dataclass(frozen=True, slots=True)
class MachineSpace:
    """A view of the processors of one kind.

    Attributes:
        kind: The processor kind, or None for the bare word ``Machine``, which nothing can use.
        base: Nodes of the machine, and processors of the kind in each.
        sizes: Sizes of the view's dimensions.
    """

    kind: str | None
    base: tuple[int, ...]
    sizes: tuple[int, ...]
    transforms: tuple[_Transform, ...] = ()

    @classmethod
    def of_machine(cls, kind: str, nodes: int, processors: int) -> MachineSpace:
        """``Machine(kind)``."""
        return cls(kind, (nodes, processors), (nodes, processors))

    @property
    def volume(self) -> Ints:
        """Product of the sizes."""
        return product(self.sizes)

    # Transforms

    def split(self, dim: int, factor: int) -> MachineSpace:
        """``dim`` becomes two: ``factor``, and the quotient."""
        size = self._size(dim)
        parts = (factor, int(divide(size, factor)))
        return self._replaced(dim, parts, _Split(dim, parts))

    def balance_split(self, dim: int, count: int) -> MachineSpace:
        """``dim`` becomes ``count`` dimensions of sizes near each other."""
        size = self._size(dim)
        if not 1 <= count <= MAX_DIMENSIONS:
            raise Fault("transform-dim", f"balance_split cannot make {count} dimensions")
        parts = factorisation.balance_split(size, count)
        return self._replaced(dim, parts, _Split(dim, parts, indexable=count in (2, 3)))

    def auto_split(self, dim: int, extents: tuple[int, ...]) -> MachineSpace:
        """``dim`` becomes one dimension per extent, each in proportion."""
        parts = factorisation.auto_split(self._size(dim), self._extents(extents))
        return self._replaced(dim, parts, _Split(dim, parts))

    def greedy_split(self, dim: int, extents: tuple[int, ...]) -> MachineSpace:
        """`auto_split` by the greedy rule."""
        parts = factorisation.greedy_split(self._size(dim), self._extents(extents))
        return self._replaced(dim, parts, _Split(dim, parts))

    def merge(self, a: int, b: int) -> MachineSpace:
        """``a`` and ``b`` become one dimension, in which ``b`` varies fastest."""
        self._require_two(a, b)
        step = _Merge(a, b, self.sizes[b])
        sizes = [size for dim, size in enumerate(self.sizes) if dim not in (a, b)]
        sizes.insert(step.place, int(product((self.sizes[a], self.sizes[b]))))
        return self._with(tuple(sizes), step)

    def swap(self, a: int, b: int) -> MachineSpace:
        """``a`` and ``b`` change places."""
        self._require_two(a, b)
        sizes = list(self.sizes)
        sizes[a], sizes[b] = sizes[b], sizes[a]
        return self._with(tuple(sizes), _Swap(a, b))

    def slice(self, dim: int, low: int, high: int) -> MachineSpace:
        """Only ``low`` to ``high`` of ``dim``, both included."""
        size = self._size(dim)
        if low >= size or high >= size:
            raise Fault(
                "slice-bounds",
                f"slice({dim}, {low}, {high}) leaves dimension {dim} of size {size}",
                f"both ends are included and at most {size - 1}",
            )
        extent = int(add(int(subtract(high, low)), 1))
        return self._replaced(dim, (extent,), _Slice(dim, low, high))

    def reverse(self, dim: int) -> MachineSpace:
        """``dim`` counts down."""
        return self._with(self.sizes, _Reverse(dim, self._size(dim)))

    def _size(self, dim: int) -> int:
        if not 0 <= dim < len(self.sizes):
            raise Fault("transform-dim", self._no_dimension(dim))
        return self.sizes[dim]

    def _no_dimension(self, dim: int) -> str:
        last = len(self.sizes) - 1
        return f"there is no dimension {dim}: this machine space has the dimensions 0 to {last}"

    def _require_two(self, a: int, b: int) -> None:
        self._size(a)
        self._size(b)
        if a == b:
            raise Fault("same-dims", f"the two dimensions are the same, {a}")

    def _extents(self, extents: tuple[int, ...]) -> tuple[int, ...]:
        if not extents:
            raise Fault("autosplit-arg", "the tuple of extents is empty")
        if len(extents) > MAX_DIMENSIONS:
            raise Fault("too-large", f"a machine space has at most {MAX_DIMENSIONS} dimensions")
        return extents

    def _replaced(self, dim: int, parts: tuple[int, ...], step: _Transform) -> MachineSpace:
        return self._with((*self.sizes[:dim], *parts, *self.sizes[dim + 1 :]), step)

    def _with(self, sizes: tuple[int, ...], step: _Transform) -> MachineSpace:
        if len(sizes) > MAX_DIMENSIONS or len(self.transforms) >= 4 * MAX_DIMENSIONS:
            raise Fault(
                "too-large",
                f"a machine space has at most {MAX_DIMENSIONS} dimensions"
                f" and {4 * MAX_DIMENSIONS} transforms",
            )
        return MachineSpace(self.kind, self.base, sizes, (*self.transforms, step))

    # Points

    def locate(self, index: Sequence[Ints]) -> tuple[Ints, Ints]:
        """The node and the processor that an index stands for (section 7).

        Nothing is checked against the sizes of a transformed space, except the upper end of a
        slice; the node and the processor are checked against the machine from above.
        """
        if len(index) != len(self.sizes):
            raise Fault(
                "machine-index-arity",
                f"{len(index)} indices for a machine space of {len(self.sizes)} dimensions",
                "a tuple t is spread over the dimensions with m[*t]",
            )
        point = list(index)
        for step in reversed(self.transforms):
            point = step.back(point)
        node, processor = point
        self._require_below(node, 0, "node")
        self._require_below(processor, 1, "proc")
        return node, processor

    def _require_below(self, component: Ints, dim: int, code: str) -> None:
        count = self.base[dim]
        what = "node" if dim == 0 else f"{self.kind} processor"
        value = f"{component} " if type(component) is int else ""
        require(
            component < count,
            f"{code}-bounds",
            f"{what} {value}is out of range: the machine has {count}"
            + (" nodes" if dim == 0 else f" {self.kind} processors per node"),
            f"take the index modulo the size, as in i % m.size[{dim}]",
        )

    def coordinates(self, node: int, processor: int) -> tuple[Ints, ...]:
        """Where a processor of the machine lies in this space."""
        point: list[Ints] = [node, processor]
        for step in self.transforms:
            point = step.forth(point)
        for dim, (x, size) in enumerate(zip(point, self.sizes, strict=True)):
            require(
                x < size,
                "processor-outside-machine",
                f"processor {processor} of node {node} lies outside this machine space:"
                f" its coordinate {x} in dimension {dim} exceeds the size {size}",
            )
        return tuple(point)
