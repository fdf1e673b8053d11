"""Programs of many replicas, of which one is simulated for all.

Batch pieces of a model that is trained by data parallelism do the same at the same time on
processors of their own, and have nothing in common but sums that all of them read. One of them
tells what all do, to the bit, where along one dimension of all launch domains

- the points of different places do equal work under equal decisions, on nodes that no other place
  uses, and each processor of one place has its counterpart in each other;
- each place has data of its own, in pieces that lie to each other as those of the first place do;
- all data that they have in common is reduced to and read by all of them, in memories of GPUs,
  and the machine runs collective operations (``Runtime.collective``);
- what is launched for all of them together touches no data, and runs at the first place, which
  then is never sooner than the others.

Then no place waits for another but in these operations, which begin when the sums of all are
there: at the same moment. What an operation takes counts all places (``kernel/collectives.c``).
Where one of these conditions does not hold, there are no replicas: all points must be simulated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsl.errors import MapperEvaluationError
from dsl.launch_domain import LaunchDomain
from dsl.load import load
from dsl.mapper import Mapper
from dsl.syntax import Program
from legion_bridge.machines.machine import Machine
from legion_bridge.mapping.decisions import Decider, Decisions
from legion_bridge.mapping.launch_decisions import placement
from legion_bridge.outcome import Objective, Outcome
from legion_bridge.programs.application import Application, Launch, Requirement, Work
from legion_bridge.simulation.kernel_arrays import KernelStatus
from legion_bridge.simulation.simulator import Simulator

__all__ = ["NotAlikeError", "ReplicaSimulator", "simulate_replicas"]

Ints = NDArray[np.int64]


class NotAlikeError(Exception):
    """The places along a dimension are no replicas of each other."""


def simulate_replicas(
    application: Application, machine: Machine, program: Program, objective: Objective = "timed"
) -> Outcome | None:
    """The outcome of a mapper, found with the points of one replica.

    Args:
        application: What runs.
        machine: What it runs on.
        program: The mapper.
        objective: What the throughput is over.

    Returns:
        The outcome, which is that of ``Simulator`` to the bit but has no floor, which takes too
        long for large programs; None where the program has no replicas on the machine under this
        mapper.

    Raises:
        MapperError: The mapper cannot be loaded, or one of its functions fails.
    """
    seen = machine.for_ranks(application.ranks_per_node)
    if seen.runtime.collective != "nccl" or any(p.pooled for p in seen.processors.values()):
        return None
    mapper, launches = load(program, seen.shape), application.launches()
    for axis in _axes(launches):
        largest = max(launches, key=lambda launch: launch.volume)
        if not _has_own_nodes(mapper, largest, axis):
            continue
        try:
            simulator = ReplicaSimulator(application, machine, axis, objective)
            return simulator.outcome(program, mapper)
        except NotAlikeError:
            continue
    return None


def _axes(launches: Sequence[Launch]) -> list[int]:
    """Dimensions along which all launches with data have as many points, and more than one."""
    if not launches or any(x.parent is not None or x.single or x.points for x in launches):
        return []
    extents = {launch.domain for launch in launches if launch.requirements}
    if len({len(launch.domain) for launch in launches}) > 1 or not extents:
        return []
    equal = [s[0] if len(set(s)) == 1 else 1 for s in zip(*extents, strict=True)]
    alone = {launch.domain for launch in launches if not launch.requirements}
    return [
        axis
        for axis, size in enumerate(equal)
        if size > 1 and all(domain[axis] in (1, size) for domain in alone)
    ]


def _has_own_nodes(mapper: Mapper, launch: Launch, axis: int) -> bool:
    """Whether the places along a dimension have nodes of their own, by one launch."""
    kinds = [kind for kind in mapper.shape.processors if mapper.has_index_map(launch.task, kind)]
    for kind in kinds:
        try:
            chosen = mapper.launch_map(launch.task, kind, LaunchDomain.of(launch))
        except MapperEvaluationError:
            return True  # who asks about all launches says what is wrong
        nodes = np.moveaxis(chosen[:, 0].reshape(launch.domain), axis, 0)
        places = [set(place.ravel().tolist()) for place in nodes]
        if sum(map(len, places)) == len(set().union(*places)):
            return True
    return not kinds


class _Pieces(NamedTuple):
    """The pieces that places have of their own by one requirement: ``[places, points, 2, d]``."""

    region: str
    fields: frozenset[str]
    boxes: Ints


class _Template(NamedTuple):
    """What launches have alike but for their lower bounds: the first of them, at one place alone.

    Attributes:
        launch: With the points of the first place, and colours of all pieces.
        colors: ``[points]`` which piece each takes, for each requirement.
    """

    launch: Launch
    colors: tuple[Ints, ...]


class _FirstPlace:
    """The launches of an application with the points of the first place along a dimension.

    Args:
        application: The application.
        axis: The dimension.

    Attributes:
        application: One with these points alone, and the pieces that they use.
        common: Fields of regions that all places have in common.
        spread: The parts of its launches that all places have points of.

    Raises:
        NotAlikeError: Some place does something else than the first.
    """

    def __init__(self, application: Application, axis: int) -> None:
        self._whole = application
        self._axis = axis
        self._own: dict[object, _Pieces] = {}
        self.common: set[tuple[str, str]] = set()
        templates: dict[tuple[object, ...], _Template] = {}
        for launch in application.launches():
            key = _parts_of(launch)
            if key not in templates:
                templates[key] = self._template(launch)
        self._require_own_data()
        used = self._used_pieces(templates.values())
        made = {key: self._launch(each, used) for key, each in templates.items()}
        self.spread = {
            _parts_of(made[_parts_of(launch)])
            for launch in application.launches()
            if launch.domain[axis] > 1
        }
        self.application = replace(
            application,
            partitions={
                name: replace(partition, pieces=partition.pieces[used[name]])
                for name, partition in application.partitions.items()
                if name in used
            },
            setup=tuple([_at(made[_parts_of(x)], x) for x in application.setup]),
            loop=tuple([_at(made[_parts_of(x)], x) for x in application.loop]),
            finish=(),
        )

    def by_place(self, values: NDArray[Any], domain: tuple[int, ...]) -> NDArray[Any]:
        """``[places, points, ...]`` what is given for each point of a launch."""
        axis, more = self._axis, values.shape[1:]
        before, after = math.prod(domain[:axis]), math.prod(domain[axis + 1 :])
        places = values.reshape(before, domain[axis], after, *more).swapaxes(0, 1)
        return places.reshape(domain[axis], before * after, *more)

    def _template(self, launch: Launch) -> _Template:
        domain, points = launch.domain, launch.volume
        colors = []
        given = launch.colors or (None,) * len(launch.requirements)
        for requirement, color in zip(launch.requirements, given, strict=True):
            each = np.arange(points) if requirement.partition else np.zeros(points, np.int64)
            places = self.by_place(each if color is None else color, domain)
            self._note(requirement, places)
            colors.append(places[0])
        smaller = tuple(1 if d == self._axis else size for d, size in enumerate(domain))
        return _Template(replace(launch, domain=smaller, work=self._work(launch)), tuple(colors))

    def _used_pieces(self, templates: Iterable[_Template]) -> dict[str, Ints]:
        """By partition the pieces that the first place takes, in ascending order."""
        found: dict[str, list[Ints]] = {}
        for launch, colors in templates:
            for requirement, color in zip(launch.requirements, colors, strict=True):
                if requirement.partition is not None:
                    found.setdefault(requirement.partition, []).append(np.unique(color))
        return {name: np.unique(np.concatenate(each)) for name, each in found.items()}

    def _launch(self, template: _Template, used: Mapping[str, Ints]) -> Launch:
        colors = tuple(
            color if r.partition is None else np.searchsorted(used[r.partition], color)
            for r, color in zip(template.launch.requirements, template.colors, strict=True)
        )
        return replace(template.launch, colors=colors)

    def _work(self, launch: Launch) -> Work:
        work = launch.work
        columns: dict[str, NDArray[Any]] = {
            "flops": work.flops,
            "traffic": work.traffic,
            "accesses": work.accesses,
        }
        if work.side is not None:
            columns["side"] = work.side
        found: dict[str, Any] = {}
        for name, values in columns.items():
            places = self.by_place(values, launch.domain)
            if not (places == places[:1]).all():
                raise NotAlikeError
            found[name] = places[0]
        return replace(work, **found)

    def _note(self, requirement: Requirement, colors: Ints) -> None:
        """Takes down whether places use data of their own, or the same."""
        fields = {(requirement.region, name) for name in requirement.fields}
        if not fields:
            return
        if (colors == colors[:1]).all():
            if requirement.privilege not in ("READ_ONLY", "REDUCE"):
                raise NotAlikeError
            self.common |= fields
            return
        if requirement.partition is None:
            raise NotAlikeError
        key = (requirement.region, requirement.partition, requirement.fields, colors.tobytes())
        if key not in self._own:
            partition = self._whole.partitions[requirement.partition]
            if partition.volumes is not None:
                raise NotAlikeError
            own = frozenset(requirement.fields)
            self._own[key] = _Pieces(requirement.region, own, partition.pieces[colors])

    def _require_own_data(self) -> None:
        """What places have of their own is theirs alone, and cut alike."""
        regions: dict[str, list[_Pieces]] = {}
        for pieces in self._own.values():
            if any((pieces.region, name) in self.common for name in pieces.fields):
                raise NotAlikeError
            regions.setdefault(pieces.region, []).append(pieces)
        for found in regions.values():
            lower = np.min([p.boxes[:, :, 0].min(axis=1) for p in found], axis=0)
            upper = np.max([p.boxes[:, :, 1].max(axis=1) for p in found], axis=0)
            if not any(_are_apart(lower[:, d], upper[:, d]) for d in range(lower.shape[1])):
                raise NotAlikeError
            for pieces in found:
                moved = pieces.boxes - lower[:, None, None, :]
                if not (moved == moved[:1]).all():
                    raise NotAlikeError


def _parts_of(launch: Launch) -> tuple[object, ...]:
    """What launches have the very same of that are alike."""
    parts = (launch.requirements, launch.colors, launch.work)
    return (launch.task, launch.domain, *map(id, parts))


def _at(like: Launch, launch: Launch) -> Launch:
    """A launch with the parts of another, in its own place of the program."""
    return Launch(
        task=launch.task,
        domain=like.domain,
        requirements=like.requirements,
        work=like.work,
        lower=launch.lower,
        colors=like.colors,
        after=launch.after,
        blocking=launch.blocking,
        timed=launch.timed,
    )


def _are_apart(lower: Ints, upper: Ints) -> bool:
    """Whether intervals do not overlap."""
    order = np.argsort(lower)
    return bool((upper[order][:-1] < lower[order][1:]).all())


class _FirstPlaceDecider(Decider):
    """Decides about the points of the first place, by the domains of all.

    Attributes:
        twins: ``[places, processors]`` the counterpart of each processor of the first place; -1
            where it has no task.
    """

    def __init__(self, simulator: ReplicaSimulator, whole: Sequence[Launch]) -> None:
        super().__init__(simulator.program, simulator.flat_machine)
        self._whole = whole
        self._first = simulator.first
        self._places = simulator.replicas
        self.twins = np.full((self._places, len(self.machine.processor_kind)), -1, np.int64)
        self.alone: set[int] = set()  # processors of what is launched for all places together
        self._seen: dict[tuple[object, ...], Ints] = {}

    def _domains_of(self, task: str) -> list[LaunchDomain]:
        if task not in self._domains:
            of = [each for each in self._whole if each.task == task]
            self._domains[task] = [LaunchDomain.of(each) for each in of]
        return self._domains[task]

    def _where(
        self, mapper: Callable[[], Mapper], number: int, kind: str, above: Ints | None
    ) -> Ints:
        launch, of = self._whole[number], mapper()
        domain = LaunchDomain.of(launch)
        if of.has_index_map(launch.task, kind):
            chosen = of.launch_map(launch.task, kind, domain).tobytes()
        else:
            chosen = b""
        key = (launch.task, kind, launch.domain, chosen)
        if key not in self._seen:
            where = placement(self.machine, of, launch, kind, parents=above, points=domain.volume)
            places = self._first.by_place(where, launch.domain)
            first: Ints = places[0]
            if len(places) == 1:
                self.alone |= set(first.tolist())
                self._seen[key] = first
                return first
            for twins, place in zip(self.twins, places, strict=True):
                known = twins[first]
                if ((known >= 0) & (known != place)).any():
                    raise NotAlikeError
                twins[first] = place
                if (twins[first] != place).any():  # one processor here, several there
                    raise NotAlikeError
            self._seen[key] = first
        return self._seen[key]


class ReplicaSimulator(Simulator):
    """Simulates the first of several places.

    Args:
        application: All of the program.
        machine: What it runs on.
        axis: The dimension of the places.
        objective: What the throughput is over.

    Raises:
        NotAlikeError: The places are no replicas.
    """

    def __init__(
        self, application: Application, machine: Machine, axis: int, objective: Objective
    ) -> None:
        self._whole = application.launches()
        self.replicas = max(launch.domain[axis] for launch in self._whole)
        self.first = _FirstPlace(application, axis)
        super().__init__(self.first.application, machine, objective)

    def _volume(self, launch: Launch) -> int:
        return launch.volume * (self.replicas if _parts_of(launch) in self.first.spread else 1)

    def _new_decider(self) -> Decider:
        self._places = _FirstPlaceDecider(self, self._whole)
        return self._places

    def outcome(self, program: Program, mapper: Mapper) -> Outcome:
        """The outcome of a mapper.

        Raises:
            NotAlikeError: Its places are no replicas.
        """
        decisions = self.decide_program(program, lambda: mapper)
        if isinstance(decisions, Outcome):
            return decisions
        self._require_alike(decisions)
        if short := self._padded.shortage(decisions):
            return self.failure(str(short))
        run = self._simulate(decisions, self.times(decisions), trace=False)
        if run.status == KernelStatus.NOT_ALIKE:
            raise NotAlikeError
        return replace(self._outcome(run, decisions), floor=None)

    def _require_alike(self, decisions: Decisions) -> None:
        """Each place has nodes of its own, and the same of each; data in common lies on GPUs."""
        machine, twins = self.flat_machine, self._places.twins
        used = np.flatnonzero(twins[0] >= 0)
        if not self._places.alone <= set(used.tolist()):
            raise NotAlikeError
        twins = twins[:, used]
        ranks = machine.processor_rank[twins]
        nodes = machine.rank_node[ranks]
        kinds = machine.processor_kind[twins]
        position = (twins - machine.processor_first[kinds]) % machine.processor_count[kinds]
        for numbers in (ranks, nodes):
            places = [set(row.tolist()) for row in numbers]
            if sum(map(len, places)) != len(set().union(*places)):
                raise NotAlikeError
            for row in numbers[1:]:
                if len(set(zip(numbers[0].tolist(), row.tolist(), strict=True))) != len(places[0]):
                    raise NotAlikeError
        if (kinds != kinds[:1]).any() or (position != position[:1]).any():
            raise NotAlikeError
        self._alike = self._twins_of(decisions, used, twins)

    def _twins_of(self, decisions: Decisions, used: Ints, twins: Ints) -> dict[str, Ints]:
        """The memories of other places for each, and the atoms that places have in common."""
        machine, program = self.flat_machine, self.program
        memories = np.arange(len(machine.memory_kind))
        by_owner = {
            (int(o), int(k)): int(m)
            for m, o, k in zip(memories, machine.memory_owner, machine.memory_kind, strict=True)
            if o >= 0
        }
        rows: list[list[int]] = [[] for _ in memories]
        places = {int(each): twins[1:, i].tolist() for i, each in enumerate(used)}
        for (owner, kind), memory in by_owner.items():
            rows[memory] = [by_owner[twin, kind] for twin in places.get(owner, [])]
        lengths = np.array([len(row) for row in rows], np.int64)
        values = np.array([twin for row in rows for twin in row], np.int64)
        return {
            "twin_start": np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]),
            "twin_values": values,
            "atom_common": self._common(decisions, program.launches),
        }

    def _common(self, decisions: Decisions, launches: Sequence[Launch]) -> Ints:
        """``[atoms]`` 1 for the data that places have in common."""
        program, common = self.program, self.first.common
        found = np.zeros(len(program.atom_bytes), np.int64)
        seen: set[int] = set()
        for number, launch in enumerate(launches):
            if id(launch.requirements) in seen:
                continue
            seen.add(id(launch.requirements))
            first, last = program.launch_point[number : number + 2].tolist()
            width = len(launch.requirements)
            for index, requirement in enumerate(launch.requirements):
                names = {(requirement.region, name) for name in requirement.fields}
                if not names & common:
                    continue
                memory = decisions.launches[number].memories[index]
                kind = decisions.launches[number].kind
                if memory is None or self.machine.memories[memory].scope != kind:
                    raise NotAlikeError
                start = int(program.point_requirement[first])
                flat = start + np.arange(last - first) * width + index
                _, slots = program.slots.rows(flat)
                found[program.slot_atoms.rows(slots)[1]] = 1
        return found
