"""What a mapper decided in a run, from the log of its decisions, in the language's words."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from legion_bridge.capture.boxes import Box, Index
from legion_bridge.capture.mapper_log import (
    KINDS,
    Decision,
    LoggedArgument,
    MapperLog,
    on_first_node,
)
from legion_bridge.capture.names import TaskNames

__all__ = ["ArgumentDecision", "Decisions", "TaskDecisions", "decisions_of", "differences"]

_MEMORIES = {
    "SYSTEM_MEM": "SYSMEM", "REGDMA_MEM": "RDMEM", "SOCKET_MEM": "SOCKMEM",
    "Z_COPY_MEM": "ZCMEM", "GPU_FB_MEM": "FBMEM",
}  # fmt: skip
_LAYOUT = re.compile(r"layout=(SoA|AoS):([A-Z]+)")
_MEMORY = re.compile(r"memory=([0-9a-f]+)")
_DOMAIN = re.compile(r"domain=((?:<[-\d, ]*>\.\.<[-\d, ]*>\+?)*)")
_BOX = re.compile(r"<([-\d, ]*)>\.\.<([-\d, ]*)>")
_DIMENSIONS = "XYZWVUTSR"  # Legion's names, the first first

Place = tuple[int, int]  # node, and number among its processors of the kind


@dataclass(frozen=True, slots=True)
class ArgumentDecision:
    """Where one argument of a point task lay.

    Attributes:
        memory: The memory's kind; ``"VIRTUAL"`` where it had no instance, None where it had
            several that differ, or one in a memory that the language does not name.
        soa: Whether fields were apart; None where the log does not say.
        order: ``"F_order"``, ``"C_order"`` or None for any other, or where there is no choice.
        own_size: Whether the instance held the points of the argument and no others. Around a
            sparse argument a box is larger: an instance without the holes is a compact one, in
            which a program finds its data by other accessors.
    """

    memory: str | None
    soa: bool | None = None
    order: str | None = None
    own_size: bool = False


@dataclass
class TaskDecisions:
    """The decisions for the points of one task, and how often each was taken.

    Attributes:
        kinds: Processor kinds.
        places: For each index point (``()`` for a single task), the processors that it might run
            on; None where these were all of a node.
        arguments: Decisions on each argument and output, by the number of its requirement.
        outputs: The orders of dimensions of each output, as Legion's mapper interface lists them:
            ``"YXF"``, the fastest first; empty where any will do.
    """

    kinds: Counter[str] = field(default_factory=Counter)
    places: dict[Index, Counter[tuple[Place, ...] | None]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    arguments: dict[int, Counter[ArgumentDecision]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    outputs: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))


Decisions = Mapping[str, TaskDecisions]


def decisions_of(
    log: MapperLog,
    names: TaskNames | None = None,
    compact: Container[tuple[int, int]] | None = None,
) -> Decisions:
    """The decisions in a log by the name of the task, except those for the top-level task.

    Args:
        log: The log.
        names: What the tasks are called; by default as those of the log are spelt.
        compact: Number of a point task, and of its requirement, for each argument whose instance
            was asked to be a compact one; None where that is not known, and an instance without
            the holes of its argument counts as compact.
    """
    names = names or TaskNames(decision.task for decision in log.decisions)
    machine = _Processors(log)
    found: defaultdict[str, TaskDecisions] = defaultdict(TaskDecisions)
    mapped = [each for each in log.decisions if each.what == "MAP_TASK" and each.processors]
    is_top = _top_of(mapped, log)
    for decision in mapped:
        if is_top(decision):
            continue
        task = found[names[decision.task]]
        _note(task, decision, machine, log)
        for index, argument in decision.arguments.items():
            if argument.instances:
                decided = _argument(argument, log)
                holes = argument.sparse or len(argument.boxes) > 1
                if holes and compact is not None and (decision.number, index) not in compact:
                    decided = replace(decided, own_size=False)
                task.arguments[index][decided] += 1
    for decision in log.decisions:
        if names[decision.task] in found:
            _note_other_shards(found[names[decision.task]], decision.shards)
    return dict(found)


def _top_of(mapped: Sequence[Decision], log: MapperLog) -> Callable[[Decision], bool]:
    """Tells a decision for the top-level task, or for a shard of it: they take no data."""
    top = min(mapped, key=lambda each: each.number, default=None)
    replicated = {each.task for each in log.decisions if each.what == "MAP_REPLICATE_TASK"}

    def is_top(decision: Decision) -> bool:
        if top is None or decision.point is not None or decision.arguments:
            return False
        shard = top.task in replicated and decision.task == top.task
        return shard or decision.number == top.number

    return is_top


def _note(task: TaskDecisions, decision: Decision, machine: _Processors, log: MapperLog) -> None:
    task.kinds[machine.kind(decision.processors[0])] += 1
    task.places[decision.point or ()][machine.places(decision.processors)] += 1
    for index, (memory, ordering) in decision.outputs.items():
        kind = _MEMORIES.get(log.memories.get(memory, ""))
        fields_apart = not ordering.startswith("F") if ordering else None
        order = _order(ordering.replace("F", "")[::-1])
        task.arguments[index][ArgumentDecision(kind, fields_apart, order)] += 1
        task.outputs[index].add(ordering)


def _note_other_shards(task: TaskDecisions, shards: Mapping[int, list[Index]]) -> None:
    """Takes points of ranks without a log to run there as those of another rank do here."""
    seen = [
        points for points in shards.values() if points and all(p in task.places for p in points)
    ]
    for rank, points in shards.items():
        for i, point in enumerate(points):
            if seen and point not in task.places:
                like = task.places[seen[0][i % len(seen[0])]]
                task.places[point] = Counter(
                    {
                        place and tuple((rank, number) for _, number in place): times
                        for place, times in like.items()
                    }
                )


def _argument(argument: LoggedArgument, log: MapperLog) -> ArgumentDecision:
    if argument.virtual:
        return ArgumentDecision("VIRTUAL")
    each = {_instance(text, argument, log) for text in argument.instances}
    return each.pop() if len(each) == 1 else ArgumentDecision(None)


def _instance(text: str, argument: LoggedArgument, log: MapperLog) -> ArgumentDecision:
    memory, layout, domain = _MEMORY.search(text), _LAYOUT.search(text), _DOMAIN.search(text)
    kind = _MEMORIES.get(log.memories.get(memory[1], "")) if memory else None
    return ArgumentDecision(
        kind,
        layout[1] == "SoA" if layout else None,
        _order(layout[2]) if layout else None,
        domain is not None and not argument.sparse and _boxes(domain[1]) == set(argument.boxes),
    )


def _order(dimensions: str) -> str | None:
    """The order that the log tells, the slowest dimension first."""
    known = _DIMENSIONS[: len(dimensions)]
    if len(dimensions) < 2:
        return None
    return {known[::-1]: "F_order", known: "C_order"}.get(dimensions)


@lru_cache(maxsize=4096)
def _boxes(domain: str) -> frozenset[Box]:
    return frozenset((_index(lower), _index(upper)) for lower, upper in _BOX.findall(domain))


def _index(text: str) -> Index:
    return tuple(map(int, text.replace(" ", "").split(",")))


class _Processors:
    """Which processors a node has, and their numbers among those of their kind."""

    def __init__(self, log: MapperLog) -> None:
        self._kinds = {number: KINDS.get(k, k) for number, k in log.processors.items()}
        alike: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
        for number in sorted(self._kinds, key=lambda each: int(each, 16)):
            alike[self._kinds[number], _node(number)].append(number)
        self._alike = alike

    def kind(self, number: str) -> str:
        return self._kinds.get(number) or self._kinds.get(on_first_node(number), "CPU")

    def places(self, numbers: list[str]) -> tuple[Place, ...] | None:
        alike = self._alike[self.kind(numbers[0]), _node(numbers[0])]
        if not alike:  # only the first node's were listed, and all nodes are alike
            alike = self._alike[self.kind(numbers[0]), 0]
            numbers_there = [on_first_node(each) for each in numbers]
        else:
            numbers_there = numbers
        if len(alike) > 1 and set(numbers_there) == set(alike):
            return None
        return tuple(
            (_node(each), alike.index(there) if there in alike else 0)
            for each, there in zip(numbers, numbers_there, strict=True)
        )


def _node(processor: str) -> int:
    """The node in a processor's number, as Realm builds it."""
    return int(processor, 16) >> 40 & 0xFFFF


def differences(one: Decisions, other: Decisions) -> list[str]:
    """What two runs decided differently, in one sentence each; how often is ignored."""
    return [text for name in one for text in _differences(name, one[name], other.get(name))]


def _differences(name: str, one: TaskDecisions, other: TaskDecisions | None) -> Iterator[str]:
    if other is None:
        yield f"{name} ran in one of the runs only"
        return
    if set(one.kinds) != set(other.kinds):
        yield f"{name} runs on {_words(one.kinds)}, not {_words(other.kinds)}"
    moved = sum(set(one.places[p]) != set(other.places.get(p, ())) for p in one.places)
    if moved:
        yield f"{name}: {moved} of {len(one.places)} points run on other processors"
    for index, counted in one.arguments.items():
        if set(counted) != set(other.arguments.get(index, ())):
            yield f"argument {index} of {name} lies differently"


def _words(kinds: Counter[str]) -> str:
    return " and ".join(sorted(kinds))
