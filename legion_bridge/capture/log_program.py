"""From a mapper's log to an observed program: launches are put together from their points.

A log shows what the mapper was asked, not what the program asked for. It does not have the names
of regions and partitions, the sizes of fields, durations, what other ranks were asked, nor the
iterations that were replayed from a trace.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle
from pathlib import Path

from dsl.facts import Privilege
from legion_bridge.capture.assemble import assemble
from legion_bridge.capture.boxes import Box, Index, around, points_of, volume_of
from legion_bridge.capture.captured import Captured
from legion_bridge.capture.damaged import damage_told
from legion_bridge.capture.decisions import decisions_of
from legion_bridge.capture.mapper_log import (
    KINDS,
    Decision,
    MapperLog,
    on_first_node,
    read_mapper_log,
)
from legion_bridge.capture.names import TaskNames
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
from legion_bridge.capture.own_mapper import with_own_mapper
from legion_bridge.errors import CaptureError

__all__ = ["capture_log"]

_PRIVILEGES: dict[str, Privilege] = {
    "NO_ACCESS": "NO_ACCESS",
    "READ_ONLY": "READ_ONLY",
    "READ_WRITE": "READ_WRITE",
    "WRITE_ONLY": "WRITE_ONLY",
    "WRITE_DISCARD": "WRITE_ONLY",
    "REDUCE": "REDUCE",
}
# Decisions that say nothing about the program that others do not say.
_ALREADY_TOLD = ("MAP_REPLICATE_TASK", "SELECT_TASK_OPTIONS", "SELECT_TASK_SOURCES")
_UNKNOWN = {
    "regions.*.fields": "a mapper's log does not tell the sizes of fields; 8 bytes are assumed",
    "*.requirements.*.layout": "the layouts that tasks were compiled for are not logged",
    "tasks.*.variants": "only the kinds of processors that tasks ran on are known",
    "*.after": "futures are not logged",
    "timed": "iterations that are replayed from a trace are not logged: there may be many more",
}


def capture_log(paths: Sequence[Path], *, name: str | None = None) -> Captured:
    """Makes an application of the logs of a mapper, as far as they show it.

    Args:
        paths: The logs of one run, one a rank.
        name: What to call the application; by default it is named after the first log.

    Raises:
        CaptureError: A log cannot be read, or mentions no task.
    """
    called = name or Path(paths[0].name.removesuffix(".gz")).stem
    files = ", ".join(path.name for path in paths)
    with damage_told(f"{files}: the log", "write it again"):
        log = read_mapper_log(paths)
        observed = _Reader(log).program()
        application = assemble(observed, called, f"Captured from {files}")
        application = replace(application, own_mapper=log.brought)
        application = with_own_mapper(application, decisions_of(log))
    return Captured(application, dict(observed.skipped))


@dataclass
class _Group:
    """A launch in the making."""

    decision: Decision
    domain: list[Index] = field(default_factory=list)
    tasks: dict[Index, Decision] = field(default_factory=dict)
    children: list[_Group] = field(default_factory=list)
    sharded: bool = False
    sliced: bool = False
    parent: tuple[_Group, Index] | None = None

    @property
    def elsewhere(self) -> bool:
        """Whether other ranks have all of its points."""
        return self.sharded and not self.tasks and bool(self.domain)


class _Reader:
    def __init__(self, log: MapperLog) -> None:
        self._log = log
        self._whole: dict[str, Box] = {}
        self._names = TaskNames(decision.task for decision in log.decisions)
        told = _UNKNOWN | self._names.told()
        self._observed = ObservedProgram({}, {}, {}, [], unknown=told)
        for what, times in log.skipped.items():
            self._observed.skip(what, times)

    def program(self) -> ObservedProgram:
        groups = self._without_top(self._groups())
        mapped = [group for group in groups if group.tasks]
        if not mapped:
            raise CaptureError("the log tells of no task that was mapped: there is nothing to see")
        unmapped = Counter(self._name(g) for g in groups if not g.tasks and not g.elsewhere)
        for task, times in unmapped.items():
            self._observed.skip(f"launches of {task} of which no point was mapped here", times)
        self._find_parents(mapped)
        self._regions(mapped)
        # The widest sets of pieces first: what takes some of them takes them from there.
        for group in sorted(mapped, key=lambda group: -len(group.tasks)):
            self._task(group)
            self._launch(group)
        self._observed.launches = [
            self._launch_elsewhere(group) if group.elsewhere else self._launch(group)
            for group in groups
            if group.elsewhere or (group.tasks and group.parent is None)
        ]
        return self._observed

    def _name(self, group: _Group) -> str:
        return self._names[group.decision.task]

    # Which decisions are of one launch.

    def _groups(self) -> list[_Group]:
        """Launches in program order, which is that of the runtime's numbers.

        The points of a launch get their numbers when it is sliced, so that of several launches of
        a task the first one sliced has the points with the lowest numbers.
        """
        found: dict[tuple[str, str], list[_Group]] = {}
        others: Counter[str] = Counter()
        mapped: list[Decision] = []
        for decision in self._log.decisions:
            same = found.setdefault((decision.task, decision.place), [])
            if decision.what == "SELECT_SHARDING_FUNCTOR":
                if any(g.decision.number == decision.number for g in same):
                    continue  # another rank's
                points = [p for shard in decision.shards.values() for p in shard]
                same.append(_Group(decision, points, sharded=True))
            elif decision.what == "SLICE_TASK":
                self._slice(same, decision)
            elif decision.what == "MAP_TASK":
                mapped.append(decision)
            elif decision.what not in _ALREADY_TOLD:
                others[decision.what] += 1
        for decision in sorted(mapped, key=lambda decision: decision.number):
            self._map(found[decision.task, decision.place], decision)
        for what, times in others.items():
            self._observed.skip(f"decisions {what}", times)
        groups = [group for same in found.values() for group in same]
        return sorted(groups, key=lambda group: group.decision.number)

    @staticmethod
    def _slice(same: list[_Group], decision: Decision) -> None:
        points = [point for box in decision.slices for point in points_of(box)]
        waiting = [group for group in same if group.sharded and not group.sliced]
        known = [g for g in same if not g.sharded and g.decision.number == decision.number]
        if waiting:
            waiting[0].sliced = True
        elif known:  # sliced again, further
            known[0].domain += [point for point in points if point not in set(known[0].domain)]
        else:
            same.append(_Group(decision, points, sliced=True))

    @staticmethod
    def _map(same: list[_Group], decision: Decision) -> None:
        key = decision.point or ()
        fits = [group for group in same if key not in group.tasks]
        if decision.point is None:
            fits = [group for group in fits if group.decision.number == decision.number]
        else:
            fits = [group for group in fits if not group.domain or key in set(group.domain)]
        if not fits:
            fits = [_Group(decision)]
            same += fits
        fits[0].tasks[key] = decision

    def _without_top(self, groups: list[_Group]) -> list[_Group]:
        """The launches without the top-level task, which no task launches."""
        replicated = {d.task for d in self._log.decisions if d.what == "MAP_REPLICATE_TASK"}
        if replicated:
            return [group for group in groups if group.decision.task not in replicated]
        first = groups[0] if groups else None
        alone = first is not None and set(first.tasks) == {()} and not first.tasks[()].arguments
        return groups[1:] if alone else groups

    # Who launches whom.

    def _find_parents(self, groups: Sequence[_Group]) -> None:
        """A task's data lies within that of the task that launches it, which maps it virtually.

        Where the top-level task is replicated, what it launches is sharded. Elsewhere all launches
        from one place in the program must have a parent, and most of its points such children.
        """
        launchers = [
            (group, index, decision)
            for group in groups
            for index, decision in group.tasks.items()
            if any(argument.virtual for argument in decision.arguments.values())
        ]
        replicated = any(group.sharded for group in groups)
        by_place: dict[tuple[str, str], list[_Group]] = {}
        for group in groups:
            if not group.sharded:
                by_place.setdefault((group.decision.task, group.decision.place), []).append(group)
        for same in by_place.values():
            for group, parent in self._parents(same, launchers, sure=replicated):
                group.parent = parent
                parent[0].children.append(group)

    def _parents(
        self,
        same: Sequence[_Group],
        launchers: Sequence[tuple[_Group, Index, Decision]],
        *,
        sure: bool,
    ) -> list[tuple[_Group, tuple[_Group, Index]]]:
        """Launches from one place with the points that made them; none for the top-level task."""
        while launchers:
            found = [(group, self._parent(group, launchers)) for group in same]
            kept = [(group, parent) for group, parent in found if parent is not None]
            if sure or not kept:
                return kept
            if len(kept) < len(found):
                return []
            rare = _rare_parents([parent for _, parent in kept], launchers)
            if not rare:
                return kept
            launchers = [each for each in launchers if each[2].task not in rare]
        return []

    @staticmethod
    def _parent(
        group: _Group, launchers: Sequence[tuple[_Group, Index, Decision]]
    ) -> tuple[_Group, Index] | None:
        needs = [
            (argument.tree, argument.box)
            for decision in group.tasks.values()
            for argument in decision.arguments.values()
            if argument.box is not None
        ]
        best: tuple[int, int] | None = None
        found = None
        for other, index, decision in launchers:
            if other is group or decision.number >= group.decision.number or not needs:
                continue
            size = _covering(needs, decision)
            # The tightest fit, and of several the one that came last.
            if size is not None and (best is None or (size, -decision.number) < best):
                best, found = (size, -decision.number), (other, index)
        return found

    # What the launches are made of.

    def _regions(self, groups: Iterable[_Group]) -> None:
        boxes: dict[str, list[Box]] = {}
        fields: dict[str, dict[str, None]] = {}
        for decision in (d for group in groups for d in group.tasks.values()):
            for argument in decision.arguments.values():
                kept = boxes.setdefault(argument.tree, [])
                if argument.box is not None:
                    kept.append(argument.box)
                fields.setdefault(argument.tree, {}).update(dict.fromkeys(argument.fields))
        for tree, kept in boxes.items():
            lower, upper = self._whole[tree] = around(kept) if kept else ((0,), (-1,))
            self._observed.regions[tree] = ObservedRegion(
                None, lower, upper, dict.fromkeys(fields[tree], 8), guessed=True
            )

    def _task(self, group: _Group) -> None:
        """Adds up the kinds of processors that a task ran on, and whether it only launches."""
        name = self._name(group)
        known = self._observed.tasks.get(name, ObservedTask((), inner=True))
        kinds = dict.fromkeys(known.variants)
        inner = known.inner and bool(group.children)
        for decision in group.tasks.values():
            for processor in decision.processors:
                kind = KINDS.get(self._log.processors.get(on_first_node(processor), ""))
                if kind:
                    kinds[kind] = None
            inner = inner and all(a.virtual for a in decision.arguments.values())
        self._observed.tasks[name] = ObservedTask(tuple(kinds) or ("CPU",), inner)

    def _launch_elsewhere(self, group: _Group) -> ObservedLaunch:
        """A launch of which the logs tell the points, but not what these take."""
        name = self._name(group)
        self._observed.tasks.setdefault(name, ObservedTask(("CPU",)))
        self._observed.unknown[f"*.{name}.requirements"] = (
            "launches of it were mapped by other ranks: what they take is not in this log, and "
            "none of it is assumed; give the logs of all ranks"
        )
        single = group.domain == [(0,)]  # as Legion shards a task that is launched alone
        points: list[Index] = [()] if single else sorted(group.domain)
        lower, upper = (None, None) if single else around([(p, p) for p in points])
        made = {point: ObservedPoint(()) for point in points}
        return ObservedLaunch(name, lower, upper, (), made, number=group.decision.number)

    def _launch(self, group: _Group) -> ObservedLaunch:
        name = self._name(group)
        single = set(group.tasks) == {()}
        domain = [] if single else sorted({*group.domain, *group.tasks})
        lower, upper = (None, None) if single else around([(p, p) for p in domain])
        indices = sorted({i for d in group.tasks.values() for i in d.arguments})
        requirements = []
        pieces: dict[Index, list[Key | None]] = {
            point: [] for point in ([()] if single else points_of((lower or (), upper or ())))
        }
        for index in indices:
            requirement, taken = self._requirement(group, index, list(pieces))
            requirements.append(requirement)
            for point, piece in taken.items():
                pieces[point].append(piece)
        missing = len(pieces) - len(group.tasks)
        if missing:
            sharded = len(group.decision.shards) > 1
            why = "were mapped by other ranks" if sharded else "are not in the log, which was cut"
            self._observed.unknown[f"*.{name}.pieces"] = (
                f"{missing} of {len(pieces)} points {why}: their pieces are taken to lie beside "
                "those that were seen"
            )
        own = list(group.tasks)
        return ObservedLaunch(
            task=name,
            lower=lower,
            upper=upper,
            requirements=tuple(requirements),
            points={
                point: ObservedPoint(
                    tuple(pieces[point]),
                    children=self._children(
                        group, point if point in group.tasks else own[i % len(own)]
                    ),
                )
                for i, point in enumerate(pieces)
            },
            number=group.decision.number,
        )

    def _children(self, group: _Group, point: Index) -> list[ObservedLaunch]:
        return [
            self._launch(child)
            for child in group.children
            if child.parent is not None and child.parent[1] == point
        ]

    def _requirement(
        self, group: _Group, index: int, points: Sequence[Index]
    ) -> tuple[ObservedRequirement, dict[Index, Key | None]]:
        """A requirement of a launch, and which piece each point takes."""
        observed = {p: d.arguments[index] for p, d in group.tasks.items() if index in d.arguments}
        first = next(iter(observed.values()))
        privilege = _PRIVILEGES.get(first.privilege)
        if privilege is None:
            self._observed.unknown[f"*.{self._name(group)}.requirements[{index}].privilege"] = (
                f"{first.privilege!r} is no privilege that is known; READ_WRITE is assumed"
            )
            privilege = "READ_WRITE"
        spaces = {point: argument.space for point, argument in observed.items()}
        whole = all(a.box == self._whole[first.tree] for a in observed.values())
        partition: Key | None = None
        taken: dict[Index, Key | None] = dict.fromkeys(points)
        if not whole:
            boxes = {spaces[p]: a.boxes for p, a in observed.items()}
            partition = self._partition(first.tree, points, spaces, boxes)
            taken = self._taken(partition, points, spaces)
        if any(argument.sparse for argument in observed.values()):
            self._observed.unknown["partitions.*.volumes"] = (
                "some pieces have holes, of which the log does not tell the size"
            )
        if privilege == "REDUCE":
            self._observed.unknown["*.requirements.*.reduction"] = (
                "reduction operators are not logged"
            )
        requirement = ObservedRequirement(
            first.tree,
            partition,
            privilege,
            first.fields,
            "operator" if privilege == "REDUCE" else None,
            any(argument.virtual for argument in observed.values()),
        )
        return requirement, taken

    def _taken(
        self, partition: Key, points: Sequence[Index], spaces: Mapping[Index, str]
    ) -> dict[Index, Key | None]:
        """Which piece each point takes: those that were not mapped here, pieces nobody takes."""
        observed = set(spaces.values())
        pieces = self._observed.partitions[partition].pieces
        left = cycle([key for key in pieces if key not in observed] or list(pieces))
        if len(observed) == 1:
            left = cycle(observed)
        return {
            point: spaces[point]
            if point in spaces
            else ("beside", point)
            if ("beside", point) in pieces
            else next(left)
            for point in points
        }

    def _partition(
        self,
        tree: str,
        points: Sequence[Index],
        spaces: dict[Index, str],
        boxes: dict[str, tuple[Box, ...]],
    ) -> Key:
        """The partition of the observed index spaces: one that is known to hold them."""
        wanted = set(boxes)
        for known_key, known_partition in self._observed.partitions.items():
            if known_partition.region == tree and wanted <= set(known_partition.pieces):
                return known_key
        key = (tree, *boxes)
        pieces: dict[Key, Piece] = {}
        dimension = len(self._observed.regions[tree].lower)
        known = {space: Piece.of(kept, dimension) for space, kept in boxes.items()}
        own = list(known.values())
        span = _span(own)
        missing = 0
        for point in points:
            space = spaces.get(point)
            if space is not None:
                pieces[space] = known[space]
            elif len(own) > 1:
                pieces["beside", point] = _moved(
                    own[missing % len(own)], span * (1 + missing // len(own))
                )
                missing += 1
        self._observed.partitions[key] = ObservedPartition(None, tree, pieces)
        self._widen(tree, pieces.values())
        return key

    def _widen(self, tree: str, pieces: Iterable[Piece]) -> None:
        """Makes the region large enough for pieces that were put beside the observed ones."""
        region = self._observed.regions[tree]
        boxes = [(piece.lower, piece.upper) for piece in pieces if piece.volume]
        lower, upper = around([*boxes, (region.lower, region.upper)])
        self._observed.regions[tree] = replace(region, lower=lower, upper=upper)


def _rare_parents(
    parents: Sequence[tuple[_Group, Index]],
    launchers: Sequence[tuple[_Group, Index, Decision]],
) -> set[str]:
    """Tasks of which less than half of the points are among the parents."""
    points = Counter(decision.task for _, _, decision in launchers)
    used = Counter(
        task for task, _, _ in {(g.decision.task, id(g), index) for g, index in parents}
    )
    return {task for task, times in used.items() if 2 * times < points[task]}


def _covering(needs: Sequence[tuple[str, Box]], decision: Decision) -> int | None:
    """Points of the arguments that hold all that is needed; None where something is missing."""
    size = 0
    for tree, (lower, upper) in needs:
        fits = [
            volume_of(a.box)
            for a in decision.arguments.values()
            if a.box is not None
            and a.tree == tree
            and all(x <= y for x, y in zip(a.box[0], lower, strict=True))
            and all(x >= y for x, y in zip(a.box[1], upper, strict=True))
        ]
        if not fits:
            return None
        size += min(fits)
    return size


def _span(pieces: Iterable[Piece]) -> int:
    """How far the pieces reach along the first dimension."""
    filled = [piece for piece in pieces if piece.volume]
    if not filled:
        return 0
    return max(p.upper[0] for p in filled) - min(p.lower[0] for p in filled) + 1


def _moved(piece: Piece, shift: int) -> Piece:
    """The same piece elsewhere, so that no observed piece is used twice."""
    if not piece.volume:
        return piece
    lower, upper = ((corner[0] + shift, *corner[1:]) for corner in (piece.lower, piece.upper))
    return replace(piece, lower=lower, upper=upper)
