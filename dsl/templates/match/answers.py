"""A mapper's answers to everything that a program asks, and how far two answers are apart."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dsl import syntax
from dsl.errors import MapperError
from dsl.facts import ApplicationFacts, MachineFacts, RequirementFacts, TaskFacts
from dsl.launch_domain import LaunchDomain
from dsl.machine_shape import PROCESSOR_KINDS
from dsl.tables import LayoutDecision, Tables, choose_kind, choose_memory

__all__ = ["Answers", "Question", "Questions", "asked_by", "distance"]

Topic: TypeAlias = Literal[
    "kind", "memory", "layout", "limit", "collection", "index map", "single map"
]

_LAUNCHED = 10_000  # points of a launch domain; of larger ones the maps are not compared
_PLACES = ((0, 0), (0, 1))  # processors of a parent that single maps are asked for
_DEFAULT_LAYOUT = LayoutDecision()


@dataclass(frozen=True, slots=True)
class Question:
    """One thing that a mapper decides: of a task, and perhaps of one of its requirements.

    Attributes:
        topic: What is decided.
        task: The task.
        requirement: Index of the requirement, for memories, layouts and collection.
        names: What a mapper may call it; launches of one task may be about several regions.
        weight: How much of the requirement's data it is about, 0 to 1.
    """

    topic: Topic
    task: str
    requirement: int | None = None
    names: tuple[str, ...] = ()
    weight: float = field(default=1.0, compare=False)

    def about(self, topic: Topic) -> Question:
        """The question about another topic of the same data."""
        return replace(self, topic=topic)

    def __str__(self) -> str:
        argument = f" argument {self.requirement} ({self.names[0]})" if self.names else ""
        return f"{self.topic} of {self.task}{argument}"


class Questions:
    """All questions of a program on a machine, and the facts behind them.

    Args:
        application: The program.
        machine: The machine as the program's processes see it.
    """

    def __init__(self, application: ApplicationFacts, machine: MachineFacts) -> None:
        self.tasks = {
            name: task for name, task in application.tasks.items() if not task.finish_only
        }
        self.machine = machine
        self.present = tuple(kind for kind in PROCESSOR_KINDS if machine.shape.count(kind))
        self.visible = {
            kind: tuple(m for m in machine.visible_memories(kind) if machine.capacity(m) > 0)
            for kind in self.present
        }
        self.all = tuple(each for task in self.tasks.values() for each in self._of_task(task))
        self._by_task: dict[tuple[Topic, str], list[Question]] = {}
        for question in self.all:
            for task in (question.task, "*"):
                self._by_task.setdefault((question.topic, task), []).append(question)

    def about(self, topic: Topic, tasks: Sequence[str]) -> list[Question]:
        """The questions of one topic for some tasks, or for all of them where ``*`` is named."""
        named = ("*",) if "*" in tasks else dict.fromkeys(tasks)
        return [each for task in named for each in self._by_task.get((topic, task), ())]

    def requirement(self, question: Question) -> RequirementFacts:
        """What a question about an argument is about."""
        assert question.requirement is not None  # noqa: S101  (the caller knows the topic)
        return self.tasks[question.task].requirements[question.requirement]

    def domains(self, task: str) -> tuple[LaunchDomain, ...]:
        """The distinct domains of more than one point that a task is launched over."""
        launches = [launch for launch in self.tasks[task].launches if launch.domain]
        found = dict.fromkeys(map(LaunchDomain.of, launches))
        return tuple([domain for domain in found if domain.volume > 1])

    def _of_task(self, task: TaskFacts) -> Iterator[Question]:
        if len(set(task.variants) & set(self.present)) > 1:
            yield Question("kind", task.name)
        for index, facts in enumerate(() if task.inner else task.requirements):
            if facts.privilege != "NO_ACCESS" and not facts.virtual:
                for question in _of_argument(task, index):
                    yield question
                    yield question.about("layout")
                    if facts.privilege == "READ_ONLY":
                        yield question.about("collection")
        yield Question("limit", task.name)
        if self.domains(task.name):
            yield Question("index map", task.name)
        if task.launched_singly and task.parents:
            yield Question("single map", task.name)


def _of_argument(task: TaskFacts, index: int) -> Iterator[Question]:
    """The questions about the memory of an argument, one for each region that it may be."""
    sizes: dict[tuple[str, ...], float] = {}
    for launch in task.launches:
        if index >= len(launch.requirements):
            continue  # launches of one task may pass several numbers of regions
        facts = launch.requirements[index]
        names = tuple(facts.names)
        sizes[names] = sizes.get(names, 0.0) + facts.piece_bytes * LaunchDomain.of(launch).volume
    total = sum(sizes.values())
    for names, size in sizes.items():
        yield Question("memory", task.name, index, names, size / total if total else 1.0)


class Maps(Protocol):
    """The part of a mapper that answers where points run."""

    def has_index_map(self, task: str, kind: str | None) -> bool: ...

    def has_single_map(self, task: str, kind: str | None) -> bool: ...

    def launch_map(
        self, task: str, kind: str | None, domain: LaunchDomain
    ) -> NDArray[np.int64]: ...

    def single_map(
        self,
        task: str,
        kind: str | None,
        parent: Sequence[int] | None,
        parent_kind: str | None = None,
    ) -> list[tuple[int, ...]]: ...


class Answers:
    """The answers of one mapper, as they take effect.

    Args:
        questions: The questions.
        tables: The rules of the mapper.
        mapper: Answers where points run; None where it cannot be loaded.
        kinds: The processor kinds that the tasks are taken to run on; its own by default.
    """

    def __init__(
        self,
        questions: Questions,
        tables: Tables,
        mapper: Maps | None,
        kinds: Mapping[str, str | None] | None = None,
    ) -> None:
        self._questions = questions
        self._tables = tables
        self._mapper = mapper
        self._given = kinds
        self._known: dict[Question, Any] = {}

    def __getitem__(self, question: Question) -> Any:
        if question not in self._known:
            self._known[question] = self._answer(question)
        return self._known[question]

    def kind(self, task: str) -> str | None:
        """The processor kind that a task runs on."""
        if self._given is not None:
            return self._given.get(task)
        return self.chosen_kind(task)

    def chosen_kind(self, task: str) -> str | None:
        """The processor kind that the statements choose for a task."""
        facts = self._questions.tasks.get(task)
        if facts is None:
            return None
        wanted = self._tables.task_kinds(task)
        return choose_kind(wanted, tuple(facts.variants), self._questions.present)

    def first_memory(self, question: Question) -> str | None:
        """The memory that the statements name first, whether the processor sees it or not."""
        kind = self.kind(question.task)
        found = self._tables.task_memories(question.task, question.names, kind) if kind else ()
        return found[0] if found else None

    def _answer(self, question: Question) -> Any:
        task = question.task
        match question.topic:
            case "kind":
                return self.chosen_kind(task)
            case "limit":
                return max(0, self._tables.limits.get(task, 0))  # below 0 there is none either
            case "memory":
                return self._memory(question)
            case "layout":
                return self._layout(question)
            case "collection":
                return self._tables.collects(task, question.names)
            case "index map":
                return self._index_map(task)
            case _:
                return self._single_map(task)

    def _memory(self, question: Question) -> str | None:
        kind = self.kind(question.task)
        if kind is None:
            return None
        wanted = self._tables.task_memories(question.task, question.names, kind)
        return choose_memory(wanted, self._questions.visible[kind])

    def _layout(self, question: Question) -> LayoutDecision:
        kind = self.kind(question.task)
        memory = self[question.about("memory")] or "*"
        found = self._tables.layout(question.task, question.names, memory, kind)
        return found or _DEFAULT_LAYOUT

    def _index_map(self, task: str) -> tuple[bytes, ...] | None:
        """A table of processors for each launch domain; None where the runtime decides."""
        kind, mapper = self.kind(task), self._mapper
        if mapper is None or not mapper.has_index_map(task, kind):
            return None
        domains = self._questions.domains(task)
        if any(domain.volume > _LAUNCHED for domain in domains):
            return None
        try:
            return tuple(mapper.launch_map(task, kind, domain).tobytes() for domain in domains)
        except MapperError:
            return None

    def _single_map(self, task: str) -> tuple[Any, ...] | None:
        kind, mapper = self.kind(task), self._mapper
        if mapper is None or not mapper.has_single_map(task, kind):
            return None
        parent_kind = self.kind(self._questions.tasks[task].parents[0])
        try:
            return tuple(
                tuple(mapper.single_map(task, kind, place, parent_kind)) for place in _PLACES
            )
        except MapperError:
            return None


def distance(questions: Questions, question: Question, first: Any, second: Any) -> float:
    """How far two answers to a question are apart: 0 where they are equal, about 1 otherwise."""
    if first == second:
        return 0.0
    if question.topic == "layout":
        return _layouts_apart(questions.requirement(question), first, second)
    if question.topic == "limit" and first and second:
        return 0.5 + abs(math.log2(first / second)) / 64
    if question.topic == "index map" and first is not None and second is not None:
        return float(np.mean([_points_apart(*pair) for pair in zip(first, second, strict=True)]))
    return 1.0


def _points_apart(first: bytes, second: bytes) -> float:
    """The share of the points of a launch that run elsewhere."""
    pairs = [np.frombuffer(each, dtype=np.int64).reshape(-1, 2) for each in (first, second)]
    return float(np.mean(np.any(pairs[0] != pairs[1], axis=1)))


def _layouts_apart(
    facts: RequirementFacts, first: LayoutDecision, second: LayoutDecision
) -> float:
    """Fields lie neither apart nor together where there is one; one dimension has no order."""
    parts = (
        first.soa != second.soa and len(facts.fields) > 1,
        first.c_order != second.c_order and facts.dimension > 1,
        first.align != second.align,
        first.compact != second.compact or first.exact != second.exact,
    )
    return sum(parts) / len(parts)


def asked_by(
    questions: Questions, statement: syntax.Statement, target: Answers
) -> Iterator[Question]:
    """The questions that a statement may decide, where tasks run as in a mapper."""
    match statement:
        case syntax.Task(tasks):
            yield from questions.about("kind", tasks)
        case syntax.Region(tasks):
            yield from _of_region(questions, "memory", tasks, statement, target)
        case syntax.Layout(tasks):
            yield from _of_region(questions, "layout", tasks, statement, target)
        case syntax.CollectMemory(task):
            yield from _of_region(questions, "collection", (task,), statement, target)
        case syntax.InstanceLimit(task):
            yield from questions.about("limit", (task,))
        case syntax.IndexTaskMap(keys):
            yield from _of_map(questions, "index map", keys, target)
        case syntax.SingleTaskMap(keys):
            yield from _of_map(questions, "single map", keys, target)


def _of_region(
    questions: Questions,
    topic: Topic,
    tasks: Sequence[str],
    rule: syntax.Region | syntax.Layout | syntax.CollectMemory,
    target: Answers,
) -> Iterator[Question]:
    for question in questions.about(topic, tasks):
        here = rule.region == "*" or rule.region in question.names
        if here and _holds_there(rule, question, target):
            yield question


def _holds_there(rule: syntax.Statement, question: Question, target: Answers) -> bool:
    """Whether a rule is about the processor or memory that the mapper chooses."""
    kind = target.kind(question.task)
    match rule:
        case syntax.Region(processor=processor):
            return processor in ("*", kind)
        case syntax.Layout(place=place):
            return place in ("*", "VIRTUAL", kind, target[question.about("memory")])
    return True


def _of_map(
    questions: Questions, topic: Topic, keys: Sequence[str], target: Answers
) -> Iterator[Question]:
    for question in questions.about(topic, ("*",)):
        if question.task in keys or target.kind(question.task) in keys:
            yield question
