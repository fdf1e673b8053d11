"""The log of Legion Spy (``-lg:spy 1``): what the program asked of the runtime, line by line.

Each line is an event; the lines of several threads and files are mixed, and refer to each other
by numbers. Here they are sorted into tables; `spy_program` makes a program of them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from legion_bridge.capture.boxes import Box, Index
from legion_bridge.capture.names import TaskNames
from legion_bridge.errors import CaptureError

__all__ = ["LoggedRequirement", "Operation", "SpyLog", "Variant", "read_spy_log"]

_LINE = re.compile(r"\{legion_spy\}: (.*)|\{taskreg\}: task (\d+) registered on ([0-9a-f]+)")
_OPERATIONS = re.compile(
    r"(Mapping|Fill|Discard|Fence|Copy|Acquire|Release|Attach|Detach|Must Epoch|"
    r"All Reduce|Predicate|Timing) Operation (\d+) (\d+)"
)
_COMPACT = 2  # LEGION_COMPACT_SPECIALIZE


@dataclass
class LoggedRequirement:
    """A line ``Logical Requirement``; ``space`` is an index space or an index partition."""

    is_region: bool
    space: int
    field_space: int
    tree: int
    privilege: int
    coherence: int
    reduction: int
    fields: list[int] = field(default_factory=list)


@dataclass
class Operation:
    """A launch, as its parent asked for it."""

    number: int
    task: int
    parent: int
    is_index: bool


@dataclass
class Variant:
    """A registered variant, and the processors that it was registered on."""

    task: int
    number: int
    inner: bool
    processors: tuple[int, ...]


@dataclass
class SpyLog:
    """All tables of a log; numbers are the log's own."""

    processors: dict[int, str] = field(default_factory=dict)
    tasks: dict[int, str] = field(default_factory=dict)
    variants: list[Variant] = field(default_factory=list)
    top_task: int | None = None
    boxes: dict[int, list[Box]] = field(default_factory=lambda: defaultdict(list))
    space_names: dict[int, str] = field(default_factory=dict)
    partition_names: dict[int, str] = field(default_factory=dict)
    subspaces: dict[int, dict[Index, int]] = field(default_factory=lambda: defaultdict(dict))
    field_names: dict[tuple[int, int], str] = field(default_factory=dict)
    field_bytes: dict[tuple[int, int], int] = field(default_factory=dict)
    roots: dict[int, int] = field(default_factory=dict)  # the index space of each region tree
    region_names: dict[tuple[int, int], str] = field(default_factory=dict)  # by space and tree
    logical_partition_names: dict[tuple[int, int], str] = field(default_factory=dict)
    operations: dict[int, Operation] = field(default_factory=dict)
    others: dict[int, str] = field(default_factory=dict)  # operations that are no launches
    # By parent and place: one operation, or a must-epoch launch and the tasks that it consists of.
    order: dict[int, dict[int, list[int]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    requirements: dict[int, dict[int, LoggedRequirement]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    domains: dict[int, list[Box]] = field(default_factory=lambda: defaultdict(list))
    slices: dict[int, int] = field(default_factory=dict)
    points: dict[int, tuple[int, Index]] = field(default_factory=dict)
    variant_decisions: dict[int, int] = field(default_factory=dict)
    virtual: set[tuple[int, int]] = field(default_factory=set)
    future_makers: dict[int, int] = field(default_factory=dict)
    future_uses: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    shards: dict[int, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    replicas: dict[int, int] = field(default_factory=dict)  # of tasks; the key of their shards
    inlined: set[int] = field(default_factory=set)
    predicated: set[int] = field(default_factory=set)
    not_run: set[int] = field(default_factory=set)  # their predicate was false
    instances: dict[tuple[int, int], set[int]] = field(default_factory=lambda: defaultdict(set))
    compact_instances: set[int] = field(default_factory=set)
    damaged: int = 0  # lines that could not be read

    def task_names(self) -> TaskNames:
        """What to call the tasks that are launched."""
        launched = {operation.task for operation in self.operations.values()}
        return TaskNames(name for task, name in self.tasks.items() if task in launched)

    def launch_of(self, number: int) -> int:
        """The launch that a point or a slice is a part of."""
        number = self.points[number][0] if number in self.points else number
        while number in self.slices:
            number = self.slices[number]
        return number

    def shards_of(self, task: int) -> list[int]:
        """The shards of a task, in order; none where it is not replicated."""
        shards = self.shards.get(self.replicas.get(task, -1), {})
        return [shards[shard] for shard in sorted(shards)]

    def compact(self) -> set[tuple[int, int]]:
        """Operation and index of the requirements whose instance was asked to be compact."""
        return {key for key, found in self.instances.items() if found & self.compact_instances}


def read_spy_log(paths: Iterable[Path]) -> SpyLog:
    """Reads the files of one run, one a process.

    Raises:
        CaptureError: A file cannot be read, or holds no line of Legion Spy.
    """
    reader = _Reader()
    for path in paths:
        try:
            with path.open(encoding="utf-8", errors="replace") as lines:
                reader.read(lines)
        except OSError as error:
            raise CaptureError(f"{path}: cannot be read: {error.strerror}") from None
    if not reader.events:
        raise CaptureError(
            "the log holds nothing of Legion Spy: the program is no Legion program, or its Legion "
            "was built without logging"
        )
    return reader.log


class _Reader:
    """Sorts lines into tables: a handler for each kind of line, found by its first words."""

    def __init__(self) -> None:
        self.log = SpyLog()
        self.events = 0
        self._registered: dict[int, list[int]] = {}
        self._kinds: dict[int, str] = {}
        self._handlers: dict[str, Callable[[list[str]], None]] = {
            name.removeprefix("_on_").replace("__", " "): getattr(self, name)
            for name in dir(self)
            if name.startswith("_on_")
        }

    def read(self, lines: Iterable[str]) -> None:
        for line in lines:
            found = _LINE.search(line)
            if not found:
                continue
            if found[1] is None:
                self._registered.setdefault(int(found[2]), []).append(int(found[3], 16))
                continue
            self.events += 1
            self._take(found[1].rstrip())

    def _take(self, text: str) -> None:
        if other := _OPERATIONS.match(text):
            self.log.others[int(other[3])] = other[1].lower()
            return
        words = text.split(" ")
        for count in (4, 3, 2, 1):
            handler = self._handlers.get(" ".join(words[:count]).lower())
            if handler is not None:
                try:
                    handler(words[count:])
                except (ValueError, IndexError):
                    self.log.damaged += 1  # two threads' lines in one
                return

    # The machine and the tasks.

    def _on_processor__kind(self, w: list[str]) -> None:
        self._kinds[int(w[0])] = " ".join(w[1:])

    def _on_processor(self, w: list[str]) -> None:
        self.log.processors[int(w[0], 16)] = self._kinds.get(int(w[1]), "")

    def _on_processor__memory(self, _: list[str]) -> None:
        """Nothing to note: memories belong to the machine, not to the program."""

    def _on_task__id__name(self, w: list[str]) -> None:
        self.log.tasks[int(w[0])] = " ".join(w[1:])

    def _on_task__variant(self, w: list[str]) -> None:
        # It was registered with Realm just before, under the newest of Realm's numbers.
        newest = max(self._registered, default=None)
        where = self._registered.pop(newest) if newest is not None else []
        self._registered.clear()
        task, number, inner = int(w[0]), int(w[1]), w[2] != "0"
        self.log.variants.append(Variant(task, number, inner, tuple(where)))

    # Shapes and names.

    def _on_index__space__point(self, w: list[str]) -> None:
        point = tuple(map(int, w[2:]))
        self.log.boxes[int(w[0])].append((point, point))

    def _on_index__space__rect(self, w: list[str]) -> None:
        self.log.boxes[int(w[0])].append(_box(w[2:]))

    def _on_empty__index__space(self, w: list[str]) -> None:
        self.log.boxes[int(w[0])].clear()

    def _on_index__space__name(self, w: list[str]) -> None:
        self.log.space_names[int(w[0])] = " ".join(w[1:])

    def _on_index__partition__name(self, w: list[str]) -> None:
        self.log.partition_names[int(w[0])] = " ".join(w[1:])

    def _on_index__subspace(self, w: list[str]) -> None:
        self.log.subspaces[int(w[0])][tuple(map(int, w[4:]))] = int(w[1])

    def _on_field__creation(self, w: list[str]) -> None:
        self.log.field_bytes[int(w[0]), int(w[1])] = int(w[2])

    def _on_field__name(self, w: list[str]) -> None:
        self.log.field_names[int(w[0]), int(w[1])] = " ".join(w[2:])

    def _on_region(self, w: list[str]) -> None:
        self.log.roots[int(w[2])] = int(w[0])

    def _on_logical__region__name(self, w: list[str]) -> None:
        self.log.region_names[int(w[0]), int(w[2])] = " ".join(w[3:])

    def _on_logical__partition__name(self, w: list[str]) -> None:
        self.log.logical_partition_names[int(w[0]), int(w[2])] = " ".join(w[3:])

    # Launches and their points.

    def _on_top__task(self, w: list[str]) -> None:
        self.log.top_task = int(w[2])

    def _on_individual__task(self, w: list[str]) -> None:
        number = int(w[2])
        self.log.operations[number] = Operation(number, int(w[1]), int(w[0]), is_index=False)

    def _on_index__task(self, w: list[str]) -> None:
        number = int(w[2])
        self.log.operations[number] = Operation(number, int(w[1]), int(w[0]), is_index=True)

    def _on_operation__index(self, w: list[str]) -> None:
        numbers = self.log.order[int(w[0])][int(w[1])]
        if int(w[2]) not in numbers:
            numbers.append(int(w[2]))

    def _on_index__launch__rect(self, w: list[str]) -> None:
        self.log.domains[int(w[0])].append(_box(w[2:]))

    def _on_index__slice(self, w: list[str]) -> None:
        self.log.slices[int(w[1])] = int(w[0])

    def _on_slice__slice(self, w: list[str]) -> None:
        self.log.slices[int(w[1])] = int(w[0])

    def _on_slice__point(self, w: list[str]) -> None:
        self.log.points[int(w[1])] = int(w[0]), tuple(map(int, w[3:]))

    def _on_index__point(self, w: list[str]) -> None:
        self.log.points[int(w[1])] = int(w[0]), tuple(map(int, w[3:]))

    def _on_point__point(self, w: list[str]) -> None:
        if int(w[0]) in self.log.points:
            self.log.points[int(w[1])] = self.log.points[int(w[0])]

    def _on_replicate__task(self, w: list[str]) -> None:
        self.log.replicas[int(w[0])] = int(w[1])

    def _on_inline__task(self, w: list[str]) -> None:
        self.log.inlined.add(int(w[0]))

    def _on_predicate__use(self, w: list[str]) -> None:
        self.log.predicated.add(int(w[0]))

    def _on_predicate__false(self, w: list[str]) -> None:
        self.log.not_run.add(int(w[0]))

    def _on_replicate__shard(self, w: list[str]) -> None:
        self.log.shards[int(w[0])][int(w[1])] = int(w[2])

    # Requirements and decisions.

    def _on_logical__requirement(self, w: list[str]) -> None:
        numbers = [int(word) for word in w[:9]]
        operation, index, is_region, space, fields, tree, privilege, coherence, reduction = numbers
        self.log.requirements[operation][index] = LoggedRequirement(
            bool(is_region), space, fields, tree, privilege, coherence, reduction
        )

    def _on_logical__requirement__field(self, w: list[str]) -> None:
        requirement = self.log.requirements[int(w[0])].get(int(w[1]))
        if requirement is not None:
            requirement.fields.append(int(w[2]))

    def _on_logical__requirement__projection(self, _: list[str]) -> None:
        """Nothing to note: the requirements of the points show the result."""

    def _on_variant__decision(self, w: list[str]) -> None:
        self.log.variant_decisions[int(w[0])] = int(w[1])

    def _on_mapping__decision(self, w: list[str]) -> None:
        key = int(w[0]), int(w[1])
        if w[3] == "0":
            self.log.virtual.add(key)
        self.log.instances[key].add(int(w[3], 16))

    def _on_instance__specialized__constraint(self, w: list[str]) -> None:
        if int(w[1]) == _COMPACT:
            self.log.compact_instances.add(int(w[0], 16))

    # Futures.

    def _on_future__creation(self, w: list[str]) -> None:
        self.log.future_makers[int(w[1])] = int(w[0])

    def _on_future__usage(self, w: list[str]) -> None:
        self.log.future_uses[int(w[0])].add(int(w[1]))


def _box(words: list[str]) -> Box:
    """Bounds that are written dimension by dimension, lower and upper."""
    numbers = [int(word) for word in words]
    return tuple(numbers[::2]), tuple(numbers[1::2])
