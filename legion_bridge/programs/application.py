"""A program as a list of launches: what a mapper decides about, and all that a simulation needs.

An application is *not* code. It is the list of what the program asks of the runtime, in program
order: index launches and single tasks, their region requirements and the work of each point.
Regions are rectangles, a partition is a list of rectangles (one a colour, inclusive bounds as in
Legion, empty where an upper bound lies below its lower bound), so that every number a mapper's
cost depends on is arithmetic on small integer arrays.

A launch that another task makes names that launch as its ``parent``: it happens once for each of
the parent's points, and its own points are numbered parent point first. The matrix
multiplications use this: ``task_7`` launches ``task_6``, which launches ``task_5``, and so on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from dsl.facts import Privilege
from dsl.launch_domain import LaunchDomain
from legion_bridge.errors import ApplicationError
from legion_bridge.programs.task_summary import TaskSummary, summarise
from legion_bridge.rates import RATES

__all__ = [
    "Application",
    "Field",
    "Launch",
    "LayoutNeed",
    "ObservedCopy",
    "Partition",
    "Region",
    "Requirement",
    "TaskKind",
    "Work",
]

PRIVILEGES: tuple[Privilege, ...] = (
    "NO_ACCESS",
    "READ_ONLY",
    "READ_WRITE",
    "WRITE_ONLY",
    "REDUCE",
)
MOST_BYTES = 2**53
"""Bytes of a region: those of more cannot be told exactly, nor those of its pieces added up."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a region and its bytes per element."""

    name: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Region:
    """A logical region: a rectangle of points with fields.

    Attributes:
        lower, upper: Inclusive bounds, one number a dimension.
        named: Whether the program gives it that name, so that a mapper can use it.
    """

    name: str
    lower: tuple[int, ...]
    upper: tuple[int, ...]
    fields: tuple[Field, ...]
    named: bool = True

    @property
    def dimension(self) -> int:
        return len(self.lower)

    def field_bytes(self, names: Sequence[str]) -> int:
        """Bytes per element of the named fields together."""
        sizes = {f.name: f.bytes for f in self.fields}
        return sum(sizes[name] for name in names)


@dataclass(frozen=True, eq=False, slots=True)
class Partition:
    """The pieces of a region.

    Attributes:
        region: Name of the region that it divides.
        pieces: ``int64[colours, 2, dimension]``, inclusive lower and upper bounds.
        volumes: ``int64[colours]`` points in each piece, for sparse pieces of which ``pieces``
            holds the bounding box; None where the boxes are dense.
        named: Whether the program gives it that name, so that a mapper can use it.
    """

    name: str
    region: str
    pieces: NDArray[np.int64]
    volumes: NDArray[np.int64] | None = None
    named: bool = True


@dataclass(frozen=True, slots=True)
class ObservedCopy:
    """Copies that a captured run made, under the mapper that it had.

    Attributes:
        region: The region that was copied.
        source, target: Kinds of memory.
        count: Number of copies.
        bytes: Total bytes of the copies.
        seconds: Total time of the copies, as if one came after the other.
    """

    region: str
    source: str
    target: str
    count: int
    bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class LayoutNeed:
    """The layout that a task was compiled for, or that Realm can copy.

    Attributes:
        order: ``"C_order"``, ``"F_order"`` or None for either.
        soa: True where fields must lie apart, False together, None either.
        message: What the program says when it is given another layout, or why it must not be.
        compact: False where instances must keep the holes of a piece, None where either will do.
        alone: Whether ``soa`` counts for requirements of one field, too: their instances may hold
            others of the region.
    """

    order: str | None
    soa: bool | None
    message: str
    compact: bool | None = None
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Requirement:
    """One region requirement of a launch.

    Attributes:
        region: Name of the region.
        partition: Name of the partition whose pieces the points take; None for all the region.
        privilege: The privilege as in Legion. ``NO_ACCESS`` has no fields but takes an index.
        fields: Names of the fields.
        reduction: Reduction operator, such as ``"sum<double>"``, for the privilege ``REDUCE``.
        virtual: Whether the program asks for no instance (inner tasks).
        need: The layout that the task was compiled for, or that can be copied; None for any.
        output: Whether the task makes the data: an output requirement, whose region begins empty.
        collective: Whether points of a launch that write the same data each need an instance.
    """

    region: str
    partition: str | None
    privilege: Privilege
    fields: tuple[str, ...] = ()
    reduction: str | None = None
    virtual: bool = False
    need: LayoutNeed | None = None
    output: bool = False
    collective: bool = False

    @property
    def semantic_names(self) -> tuple[str, ...]:
        """The names of its partition and its region (language reference, section 10).

        Some may be stand-ins: ``Application.semantic_names`` tells those that a mapper can use.
        """
        return (self.partition, self.region) if self.partition else (self.region,)


@dataclass(frozen=True, slots=True)
class TaskKind:
    """A task as it was registered.

    Attributes:
        variants: Processor kinds that it was compiled for.
        inner: Whether it only launches other tasks and touches no data itself.
    """

    name: str
    variants: tuple[str, ...]
    inner: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class Work:
    """What the points of a launch do.

    Attributes:
        flops: ``float64[points]`` arithmetic operations.
        rate: Which of a processor's rates they run at: that of general code in ``"fp32"`` or
            ``"fp64"``, or that of matrix products of fp64 (``"dgemm"``) or of the elements
            ``"fp8"``, ``"fp16"``, ``"bf16"`` or ``"tf32"``, on tensor cores where there are any.
        kernels: GPU kernels per point.
        traffic: ``float64[points, requirements]`` bytes streamed to and from each instance.
        accesses: ``float64[points, requirements]`` scattered accesses (gathers and atomics).
        window: Bytes that must stay in cache for ``traffic`` to hold; 0 for none.
        window_traffic: Factor on ``traffic`` where the cache is smaller than ``window``.
        seconds: Measured seconds of one point by processor kind, for programs captured from a
            run; they take the place of all the above. On a machine whose cache lines are counted
            a task takes no less than its ``traffic`` does in the layouts that it is given.
        side: ``int64[points]`` the smallest of m, n and k of a point's typical matrix product, by
            which the rates of products fall; None where products are large and square.
    """

    flops: NDArray[np.float64]
    rate: str
    kernels: int
    traffic: NDArray[np.float64]
    accesses: NDArray[np.float64]
    window: float = 0.0
    window_traffic: float = 1.0
    seconds: Mapping[str, float] = field(default_factory=dict)
    side: NDArray[np.int64] | None = None

    @classmethod
    def of(
        cls,
        points: int,
        requirements: int,
        *,
        flops: object = 0.0,
        rate: str = "fp64",
        kernels: int = 1,
        traffic: object = 0.0,
        accesses: object = 0.0,
        window: float = 0.0,
        window_traffic: float = 1.0,
        seconds: Mapping[str, float] | None = None,
        side: object = None,
    ) -> Work:
        """Work whose numbers are broadcast: a scalar, or one a requirement, or one for each."""
        shape = (points, requirements)
        return cls(
            flops=np.broadcast_to(np.asarray(flops, float), (points,)).copy(),
            rate=rate,
            kernels=kernels,
            traffic=np.broadcast_to(np.asarray(traffic, float), shape).copy(),
            accesses=np.broadcast_to(np.asarray(accesses, float), shape).copy(),
            window=window,
            window_traffic=window_traffic,
            seconds=dict(seconds or {}),
            side=None
            if side is None
            else np.broadcast_to(np.asarray(side, np.int64), (points,)).copy(),
        )


@dataclass(frozen=True, eq=False, slots=True)
class Launch:
    """An index launch, or a single task where ``domain`` is empty.

    Attributes:
        task: Name of the task.
        domain: Extents of the launch domain, or of the box around a sparse one; ``()`` for a
            single task.
        lower: Lower bounds of that box; zeros where it is empty.
        points: The points of a sparse domain in row-major order; empty where it is all of the box.
        requirements: The region requirements, in the order in which the task declares them.
        colors: For each requirement ``int64[points]``: which piece a point takes. None stands
            for its own number (row-major), or piece 0 of an undivided region.
        parent: Number of the launch (in the same phase) whose points make this one.
        after: Numbers of launches whose results (futures) it takes; a number not below its own
            means the launch of the iteration before.
        blocking: Whether the launching task waits for it before it goes on.
        timed: Whether the program's own clock runs while it does.
    """

    task: str
    domain: tuple[int, ...]
    requirements: tuple[Requirement, ...]
    work: Work
    lower: tuple[int, ...] = ()
    points: tuple[tuple[int, ...], ...] = ()
    colors: tuple[NDArray[np.int64] | None, ...] = ()
    parent: int | None = None
    after: tuple[int, ...] = ()
    blocking: bool = False
    timed: bool = True

    @property
    def single(self) -> bool:
        """Whether it is a single task rather than an index launch."""
        return not self.domain

    @property
    def volume(self) -> int:
        """Points of one launch."""
        return len(self.points) or math.prod(self.domain)


@dataclass(frozen=True, eq=False)
class Application:
    """A program at one problem size.

    Attributes:
        name: The program's name, such as ``"stencil"``.
        summary: What it computes, in a sentence.
        parameters: The sizes it was built with.
        task_kinds: Every task by name.
        regions, partitions: The regions and partitions by name.
        setup: Launches before the main loop; they decide where data lies first. What no launch
            has written is a pending fill, as Legion's are: it costs nothing and takes place where
            the data is first used.
        loop: Launches of one iteration.
        warmup, timed: Iterations before and inside the measured window.
        traced: Whether the loop is replayed from a trace after its first iterations.
        work: What one iteration achieves, in ``unit`` times seconds.
        unit: Unit of the throughput, such as ``"points/s"``.
        ranks_per_node: Processes per node that the program is run with.
        mappers: Texts of its reference mappers, ``"expert"`` and ``"default"`` among them.
        finish: Launches after the main loop. A mapper may name their tasks; they are not measured,
            and a simulation leaves them out.
        unknown: For a captured program, what its run did not show and is assumed: the reason,
            by its place in the JSON document (``"regions.*.fields"``).
        copies: For a captured program, the copies of that run.
        own_mapper: For a captured program that brings a mapper, the class of that mapper.
    """

    name: str
    summary: str
    parameters: Mapping[str, int | float | str]
    task_kinds: Mapping[str, TaskKind]
    regions: Mapping[str, Region]
    partitions: Mapping[str, Partition]
    setup: tuple[Launch, ...]
    loop: tuple[Launch, ...]
    warmup: int
    timed: int
    traced: bool
    work: float
    unit: str
    mappers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    ranks_per_node: int = 1
    finish: tuple[Launch, ...] = ()
    unknown: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    copies: tuple[ObservedCopy, ...] = ()
    own_mapper: str = ""

    @staticmethod
    def load(name: str, **parameters: float | str) -> Application:
        """A built-in application at a size, or the one in a file whose name ends in ``.json``.

        >>> Application.load("stencil", nx=2000, ny=2000).parameters["nx"]
        2000

        Raises:
            ApplicationError: The name or a parameter is unknown, a value is out of range, or the
                file describes no application.
        """
        # What reads and builds applications imports their class, so this must come late.
        from legion_bridge.applications import load  # noqa: PLC0415

        return load(name, **parameters)

    def launches(self) -> tuple[Launch, ...]:
        """All launches in program order: the setup, then one iteration."""
        return self.setup + self.loop

    @property
    def captured(self) -> bool:
        """Whether it was taken from a run: then something about it is always assumed."""
        return bool(self.unknown)

    @cached_property
    def tasks(self) -> Mapping[str, TaskSummary]:
        """What the language needs to know of each task, in program order."""
        return summarise(self)

    def points(self, launches: Sequence[Launch], index: int) -> int:
        """Points of a launch over all points of its parents."""
        launch = launches[index]
        above = 1 if launch.parent is None else self.points(launches, launch.parent)
        return above * launch.volume

    def piece_bounds(self, requirement: Requirement) -> NDArray[np.int64]:
        """``int64[colours, 2, dimension]`` bounds of the pieces to select from."""
        if requirement.partition is not None:
            return self.partitions[requirement.partition].pieces
        region = self.regions[requirement.region]
        return np.array([[region.lower, region.upper]], dtype=np.int64)

    def piece_volumes(self, requirement: Requirement) -> NDArray[np.int64]:
        """``int64[colours]`` points in each piece that a requirement selects from."""
        if requirement.partition is not None:
            volumes = self.partitions[requirement.partition].volumes
            if volumes is not None:
                return volumes
        bounds = self.piece_bounds(requirement)
        volume: NDArray[np.int64] = np.maximum(bounds[:, 1] - bounds[:, 0] + 1, 0).prod(axis=1)
        return volume

    def with_requirements(
        self, changed: Callable[[Launch, int, Requirement], Requirement]
    ) -> Application:
        """The application with each requirement of its launches changed.

        Args:
            changed: Takes a launch, the number of a requirement in it, and the requirement.
        """

        def of(launches: Sequence[Launch]) -> tuple[Launch, ...]:
            return tuple(
                replace(
                    launch,
                    requirements=tuple(
                        changed(launch, index, each)
                        for index, each in enumerate(launch.requirements)
                    ),
                )
                for launch in launches
            )

        return replace(self, setup=of(self.setup), loop=of(self.loop), finish=of(self.finish))

    def semantic_names(self, requirement: Requirement) -> tuple[str, ...]:
        """The names of a requirement's partition and region that the program itself gives."""
        region = self.regions[requirement.region]
        names = (region.name,) if region.named else ()
        if requirement.partition is None or not self.partitions[requirement.partition].named:
            return names
        return (requirement.partition, *names)

    def validate(self) -> None:
        """Raises ``ApplicationError`` for the first thing that does not hang together."""
        for region in self.regions.values():
            _validate_size(self.name, region)
        for partition in self.partitions.values():
            extent = np.maximum(partition.pieces[:, 1] - partition.pieces[:, 0] + 1, 0)
            if extent.astype(float).prod(axis=1).max(initial=0.0) > MOST_BYTES:
                raise ApplicationError(
                    f"{self.name}: partition {partition.name!r} has a piece of more than "
                    f"{MOST_BYTES:.0e} points: make it smaller"
                )
        phases = (("setup", self.setup), ("loop", self.loop), ("finish", self.finish))
        seen: set[tuple[object, ...]] = set()
        for phase, launches in phases:
            for number, launch in enumerate(launches):
                place = f"{self.name}: launch {number} of the {phase} ({launch.task})"
                points = self._validate_place(place, launches, number)
                parts = (launch.requirements, launch.colors, launch.work)
                key = (launch.task, points, *map(id, parts))
                if key not in seen:  # many launches may have the very same parts
                    self._validate_launch(place, launch, points)
                seen.add(key)

    def _validate_place(self, place: str, launches: Sequence[Launch], number: int) -> int:
        """Looks at what a launch has to do with others; returns how many points it has."""
        launch = launches[number]
        if launch.task not in self.task_kinds:
            raise ApplicationError(f"{place}: no such task is registered")
        if launch.parent is not None and not 0 <= launch.parent < number:
            raise ApplicationError(f"{place}: its parent must be an earlier launch")
        if any(not 0 <= other < len(launches) for other in launch.after):
            raise ApplicationError(f"{place}: it waits for a launch that is not there")
        if launch.lower and len(launch.lower) != len(launch.domain):
            raise ApplicationError(f"{place}: its domain needs one lower bound a dimension")
        _validate_points(place, launch)
        return self.points(launches, number)

    def _validate_launch(self, place: str, launch: Launch, points: int) -> None:
        """Looks at what the points of a launch do."""
        shape = (points, len(launch.requirements))
        work = launch.work
        if work.flops.shape != (points,) or {work.traffic.shape, work.accesses.shape} != {shape}:
            raise ApplicationError(f"{place}: its work must have {points} points")
        if launch.colors and len(launch.colors) != len(launch.requirements):
            raise ApplicationError(f"{place}: colours must be given for every requirement")
        if launch.work.rate not in RATES:
            raise ApplicationError(f"{place}: its rate is none of {', '.join(RATES)}")
        if work.side is not None and (work.side.shape != (points,) or (work.side < 1).any()):
            raise ApplicationError(
                f"{place}: the side of its products must be at least 1 at each of {points} points"
            )
        for index, requirement in enumerate(launch.requirements):
            self._validate_requirement(f"{place}, requirement {index}", requirement)
            colors = launch.colors[index] if launch.colors else None
            pieces = len(self.piece_bounds(requirement))
            if colors is None:
                colors = np.arange(points) if requirement.partition else np.zeros(points, int)
            if len(colors) != points or (
                points and not 0 <= colors.min() <= colors.max() < pieces
            ):
                raise ApplicationError(
                    f"{place}, requirement {index}: its {points} points must each take one of "
                    f"{pieces} pieces"
                )

    def _validate_requirement(self, place: str, requirement: Requirement) -> None:
        region = self.regions.get(requirement.region)
        if region is None:
            raise ApplicationError(f"{place}: there is no region {requirement.region!r}")
        if requirement.privilege not in PRIVILEGES:
            raise ApplicationError(f"{place}: unknown privilege {requirement.privilege!r}")
        if requirement.privilege == "REDUCE" and requirement.reduction is None:
            raise ApplicationError(f"{place}: a reduction needs its operator, as 'sum<double>'")
        if requirement.partition is not None:
            partition = self.partitions.get(requirement.partition)
            if partition is None or partition.region != requirement.region:
                raise ApplicationError(
                    f"{place}: {requirement.partition!r} is no partition of {region.name!r}"
                )
        unknown = set(requirement.fields) - {f.name for f in region.fields}
        if unknown:
            raise ApplicationError(
                f"{place}: region {region.name!r} has no field {min(unknown)!r}"
            )


def _validate_size(name: str, region: Region) -> None:
    """Raises where the bytes of a region cannot be told exactly."""
    points = math.prod(
        max(0, high - low + 1) for low, high in zip(region.lower, region.upper, strict=True)
    )
    if points * max(1, sum(field.bytes for field in region.fields)) > MOST_BYTES:
        raise ApplicationError(
            f"{name}: region {region.name!r} has more than {MOST_BYTES:.0e} bytes: make it smaller"
        )


def _validate_points(place: str, launch: Launch) -> None:
    """Raises where the points of a sparse domain are not those that its box is around."""
    if not launch.points:
        return
    if any(len(point) != len(launch.domain) for point in launch.points):
        raise ApplicationError(f"{place}: each of its points needs one coordinate a dimension")
    if any(a >= b for a, b in pairwise(launch.points)):
        raise ApplicationError(f"{place}: its points must differ and be in row-major order")
    box = LaunchDomain.of(launch)
    lower, upper = (tuple(map(end, zip(*launch.points, strict=True))) for end in (min, max))
    if (lower, upper) != (box.lower, box.upper):
        raise ApplicationError(f"{place}: its domain must be the box around its points")
