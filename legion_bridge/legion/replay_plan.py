"""Applications as plans: the files that the replay program executes.

A plan is text, words separated by white space, in the order in which `plan_text` writes them. It
begins with ``mappertune-replay`` and the version of the format. Names have everything but
letters, digits and ``_.-`` as ``%XX``. A list is its length, then its items; a column is a list of
one number for all points, or of one for each. Regions, partitions, tasks and fields are referred
to by number; -1 stands for none. ``programs/replay/plan.cc`` reads it::

    mappertune-replay 2 <application> <traced>
    tasks [name inner leaf returns [kind] [requirement C|F|- S|A|- reduced]]
    regions [name dimension lower.. upper.. [name bytes]]
    partitions [name region [lower.. upper..]]
    launches [task [lower] [extent] [point..] parent blocking timed returns [after] rate {flops} [
        region partition privilege virtual C|F under [field] [colour] {traffic} {accesses}]]
    launches ...   (the setup, the loop, the finish)
    end

``under`` is the number of the parent task's requirement that holds what a nested launch takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from legion_bridge.errors import ApplicationError
from legion_bridge.programs.application import (
    PRIVILEGES,
    Application,
    Launch,
    Requirement,
    TaskKind,
)
from legion_bridge.rates import PRODUCT_RATES

__all__ = ["PLAN_VERSION", "plan_text"]

PLAN_VERSION = 2
MOST_DIMENSIONS = 3
_COMPUTED = ("fp32", "fp64", "dgemm")
"""How the program can compute; it multiplies matrices of narrower elements as those of fp64."""
REDUCIBLE = (1, 2, 4, 8)
"""Bytes of the fields that the program can add up."""

_HELD_BY = {
    "NO_ACCESS": PRIVILEGES,
    "READ_ONLY": ("READ_ONLY", "READ_WRITE", "WRITE_ONLY"),
    "READ_WRITE": ("READ_WRITE", "WRITE_ONLY"),
    "WRITE_ONLY": ("READ_WRITE", "WRITE_ONLY"),
    "REDUCE": ("REDUCE", "READ_WRITE", "WRITE_ONLY"),
}
"""Privileges of a parent task that let it pass on a privilege."""


def plan_text(application: Application) -> str:
    """The plan of an application.

    Raises:
        ApplicationError: It cannot be executed: points of a launch would write the same data, a
            nested launch takes what its parent does not hold, or a size is out of reach.
    """
    return " ".join(_Writer(application).words()) + "\n"


class _Writer:
    def __init__(self, application: Application) -> None:
        self.application = application
        self.tasks = {name: i for i, name in enumerate(application.task_kinds)}
        self.regions = {name: i for i, name in enumerate(application.regions)}
        self.partitions = {name: i for i, name in enumerate(application.partitions)}
        self.phases = (application.setup, application.loop, application.finish)

    def words(self) -> Iterator[str]:
        application = self.application
        yield from ("mappertune-replay", str(PLAN_VERSION), _name(application.name))
        yield _flag(application.traced)
        yield "tasks"
        yield from _list(self.task(kind) for kind in application.task_kinds.values())
        yield "regions"
        yield from _list(self.region(name) for name in application.regions)
        yield "partitions"
        yield from _list(self.partition(name) for name in application.partitions)
        for phase in self.phases:
            yield "launches"
            yield from _list(self.launch(phase, number) for number in range(len(phase)))
        yield "end"

    def task(self, kind: TaskKind) -> list[str]:
        launches = [
            (phase, number, launch)
            for phase in self.phases
            for number, launch in enumerate(phase)
            if launch.task == kind.name
        ]
        leaf = not kind.inner and not any(
            any(other.parent == number for other in phase)
            or any(requirement.virtual for requirement in launch.requirements)
            for phase, number, launch in launches
        )
        returns = any(_returns(phase, number) for phase, number, _ in launches)
        return [
            _name(kind.name),
            _flag(kind.inner),
            _flag(leaf),
            _flag(returns),
            *_list([k] for k in kind.variants),
            *_list(self.needs([launch for _, _, launch in launches])),
        ]

    def needs(self, launches: Sequence[Launch]) -> list[list[str]]:
        """The layouts that a variant insists on, where all launches of the task agree."""
        found = []
        for index in range(max((len(launch.requirements) for launch in launches), default=0)):
            own = [x.requirements[index] for x in launches if index < len(x.requirements)]
            need, reduced = own[0].need, self.reduced(own[0])
            if need is None or (need.order is None and need.soa is None):
                continue
            if any(r.need != need or self.reduced(r) != reduced for r in own):
                continue
            order = {"C_order": "C", "F_order": "F", None: "-"}[need.order]
            fields = {True: "S", False: "A", None: "-"}[need.soa]
            found.append([str(index), order, fields, str(reduced)])
        return found

    def reduced(self, requirement: Requirement) -> int:
        """Bytes of each field that a requirement reduces; 0 where it does not."""
        if requirement.privilege != "REDUCE":
            return 0
        region = self.application.regions[requirement.region]
        return region.field_bytes(requirement.fields[:1])

    def region(self, name: str) -> list[str]:
        region = self.application.regions[name]
        if region.dimension > MOST_DIMENSIONS:
            raise ApplicationError(
                f"region {name!r} has {region.dimension} dimensions; {MOST_DIMENSIONS} can be "
                "executed"
            )
        return [
            _name(name),
            str(region.dimension),
            *map(str, (*region.lower, *region.upper)),
            *_list([_name(field.name), str(field.bytes)] for field in region.fields),
        ]

    def partition(self, name: str) -> list[str]:
        partition = self.application.partitions[name]
        boxes = _dense(partition.pieces, partition.volumes)
        return [
            _name(name),
            str(self.regions[partition.region]),
            *_list(map(str, box.ravel().tolist()) for box in boxes),
        ]

    def launch(self, phase: Sequence[Launch], number: int) -> list[str]:
        launch, work = phase[number], phase[number].work
        if len(launch.domain) > MOST_DIMENSIONS:
            raise ApplicationError(
                f"task {launch.task!r} is launched over {len(launch.domain)} dimensions; "
                f"{MOST_DIMENSIONS} can be executed"
            )
        requirements = (
            self.requirement(phase, number, index) for index in range(len(launch.requirements))
        )
        return [
            str(self.tasks[launch.task]),
            *_numbers(launch.lower),
            *_numbers(launch.domain),
            *_list(map(str, point) for point in launch.points),
            str(-1 if launch.parent is None else launch.parent),
            _flag(launch.blocking),
            _flag(launch.timed),
            _flag(_returns(phase, number)),
            *_numbers(_waited_for(phase, number)),
            str(_COMPUTED.index("dgemm" if work.rate in PRODUCT_RATES else work.rate)),
            *_column(work.flops),
            *_list(requirements),
        ]

    def requirement(self, phase: Sequence[Launch], number: int, index: int) -> list[str]:
        launch = phase[number]
        requirement = launch.requirements[index]
        region = self.application.regions[requirement.region]
        self._check(phase, number, index)
        names = [field.name for field in region.fields]
        need = requirement.need
        colors = launch.colors[index] if launch.colors else None
        return [
            str(self.regions[requirement.region]),
            str(-1 if requirement.partition is None else self.partitions[requirement.partition]),
            str(PRIVILEGES.index(requirement.privilege)),
            _flag(requirement.virtual),
            "C" if need is not None and need.order == "C_order" else "F",
            str(self._under(phase, number, index)),
            *_numbers(names.index(field) for field in requirement.fields),
            *_numbers(() if colors is None else colors.tolist()),
            *_column(launch.work.traffic[:, index]),
            *_column(launch.work.accesses[:, index]),
        ]

    def _check(self, phase: Sequence[Launch], number: int, index: int) -> None:
        """Raises where the program could not execute a requirement, or not in any order."""
        launch = phase[number]
        requirement = launch.requirements[index]
        place = f"{launch.task}, requirement {index}"
        if requirement.privilege == "REDUCE":
            region = self.application.regions[requirement.region]
            sizes = {f.bytes for f in region.fields if f.name in requirement.fields}
            if len(sizes) != 1 or not sizes <= set(REDUCIBLE):
                raise ApplicationError(
                    f"{place} reduces fields of {sorted(sizes)} bytes; only fields of one size, "
                    "1, 2, 4 or 8 bytes, can be added up"
                )
        if requirement.privilege in {"READ_WRITE", "WRITE_ONLY"} and launch.volume > 1:
            boxes = self._boxes(phase, number, index)
            for first in range(0, len(boxes), launch.volume):
                if _overlap(boxes[first : first + launch.volume]):
                    raise ApplicationError(
                        f"{place} writes {requirement.partition or requirement.region}, where "
                        "points of one launch overlap: their order would decide the result"
                    )

    def _boxes(self, phase: Sequence[Launch], number: int, index: int) -> NDArray[np.int64]:
        """``int64[points, 2, dimension]`` what each point of a launch takes."""
        launch = phase[number]
        requirement = launch.requirements[index]
        bounds = self.application.piece_bounds(requirement)
        if requirement.partition is not None:
            bounds = _dense(bounds, self.application.partitions[requirement.partition].volumes)
        colors = launch.colors[index] if launch.colors else None
        points = self.application.points(phase, number)
        if colors is None:
            colors = np.arange(points) if requirement.partition else np.zeros(points, np.int64)
        taken: NDArray[np.int64] = bounds[colors]
        return taken

    def _under(self, phase: Sequence[Launch], number: int, index: int) -> int:
        """Which of its parent's requirements holds what a nested launch takes."""
        launch = phase[number]
        if launch.parent is None:
            return -1
        requirement, parent = launch.requirements[index], phase[launch.parent]
        own = self._boxes(phase, number, index)
        empty = (own[:, 1] < own[:, 0]).any(axis=1)
        for at, held in enumerate(parent.requirements):
            if not _lets(held, requirement):
                continue
            above = np.repeat(self._boxes(phase, launch.parent, at), launch.volume, axis=0)
            inside = (above[:, 0] <= own[:, 0]) & (own[:, 1] <= above[:, 1])
            if (inside.all(axis=1) | empty).all():
                return at
        raise ApplicationError(
            f"{launch.task}, requirement {index}: {parent.task}, which launches it, holds no "
            f"such part of {requirement.partition or requirement.region}"
        )


def _lets(held: Requirement, wanted: Requirement) -> bool:
    """Whether a task with one requirement may launch a task with the other."""
    return (
        held.region == wanted.region
        and set(wanted.fields) <= set(held.fields)
        and held.privilege in _HELD_BY[wanted.privilege]
    )


def _returns(phase: Sequence[Launch], number: int) -> bool:
    return any(number in _waited_for(phase, other) for other in range(len(phase)))


def _waited_for(phase: Sequence[Launch], number: int) -> tuple[int, ...]:
    """Launches whose results a launch takes; those of other parents' points cannot be had."""
    launch = phase[number]
    return tuple(
        other
        for other in launch.after
        if phase[other].parent == launch.parent and (launch.parent is None or other < number)
    )


def _dense(pieces: NDArray[np.int64], volumes: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """The pieces as boxes without gaps, as many points each as near as can be.

    Of a sparse piece only its bounding box is known; the first of its layers along the last
    dimension stand for it.
    """
    if volumes is None:
        return pieces
    extents = np.maximum(pieces[:, 1] - pieces[:, 0] + 1, 0)
    layer = np.maximum(extents[:, :-1].prod(axis=1), 1)
    dense = pieces.copy()
    layers = np.minimum(np.ceil(volumes / layer).astype(np.int64), extents[:, -1])
    dense[:, 1, -1] = pieces[:, 0, -1] + layers - 1
    return dense


def _overlap(boxes: NDArray[np.int64]) -> bool:
    """Whether any two boxes have a point in common."""
    boxes = boxes[(boxes[:, 1] >= boxes[:, 0]).all(axis=1)]
    lower = np.maximum(boxes[:, None, 0], boxes[None, :, 0])
    upper = np.minimum(boxes[:, None, 1], boxes[None, :, 1])
    common: NDArray[np.bool_] = np.all(lower <= upper, axis=2)
    np.fill_diagonal(common, val=False)
    return bool(common.any())


def _name(name: str) -> str:
    """A name as one word.

    >>> _name("in_ptr.__ptr"), _name("my region")
    ('in_ptr.__ptr', 'my%20region')
    """
    coded = (
        c if re.fullmatch(r"[\w.-]", c, re.ASCII) else "".join(f"%{b:02X}" for b in c.encode())
        for c in name
    )
    return "".join(coded) or "%20"


def _flag(value: bool) -> str:
    return str(int(value))


def _list(items: Iterable[Iterable[str]]) -> list[str]:
    listed = [list(item) for item in items]
    return [str(len(listed)), *(word for item in listed for word in item)]


def _numbers(values: Iterable[int]) -> list[str]:
    return _list([str(value)] for value in values)


def _column(values: NDArray[np.float64]) -> list[str]:
    if len(values) and (values == values[0]).all():
        values = values[:1]
    return ["1", "0"] if not len(values) else _list([repr(float(value))] for value in values)
