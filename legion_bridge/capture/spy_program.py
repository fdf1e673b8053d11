"""From the tables of Legion Spy and Legion's profile to an observed program."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from dsl.facts import Privilege
from legion_bridge.capture.names import language_name
from legion_bridge.capture.observed import (
    Key,
    ObservedLaunch,
    ObservedPartition,
    ObservedPoint,
    ObservedProgram,
    ObservedRegion,
    ObservedRequirement,
    ObservedTask,
    Piece,
)
from legion_bridge.capture.spy_log import Box, LoggedRequirement, Operation, SpyLog, bounding_boxes
from legion_bridge.capture.times import Times
from legion_bridge.errors import CaptureError

__all__ = ["program_of"]

_KINDS = {"GPU": "GPU", "CPU": "CPU", "OpenMP": "OMP", "IO": "IO", "Python": "PY", "Utility": ""}
_MUST_EPOCH = "must epoch"  # is no launch: its tasks are
_KIND_LIST = ("CPU", "GPU", "OMP", "IO", "PY")

# Legion's own reduction operators are numbered from here, by kind and then by type.
_FIRST_REDUCTION = 1048577
_REDUCTIONS = ("sum", "diff", "prod", "div", "max", "min", "or", "and", "xor")
_TYPES = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "half",
    "float", "double", "complex32", "complex64", "complex128",
)  # fmt: skip


def program_of(log: SpyLog, times: Times) -> ObservedProgram:
    """The program whose run the tables describe.

    Raises:
        CaptureError: There is no top-level task, or it launched nothing.
    """
    if log.top_task is None:
        raise CaptureError(
            "no top-level task was seen: the program ended before it began its work"
        )
    return _Reader(log, times).program()


class _Reader:
    def __init__(self, log: SpyLog, times: Times) -> None:
        self._log = log
        self._times = times
        self._observed = ObservedProgram({}, {}, {}, [])
        self._partition_of = {
            space: part for part, colors in log.subspaces.items() for space in colors.values()
        }
        self._points: dict[int, dict[tuple[int, ...], int]] = {}
        for point, (owner, index) in log.points.items():
            self._points.setdefault(self._launch_of(owner), {})[index] = point
        self._inner = {(variant.task, variant.number): variant.inner for variant in log.variants}

    def _launch_of(self, owner: int) -> int:
        while owner in self._log.slices:
            owner = self._log.slices[owner]
        return owner

    def program(self) -> ObservedProgram:
        observed, top = self._observed, self._log.top_task
        assert top is not None  # noqa: S101  (looked at before)
        observed.launches = self._children(top)
        if not observed.launches:
            raise CaptureError("the top-level task launched no task: there is nothing to map")
        observed.traced = self._times.traced
        observed.copies = self._times.copies
        return observed

    def _children(self, parent: int) -> list[ObservedLaunch]:
        """What a task launched, in program order."""
        shards = self._log.shards.get(parent)
        if shards:
            self._observed.skip("shards of a replicated task, after the first", len(shards) - 1)
            parent = shards[min(shards)]
        launches = []
        ordered = self._log.order.get(parent, {})
        numbers = [number for place in sorted(ordered) for number in ordered[place]]
        tasks = [number for number in numbers if number in self._log.operations]
        following = dict(pairwise(tasks))
        for number in numbers:
            operation = self._log.operations.get(number)
            if operation is not None:
                launches.append(self._launch(operation, following.get(number)))
            elif self._log.others.get(number, _MUST_EPOCH) != _MUST_EPOCH:
                self._observed.skip(f"{self._log.others[number]} operation")
        return launches

    def _launch(self, operation: Operation, after: int | None) -> ObservedLaunch:
        number = operation.number
        numbers: dict[tuple[int, ...], int] = {(): number}
        if operation.is_index:
            numbers = self._points.get(number, {})
        lower, upper = self._domain(number, numbers) if operation.is_index else (None, None)
        points = {index: numbers[index] for index in sorted(numbers)}
        logged = self._log.requirements.get(number, {})
        indices = sorted(logged)
        uses = {
            self._launch_of(self._log.points.get(maker, (maker,))[0])
            for user in (number, *points.values())  # of an index launch its points take them
            for future in self._log.future_uses.get(user, ())
            if (maker := self._log.future_makers.get(future)) is not None
        }
        requirements = tuple(
            self._requirement(logged[i], i, list(points.values())) for i in indices
        )
        return ObservedLaunch(
            task=self._task(operation.task),
            lower=lower,
            upper=upper,
            requirements=requirements,
            points={
                index: self._point(point, number, requirements, indices)
                for index, point in points.items()
            },
            number=number,
            uses=frozenset(uses),
            blocking=self._times.blocks(points.values(), operation.parent, after),
        )

    def _domain(
        self, number: int, points: Mapping[tuple[int, ...], int]
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        boxes = self._log.domains.get(number) or [(index, index) for index in points]
        if not boxes:
            raise CaptureError(
                f"an index launch of {self._log.tasks.get(self._log.operations[number].task)} has "
                "no points: the log breaks off, because the program did not end well"
            )
        return _around(boxes)

    def _task(self, task: int) -> str:
        name = language_name(self._log.tasks.get(task, f"task{task}"))
        if name not in self._observed.tasks:
            variants = [variant for variant in self._log.variants if variant.task == task]
            kinds = {
                _KINDS.get(self._log.processors.get(processor, ""), "")
                for variant in variants
                for processor in variant.processors
            }
            kinds |= self._times.kinds_of(task)
            inner = bool(variants) and all(variant.inner for variant in variants)
            self._observed.tasks[name] = ObservedTask(
                tuple(kind for kind in _KIND_LIST if kind in kinds) or ("CPU",), inner
            )
        return name

    def _point(
        self,
        point: int,
        launch: int,
        requirements: Sequence[ObservedRequirement],
        indices: Sequence[int],
    ) -> ObservedPoint:
        logged = self._log.requirements.get(point) or self._log.requirements.get(launch, {})
        kind, seconds = self._times.of_point(point)
        return ObservedPoint(
            tuple(
                None if requirement.partition is None else logged[i].space
                for i, requirement in zip(indices, requirements, strict=True)
            ),
            kind,
            seconds,
            self._children(point),
        )

    def _requirement(
        self, logged: LoggedRequirement, index: int, points: Sequence[int]
    ) -> ObservedRequirement:
        self._region(logged)
        partition = self._partition(logged, index, points)
        names = self._log.field_names
        space = logged.field_space
        return ObservedRequirement(
            logged.tree,
            partition,
            _privilege(logged.privilege),
            tuple(names.get((space, f), f"field{f}") for f in sorted(logged.fields)),
            _reduction(logged.reduction),
            any((point, index) in self._log.virtual for point in points),
        )

    def _partition(
        self, logged: LoggedRequirement, index: int, points: Sequence[int]
    ) -> Key | None:
        """The partition whose pieces the points take."""
        taken = [
            self._log.requirements[point][index].space
            for point in points
            if index in self._log.requirements.get(point, {})
        ]
        if logged.is_region and not taken:
            taken = [logged.space]
        owners = {self._partition_of.get(space) for space in taken}
        if len(owners) == 1:
            (owner,) = owners
        else:  # of several partitions, or some points take all of a region
            owner = None if logged.is_region else logged.space
        if owner is None:
            return None
        key = (owner, logged.tree)
        if key not in self._observed.partitions:
            self._observed.partitions[key] = self._observed_partition(owner, logged.tree)
        return key

    def _observed_partition(self, number: int, tree: int) -> ObservedPartition:
        log = self._log
        colors = log.subspaces[number]
        dimension = len(_around(log.boxes[log.roots[tree]])[0])
        name = log.logical_partition_names.get((number, tree)) or log.partition_names.get(number)
        return ObservedPartition(
            name, tree, {colors[c]: self._piece(colors[c], dimension) for c in sorted(colors)}
        )

    def _piece(self, space: int, dimension: int) -> Piece:
        boxes = list(bounding_boxes(self._log.boxes.get(space, [])))
        if not boxes:
            return Piece((0,) * dimension, (-1,) * dimension, 0)
        lower, upper = _around(boxes)
        return Piece(lower, upper, sum(map(_volume, boxes)))

    def _region(self, logged: LoggedRequirement) -> None:
        tree, log = logged.tree, self._log
        if tree in self._observed.regions:
            return
        root = log.roots[tree]
        lower, upper = _around(log.boxes[root]) if log.boxes[root] else ((0,), (-1,))
        space = logged.field_space
        self._observed.regions[tree] = ObservedRegion(
            log.region_names.get((root, tree)) or log.space_names.get(root),
            lower,
            upper,
            {
                log.field_names.get((space, f), f"field{f}"): size
                for (owner, f), size in sorted(log.field_bytes.items())
                if owner == space
            },
        )


def _privilege(flags: int) -> Privilege:
    """Legion's flags: 1 reads, 2 writes, 4 reduces, and one that discards what was there."""
    if flags & 7 == 0:
        return "NO_ACCESS"
    if flags & 7 == 4:
        return "REDUCE"
    if flags & 2:
        return "WRITE_ONLY" if flags & 0x10000000 or not flags & 1 else "READ_WRITE"
    return "READ_ONLY"


def _reduction(number: int) -> str | None:
    """The operator's name as far as it is Legion's own."""
    if number == 0:
        return None
    kind, kept = divmod(number - _FIRST_REDUCTION, len(_TYPES))
    if number >= _FIRST_REDUCTION and kind < len(_REDUCTIONS):
        return f"{_REDUCTIONS[kind]}<{_TYPES[kept]}>"
    return f"operator {number}"


def _around(boxes: Sequence[Box]) -> Box:
    """The box around some."""
    lower = tuple(map(min, zip(*(box[0] for box in boxes), strict=True)))
    upper = tuple(map(max, zip(*(box[1] for box in boxes), strict=True)))
    return lower, upper


def _volume(box: Box) -> int:
    return math.prod(b - a + 1 for a, b in zip(*box, strict=True))
