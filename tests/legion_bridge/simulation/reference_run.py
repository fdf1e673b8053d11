"""What a simulated run must do, told once more in the plainest words, and checked against it.

``plan_of`` follows a program in program order and says which operations there must be: a second
opinion on ``kernel/plan.c``, with sets and dictionaries in the place of linked lists. ``replay``
then lets the operations of the simulated run take place at the times that it gave them, on
instances that hold real values, and looks at every value that is read.

A value of an atom is the task that wrote it last, and the reductions that were folded in since.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, TypeAlias

import numpy as np

from legion_bridge.programs.flat_program import PRIVILEGE_CODES
from legion_bridge.simulation.kernel_arrays import OperationKind as Kind
from tests.legion_bridge.tiny import Run

from .reference_collectives import Group, groups_of, sender

READ_ONLY, READ_WRITE, WRITE_ONLY, REDUCE = (
    PRIVILEGE_CODES[name] for name in ("READ_ONLY", "READ_WRITE", "WRITE_ONLY", "REDUCE")
)

TaskId: TypeAlias = tuple[int, int]  # iteration and point
Value: TypeAlias = tuple[TaskId | None, frozenset[TaskId]]
UNWRITTEN: Value = (None, frozenset())


@dataclass(eq=False)
class Holder:
    """Bytes of a memory: an instance, or what a reduction is made to.

    Attributes:
        values: What it holds at the present of a replay, by atom.
        contributions: Of a reduction: the tasks that have added to it, by atom.
        users: Steps that read or write it.
        released: How many bytes of it were given to others.
    """

    memory: int
    slot: int
    bytes: float
    alive: bool = True
    values: dict[int, Value | str] = field(default_factory=dict)
    contributions: dict[int, set[TaskId]] = field(default_factory=dict)
    users: list[Step] = field(default_factory=list)
    released: float = 0.0


@dataclass(eq=False)
class Step:
    """An operation: what it reads, what it writes.

    Attributes:
        reads: Holder, atom, and the value that must be there.
        writes: Holder, atom, and the value that is there afterwards.
        moves, folds: From, to, atom.
        sums: From, to, atom of what one reduction adds to another.
        fills: Holder and atom that is made ready to be reduced to.
        adds: Holder and atom that is reduced to, and by which task.
        gives: Holder and atom of what a collective operation takes from a memory, and whether
            that is a sum.
        gets: Of one: its group, from where it takes an atom, where it puts it, and the atom.
        carried: What is on the way, for each move.
    """

    kind: Kind
    source: int = -1
    target: int = -1
    region: int = -1
    bytes: float = 0.0
    reads: list[tuple[Holder, int, Value]] = field(default_factory=list)
    writes: list[tuple[Holder, int, Value]] = field(default_factory=list)
    moves: list[tuple[Holder, Holder, int]] = field(default_factory=list)
    folds: list[tuple[Holder, Holder, int]] = field(default_factory=list)
    sums: list[tuple[Holder, Holder, int]] = field(default_factory=list)
    fills: list[tuple[Holder, int]] = field(default_factory=list)
    adds: list[tuple[Holder, int, TaskId]] = field(default_factory=list)
    carried: list[Value] = field(default_factory=list)
    gives: list[tuple[Holder, int, bool]] = field(default_factory=list)
    gets: list[tuple[Group, Holder, int]] = field(default_factory=list)

    def holders(self) -> Iterator[Holder]:
        for holder, _, _ in (*self.reads, *self.writes):
            yield holder
        for source, target, _ in (*self.moves, *self.folds, *self.sums):
            yield from (source, target)
        for holder, *_ in (*self.adds, *self.fills, *self.gives):
            yield holder
        for group, holder, atom in self.gets:
            yield holder
            for source, _ in group.sources[atom]:
                yield source


class OutOfMemoryError(Exception):
    """No memory for a slot of a requirement."""


@dataclass(eq=False)
class _Reduction:
    """A reduction instance, and the atoms of it that nobody has folded yet.

    Attributes:
        added: The tasks that have added to each of these atoms.
        last: The number of the last task that has, in the order of planning.
    """

    holder: Holder
    left: set[int]
    added: dict[int, set[TaskId]] = field(default_factory=lambda: defaultdict(set))
    last: int = 0


@dataclass
class _Limits:
    """Queues of points that share an instance limit: those of one task and one origin.

    Attributes:
        queue: Of each point, or -1.
        permits, task: Of each queue: points that may be under way, and its task.
    """

    queue: list[int]
    permits: list[int]
    task: list[str]

    @classmethod
    def of(cls, run: Run) -> _Limits:
        program, machine = run.simulator.program, run.simulator.flat_machine
        names = [launch.task for launch in program.launches]
        last = {name: number for number, name in enumerate(names)}
        keys: dict[int, tuple[int, int]] = {}
        for point, launch in enumerate(program.point_launch.tolist()):
            above = int(program.launch_parent[launch])
            while above >= 0 and names[above] != names[launch]:
                above = int(program.launch_parent[above])
            if not run.decisions.launches[launch].limit or above >= 0:
                continue  # a task below its like counts as part of it
            parent = int(program.point_parent[point])
            runner = int(run.decisions.processor[point if parent < 0 else parent])
            top = len(machine.processor_kind) + int(machine.processor_rank[runner])
            keys[point] = last[names[launch]], top if parent < 0 else runner
        ordered = sorted(set(keys.values()))
        permits = {
            keys[point]: run.decisions.launches[int(program.point_launch[point])].limit
            for point in keys
        }
        points = range(len(program.point_launch))
        return cls(
            queue=[ordered.index(keys[point]) if point in keys else -1 for point in points],
            permits=[permits[key] for key in ordered],
            task=[names[task] for task, _ in ordered],
        )


class Plan:
    """All steps of a run in the order in which they are planned.

    Attributes:
        held: After each iteration, the setup first, the bytes in use in each memory.

    Raises:
        OutOfMemoryError: The run must fail for want of memory.
    """

    def __init__(self, run: Run) -> None:
        self.program, self.machine = run.simulator.program, run.simulator.flat_machine
        self.decisions = run.decisions
        self.route_cost = run.simulator._arrays["route_cost"]
        self.steps: list[Step] = []
        self.holders: list[Holder] = []
        # What was freed counts as used until it is needed.
        self.used: dict[int, float] = defaultdict(float)
        self.freed: dict[int, deque[Holder]] = defaultdict(deque)
        self.instances: dict[tuple[int, int, int], Holder] = {}
        self.instance_order: list[tuple[int, int, int]] = []
        self.valid: dict[int, list[Holder]] = defaultdict(list)  # by atom, the newest holder first
        self.pending: dict[int, list[_Reduction]] = defaultdict(list)
        self.reductions: dict[tuple[int, int], _Reduction] = {}
        self.current: dict[int, Value] = defaultdict(lambda: UNWRITTEN)
        times = run.simulator._timer.times(run.decisions.launches)
        self.in_turn = bool(run.simulator._simulate(run.decisions, times, trace=False).in_turn)
        self.limits = _Limits.of(run)
        # Under a limit: memory that the points of a queue hand on, and how many have passed.
        self.kept: dict[int, deque[Holder]] = defaultdict(deque)
        self.passed: dict[int, int] = defaultdict(int)
        # Transient instances, whose memory is the last to be given to others.
        self.deferred_in: dict[int, deque[Holder]] = defaultdict(deque)
        self.deferred_behind: dict[int, deque[tuple[int, Holder]]] = defaultdict(deque)
        self.queue = -1
        # Points so far, and how many there were before the launch of the one that comes now.
        self.planned = self.began = 0
        # Collective operations: what this launch gets together, and room that comes free after it.
        self.together = run.simulator.machine.runtime.collective == "nccl"
        self.groups: dict[int, Group] = {}
        self.later: list[Holder] = []
        self.given: set[Holder] = set()
        self.launch_of: list[int] = []
        self.tasks: dict[TaskId, Step] = {}
        self.held: list[dict[int, float]] = []
        setup, iterations = self.program.setup_launches, run.simulator._windows[-1].iterations
        if run.outcome.ok:
            iterations = int(run.trace.operations.iteration.max()) + 1
        for iteration in range(-1, iterations):
            first, last = (0, setup) if iteration < 0 else (setup, len(self.program.launches))
            for began, point in self._order(first, last):
                self.began = began
                self.launch_of.append(int(self.program.point_launch[point]))
                self._point(iteration, point)
                self.planned += 1
            self._end_groups()
            self._release_all()
            self.held.append({memory: self._held(memory) for memory in list(self.used)})

    def _held(self, memory: int) -> float:
        freed = sum(holder.bytes - holder.released for holder in self.freed[memory])
        return self.used[memory] - freed

    # Points and requirements

    def _order(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Points launch by launch, and when each launch began.

        Each comes with all below it where tasks that launch others are limited, if the run would
        wait for ever otherwise.
        """
        start, parent = self.program.launch_point, self.program.launch_parent
        depth_first = self.in_turn and bool(
            np.any(self.program.has_children[np.array(self.limits.queue) >= 0])
        )
        for launch in range(first, last):
            if not depth_first or parent[launch] < 0:
                points = range(int(start[launch]), int(start[launch + 1]))
                yield from self._launch(points, depth_first=depth_first)

    def _turn(self) -> int:
        """Whose permit the point that comes now gets, counted in its queue; below 0 a new one."""
        return self.passed[self.queue] - self.limits.permits[self.queue]

    def _limits_parents(self) -> bool:
        """Whether a limit holds for some task that launches others."""
        limited = np.array(self.limits.queue) >= 0
        return bool(np.any(self.program.has_children[limited]))

    def _launch(self, points: Iterable[int], *, depth_first: bool) -> Iterator[tuple[int, int]]:
        began = self.planned
        points = list(points)
        self._end_groups()
        if self.together and not depth_first:
            self.began = began
            self.groups = groups_of(self, points)
        for point in points:
            yield began, point
            below = np.flatnonzero(self.program.point_parent == point) if depth_first else []
            for _, children in groupby(map(int, below), self.program.point_launch.__getitem__):
                yield from self._launch(list(children), depth_first=True)

    def _point(self, iteration: int, point: int) -> None:
        task = Step(Kind.TASK, target=int(self.decisions.processor[point]))
        self.queue = self.limits.queue[point]
        self.tasks[iteration, point] = task
        self.steps += [Step(Kind.RUNTIME), task]
        if self.program.has_children[point]:
            self.steps.append(Step(Kind.JOIN))
        start = self.program.point_requirement
        self.summed: list[Holder] = []  # folded upwards
        self.transient: list[Holder] = []
        if self.queue >= 0:
            self._release_before()
        for requirement in range(int(start[point]), int(start[point + 1])):
            self._requirement((iteration, point), requirement, task)
        for holder in self.summed:
            self._hand_on(holder)
        for holder in self.transient:
            if self.queue < 0:
                self.deferred_in[holder.memory].append(holder)
            else:
                self.deferred_behind[self.queue].append((self.passed[self.queue], holder))
        if self.queue >= 0:
            self.passed[self.queue] += 1

    def _requirement(self, who: TaskId, requirement: int, task: Step) -> None:
        self.merged: dict[object, Step] = {}
        memory = int(self.decisions.memory[requirement])
        privilege = int(self.program.privilege[requirement])
        first = int(self.program.slots.start[requirement])
        for at, slot in enumerate(self.program.slots.row(requirement).tolist(), start=first):
            if privilege == REDUCE and self.program.fold_into[at] >= 0:
                self._reduce_into(who, at, slot, memory, task)
            elif privilege == REDUCE:
                self._reduce(who, requirement, slot, memory, task)
            elif self._reads_transient(requirement, slot, privilege):
                self.transient.append(self._allocate(slot, memory, transient=True))
                self._use(who, privilege, slot, self.transient[-1], task)
            else:
                holder = self._find(requirement, slot) or self._make(requirement, slot, memory)
                self._use(who, privilege, slot, holder, task)

    def _reads_transient(self, requirement: int, slot: int, privilege: int) -> bool:
        """What is collected is read in an instance of its own, unless it lies there already."""
        atoms = self.program.slot_atoms.row(slot).tolist()
        if not self.decisions.collect[requirement] or privilege != READ_ONLY:
            return False
        if any(each.last < self.began for atom in atoms for each in self.pending[atom]):
            return False
        holder = self._find(requirement, slot)
        return holder is None or not all(holder in self.valid[atom] for atom in atoms)

    def _use(self, who: TaskId, privilege: int, slot: int, holder: Holder, task: Step) -> None:
        for atom in self.program.slot_atoms.row(slot).tolist():
            if privilege == WRITE_ONLY:
                for reduction in self._take_due(atom):
                    self._spend(reduction, atom)
            else:
                self._bring(atom, holder)
            later = frozenset(x for other in self.pending[atom] for x in other.added[atom])
            if privilege != WRITE_ONLY:
                writer, added = self.current[atom]
                task.reads.append((holder, atom, (writer, added - later)))
            if privilege != READ_ONLY:
                self.current[atom] = (who, later)
                self.valid[atom] = [holder]
                task.writes.append((holder, atom, (who, frozenset())))

    def _take_due(self, atom: int) -> list[_Reduction]:
        """Those that other launches have made: points of one launch share no data."""
        due = [each for each in self.pending[atom] if each.last < self.began]
        self.pending[atom] = [each for each in self.pending[atom] if each.last >= self.began]
        return due

    def _end_groups(self) -> None:
        for holder in self.later:
            self.freed[holder.memory].append(holder)
        self.later, self.groups, self.given = [], {}, set()

    def _take_part(self, atom: int, holder: Holder) -> bool:
        """Whether a holder gets an atom together with others."""
        group = self.groups.get(atom)
        if group is None or holder.memory not in group.readers[atom]:
            return False
        if (atom, holder.memory) in group.served:
            return False
        if not group.steps:
            self._begin_group(group)
        group.served.add((atom, holder.memory))
        needs = group.readers[atom][holder.memory]
        if not group.summed and (holder in self.valid[atom] or not needs):
            return False
        group.steps[holder.memory].gets.append((group, holder, atom))
        if holder not in self.transient:
            self.valid[atom].insert(0, holder)
        return True

    def _begin_group(self, group: Group) -> None:
        given: dict[int, list[tuple[Holder, int, bool]]] = defaultdict(list)
        for atom, readers in group.readers.items():
            base = sender(self, atom, readers)
            if base is not None:
                given[base.memory].append((base, atom, False))
                self.given.add(base)
            for memory in readers:
                given[memory] += []
            if group.summed:
                self.valid[atom] = []
            for reduction in self._take_due(atom):
                given[reduction.holder.memory].append((reduction.holder, atom, True))
                self._spend(reduction, atom, later=True)
        for memory in sorted(given):
            group.steps[memory] = Step(Kind.COLLECTIVE, memory, memory, gives=given[memory])
            self.steps.append(group.steps[memory])
        for step in group.steps.values():
            for holder, atom, summed in step.gives:
                group.sources.setdefault(atom, []).append((holder, summed))

    def _bring(self, atom: int, holder: Holder) -> None:
        if self._take_part(atom, holder):
            return
        if holder not in self.valid[atom]:
            self._copy(atom, holder)
            if holder in self.transient:
                return  # nobody copies from it
            self.valid[atom].insert(0, holder)
        folds = self._take_due(atom)
        if folds:
            self.valid[atom] = [holder]
        for reduction in folds:
            fold = self._merged(reduction, Kind.FOLD, reduction.holder.memory, holder)
            fold.bytes += float(self.program.atom_bytes[atom])
            fold.folds.append((reduction.holder, holder, atom))
            self._spend(reduction, atom)

    def _copy(self, atom: int, holder: Holder) -> None:
        source = self._nearest(atom, holder.memory)
        if source is None:
            holder.values[atom] = UNWRITTEN
            return
        copy = self._merged(source.memory, Kind.COPY, source.memory, holder)
        copy.bytes += float(self.program.atom_bytes[atom])
        copy.moves.append((source, holder, atom))

    def _reduce_into(self, who: TaskId, at: int, slot: int, memory: int, task: Step) -> None:
        """A nested task reduces to an instance of its own, which is folded into its parent's."""
        own = self._allocate(slot, memory, transient=True)
        parent = int(self.program.fold_into[at])
        requirement = int(np.searchsorted(self.program.slots.start, parent, "right")) - 1
        reduction = self.reductions[requirement, slot]
        above = reduction.holder
        reduction.last = self.planned
        atoms = self.program.slot_atoms.row(slot).tolist()
        size, region = float(self.program.slot_bytes[slot]), int(self.program.slot_region[slot])
        fill = Step(Kind.FILL, memory, memory, region, size)
        fill.fills = [(own, atom) for atom in atoms]
        fold = Step(Kind.FOLD, memory, above.memory, region, size)
        fold.sums = [(own, above, atom) for atom in atoms]
        self.steps += [fill, fold]
        task.adds += [(own, atom, who) for atom in atoms]
        for atom in atoms:
            reduction.added[atom].add(who)
            writer, added = self.current[atom]
            self.current[atom] = (writer, added | {who})
        self.summed.append(own)

    def _reduce(self, who: TaskId, requirement: int, slot: int, memory: int, task: Step) -> None:
        reduction = self.reductions.get((requirement, slot))
        atoms = self.program.slot_atoms.row(slot).tolist()
        if reduction is None or not reduction.left:
            going_on = self._open_sums(slot, memory) if self.together else None
            if going_on is not None:
                self._add(who, going_on, atoms, task)
                return
            reduction = _Reduction(self._allocate(slot, memory), set())
            self.reductions[requirement, slot] = reduction
        ready = [atom for atom in atoms if atom not in reduction.left]
        if ready:  # all that nobody has folded yet goes on
            region = int(self.program.slot_region[slot])
            size = float(self.program.atom_bytes[ready].sum())
            fill = Step(Kind.FILL, memory, memory, region, size)
            fill.fills = [(reduction.holder, atom) for atom in ready]
            self.steps.append(fill)
        for atom in ready:
            reduction.left.add(atom)
            self.pending[atom].insert(0, reduction)
        self._add(who, reduction, atoms, task)

    def _open_sums(self, slot: int, memory: int) -> _Reduction | None:
        """A reduction of the same data that others have made there, and nobody has read."""
        atoms = self.program.slot_atoms.row(slot).tolist()
        for each in self.pending[atoms[0]]:
            same = (each.holder.slot, each.holder.memory) == (slot, memory)
            if same and each.last < self.began and each.left == set(atoms):
                return each
        return None

    def _add(self, who: TaskId, reduction: _Reduction, atoms: list[int], task: Step) -> None:
        task.adds += [(reduction.holder, atom, who) for atom in atoms]
        reduction.last = self.planned
        for atom in atoms:
            reduction.added[atom].add(who)
            writer, added = self.current[atom]
            self.current[atom] = (writer, added | {who})

    # Instances and memory

    def _key(self, requirement: int, slot: int) -> tuple[int, int, int]:
        memory, layout = self.decisions.memory[requirement], self.decisions.layout[requirement]
        return int(memory), int(layout), slot

    def _find(self, requirement: int, slot: int) -> Holder | None:
        """The instance of the slot, else of the smallest that contains it."""
        wider = [] if self.decisions.exact[requirement] else self.program.wider.row(slot).tolist()
        for each in (slot, *wider):
            holder = self.instances.get(self._key(requirement, each))
            if holder is not None and holder.alive:
                return holder
        return None

    def _make(self, requirement: int, slot: int, memory: int) -> Holder:
        holder = self._allocate(slot, memory)
        key = self._key(requirement, slot)
        if key not in self.instances:
            self.instance_order.append(key)
        self.instances[key] = holder
        return holder

    def _allocate(self, slot: int, memory: int, *, transient: bool = False) -> Holder:
        size = whole = float(self.program.slot_bytes[slot])
        kept = self.kept[self.queue]
        if (
            transient
            and self.queue >= 0
            and self.passed[self.queue] >= self.limits.permits[self.queue]
        ):
            while size > 0 and kept and kept[0].memory == memory:
                taken = min(kept[0].bytes - kept[0].released, size)
                kept[0].released += taken
                size -= taken
                if kept[0].released == kept[0].bytes:
                    kept.popleft()
        capacity = float(self.machine.memory_capacity[memory])
        while self.used[memory] + size > capacity:
            if not self.freed[memory]:
                if self.deferred_in[memory]:
                    self._release(self.deferred_in[memory].popleft())
                elif not self._evict(memory) and not self._reclaim(memory):
                    raise OutOfMemoryError
                continue
            self.merged = {}  # what fills this memory waits for it, what is under way does not
            freed = self.freed[memory][0]
            taken = min(freed.bytes - freed.released, self.used[memory] + size - capacity)
            freed.released += taken
            self.used[memory] -= taken
            if freed.released == freed.bytes:
                self.freed[memory].popleft()
        self.used[memory] += size
        made = Holder(memory, slot, whole)
        self.holders.append(made)
        return made

    def _evict(self, memory: int) -> bool:
        """Lets go of the oldest instance that holds nothing new."""
        for key in self.instance_order:
            holder = self.instances[key]
            atoms = self.program.slot_atoms.row(holder.slot).tolist()
            stale = not any(holder in self.valid[atom] for atom in atoms)
            stale &= holder not in self.given  # it is on its way to others
            if holder.alive and holder.memory == memory and stale:
                holder.alive = False
                self.freed[memory].append(holder)
                return True
        return False

    def _hand_on(self, holder: Holder, queue: int | None = None) -> None:
        """Under a limit to those behind in the queue, else to all."""
        queue = self.queue if queue is None else queue
        if queue < 0:
            self.freed[holder.memory].append(holder)
            return
        kept = self.kept[queue]
        while kept and kept[0].memory != holder.memory:
            self.freed[kept[0].memory].append(kept.popleft())
        kept.append(holder)

    def _release(self, holder: Holder, queue: int = -1) -> None:
        holder.alive = False
        self._hand_on(holder, queue)

    def _release_before(self) -> None:
        """What the points held whose permits go to the point that comes now."""
        waiting = self.deferred_behind[self.queue]
        while (
            waiting and waiting[0][0] <= self.passed[self.queue] - self.limits.permits[self.queue]
        ):
            self._release(waiting.popleft()[1], self.queue)

    def _release_all(self) -> None:
        for released in self.deferred_in.values():
            while released:
                self._release(released.popleft())
        for queue, waiting in self.deferred_behind.items():
            while waiting:
                self._release(waiting.popleft()[1], queue)

    def _reclaim(self, memory: int) -> bool:
        """Takes what the queues of other tasks have kept."""
        mine = None if self.queue < 0 else self.limits.task[self.queue]
        found = False
        for queue, task in enumerate(self.limits.task):
            kept = self.kept[queue]
            if task != mine and kept and kept[0].memory == memory:
                self.freed[memory].extend(kept)
                kept.clear()
                found = True
        return found

    def _spend(self, reduction: _Reduction, atom: int, *, later: bool = False) -> None:
        reduction.left.discard(atom)
        reduction.added.pop(atom, None)
        if not reduction.left and later:
            self.later.append(reduction.holder)
        elif not reduction.left:
            self.freed[reduction.holder.memory].append(reduction.holder)

    # Movement

    def _nearest(self, atom: int, memory: int) -> Holder | None:
        """From where an atom arrives soonest; of equals the one that has held it longest."""
        size = float(self.program.atom_bytes[atom])
        machine = self.machine

        def cost(holder: Holder) -> float:
            ends = [holder.memory, memory]
            ranks = machine.memory_rank[ends]
            nodes = machine.rank_node[ranks]
            where = (
                0 if ends[0] == ends[1] else 1 if ranks[0] == ranks[1]
                else 2 if nodes[0] == nodes[1] else 3
            )  # fmt: skip
            fixed, each = self.route_cost[(*machine.memory_kind[ends], where)]
            return float(fixed + each * size)

        return min(reversed(self.valid[atom]), key=cost, default=None)

    def _merged(self, key: object, kind: Kind, source: int, target: Holder) -> Step:
        """One copy a source memory, and one fold a reduction, for all atoms of a requirement."""
        if key not in self.merged:
            region = int(self.program.slot_region[target.slot])
            self.merged[key] = Step(kind, source, target.memory, region)
            self.steps.append(self.merged[key])
        return self.merged[key]


class Replay:
    """A simulated run, step by step, at its own times.

    Raises:
        AssertionError: The run has other operations than it must have, or they see a value that
            is not the newest one, or that changes under their hands.
    """

    def __init__(self, run: Run) -> None:
        self.trace = run.trace
        self.folding: set[tuple[Holder, int]] = set()  # what a fold is changing
        self.plan = Plan(run)
        self._match()
        self._follow()

    def _match(self) -> None:
        operations, steps = self.trace.operations, self.plan.steps
        found = [Kind(int(kind)) for kind in operations.kind]
        # A join that stands for a whole launch moves no data and has no step.
        numbers = [n for n in range(len(found)) if found[n] is not Kind.JOIN]
        wanted = [step for step in steps if step.kind is not Kind.JOIN]
        assert [found[n] for n in numbers] == [step.kind for step in wanted]
        for number, step in zip(numbers, wanted, strict=True):
            if step.kind in (Kind.COPY, Kind.FOLD, Kind.FILL):
                seen = (operations.source, operations.place, operations.region, operations.bytes)
                there = [float(column[number]) for column in seen]
                assert there == [step.source, step.target, step.region, step.bytes]
        self.numbers = dict(zip(wanted, numbers, strict=True))
        for step in wanted:
            for holder in set(step.holders()):
                holder.users.append(step)

    def start(self, step: Step) -> float:
        return float(self.trace.operations.start[self.numbers[step]])

    def end(self, step: Step) -> float:
        return float(self.trace.operations.end[self.numbers[step]])

    def _follow(self) -> None:
        # At one instant all ends come first, and all begins last. Between them is what takes no
        # time, as a collective operation of one who has all that it gets.
        events = []
        for n, step in enumerate(self.numbers):
            start, end = self.start(step), self.end(step)
            instant = step.kind is Kind.COLLECTIVE and start == end
            events.append((start, 1 if instant else 3, n, step))
            events.append((end, 2 if instant else 0, n, step))
        for _, what, _, step in sorted(events, key=_order):
            if what in (1, 3):
                self._begin(step)
            else:
                self._finish(step)

    def _begin(self, step: Step) -> None:
        for holder, atom, value in step.reads:
            assert holder.values.get(atom) == value, "a task begins before its data is there"
        for source, target, atom in step.moves:
            value = source.values.get(atom)
            assert isinstance(value, tuple), "a copy begins before its source is there"
            step.carried.append(value)
            target.values[atom] = "being copied"
        for source, target, atom in step.folds:
            assert isinstance(target.values.get(atom), tuple), "a fold begins before its target"
            assert (target, atom) not in self.folding, "two fold into the same data"
            self.folding.add((target, atom))
            assert source.contributions[atom], "a fold begins before its reduction"
        for source, target, atom in step.sums:
            assert atom in target.contributions, "a sum begins before its target is filled"
            assert source.contributions[atom], "a sum begins before its reduction"
        for group, holder, atom in step.gets:
            if atom not in group.values:
                group.given[atom] = _given(group, atom)
                group.values[atom] = _result(group, atom)
            assert _is_kept(group, atom), "data changes before all have it"
            holder.values[atom] = "being copied"
        for holder, atom, summed in step.gives:
            if summed:
                assert holder.contributions[atom], "sums are added up before they are there"
        for holder, atom, _ in step.writes:
            holder.values[atom] = "being written"
        for holder, atom, _ in step.adds:
            assert atom in holder.contributions, "a reduction begins before its fill"

    def _finish(self, step: Step) -> None:
        written = {(id(holder), atom) for holder, atom, _ in step.writes}
        for holder, atom, value in step.reads:
            kept = holder.values.get(atom) == value or (id(holder), atom) in written
            assert kept, "data changes while a task reads it"
        for (source, target, atom), value in zip(step.moves, step.carried, strict=True):
            assert source.values.get(atom) == value, "data changes while it is copied"
            assert target.values[atom] == "being copied", "two write the same data"
            target.values[atom] = value
        for source, target, atom in step.folds:
            value = target.values[atom]
            assert isinstance(value, tuple), "data is written while it is folded into"
            target.values[atom] = (value[0], value[1] | frozenset(source.contributions[atom]))
            self.folding.remove((target, atom))
        for group, holder, atom in step.gets:
            assert _is_kept(group, atom), "data changes before all have it"
            assert holder.values[atom] == "being copied", "two write the same data"
            holder.values[atom] = group.values[atom]
        for source, target, atom in step.sums:
            target.contributions[atom] |= source.contributions[atom]
        for holder, atom, value in step.writes:
            assert holder.values[atom] == "being written", "two write the same data"
            holder.values[atom] = value
        for holder, atom, who in step.adds:
            holder.contributions[atom].add(who)
        for holder, atom in step.fills:
            holder.contributions[atom] = set()

    def most_in_use(self) -> dict[int, float]:
        """The most bytes in use at any time in each memory.

        Room is in use from the first operation that touches it; where it is given to others,
        to the last, and else to the end.
        """
        changes: dict[int, list[tuple[float, int, float]]] = defaultdict(list)
        for holder in self.plan.holders:
            if not holder.users:
                continue
            begin = min(self.start(step) for step in holder.users)
            changes[holder.memory].append((begin, 1, holder.bytes))
            if holder.released:
                end = max(self.end(step) for step in holder.users)
                changes[holder.memory].append((end, 0, -holder.released))
        return {
            memory: float(np.cumsum([size for *_, size in sorted(found)]).max())
            for memory, found in changes.items()
        }


def _given(group: Group, atom: int) -> list[Any]:
    """What each source of an atom holds at present: some sums, or a value."""
    return [
        frozenset(holder.contributions[atom]) if summed else holder.values.get(atom)
        for holder, summed in group.sources[atom]
    ]


def _result(group: Group, atom: int) -> Value:
    """What all get of an atom: its value, and all sums."""
    writer, added = UNWRITTEN
    for (_, summed), given in zip(group.sources[atom], group.given[atom], strict=True):
        if summed:
            assert given, "sums are added up before they are there"
            added |= given
        else:
            assert isinstance(given, tuple), "data is spread before it is there"
            writer, added = given[0], added | given[1]
    return writer, added


def _is_kept(group: Group, atom: int) -> bool:
    """Whether all sources have what they gave, or what they got for it in the same place."""
    getters = [holder for step in group.steps.values() for _, holder, x in step.gets if x == atom]
    return all(
        now == given or (holder in getters and now in ("being copied", group.values[atom]))
        for (holder, _), now, given in zip(
            group.sources[atom], _given(group, atom), group.given[atom], strict=True
        )
    )


def _order(event: tuple[float, int, int, Step]) -> tuple[float, int, int, int]:
    time, what, number, _ = event
    return time, {0: 0, 1: 1, 2: 1, 3: 2}[what], number, what
