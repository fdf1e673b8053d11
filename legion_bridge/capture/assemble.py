"""From an observed program to an application: phases, nested launches, names, work."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from legion_bridge.capture.copy_needs import CopyNeeds
from legion_bridge.capture.names import Names
from legion_bridge.capture.observed import (
    ObservedLaunch,
    ObservedPoint,
    ObservedProgram,
    ObservedRequirement,
    Piece,
)
from legion_bridge.capture.phases import divided, may_hide_loop
from legion_bridge.errors import ApplicationError, CaptureError
from legion_bridge.programs.application import (
    Application,
    Field,
    Launch,
    ObservedCopy,
    Partition,
    Region,
    Requirement,
    TaskKind,
    Work,
)

__all__ = ["assemble", "may_be_disturbed"]

_UNSEEN_BYTES = 8  # of a field whose size is not known
# Where times are not known, a guess at which launches take longest.
_POINT_SECONDS = 20e-6  # of Legion itself, for a point task
_BYTE_SECONDS = 1e-10
_DEFAULT_MAPPER = """\
# Data beside the tasks, on whatever processors there are.

Task * GPU,OMP,CPU;

Region * * GPU FBMEM;
Region * * OMP SYSMEM;
Region * * CPU SYSMEM;

Layout * * * SOA F_order;
"""


def assemble(observed: ObservedProgram, name: str, summary: str) -> Application:
    """The application that an observed program amounts to.

    Raises:
        CaptureError: Nothing was launched, or what was seen does not fit together.
    """
    if not observed.launches:
        raise CaptureError("no launch of a task was seen: there is nothing to map")
    return _Assembly(observed).application(name, summary)


def may_be_disturbed(observed: ObservedProgram) -> bool:
    """Whether the times of a short run may hide its main loop: those of a further run tell."""
    return _Assembly(observed).may_be_disturbed()


class _Merged(NamedTuple):
    """The launches that one entry of an application stands for: one for each parent point."""

    launches: list[ObservedLaunch]
    parent: int | None

    @property
    def first(self) -> ObservedLaunch:
        return self.launches[0]

    def points(self) -> Iterator[ObservedPoint]:
        for launch in self.launches:
            yield from launch.points.values()


@dataclass
class _Phase:
    """Entries of one phase, in order, and the position of each top-level launch among them."""

    entries: list[_Merged]
    places: dict[int, int]


class _Assembly:
    def __init__(self, observed: ObservedProgram) -> None:
        self._observed = observed
        self._regions = Names("region")
        self._partitions = Names("partition")
        self._made: dict[str, Partition] = {}
        self._pieces: dict[str, list[Piece]] = {}
        self._wanted: dict[str, str | None] = {}
        self._unknown = dict(observed.unknown)
        self._needs = CopyNeeds(observed)
        self._any_seconds = any(
            point.seconds is not None
            for launch in observed.launches
            for point in launch.points.values()
        )

    def application(self, name: str, summary: str) -> Application:
        found = divided(self._observed.launches, _signature, self._seconds_of)
        if found.told is not None:
            self._unknown["loop"] = found.told
        phases = {
            "setup": self._phase([found.setup], "setup"),
            "loop": self._phase(found.rounds, "loop"),
            "finish": self._phase([found.finish], "finish"),
        }
        iterations = len(found.rounds)
        regions = self._region_table()
        application = Application(
            name=name,
            summary=summary,
            parameters={},
            task_kinds=self._task_table(phases),
            regions=regions,
            partitions=MappingProxyType(dict(self._made)),
            setup=phases["setup"],
            loop=phases["loop"],
            finish=phases["finish"],
            warmup=1 if iterations > 2 else 0,
            timed=iterations - 1 if iterations > 2 else iterations,
            traced=self._observed.traced,
            work=1.0,
            unit="iterations/s",
            mappers=MappingProxyType({"default": _DEFAULT_MAPPER}),
            unknown=self._unknown,
            copies=self._copies(regions),
        )
        try:
            application.validate()
        except ApplicationError as error:
            raise CaptureError(f"what was seen does not fit together: {error}") from error
        return application

    def may_be_disturbed(self) -> bool:
        launches = self._observed.launches
        return self._any_seconds and may_hide_loop(
            launches, _signature, self._seconds_of, _overhead
        )

    def _task_table(self, phases: dict[str, tuple[Launch, ...]]) -> dict[str, TaskKind]:
        used = {launch.task for launches in phases.values() for launch in launches}
        return {
            name: TaskKind(name, task.variants, task.inner)
            for name, task in self._observed.tasks.items()
            if name in used
        }

    def _region_table(self) -> dict[str, Region]:
        found = {}
        for key, region in self._observed.regions.items():
            name = self._regions.name(key, region.name)
            fields = []
            for field, size in region.fields.items():
                if size is None:
                    self._unknown[f"regions.{name}.fields.{field}"] = (
                        f"its size was not told; {_UNSEEN_BYTES} bytes are assumed"
                    )
                fields.append(Field(field, size or _UNSEEN_BYTES))
            if region.guessed:
                self._unknown["regions.*.upper"] = (
                    "the bounds of regions are those of the pieces that were seen"
                )
            given = name in self._regions.given
            found[name] = Region(name, region.lower, region.upper, tuple(fields), given)
        return found

    def _copies(self, regions: dict[str, Region]) -> tuple[ObservedCopy, ...]:
        named = {str(key): self._regions.name(key, None) for key in self._observed.regions}
        return tuple(
            replace(copy, region=named[copy.region])
            for copy in self._observed.copies
            if named.get(copy.region) in regions
        )

    # Launches.

    def _phase(self, rounds: Sequence[Sequence[ObservedLaunch]], phase: str) -> tuple[Launch, ...]:
        """One phase; of a loop the entries of the first round, with the times of all."""
        shaped = [self._shape(launches, phase) for launches in rounds]
        return tuple(
            self._launch(number, shaped, f"{phase}[{number}]")
            for number in range(len(shaped[0].entries))
        )

    def _shape(self, launches: Sequence[ObservedLaunch], phase: str) -> _Phase:
        entries: list[_Merged] = []
        places: dict[int, int] = {}
        for launch in launches:
            places[launch.number] = len(entries)
            self._add(entries, _Merged([launch], None), phase)
        return _Phase(entries, places)

    def _add(self, entries: list[_Merged], merged: _Merged, phase: str) -> None:
        """Adds an entry and, after it, the launches of its points."""
        place = len(entries)
        entries.append(merged)
        rows = [point.children for point in merged.points()]
        alike, left = _alike(rows)
        if left:
            self._unknown[f"{phase}.{merged.first.task}"] = (
                "some of its points launch others than the rest: what not all launch is left out"
            )
        for column in alike:
            if len({launch.lower for launch in column}) > 1:
                self._unknown[f"{phase}.{column[0].task}.lower"] = (
                    "its launches begin at different points below different points of the task "
                    "that makes them: all are taken to begin as the first does"
                )
            self._add(entries, _Merged(list(column), place), phase)

    def _launch(self, number: int, rounds: Sequence[_Phase], place: str) -> Launch:
        merged = rounds[0].entries[number]
        first = merged.first
        requirements, colors = self._requirements(merged)
        points = sum(len(launch.points) for launch in merged.launches)
        again = [each.entries[number] for each in rounds if number < len(each.entries)]
        seconds = _seconds(again)
        self._tell_of_runs(again, place)
        if not seconds:
            place = place if self._any_seconds else "*"
            self._unknown.setdefault(
                f"{place}.work.seconds",
                "how long tasks take was not seen; each point is taken to stream its data once",
            )
        return Launch(
            task=first.task,
            domain=_extents(first),
            requirements=requirements,
            work=Work.of(
                points,
                len(requirements),
                traffic=self._traffic(requirements, colors, points),
                seconds=seconds,
            ),
            lower=first.lower if first.lower and any(first.lower) else (),
            points=_sparse(first),
            colors=colors,
            parent=merged.parent,
            after=_after(number, merged, rounds),
            blocking=2 * sum(each.first.blocking for each in again) > len(again),
        )

    def _tell_of_runs(self, rounds: Sequence[_Merged], place: str) -> None:
        """Notes launches that did not always run, and those of which no mapper was asked."""
        launches = [launch for merged in rounds for launch in merged.launches]
        task, ran = launches[0].task, sum(launch.ran for launch in launches)
        if any(launch.predicated for launch in launches):
            self._unknown[f"{place}.predicate"] = (
                f"{task} runs if a predicate is true, which it was in {ran} of {len(launches)} "
                "launches: each is taken to run, for that part of its time"
            )
        if any(launch.inlined for launch in launches):
            self._unknown[f"{place}.inlined"] = (
                f"{task} is inlined: the task that launches it runs it itself, wherever that "
                "runs, and no mapper is asked about it"
            )

    def _requirements(
        self, merged: _Merged
    ) -> tuple[tuple[Requirement, ...], tuple[NDArray[np.int64] | None, ...]]:
        found, colors = [], []
        for index, observed in enumerate(merged.first.requirements):
            region = self._regions.name(
                observed.region, self._observed.regions[observed.region].name
            )
            partition, taken = self._partition(merged, index, region)
            found.append(
                Requirement(
                    region=region,
                    partition=partition,
                    privilege=observed.privilege,
                    fields=observed.fields,
                    reduction=observed.reduction,
                    need=self._needs.of(merged.first, index),
                    virtual=observed.virtual,
                    collective=observed.collective,
                )
            )
            colors.append(taken)
            if observed.reduction and observed.reduction.startswith("operator"):
                self._unknown.setdefault(
                    "*.requirements.*.reduction",
                    "an operator of the program's own has a number, no name",
                )
        return tuple(found), tuple(colors)

    def _partition(
        self, merged: _Merged, index: int, region: str
    ) -> tuple[str | None, NDArray[np.int64] | None]:
        """The partition that the points take pieces of, and which ones; None for their own."""
        keys = [launch.requirements[index].partition for launch in merged.launches]
        key = keys[0] if len(set(keys)) == 1 else ("several", *dict.fromkeys(keys))
        if key is None:
            return None, None
        sources = [self._observed.partitions[k] for k in dict.fromkeys(keys) if k is not None]
        places = {place: piece for source in sources for place, piece in source.pieces.items()}
        own = [places[point.pieces[index]] for point in merged.points()]
        pieces = list(places.values())
        if len(sources) > 1:  # one below each point of the parent: what several have counts once
            taken = set(own)
            pieces = list(dict.fromkeys(p for p in pieces if p.volume or p in taken))
        names = {source.name for source in sources}
        wanted = names.pop() if len(names) == 1 else None
        name, pieces = self._place(key, region, wanted, pieces)
        if len(own) <= len(pieces) and own == pieces[: len(own)]:
            return name, None
        order = {piece: number for number, piece in reversed([*enumerate(pieces)])}
        return name, np.array([order[piece] for piece in own], np.int64)

    def _place(
        self, key: Hashable, region: str, wanted: str | None, pieces: list[Piece]
    ) -> tuple[str, list[Piece]]:
        """The name and pieces of a partition that holds all of these.

        A program may make one again, below each point of a task for example: what has the same
        name, and pieces that one of that name has, is the same to a mapper.
        """
        for name, known in self._pieces.items():
            same = self._made[name].region == region and self._wanted[name] == wanted
            if same and set(pieces) <= set(known):
                return name, known
        name = self._partitions.name(key, wanted)
        self._made[name] = self._make_partition(name, region, pieces)
        self._pieces[name], self._wanted[name] = pieces, wanted
        return name, pieces

    def _make_partition(self, name: str, region: str, pieces: Sequence[Piece]) -> Partition:
        bounds = np.array([[piece.lower, piece.upper] for piece in pieces], np.int64)
        dense = np.maximum(bounds[:, 1] - bounds[:, 0] + 1, 0).prod(axis=1)
        volumes = np.array([piece.volume for piece in pieces], np.int64)
        sparse = None if bool((dense == volumes).all()) else volumes
        return Partition(name, region, bounds, sparse, name in self._partitions.given)

    def _seconds_of(self, launch: ObservedLaunch) -> float:
        """How long the points of a launch run: as was seen, or as they would stream their data."""
        points = launch.points.values()
        overhead = _overhead(launch)
        if self._any_seconds:  # the median, for a point is disturbed now and then
            return overhead + len(points) * median(point.seconds or 0.0 for point in points)
        return overhead + _BYTE_SECONDS * sum(
            self._bytes_of(requirement, piece)
            for point in points
            for requirement, piece in zip(launch.requirements, point.pieces, strict=True)
        )

    def _bytes_of(self, requirement: ObservedRequirement, piece: Hashable) -> float:
        region = self._observed.regions[requirement.region]
        each = sum(region.fields.get(f) or _UNSEEN_BYTES for f in requirement.fields)
        if requirement.partition is not None and piece is not None:
            return each * self._observed.partitions[requirement.partition].pieces[piece].volume
        return each * math.prod(
            max(b - a + 1, 0) for a, b in zip(region.lower, region.upper, strict=True)
        )

    def _traffic(
        self,
        requirements: Sequence[Requirement],
        colors: Sequence[NDArray[np.int64] | None],
        points: int,
    ) -> NDArray[np.float64]:
        """``float64[points, requirements]``: bytes if each point streams its data once."""
        traffic = np.zeros((points, len(requirements)))
        sizes = {
            self._regions.name(key, region.name): region
            for key, region in self._observed.regions.items()
        }
        for index, requirement in enumerate(requirements):
            region, taken = sizes[requirement.region], colors[index]
            each = sum(region.fields.get(f) or _UNSEEN_BYTES for f in requirement.fields)
            ways = 2 if requirement.privilege in {"READ_WRITE", "REDUCE"} else 1
            if requirement.partition is None:
                extents = np.subtract(region.upper, region.lower) + 1
                traffic[:, index] = ways * each * np.maximum(extents, 0).prod()
                continue
            partition = self._made[requirement.partition]
            volumes = partition.volumes
            if volumes is None:
                bounds = partition.pieces
                volumes = np.maximum(bounds[:, 1] - bounds[:, 0] + 1, 0).prod(axis=1)
            taken = np.arange(points) if taken is None else taken
            traffic[:, index] = ways * each * volumes[taken]
        return traffic


def _overhead(launch: ObservedLaunch) -> float:
    return _POINT_SECONDS * len(launch.points)


def _extents(launch: ObservedLaunch) -> tuple[int, ...]:
    if launch.lower is None or launch.upper is None:
        return ()
    return tuple(b - a + 1 for a, b in zip(launch.lower, launch.upper, strict=True))


def _sparse(launch: ObservedLaunch) -> tuple[tuple[int, ...], ...]:
    """The points of a launch over a sparse domain; none where they fill a box."""
    points = tuple(launch.points)
    return points if len(points) < math.prod(_extents(launch)) else ()


def _from_lower(launch: ObservedLaunch) -> tuple[tuple[int, ...], ...]:
    """The points of a launch over a sparse domain, counted from its lower bound."""
    lower = launch.lower or ()
    return tuple(tuple(x - a for x, a in zip(p, lower, strict=True)) for p in _sparse(launch))


def _alike(
    rows: Sequence[Sequence[ObservedLaunch]],
) -> tuple[list[tuple[ObservedLaunch, ...]], bool]:
    """The launches that all rows have in common, one a row, and whether any are left."""
    if not any(rows):
        return [], False
    alike = []
    for column in zip(*rows, strict=False):
        if len({_shape_of(launch) for launch in column}) > 1:
            break
        alike.append(column)
    return alike, any(len(row) > len(alike) for row in rows)


def _shape_of(launch: ObservedLaunch) -> Hashable:
    """What launches have in common that several points of a task make alike."""
    return (
        launch.task,
        _extents(launch),
        _from_lower(launch),
        tuple(
            (r.region, r.partition is None, r.privilege, r.fields, r.reduction)
            for r in launch.requirements
        ),
    )


def _signature(launch: ObservedLaunch) -> Hashable:
    """What is the same in all iterations."""
    return (
        launch.task,
        launch.lower,
        launch.upper,
        tuple(map(_same_requirement, launch.requirements)),
        tuple(
            (index, point.pieces, tuple(map(_signature, point.children)))
            for index, point in launch.points.items()
        ),
    )


def _same_requirement(requirement: ObservedRequirement) -> Hashable:
    # Whether it is virtual is a decision of the mapper, which may vary.
    return replace(requirement, virtual=False)


def _seconds(rounds: Sequence[_Merged]) -> dict[str, float]:
    """Median over the rounds of the mean over the points, by processor kind.

    Of a launch that does not always run, the part of that by which it does.
    """
    found: dict[str, list[float]] = {}
    for merged in rounds:
        by_kind: dict[str, list[float]] = {}
        for point in merged.points():
            if point.kind is not None and point.seconds is not None:
                by_kind.setdefault(point.kind, []).append(point.seconds)
        for kind, times in by_kind.items():
            found.setdefault(kind, []).append(fmean(times))
    launches = [launch for merged in rounds for launch in merged.launches]
    part = fmean(launch.ran for launch in launches) if launches else 1.0
    return {kind: median(times) * part for kind, times in found.items()}


def _after(number: int, merged: _Merged, rounds: Sequence[_Phase]) -> tuple[int, ...]:
    """Numbers of the launches whose futures an entry takes; in a loop also of the round before."""
    if merged.parent is not None:
        return ()
    found = set()
    for before, phase in zip([None, *rounds], rounds, strict=False):
        uses = phase.entries[number].first.uses if number < len(phase.entries) else frozenset()
        for use in uses:
            if use in phase.places:
                found.add(phase.places[use])
            elif before is not None and before.places.get(use, -1) >= number:
                found.add(before.places[use])
    return tuple(sorted(found))
