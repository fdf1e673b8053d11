"""Programs of many replicas, of which one is simulated for all.

Batch pieces of a model that is trained by data parallelism do the same at the same time on processors
of their own, and have nothing in common but sums that all of them read. One of them tells what all
do, to the bit, where along one dimension of all launch domains

- the points of different places do equal work under equal decisions, on nodes that no other place
  uses, and the same processors of one place have counterparts in each other;
- each place has data of its own, in pieces that lie to each other as those of the first place do;
- all data that they have in common is reduced to and read by all of them, from memories of GPUs, and
  the machine runs collective operations (``Runtime.collective``).

Then no place waits for another but in these operations, which begin when the sums of all are there:
at the same moment. What an operation takes counts all places (``kernel/collectives.c``). Where one of
these conditions does not hold, there are no replicas, and all points must be simulated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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

__all__ = ["simulate_replicas"]

Ints = NDArray[np.int64]


class _NotAlikeError(Exception):
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
        The outcome, which is that of ``Simulator`` to the bit but for its floor, a bound that is
        lower here; None where the program has no replicas on the machine under this mapper.

    Raises:
        MapperError: The mapper cannot be loaded, or one of its functions fails.
    """
    seen = machine.for_ranks(application.ranks_per_node)
    if seen.runtime.collective != "nccl" or any(p.pooled for p in seen.processors.values()):
        return None
    mapper = load(program, seen.shape)
    for axis in _axes(application.launches()):
        try:
            simulator = _ReplicaSimulator(application, machine, axis, objective)
            return simulator.outcome(program, mapper)
        except _NotAlikeError:
            continue
    return None


def _axes(launches: Sequence[Launch]) -> list[int]:
    """Dimensions along which all launches have as many points, the largest first."""
    if not launches or any(x.parent is not None or x.single or x.points for x in launches):
        return []
    extents = {launch.domain for launch in launches}
    if len({len(each) for each in extents}) > 1:
        return []
    equal = [sizes[0] for sizes in zip(*extents, strict=True) if len(set(sizes)) == 1]
    if len(equal) < len(next(iter(extents))):
        equal = [s[0] if len(set(s)) == 1 else 1 for s in zip(*extents, strict=True)]
    found = [axis for axis, size in enumerate(equal) if size > 1]
    return sorted(found, key=lambda axis: -equal[axis])


class _Pieces(NamedTuple):
    """The pieces that places have of their own by one requirement: ``[places, points, 2, d]``."""

    region: str
    fields: frozenset[str]
    boxes: Ints


class _FirstPlace:
    """The launches of an application with the points of the first place along a dimension.

    Args:
        application: The application.
        axis: The dimension.

    Attributes:
        application: One with these points alone.
        common: Fields of regions that all places have in common.

    Raises:
        _NotAlikeError: Some place does something else than the first.
    """

    def __init__(self, application: Application, axis: int) -> None:
        self._whole = application
        self._axis = axis
        self._own: dict[object, _Pieces] = {}
        self.common: set[tuple[str, str]] = set()
        self._parts: dict[tuple[object, ...], Launch] = {}
        self.application = replace(
            application,
            setup=tuple(map(self._first, application.setup)),
            loop=tuple(map(self._first, application.loop)),
            finish=(),
        )
        self._require_own_data()

    def by_place(
        self, values: NDArray[np.generic], domain: tuple[int, ...]
    ) -> NDArray[np.generic]:
        """``[places, points, ...]`` what is given for each point of a launch."""
        shaped = values.reshape(*domain, *values.shape[1:])
        moved = np.moveaxis(shaped, self._axis, 0)
        return moved.reshape(domain[self._axis], -1, *values.shape[1:])

    def _first(self, launch: Launch) -> Launch:
        parts = (launch.requirements, launch.colors, launch.work)
        key = (launch.task, launch.domain, *map(id, parts))
        if key not in self._parts:
            self._parts[key] = self._made(launch)
        return replace(self._parts[key], lower=launch.lower, after=launch.after,
                       blocking=launch.blocking, timed=launch.timed)  # fmt: skip

    def _made(self, launch: Launch) -> Launch:
        domain, points = launch.domain, launch.volume
        colors = []
        given = launch.colors or (None,) * len(launch.requirements)
        for requirement, color in zip(launch.requirements, given, strict=True):
            if color is None:
                color = np.arange(points) if requirement.partition else np.zeros(points, np.int64)
            places = self.by_place(color, domain).astype(np.int64)
            self._note(requirement, places)
            colors.append(places[0])
        smaller = tuple(1 if d == self._axis else size for d, size in enumerate(domain))
        return replace(launch, domain=smaller, colors=tuple(colors), work=self._work(launch))

    def _work(self, launch: Launch) -> Work:
        work = launch.work
        columns = {"flops": work.flops, "traffic": work.traffic, "accesses": work.accesses}
        if work.side is not None:
            columns["side"] = work.side
        found = {}
        for name, values in columns.items():
            places = self.by_place(values, launch.domain)
            if not (places == places[:1]).all():
                raise _NotAlikeError
            found[name] = places[0]
        return replace(work, **found)  # type: ignore[arg-type]  # arrays of the types that it has

    def _note(self, requirement: Requirement, colors: Ints) -> None:
        """Takes down whether places use data of their own, or the same."""
        fields = {(requirement.region, name) for name in requirement.fields}
        if not fields:
            return
        if (colors == colors[:1]).all():
            if requirement.privilege not in ("READ_ONLY", "REDUCE"):
                raise _NotAlikeError
            self.common |= fields
            return
        if requirement.partition is None:
            raise _NotAlikeError
        key = (requirement.region, requirement.partition, requirement.fields, colors.tobytes())
        if key not in self._own:
            partition = self._whole.partitions[requirement.partition]
            if partition.volumes is not None:
                raise _NotAlikeError
            own = frozenset(requirement.fields)
            self._own[key] = _Pieces(requirement.region, own, partition.pieces[colors])

    def _require_own_data(self) -> None:
        """What places have of their own is theirs alone, and cut alike."""
        regions: dict[str, list[_Pieces]] = {}
        for pieces in self._own.values():
            if any((pieces.region, name) in self.common for name in pieces.fields):
                raise _NotAlikeError
            regions.setdefault(pieces.region, []).append(pieces)
        for found in regions.values():
            lower = np.min([p.boxes[:, :, 0].min(axis=1) for p in found], axis=0)
            upper = np.max([p.boxes[:, :, 1].max(axis=1) for p in found], axis=0)
            if not any(_are_apart(lower[:, d], upper[:, d]) for d in range(lower.shape[1])):
                raise _NotAlikeError
            for pieces in found:
                moved = pieces.boxes - lower[:, None, None, :]
                if not (moved == moved[:1]).all():
                    raise _NotAlikeError


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

    def __init__(self, simulator: _ReplicaSimulator, whole: Sequence[Launch]) -> None:
        super().__init__(simulator.program, simulator.flat_machine)
        self._whole = whole
        self._first = simulator.first
        self._places = simulator.replicas
        self.twins = np.full((self._places, len(self.machine.processor_kind)), -1, np.int64)
        self._seen: dict[tuple[str, bytes], Ints] = {}

    def _domains_of(self, task: str) -> list[LaunchDomain]:
        if task not in self._domains:
            of = [each for each in self._whole if each.task == task]
            self._domains[task] = [LaunchDomain.of(each) for each in of]
        return self._domains[task]

    def _where(
        self, mapper: Callable[[], Mapper], number: int, kind: str, above: Ints | None
    ) -> Ints:
        launch = self._whole[number]
        where = placement(
            self.machine, mapper(), launch, kind, parents=above, points=launch.volume
        )
        key = (launch.task, where.tobytes())
        if key not in self._seen:
            places = self._first.by_place(where, launch.domain).astype(np.int64)
            first = places[0]
            for twins, place in zip(self.twins, places, strict=True):
                known = twins[first]
                if ((known >= 0) & (known != place)).any():
                    raise _NotAlikeError
                twins[first] = place
                if (twins[first] != place).any():  # one processor here, several there
                    raise _NotAlikeError
            self._seen[key] = first
        return self._seen[key]


class _ReplicaSimulator(Simulator):
    """Simulates the first of several places.

    Args:
        application: All of the program.
        machine: What it runs on.
        axis: The dimension of the places.
        objective: What the throughput is over.

    Raises:
        _NotAlikeError: The places are no replicas.
    """

    def __init__(
        self, application: Application, machine: Machine, axis: int, objective: Objective
    ) -> None:
        self._whole = application.launches()
        self.replicas = self._whole[0].domain[axis]
        self.first = _FirstPlace(application, axis)
        super().__init__(self.first.application, machine, objective)

    def _new_decider(self) -> Decider:
        return _FirstPlaceDecider(self, self._whole)

    def outcome(self, program: Program, mapper: Mapper) -> Outcome:
        """The outcome of a mapper.

        Raises:
            _NotAlikeError: Its places are no replicas.
        """
        decisions = self.decide_program(program, lambda: mapper)
        if isinstance(decisions, Outcome):
            return decisions
        self._require_alike(decisions)
        if short := self._padded.shortage(decisions):
            return self.failure(str(short))
        run = self._simulate(decisions, self.times(decisions), trace=False)
        if run.status == KernelStatus.NOT_ALIKE:
            raise _NotAlikeError
        return self._outcome(run, decisions)

    def _require_alike(self, decisions: Decisions) -> None:
        """Each place has nodes of its own, and the same of each; data in common lies on GPUs."""
        assert isinstance(self._decider, _FirstPlaceDecider)
        machine, twins = self.flat_machine, self._decider.twins
        used = np.flatnonzero(twins[0] >= 0)
        twins = twins[:, used]
        ranks = machine.processor_rank[twins]
        nodes = machine.rank_node[ranks]
        kinds, position = machine.processor_kind[twins], twins - ranks * 0
        count = machine.processor_count[kinds]
        position = (twins - machine.processor_first[kinds]) % count
        for numbers in (ranks, nodes):
            places = [set(row.tolist()) for row in numbers]
            if sum(map(len, places)) != len(set().union(*places)):
                raise _NotAlikeError
            for row in numbers[1:]:
                if len(set(zip(numbers[0].tolist(), row.tolist(), strict=True))) != len(places[0]):
                    raise _NotAlikeError
        if (kinds != kinds[:1]).any() or (position != position[:1]).any():
            raise _NotAlikeError
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
            "common_values": self._common(decisions, program.launches),
        }

    def _common(self, decisions: Decisions, launches: Sequence[Launch]) -> Ints:
        """The atoms of data that places have in common."""
        program, common = self.program, self.first.common
        found: list[Ints] = []
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
                    raise _NotAlikeError
                start = int(program.point_requirement[first])
                flat = start + np.arange(last - first) * width + index
                _, slots = program.slots.rows(flat)
                found.append(program.slot_atoms.rows(slots)[1])
        return np.unique(np.concatenate([np.zeros(0, np.int64), *found]))
