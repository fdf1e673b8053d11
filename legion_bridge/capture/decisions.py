"""What a mapper decided in a run, from the log of its decisions, in the language's words."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from legion_bridge.capture.mapper_log import Box, Decision, Index, LoggedArgument, MapperLog
from legion_bridge.capture.names import language_name

__all__ = ["ArgumentDecision", "Decisions", "TaskDecisions", "decisions_of", "differences"]

_PROCESSORS = {"LOC": "CPU", "TOC": "GPU", "IO": "IO", "PY": "PY", "OMP": "OMP"}
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
        arguments: Decisions on each argument, by the number of its requirement.
    """

    kinds: Counter[str] = field(default_factory=Counter)
    places: dict[Index, Counter[tuple[Place, ...] | None]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    arguments: dict[int, Counter[ArgumentDecision]] = field(
        default_factory=lambda: defaultdict(Counter)
    )


Decisions = Mapping[str, TaskDecisions]


def decisions_of(log: MapperLog) -> Decisions:
    """The decisions in a log by the name of the task, except those for the top-level task."""
    machine = _Processors(log)
    found: defaultdict[str, TaskDecisions] = defaultdict(TaskDecisions)
    mapped = [each for each in log.decisions if each.what == "MAP_TASK" and each.processors]
    top = min((each.number for each in mapped), default=None)
    for decision in mapped:
        if decision.number == top and decision.point is None:
            continue
        _note(found[language_name(decision.task)], decision, machine, log)
    return dict(found)


def _note(task: TaskDecisions, decision: Decision, machine: _Processors, log: MapperLog) -> None:
    task.kinds[machine.kind(decision.processors[0])] += 1
    task.places[decision.point or ()][machine.places(decision.processors)] += 1
    for index, argument in decision.arguments.items():
        if argument.instances:
            task.arguments[index][_argument(argument, log)] += 1


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


def _boxes(domain: str) -> set[Box]:
    return {(_index(lower), _index(upper)) for lower, upper in _BOX.findall(domain)}


def _index(text: str) -> Index:
    return tuple(map(int, text.replace(" ", "").split(",")))


class _Processors:
    """Which processors a node has, and their numbers among those of their kind."""

    def __init__(self, log: MapperLog) -> None:
        self._kinds = {number: _PROCESSORS.get(k, k) for number, k in log.processors.items()}
        alike: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
        for number in sorted(self._kinds, key=lambda each: int(each, 16)):
            alike[self._kinds[number], _node(number)].append(number)
        self._alike = alike

    def kind(self, number: str) -> str:
        return self._kinds.get(number, "CPU")

    def places(self, numbers: list[str]) -> tuple[Place, ...] | None:
        node = _node(numbers[0])
        row = self._alike[self.kind(numbers[0]), node]
        if len(row) > 1 and set(numbers) == set(row):
            return None
        return tuple((_node(each), row.index(each) if each in row else 0) for each in numbers)


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
