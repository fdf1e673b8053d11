"""From the tables of Legion Spy and Legion's profile to an observed program."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise

from dsl.facts import Privilege
from legion_bridge.capture.boxes import Box, Index, around, filled
from legion_bridge.capture.damaged import damage_told
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
from legion_bridge.capture.spy_log import (
    LoggedRequirement,
    Operation,
    SpyLog,
)
from legion_bridge.capture.times import Times
from legion_bridge.errors import CaptureError

__all__ = ["program_of"]

_KINDS = {"GPU": "GPU", "CPU": "CPU", "OpenMP": "OMP", "IO": "IO", "Python": "PY", "Utility": ""}
_MUST_EPOCH = "must epoch"  # is no launch: its tasks are
_KIND_LIST = ("CPU", "GPU", "OMP", "IO", "PY")
_COLLECTIVE = 0x10000000  # LEGION_COLLECTIVE_MASK of a coherence

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
        CaptureError: There is no top-level task, or it launched nothing; or the log is damaged.
    """
    if log.top_task is None:
        raise CaptureError(
            "no top-level task was seen: the program ended before it began its work"
        )
    with damage_told():
        return _Reader(log, times).program()


class _Reader:
    def __init__(self, log: SpyLog, times: Times) -> None:
        self._log = log
        self._times = times
        self._names = log.task_names()
        self._observed = ObservedProgram({}, {}, {}, [], unknown=self._names.told())
        self._first_shards: dict[int, int] = {}  # of launches, by those of the other shards
        self._partition_of = {
            space: part for part, colors in log.subspaces.items() for space in colors.values()
        }
        self._points: dict[int, dict[Index, int]] = {}
        for point, (_, index) in log.points.items():
            self._points.setdefault(log.launch_of(point), {})[index] = point
        self._children_of: dict[int, list[int]] = {}
        for operation in log.operations.values():
            self._children_of.setdefault(operation.parent, []).append(operation.number)

    def program(self) -> ObservedProgram:
        observed, top = self._observed, self._log.top_task
        assert top is not None  # noqa: S101  (looked at before)
        observed.launches = self._children(top)
        if not observed.launches:
            raise CaptureError("the top-level task launched no task: there is nothing to map")
        if self._log.damaged:
            observed.skip("damaged lines of Legion Spy", self._log.damaged)
        observed.traced = self._times.traced
        observed.copies = self._times.copies
        return observed

    def _children(self, parent: int) -> list[ObservedLaunch]:
        """What a task launched, in program order."""
        launches = []
        rows = list(self._in_order(self._log.shards_of(parent) or [parent]))
        tasks = [row[0] for row in rows if row[0] in self._log.operations]
        following = dict(pairwise(tasks))
        for row in rows:
            operation = self._log.operations.get(row[0])
            if operation is not None:
                self._first_shards |= dict.fromkeys(row[1:], row[0])
                points = self._points_of(operation, row)
                if points:
                    launches.append(self._launch(operation, row, points, following.get(row[0])))
                else:
                    self._observed.skip(f"launches of {self._task(operation.task)} without points")
            elif self._log.others.get(row[0], _MUST_EPOCH) != _MUST_EPOCH:
                self._observed.skip(f"{self._log.others[row[0]]} operation")
        return launches

    def _in_order(self, shards: Sequence[int]) -> Iterator[list[int]]:
        """What the shards of a task asked for, in program order: each as the shards number it.

        A task that another runs itself has a place in the order only if another may follow it.
        """
        placed = [self._placed(shard) for shard in shards]
        for place in sorted(placed[0]):
            for i, number in enumerate(placed[0][place]):
                others = [row.get(place, [])[i : i + 1] for row in placed[1:]]
                yield [number, *(other for found in others for other in found)]

    def _placed(self, task: int) -> dict[tuple[int, int], list[int]]:
        """The operations of a task by place; inlined ones without a place, by their numbers."""
        ordered = self._log.order.get(task, {})
        placed: dict[tuple[int, int], list[int]] = {(p, 0): n for p, n in ordered.items()}
        known = {number: place for place, numbers in ordered.items() for number in numbers}
        for number in sorted(self._children_of.get(task, ())):
            if number not in known and number in self._log.inlined:
                before = [place for other, place in known.items() if other < number]
                placed[max(before, default=-1), number] = [number]
        return placed

    def _points_of(self, operation: Operation, row: Sequence[int]) -> dict[Index, int]:
        """The point tasks of a launch, by index point; those of an equal one if it did not run."""
        number = operation.number
        if not operation.is_index:
            return {(): next((each for each in row if self._ran_here(each)), number)}
        numbers = {i: p for each in row for i, p in self._points.get(each, {}).items()}
        boxes = self._log.domains.get(number, [])
        if not numbers and number in self._log.not_run:
            numbers = self._points_of_equals.get(self._asked_for(operation), {})
        elif not numbers and (not boxes or filled(boxes)):
            raise CaptureError(
                f"an index launch of {self._task(operation.task)} has no points: the log breaks "
                "off, because the program did not end well"
            )
        return {index: numbers[index] for index in sorted(numbers)}

    @cached_property
    def _points_of_equals(self) -> dict[Hashable, dict[Index, int]]:
        """Points of launches that ran, by what was asked for."""
        found: dict[Hashable, dict[Index, int]] = {}
        for operation in self._log.operations.values():
            ran = self._points.get(operation.number)
            if ran:
                found.setdefault(self._asked_for(operation), {}).update(ran)
        return found

    def _asked_for(self, operation: Operation) -> Hashable:
        """What is the same of launches of one task with the same domain and arguments."""
        arguments = self._log.requirements.get(operation.number, {})
        return (
            operation.task,
            tuple(self._log.domains.get(operation.number, ())),
            tuple(
                (i, each.space, each.tree, *each.fields) for i, each in sorted(arguments.items())
            ),
        )

    def _launch(
        self,
        operation: Operation,
        row: Sequence[int],
        points: Mapping[Index, int],
        after: int | None,
    ) -> ObservedLaunch:
        number = operation.number
        ran = number not in self._log.not_run
        lower, upper = self._domain(number, points) if operation.is_index else (None, None)
        logged = next(filter(None, map(self._log.requirements.get, row)), {})
        indices = sorted(logged)
        makers = {
            self._log.launch_of(maker)
            # Of an index launch, its points take them.
            for user in (*row, *(points.values() if ran else ()))
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
                index: self._point(point, number, requirements, indices, ran=ran)
                for index, point in points.items()
            },
            number=number,
            uses=frozenset(self._first_shards.get(maker, maker) for maker in makers),
            blocking=ran and self._times.blocks(points.values(), operation.parent, after),
            inlined=number in self._log.inlined,
            predicated=number in self._log.predicated,
            ran=ran,
        )

    def _ran_here(self, number: int) -> bool:
        """Whether a task that all shards launch is run by the shard that numbers it so."""
        return number in self._log.variant_decisions or number in self._log.replicas

    def _domain(self, number: int, points: Mapping[Index, int]) -> Box:
        return around(self._log.domains.get(number) or [(index, index) for index in points])

    def _task(self, task: int) -> str:
        name = self._names[self._log.tasks.get(task, f"task{task}")]
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
        *,
        ran: bool,
    ) -> ObservedPoint:
        logged = self._log.requirements.get(point) or self._log.requirements.get(launch, {})
        pieces = tuple(
            None if requirement.partition is None else logged[i].space
            for i, requirement in zip(indices, requirements, strict=True)
        )
        if not ran:
            return ObservedPoint(pieces)
        shards = self._log.shards_of(point) or [point]
        kind, seconds = self._times.of_point(shards[0])
        return ObservedPoint(pieces, kind, seconds, self._children(point))

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
            any(
                (ran, index) in self._log.virtual
                for point in points
                for ran in (point, *self._log.shards_of(point))
            ),
            bool(logged.coherence & _COLLECTIVE),
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
        dimension = len(self._bounds(tree)[0])
        name = log.logical_partition_names.get((number, tree)) or log.partition_names.get(number)
        return ObservedPartition(
            name,
            tree,
            {
                colors[c]: Piece.of(filled(log.boxes.get(colors[c], [])), dimension)
                for c in sorted(colors)
            },
        )

    def _bounds(self, tree: int) -> Box:
        """Those of the root of a region tree, which may be empty."""
        boxes = self._log.boxes[self._log.roots[tree]]
        return around(boxes) if boxes else ((0,), (-1,))

    def _region(self, logged: LoggedRequirement) -> None:
        tree, log = logged.tree, self._log
        if tree in self._observed.regions:
            return
        root = log.roots[tree]
        lower, upper = self._bounds(tree)
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
            boxes=len(log.boxes[root]),
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
