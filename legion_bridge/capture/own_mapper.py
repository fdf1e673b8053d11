"""Writes the mapper that a program came with in the language, from its decisions in a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import dsl
from dsl.launch_domain import LaunchDomain
from dsl.names import argument_name, is_name
from legion_bridge.capture.boxes import Index, around, points_of
from legion_bridge.capture.copy_needs import agreeing_with
from legion_bridge.capture.decisions import ArgumentDecision, Decisions, Place, TaskDecisions
from legion_bridge.programs.application import Application, Launch, LayoutNeed, Requirement
from legion_bridge.programs.task_summary import TaskSummary

__all__ = ["OwnMapper", "own_mapper", "with_own_mapper"]

_LARGEST_TABLE = 1024  # points
_OUTPUT_NEED = "the program's own mapper has this output made in another order"
# Legate's mapper gives no instance in which fields lie together, and its tasks count on that: one
# of cuPyNumeric computes wrong numbers from such an instance, and no log tells.
_LEGATE = "legate::"
_APART = LayoutNeed(None, True, "Legate's tasks count on fields that lie apart (SOA)", alone=True)
_HEAD = "# What the program's own mapper decided in a run of it."


@dataclass
class OwnMapper:
    """A mapper's text, and sentences about the decisions that it cannot express."""

    text: str
    unknown: list[str] = field(default_factory=list)


def own_mapper(decisions: Decisions, application: Application) -> OwnMapper:
    """The mapper that makes the decisions of a run.

    Where points of a task were treated differently, the mapper does what was done most often. A
    task whose points may run on any processor of the node gets no index map: Legion's default
    mapper allows that, too.

    Args:
        decisions: The decisions in a run of the program under its own mapper.
        application: The captured program.
    """
    return _Writer(decisions, application).written()


_ORDERS = {"F_order": "XYZWVUTSR", "C_order": "RSTUVWZYX"}  # the fastest dimension first


def with_own_mapper(application: Application, decisions: Decisions) -> Application:
    """An application with what its mapper decided: the mapper ``"own"``, and what tasks need."""
    if not decisions:
        return application
    application = _with_outputs(application, decisions)
    if application.own_mapper.startswith(_LEGATE):
        application = application.with_requirements(_apart)
    own = own_mapper(decisions, application)
    mappers = MappingProxyType({**application.mappers, "own": own.text})
    unknown = dict(application.unknown)
    if own.unknown:
        unknown["mappers.own"] = "; ".join(own.unknown)
    application = agreeing_with(application, dsl.parse(own.text))
    return replace(application, mappers=mappers, unknown=unknown)


def _with_outputs(application: Application, decisions: Decisions) -> Application:
    """The application with its outputs marked, and the orders that its mapper gives to them.

    What reads an output finds it in the order in which the mapper had it made: that is a need of
    the program, so that no other mapper gives it another one.
    """

    def marked(launch: Launch, index: int, requirement: Requirement) -> Requirement:
        outputs = decisions[launch.task].outputs if launch.task in decisions else {}
        if index not in outputs:
            return requirement
        return replace(requirement, output=True, need=_need(outputs[index]) or requirement.need)

    return application.with_requirements(marked)


def _apart(_: Launch, __: int, requirement: Requirement) -> Requirement:
    """A requirement of a task of Legate, whose fields must lie apart."""
    need = requirement.need
    if need is None:
        return replace(requirement, need=_APART)
    return requirement if need.soa else replace(requirement, need=replace(need, soa=True))


def _need(orderings: Collection[str]) -> LayoutNeed | None:
    """The need for an order; none where any will do, or the language has no word for it."""
    found = {ordering.replace("F", "") for ordering in orderings}
    for order, letters in _ORDERS.items():
        if found and all(len(each) > 1 and each in letters for each in found):
            soa = {not ordering.startswith("F") for ordering in orderings}
            return LayoutNeed(order, soa.pop() if len(soa) == 1 else None, _OUTPUT_NEED)
    return None


class _Writer:
    def __init__(self, decisions: Decisions, application: Application) -> None:
        self._application = application
        self._tasks = {
            name: (decisions[name], summary)
            for name, summary in application.tasks.items()
            if name in decisions and is_name(name)
        }
        self._all = decisions
        self._unknown = [
            f"the language has no name for the task {name}"
            for name in decisions
            if not is_name(name)
        ]

    def written(self) -> OwnMapper:
        blocks = [
            list(block)
            for block in (self._kinds(), self._regions(), self._layouts(), self._maps())
        ]
        text = "\n\n".join("\n".join(block) for block in ([_HEAD], *blocks) if block)
        return OwnMapper(text + "\n", self._unknown)

    # Processors

    def _kinds(self) -> Iterator[str]:
        usual = Counter[str]()
        for decisions in self._all.values():
            usual += decisions.kinds
        for name, (decisions, _) in self._tasks.items():
            if len(decisions.kinds) > 1:
                self._unknown.append(f"{name} ran on {' and '.join(sorted(decisions.kinds))}")
            if (kind := _most(decisions.kinds)) != _most(usual):
                yield f"Task {name} {kind};"
        yield f"Task * {_most(usual)};"

    # Memories and layouts

    def _arguments(self) -> Iterator[tuple[str, str, str, ArgumentDecision]]:
        """Task, kind of processor, region, and what was decided of it."""
        for name, (decisions, summary) in self._tasks.items():
            for index, decided in decisions.arguments.items():
                if index >= len(summary.requirements) or summary.inner:
                    continue
                region = argument_name(summary.requirements, index)
                if len(decided) > 1:
                    self._tell(f"points of {name} differ in where {region} lies")
                most = decided.most_common(1)[0][0]
                # What is compact for some points must be for all: their task may not expect it.
                most = replace(most, own_size=all(each.own_size for each in decided))
                if most.memory is None:
                    self._tell(f"{region} of {name} lies where the language cannot say")
                yield name, _most(decisions.kinds), region, most

    def _tell(self, sentence: str) -> None:
        if sentence not in self._unknown:
            self._unknown.append(sentence)

    def _regions(self) -> Iterator[str]:
        arguments = [each for each in self._arguments() if each[3].memory]
        usual = _usual((kind, str(decided.memory)) for _, kind, _, decided in arguments)
        for name, kind, region, decided in arguments:
            if decided.memory != usual[kind]:
                yield f"Region {name} {region} {kind} {decided.memory};"
        for kind, memory in usual.items():
            yield f"Region * * {kind} {memory};"

    def _layouts(self) -> Iterator[str]:
        arguments = [
            (name, region, self._layout(name, region, decided))
            for name, _, region, decided in self._arguments()
            if decided.soa is not None
        ]
        usual = _usual(("", layout) for _, _, layout in arguments).get("")
        for name, region, layout in arguments:
            if layout != usual:
                yield f"Layout {name} {region} * {layout};"
        if usual:
            yield f"Layout * * * {usual};"

    def _layout(self, task: str, region: str, decided: ArgumentDecision) -> str:
        words = ["SOA" if decided.soa else "AOS", decided.order or "F_order"]
        if self._is_tight(task, region, decided):
            words += ["Compact", "Exact"]
        return " ".join(words)

    def _is_tight(self, task: str, region: str, decided: ArgumentDecision) -> bool:
        """Whether instances held their pieces alone, where others could have been larger."""
        summary = self._tasks[task][1]
        requirements = summary.requirements
        names = [argument_name(requirements, i) for i in range(len(requirements))]
        index = names.index(region)
        divided = any(
            index < len(launch.requirements) and launch.requirements[index].partition is not None
            for launch in (*self._application.setup, *self._application.loop)
            if launch.task == task
        )
        return (
            decided.own_size
            and divided
            and requirements[index].privilege != "REDUCE"
            and decided.memory in {"SYSMEM", "RDMEM", "SOCKMEM"}
        )

    # Index maps

    def _maps(self) -> Iterator[str]:
        for name, (decisions, summary) in self._tasks.items():
            if table := self._table(name, decisions, summary):
                yield from _function(name, _most(decisions.kinds), table)

    def _table(
        self, name: str, decisions: TaskDecisions, summary: TaskSummary
    ) -> dict[Index, Place]:
        """Where each point ran; empty where that is left to Legion."""
        if not summary.launch_domains:
            return {}
        places = {point: set(counted) for point, counted in decisions.places.items() if point}
        if not places or all(each == {None} for each in places.values()):
            return {}
        if all(len(each) == 1 and None not in each for each in places.values()):
            chosen = {point: next(iter(each)) for point, each in places.items()}
            if all(each is not None and len(each) == 1 for each in chosen.values()):
                if any(p not in chosen for d in _domains(name, self._application) for p in d):
                    self._tell(f"where points of {name} ran was not seen for all of them")
                    return {}
                if len(chosen) > _LARGEST_TABLE:
                    self._tell(f"{name} has too many points for a table of their processors")
                    return {}
                return {point: each[0] for point, each in chosen.items() if each}
        self._tell(f"points of {name} might run on several processors, but not on all of a node")
        return {}


def _domains(task: str, application: Application) -> Iterator[Iterator[Index]]:
    """The points of each launch of a task."""
    for launch in (*application.launches(), *application.finish):
        if launch.task == task and launch.domain:
            domain = LaunchDomain.of(launch)
            yield map(domain.point, range(domain.volume))


def _function(task: str, kind: str, table: dict[Index, Place]) -> Iterator[str]:
    """Tables of processors, one for each number of dimensions, and the function that uses them."""
    name = f"own_{task}_{kind}"
    yield f"{name}_machine = Machine({kind});"
    chosen: dict[int, str] = {}
    for dimensions in sorted({len(point) for point in table}):
        points = {point: place for point, place in table.items() if len(point) == dimensions}
        rows, number = _rows(points)
        places = [points.get(point, (0, 0)) for point in rows]
        at = f"{name}_{dimensions}d"
        yield f"{at}_nodes = {_tuple([node for node, _ in places])};"
        yield f"{at}_processors = {_tuple([processor for _, processor in places])};"
        chosen[dimensions] = f"{name}_machine[{at}_nodes[{number}], {at}_processors[{number}]]"
    *others, (_, answer) = chosen.items()
    for dimensions, other in reversed(others):
        answer = f"(t.ipoint.len == {dimensions} ? {other} : {answer})"
    yield f"# The processors of the points of {task}, row by row."
    yield f"def {name}(Task t) {{ return {answer}; }}"
    yield f"IndexTaskMap {task} {name};"


def _rows(points: dict[Index, Place]) -> tuple[list[Index], str]:
    """The points of the box around some, row by row, and the number of a point among them."""
    box = around((point, point) for point in points)
    number = ""
    for d, (a, b) in enumerate(zip(*box, strict=True)):
        coordinate = f"t.ipoint[{d}]" if a == 0 else f"(t.ipoint[{d}] - {_integer(a)})"
        number = f"({number}) * {b - a + 1} + {coordinate}" if number else coordinate
    return points_of(box), number


def _integer(value: int) -> str:
    return str(value) if value >= 0 else f"(0 - {-value})"


def _tuple(numbers: Sequence[int]) -> str:
    """A tuple of the language has two elements or more."""
    return f"({', '.join(map(str, numbers if len(numbers) > 1 else [*numbers, 0]))})"


def _most(counted: Counter[str]) -> str:
    """The most frequent; of equals the first by name."""
    return min(counted, key=lambda each: (-counted[each], each))


def _usual(pairs: Iterator[tuple[str, str]]) -> dict[str, str]:
    """The most frequent value of each key."""
    counted: dict[str, Counter[str]] = {}
    for key, value in pairs:
        counted.setdefault(key, Counter())[value] += 1
    return {key: _most(values) for key, values in counted.items()}
