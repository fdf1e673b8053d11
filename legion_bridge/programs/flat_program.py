"""An application as flat arrays: point tasks, the slots of their requirements, and atoms of data.

Legion keeps, for every field of every point of a region, which instances hold its newest value.
Points and fields that no launch ever tells apart behave alike, so that validity is kept for

- a *field group*: fields of a region that always occur together,
- an *atom*: a set of points that lie in the same pieces, for one field group; and
- a *slot*: a piece of a region for one field group, the smallest thing that a requirement asks
  for. A slot consists of whole atoms.

An example: a line of ten points of one byte, with fields ``a`` and ``b``, and three launches::

    put   2 points  writes a and b of the pieces [0, 4] and [5, 9]
    get   1 point   reads  a       of the piece  [3, 6]
    look  1 point   reads  a       of the piece  [3, 4]

``a`` and ``b`` do not always occur together: each is a group of its own. Where pieces of a group
begin and end the line is cut into atoms, which are numbered through::

    point      0  1  2 | 3  4 | 5  6 | 7  8  9
    a    atom        0      1      2         3
    b    atom              4               5

Slots are numbered as requirements ask for them, first by piece and then by group::

    slot  of           slot_atoms  slot_bytes  wider
    0     a of [0, 4]  0 1         5
    1     b of [0, 4]  4           5
    2     a of [5, 9]  2 3         5
    3     b of [5, 9]  5           5
    4     a of [3, 6]  1 2         4
    5     a of [3, 4]  1           2           4 0

So ``slots`` has the rows ``0 1``, ``2 3``, ``4`` and ``5`` for the four requirements of the point
tasks. Where ``get`` reads slot 4, atom 1 comes from an instance of slot 0 and atom 2 from one of
slot 2, which may lie in different memories: two copies. ``look`` then finds its data in the
instance that ``get`` has read, the smallest that contains slot 5.

Nothing here depends on a machine or a mapper; it is made once for each application.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from legion_bridge.programs.application import Application, Launch, Requirement

__all__ = ["PRIVILEGE_CODES", "FlatProgram", "Ragged", "flatten"]

PRIVILEGE_CODES = {"NO_ACCESS": 0, "READ_ONLY": 1, "READ_WRITE": 2, "WRITE_ONLY": 3, "REDUCE": 4}

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class Ragged:
    """Rows of different lengths: row ``i`` is ``values[start[i]:start[i + 1]]``."""

    start: Ints
    values: Ints

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]]) -> Ragged:
        lengths = np.fromiter((len(row) for row in rows), np.int64, len(rows))
        start = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(lengths, out=start[1:])
        values = np.fromiter((v for row in rows for v in row), np.int64, int(start[-1]))
        return cls(start, values)

    def row(self, index: int) -> Ints:
        return self.values[self.start[index] : self.start[index + 1]]

    def rows(self, rows: Ints) -> tuple[Ints, Ints]:
        """The places in ``rows`` and the values of some rows, one after the other.

        >>> [each.tolist() for each in Ragged.of([[7], [], [8, 9]]).rows(np.array([2, 0]))]
        [[0, 0, 1], [8, 9, 7]]
        """
        lengths = self.start[rows + 1] - self.start[rows]
        which = np.repeat(np.arange(len(rows)), lengths)
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return which, self.values[self.start[rows][which] + within]


@dataclass(frozen=True, eq=False)
class FlatProgram:
    """All launches of an application, setup first, as arrays.

    ``L`` launches, ``P`` point tasks, ``R`` requirements of point tasks, ``S`` slots, ``A`` atoms.

    Attributes:
        setup_launches: How many of the launches belong to the setup.
        launch_point: ``[L + 1]`` first point of each launch.
        launch_parent: ``[L]`` launch whose points make it, or -1.
        launch_blocking, launch_timed: ``[L]`` whether ``Launch.blocking`` and ``Launch.timed``.
        after: Row ``l``: launches whose results it takes; those not below ``l`` are of the
            iteration before.
        point_launch, point_parent: ``[P]`` the launch and the parent point, or -1.
        point_requirement: ``[P + 1]`` first requirement of each point.
        privilege: ``[R]`` codes of privileges (``PRIVILEGE_CODES``).
        point_bytes: ``[R]`` bytes of the fields of one point of the region.
        slots: Row ``r``: slots of a requirement; none for ``NO_ACCESS``, empty pieces and inner
            tasks, unless they reduce: a reduction cannot be virtual.
        fold_into: For each entry of ``slots.values``, the index there of the entry of the parent
            point into whose reduction instance the point's own is folded; or -1.
        traffic, accesses: ``[R]`` bytes streamed and scattered accesses.
        slot_atoms: Row ``s``: atoms of a slot, ascending.
        wider: Row ``s``: other slots that contain slot ``s``, the smallest first.
        slot_bytes, atom_bytes: ``[S]`` and ``[A]`` bytes of each slot and each atom.
        slot_region: ``[S]`` number of the region.
    """

    application: Application
    setup_launches: int
    launches: tuple[Launch, ...]
    launch_point: Ints
    launch_parent: Ints
    launch_blocking: Ints
    launch_timed: Ints
    after: Ragged
    point_launch: Ints
    point_parent: Ints
    point_requirement: Ints
    has_children: Ints
    privilege: Ints
    point_bytes: Floats
    slots: Ragged
    fold_into: Ints
    traffic: Floats
    accesses: Floats
    slot_atoms: Ragged
    wider: Ragged
    slot_bytes: Floats
    slot_region: Ints
    atom_bytes: Floats

    @cached_property
    def requirement_start(self) -> Ints:
        """``[L]`` first requirement of each launch's first point."""
        return self.point_requirement[self.launch_point[:-1]]

    @cached_property
    def is_dense(self) -> bool:
        """Whether each slot holds all that lies within its bounds: no piece has holes."""
        sums = np.append(0.0, np.cumsum(self.atom_bytes[self.slot_atoms.values]))
        within = sums[self.slot_atoms.start[1:]] - sums[self.slot_atoms.start[:-1]]
        return bool(np.allclose(within, self.slot_bytes))

    @cached_property
    def segmented(self) -> bool:
        """Whether the program's clock runs in a part of each iteration only."""
        return not bool(self.launch_timed[self.setup_launches :].all())


def flatten(application: Application, *, whole: bool = False) -> FlatProgram:
    """The arrays of an application.

    Args:
        application: The program.
        whole: Whether there are slots of whole regions, too.
    """
    launches = application.launches()
    setup = len(application.setup)
    parents = np.array([_parent(launches, setup, i) for i in range(len(launches))], np.int64)
    volumes = _points(launches, parents)
    launch_point = np.concatenate(([0], np.cumsum(volumes)))
    point_launch = np.repeat(np.arange(len(launches)), volumes)
    widths = np.array([len(launch.requirements) for launch in launches], np.int64)
    point_requirement = np.concatenate(([0], np.cumsum(widths[point_launch])))
    data = _Data(application, launches, volumes, whole=whole)
    after = [[a + (0 if i < setup else setup) for a in x.after] for i, x in enumerate(launches)]
    point_parent = _point_parents(launches, parents, launch_point)
    has_children = np.zeros(int(launch_point[-1]), np.int64)
    has_children[point_parent[point_parent >= 0]] = 1
    return FlatProgram(
        application=application,
        setup_launches=setup,
        launches=launches,
        launch_point=launch_point,
        launch_parent=parents,
        launch_blocking=np.array([x.blocking for x in launches], np.int64),
        launch_timed=np.array([x.timed for x in launches], np.int64),
        after=Ragged.of(after),
        point_launch=point_launch,
        point_parent=point_parent,
        point_requirement=point_requirement,
        has_children=has_children,
        privilege=data.privilege,
        point_bytes=_point_bytes(application, launches, volumes),
        slots=data.slots,
        fold_into=_fold_into(data.privilege, data.slots, point_requirement, point_parent),
        traffic=np.concatenate([x.work.traffic.ravel() for x in launches]),
        accesses=np.concatenate([x.work.accesses.ravel() for x in launches]),
        slot_atoms=data.slot_atoms,
        wider=data.wider,
        slot_bytes=data.slot_bytes,
        slot_region=data.slot_region,
        atom_bytes=data.atom_bytes,
    )


def _point_bytes(application: Application, launches: Sequence[Launch], volumes: Ints) -> Floats:
    # Launches of a loop in the program often have the very same requirements.
    made: dict[tuple[int, int], Floats] = {}
    rows = []
    for launch, points in zip(launches, volumes.tolist(), strict=True):
        key = id(launch.requirements), points
        if key not in made:
            regions = [application.regions[r.region] for r in launch.requirements]
            sizes = [
                x.field_bytes(r.fields) for x, r in zip(regions, launch.requirements, strict=True)
            ]
            made[key] = np.tile(np.array(sizes, float), points)
        rows.append(made[key])
    return np.concatenate(rows)


def _parent(launches: Sequence[Launch], setup: int, index: int) -> int:
    parent = launches[index].parent
    if parent is None:
        return -1
    return parent if index < setup else parent + setup


def _points(launches: Sequence[Launch], parents: Ints) -> Ints:
    volumes = np.zeros(len(launches), np.int64)
    for index, launch in enumerate(launches):
        above = 1 if parents[index] < 0 else volumes[parents[index]]
        volumes[index] = above * launch.volume
    return volumes


def _point_parents(launches: Sequence[Launch], parents: Ints, launch_point: Ints) -> Ints:
    rows = []
    for index, launch in enumerate(launches):
        points = int(launch_point[index + 1] - launch_point[index])
        if parents[index] < 0:
            rows.append(np.full(points, -1, np.int64))
        else:
            rows.append(launch_point[parents[index]] + np.arange(points) // launch.volume)
    return np.concatenate(rows)


def _fold_into(
    privilege: Ints, slots: Ragged, point_requirement: Ints, point_parent: Ints
) -> Ints:
    """Where nested reductions go: the parent's reduction of the same slot, if it has one."""
    found = np.full(len(slots.values), -1, np.int64)
    if (point_parent < 0).all():
        return found
    reduced: dict[tuple[int, int], int] = {}
    reduces = PRIVILEGE_CODES["REDUCE"]
    requirement_point = np.repeat(np.arange(len(point_parent)), np.diff(point_requirement))
    for requirement in np.flatnonzero(privilege == reduces).tolist():
        point = int(requirement_point[requirement])
        for at in range(int(slots.start[requirement]), int(slots.start[requirement + 1])):
            slot = int(slots.values[at])
            reduced[point, slot] = at
            found[at] = reduced.get((int(point_parent[point]), slot), -1)
    return found


class _Data:
    """Numbers the field groups, atoms and slots of all regions."""

    def __init__(
        self, application: Application, launches: Sequence[Launch], volumes: Ints, *, whole: bool
    ) -> None:
        self.application = application
        self.region_numbers = {name: i for i, name in enumerate(application.regions)}
        self.groups = _field_groups(application, launches)
        self.keys: dict[tuple[str, int, tuple[int, ...]], int] = {}
        self.densities: list[float] = []
        self._pieces: dict[object, list[list[int]]] = {}
        self.whole: list[int] = []  # slots that no requirement asks for
        # Launches of a loop in the program often have the very same requirements and colours.
        made: dict[tuple[object, ...], tuple[Ints, Ragged]] = {}
        parts = []
        for launch, points in zip(launches, volumes.tolist(), strict=True):
            key = (launch.task, id(launch.requirements), id(launch.colors), points)
            if key not in made:
                made[key] = self._requirements(launch, points)
            parts.append(made[key])
        self.privilege = np.concatenate([np.zeros(0, np.int64), *(part for part, _ in parts)])
        self.slots = _joined([rows for _, rows in parts])
        if whole:
            self._add_whole_regions()
        self._atoms()

    def _requirements(self, launch: Launch, points: int) -> tuple[Ints, Ragged]:
        """Privileges and slots of the requirements of a launch, point by point."""
        codes = [PRIVILEGE_CODES[r.privilege] for r in launch.requirements]
        columns = [self._column(launch, i, points) for i in range(len(codes))]
        rows = [column[point] for point in range(points) for column in columns]
        return np.tile(np.array(codes, np.int64), points), Ragged.of(rows)

    def _column(self, launch: Launch, index: int, points: int) -> list[list[int]]:
        """The slots of one requirement for each point of a launch."""
        requirement = launch.requirements[index]
        inner = self.application.task_kinds[launch.task].inner
        if not requirement.fields or requirement.virtual:
            return [[] for _ in range(points)]
        if inner and requirement.privilege != "REDUCE":
            return [[] for _ in range(points)]
        colors = launch.colors[index] if launch.colors else None
        if colors is None:
            colors = np.arange(points) if requirement.partition else np.zeros(points, np.int64)
        pieces = self._piece_slots(requirement)
        return [pieces[color] for color in colors.tolist()]

    def _piece_slots(self, requirement: Requirement) -> list[list[int]]:
        """The slots of each piece that a requirement selects from."""
        key = (requirement.region, requirement.partition, requirement.fields)
        if key not in self._pieces:
            self._pieces[key] = self._made_slots(requirement)
        return self._pieces[key]

    def _made_slots(self, requirement: Requirement) -> list[list[int]]:
        bounds = self.application.piece_bounds(requirement)
        volumes = self.application.piece_volumes(requirement)
        groups = self.groups[requirement.region]
        used = sorted({groups[name] for name in requirement.fields})
        found: list[list[int]] = []
        for box, volume in zip(bounds, volumes.tolist(), strict=True):
            if volume == 0:
                found.append([])
                continue
            corners = tuple(box.ravel().tolist())
            density = volume / float((box[1] - box[0] + 1).prod())
            found.append([self._slot(requirement.region, g, corners, density) for g in used])
        return found

    def _add_whole_regions(self) -> None:
        """A slot of each region for each group of its fields that is used."""
        for name, group in dict.fromkeys((region, group) for region, group, _ in self.keys):
            region = self.application.regions[name]
            before = len(self.keys)
            slot = self._slot(name, group, (*region.lower, *region.upper), 1.0)
            self.whole += [slot] * (slot == before)

    def _slot(self, region: str, group: int, corners: tuple[int, ...], density: float) -> int:
        key = (region, group, corners)
        if key not in self.keys:
            self.keys[key] = len(self.keys)
            self.densities.append(density)
        return self.keys[key]

    def _atoms(self) -> None:
        atoms_of: list[Ints] = [np.zeros(0, np.int64)] * len(self.keys)
        wider: list[list[int]] = [[] for _ in self.keys]
        atom_bytes: list[Floats] = []
        self.slot_bytes = np.zeros(len(self.keys))
        self.slot_region = np.zeros(len(self.keys), np.int64)
        by_group: dict[tuple[str, int], list[tuple[int, tuple[int, ...]]]] = {}
        for (region, group, corners), slot in self.keys.items():
            by_group.setdefault((region, group), []).append((slot, corners))
        count = 0
        for (region, group), members in by_group.items():
            slots = [slot for slot, _ in members]
            dimension = self.application.regions[region].dimension
            boxes = np.array([c for _, c in members], np.int64).reshape(-1, 2, dimension)
            cover, volume = _cells(boxes)
            size = volume * self._group_bytes(region, group)
            density = np.array([self.densities[slot] for slot in slots])
            for number, slot in enumerate(slots):
                atoms_of[slot] = count + np.flatnonzero(cover[number])
                self.slot_bytes[slot] = size[cover[number]].sum() * density[number]
                self.slot_region[slot] = self.region_numbers[region]
            for slot, others in zip(slots, _containers(boxes), strict=True):
                ranked = sorted((slots[o] for o in others), key=lambda s: self.slot_bytes[s])
                wider[slot] = ranked
            # An atom is as dense as the densest piece that covers it.
            density[np.isin(slots, self.whole)] = 0.0
            atom_bytes.append(size * np.where(cover, density[:, None], 0.0).max(axis=0))
            count += len(volume)
        self.slot_atoms = Ragged.of([row.tolist() for row in atoms_of])
        self.wider = Ragged.of(wider)
        self.atom_bytes = np.concatenate(atom_bytes) if atom_bytes else np.zeros(0)

    def _group_bytes(self, region: str, group: int) -> int:
        names = [name for name, g in self.groups[region].items() if g == group]
        return self.application.regions[region].field_bytes(names)


def _joined(parts: Sequence[Ragged]) -> Ragged:
    """The rows of all parts, one after the other."""
    lengths = [np.diff(part.start) for part in parts]
    start = np.cumsum(np.concatenate([np.zeros(1, np.int64), *lengths]))
    values = np.concatenate([np.zeros(0, np.int64), *(part.values for part in parts)])
    return Ragged(start, values)


def _field_groups(
    application: Application, launches: Sequence[Launch]
) -> dict[str, dict[str, int]]:
    """Number of the group of each field, by region."""
    sets: dict[str, dict[frozenset[str], None]] = {name: {} for name in application.regions}
    for requirements in {id(each.requirements): each.requirements for each in launches}.values():
        for requirement in requirements:
            if requirement.fields:
                sets[requirement.region].setdefault(frozenset(requirement.fields))
    found: dict[str, dict[str, int]] = {}
    for name, region in application.regions.items():
        numbers: dict[tuple[bool, ...], int] = {}
        found[name] = {
            f.name: numbers.setdefault(tuple(f.name in s for s in sets[name]), len(numbers))
            for f in region.fields
        }
    return found


def _cells(boxes: NDArray[np.int64]) -> tuple[NDArray[np.bool_], Floats]:
    """Cuts space at the faces of the boxes, and merges cells that the same boxes cover.

    Args:
        boxes: ``[boxes, 2, dimension]`` inclusive bounds.

    Returns:
        Which box covers which merged cell, ``bool[boxes, cells]``, and the volumes of the cells.
    """
    count, _, dimension = boxes.shape
    lower, upper = boxes[:, 0], boxes[:, 1] + 1
    cover = np.ones((count, 1), bool)
    volume = np.ones(1)
    for d in range(dimension):
        cuts = np.unique(np.concatenate((lower[:, d], upper[:, d])))
        inside = (lower[:, d, None] <= cuts[None, :-1]) & (cuts[None, :-1] < upper[:, d, None])
        cover = (cover[:, :, None] & inside[:, None, :]).reshape(count, -1)
        volume = (volume[:, None] * np.diff(cuts)[None, :]).ravel()
        keep = cover.any(axis=0)
        cover, volume = _merge(cover[:, keep], volume[keep])
    return cover, volume


def _merge(cover: NDArray[np.bool_], volume: Floats) -> tuple[NDArray[np.bool_], Floats]:
    """Adds up the cells that the same boxes cover."""
    packed = np.packbits(cover, axis=0)
    _, first, which = np.unique(packed, axis=1, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    merged: Floats = np.bincount(place[which.ravel()], volume, len(order)).astype(np.float64)
    return cover[:, first[order]], merged


def _containers(boxes: NDArray[np.int64]) -> list[list[int]]:
    """For each box the numbers of the other boxes that contain it."""
    lower, upper = boxes[:, 0], boxes[:, 1]
    inside = np.ones((len(boxes), len(boxes)), bool)
    for d in range(boxes.shape[2]):
        inside &= lower[:, None, d] >= lower[None, :, d]
        inside &= upper[:, None, d] <= upper[None, :, d]
    np.fill_diagonal(inside, val=False)
    return [np.flatnonzero(row).tolist() for row in inside]
