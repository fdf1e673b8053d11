"""A mapper in few statements: what a rendered template says in hundreds.

Templates decide for every argument of every task; most of them are alike. Here the commonest
decision becomes a statement for all, and the others are named.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import dsl
from dsl import syntax
from dsl.facts import ApplicationFacts, MachineFacts
from dsl.machine_shape import PROCESSOR_KINDS
from dsl.mapper import Mapper
from dsl.names import argument_name
from dsl.tables import PREFERENCE, LayoutDecision, choose_kind
from dsl.templates.match.answers import Answers, Question, Questions, distance
from dsl.unparse import unparse_statement

__all__ = ["MapperShortener", "used_definitions"]


class _Rule(NamedTuple):
    """A decision about a region argument, for the tasks that share it."""

    region: str
    place: str
    decision: Any


class MapperShortener:
    """Writes mappers of one program anew, in as few statements as it can."""

    def __init__(self, application: ApplicationFacts, machine: MachineFacts) -> None:
        machine = machine.for_ranks(application.ranks_per_node)
        self._shape = machine.shape
        self._questions = Questions(application, machine)
        self._names = {
            question: self._name(question) for question in self._questions.all if question.names
        }

    def shorten(self, text: str) -> str:
        """A mapper with the same decisions; the text itself where there is no shorter one."""
        try:
            program = dsl.parse(text)
            if not _named_tasks(program.statements) <= self._questions.tasks.keys():
                return text  # what it says of others would be lost
            mapper = dsl.load(program, self._shape)
            written = self._written(mapper)
            again = dsl.load(dsl.parse(written), self._shape)
        except dsl.MapperError:
            return text
        return written if len(written) < len(text) and self._alike(mapper, again) else text

    def _alike(self, first: Mapper, second: Mapper) -> bool:
        answers = [Answers(self._questions, each.tables, each) for each in (first, second)]
        return all(
            distance(self._questions, question, *(each[question] for each in answers)) == 0
            for question in self._questions.all
        )

    def _written(self, mapper: Mapper) -> str:
        answers = Answers(self._questions, mapper.tables, mapper)
        maps = [
            *self._maps(mapper, answers, "index map"),
            *self._maps(mapper, answers, "single map"),
        ]
        statements = [
            *self._kinds(answers),
            *self._memories(answers),
            *self._layouts(answers),
            *self._limits(answers),
            *map(unparse_statement, used_definitions(mapper.program.statements, maps)),
            *maps,
        ]
        return "\n".join(statements) + "\n"

    # Blocks

    def _kinds(self, answers: Answers) -> Iterator[str]:
        present = [kind for kind in PREFERENCE if kind in self._questions.present]
        others: dict[str, list[str]] = {}
        for name, task in self._questions.tasks.items():
            kind = answers.kind(name)
            if kind and kind != choose_kind(present, tuple(task.variants), present):
                others.setdefault(kind, []).append(name)
        for kind, tasks in others.items():
            yield f"Task {','.join(tasks)} {kind};"
        yield f"Task * {','.join(present)};"

    def _memories(self, answers: Answers) -> Iterator[str]:
        found = self._of_topic("memory")
        for kind in self._questions.present:
            here = [question for question in found if answers.kind(question.task) == kind]
            usual = _commonest(answers[question] for question in here)
            if usual is None:
                continue
            others = [
                (question, _Rule(self._names[question], kind, answers[question]))
                for question in here
                if answers[question] != usual
            ]
            for rule, tasks in _shared(others, here).items():
                yield f"Region {tasks} {rule.region} {kind} {rule.decision};"
            yield f"Region * * {kind} {usual};"

    def _layouts(self, answers: Answers) -> Iterator[str]:
        found = self._of_topic("layout")
        usual = _commonest(answers[question] for question in found)
        if usual is None:
            return
        others = [
            (question, _Rule(self._names[question], "*", answers[question]))
            for question in found
            if distance(self._questions, question, answers[question], usual)
        ]
        for rule, tasks in _shared(others, found).items():
            yield _layout(tasks, rule.region, rule.decision)
        yield _layout("*", "*", usual)

    def _limits(self, answers: Answers) -> Iterator[str]:
        for question in self._of_topic("limit"):
            if answers[question]:
                yield f"InstanceLimit {question.task} {answers[question]};"
        found = self._of_topic("collection")
        collected = [question for question in found if answers[question]]
        if found and len(collected) == len(found):
            yield "CollectMemory * *;"
            return
        for question in collected:
            yield f"CollectMemory {question.task} {self._names[question]};"

    def _maps(self, mapper: Mapper, answers: Answers, topic: str) -> list[str]:
        word, function_of = (
            ("IndexTaskMap", mapper.index_function)
            if topic == "index map"
            else ("SingleTaskMap", mapper.single_function)
        )
        tasks: dict[str, list[str]] = {}
        for question in self._of_topic(topic):
            function = function_of(question.task, answers.kind(question.task))
            if function is not None:
                tasks.setdefault(function, []).append(question.task)
        return [f"{word} {','.join(names)} {function};" for function, names in tasks.items()]

    # Names

    def _of_topic(self, topic: str) -> list[Question]:
        return [question for question in self._questions.all if question.topic == topic]

    def _name(self, question: Question) -> str:
        """The first name of an argument that no other of the task has; else its index."""
        assert question.requirement is not None  # noqa: S101  (the caller knows the topic)
        requirements = self._questions.tasks[question.task].requirements
        return argument_name(requirements, question.requirement, question.names)


def _named_tasks(statements: Iterable[syntax.Statement]) -> set[str]:
    """The tasks that rules speak of by name."""
    named: set[str] = set()
    for statement in statements:
        match statement:
            case syntax.Task(tasks) | syntax.Region(tasks) | syntax.Layout(tasks):
                named.update(tasks)
            case syntax.InstanceLimit(task) | syntax.CollectMemory(task):
                named.add(task)
            case syntax.IndexTaskMap(keys) | syntax.SingleTaskMap(keys):
                named.update(set(keys) - set(PROCESSOR_KINDS))
            case syntax.ControlReplicate(tasks):
                named.update(tasks)
    return named - {"*"}


def _commonest(values: Iterable[Any]) -> Any:
    counts = Counter(value for value in values if value is not None)
    return counts.most_common(1)[0][0] if counts else None


def _shared(
    others: Sequence[tuple[Question, _Rule]], everywhere: Sequence[Question]
) -> dict[_Rule, str]:
    """Each rule with its tasks; with ``*`` where all tasks that have the region follow it."""
    tasks: dict[_Rule, dict[str, None]] = {}
    for question, rule in others:
        tasks.setdefault(rule, {})[question.task] = None
    having = Counter(name for question in everywhere for name in question.names)
    return {
        rule: "*"
        if not rule.region.isdecimal() and having[rule.region] == len(named)
        else ",".join(named)
        for rule, named in tasks.items()
    }


def _layout(tasks: str, region: str, layout: LayoutDecision) -> str:
    words = ["SOA" if layout.soa else "AOS", "C_order" if layout.c_order else "F_order"]
    words += ["Compact"] * layout.compact + ["Exact"] * layout.exact
    if layout.align is not None:
        words.append(f"Align {layout.align.operator} {layout.align.bytes}")
    return f"Layout {tasks} {region} * {' '.join(words)};"


def used_definitions(
    statements: Sequence[syntax.Statement], maps: Iterable[str]
) -> Iterator[syntax.Statement]:
    """The definitions that the maps name, and those that these use; of equal names the first."""
    first = {
        each.name: each
        for each in reversed(statements)
        if isinstance(each, syntax.Assignment | syntax.FunctionDefinition)
    }
    texts = {name: unparse_statement(each) for name, each in first.items()}
    used: set[str] = set()
    new = {word for text in maps for word in re.findall(r"\w+", text)} & texts.keys()
    while new:
        used |= new
        new = {w for name in new for w in re.findall(r"\w+", texts[name])} & texts.keys() - used
    for name in reversed(first):
        if name in used:
            yield first[name]
