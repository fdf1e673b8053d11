"""The decisions in which two mappers differ, and mappers between the two."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

import dsl
from dsl import syntax
from dsl.mapper import Mapper
from dsl.names import argument_name
from dsl.syntax import Align, Program
from dsl.tables import LayoutDecision
from dsl.templates.match.answers import Answers, Question, Questions
from dsl.unparse import unparse

if TYPE_CHECKING:
    from legion_bridge import Application, Machine

__all__ = ["Choice", "Choices", "Place"]


class Place(NamedTuple):
    """What is decided: a question, of layouts one side of it."""

    question: Question
    aspect: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One decision of a mapper, as it takes effect.

    Attributes:
        question: What it is about.
        aspect: Of a layout ``"fields"`` (together or not), ``"order"`` (C or not), ``"align"``
            or ``"compact"``; else empty.
        value: What is decided.
    """

    question: Question
    aspect: str
    value: Any

    @property
    def place(self) -> Place:
        """What it decides."""
        return Place(self.question, self.aspect)

    @property
    def what(self) -> str:
        """The decision in words of the language, as far as it has any."""
        match self.aspect, self.value:
            case "fields", together:
                return "AOS" if together else "SOA"
            case "order", c_order:
                return "C_order" if c_order else "F_order"
            case "align", None:
                return "no alignment"
            case "align", (operator, number):
                return f"Align {operator} {number}"
            case "compact", (compact, exact):
                return f"{'Compact' if compact else 'no Compact'}{' Exact' * exact}"
        if "map" in self.question.topic:
            return f"its {self.question.topic}"
        return f"{self.question.topic} {self.value}"

    @property
    def about(self) -> str:
        """Of which task and argument."""
        question = self.question
        names = f" argument {question.requirement} ({question.names[0]})" if question.names else ""
        return f"{question.task}{names}"

    def __str__(self) -> str:
        return f"{self.what} for {self.about}"

    def as_json(self) -> dict[str, Any]:
        """It as JSON values; a map is known by its digest."""
        question = self.question
        return {
            "topic": question.topic,
            "task": question.task,
            "argument": question.requirement,
            "names": list(question.names),
            "aspect": self.aspect,
            "value": _plain(self.value),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Choice:
        """What ``as_json`` has written."""
        names = tuple(value["names"])
        question = Question(value["topic"], value["task"], value["argument"], names)
        return cls(question, value["aspect"], _tupled(value["value"]))


class Choices:
    """The decisions of mappers of one program on one machine.

    Args:
        application: The program.
        machine: What it runs on.
    """

    def __init__(self, application: Application, machine: Machine) -> None:
        machine = machine.for_ranks(application.ranks_per_node)
        self._shape = machine.shape
        self._questions = Questions(application, machine)

    def of(self, program: Program) -> dict[Place, Choice]:
        """All decisions of a mapper; none of one that cannot be loaded."""
        loaded = self._loaded(program)
        if loaded is None:
            return {}
        answers = Answers(self._questions, loaded.tables, loaded)
        found = (each for q in self._questions.all for each in self._sides(q, answers[q]))
        return {choice.place: choice for choice in found}

    def apart(self, program: Program, other: Program) -> list[Choice]:
        """The decisions of a mapper that another one takes otherwise, and that can be moved."""
        theirs = self.of(other)
        return [
            choice
            for place, choice in self.of(program).items()
            if theirs.get(place) != choice and self._moves(choice, other, program)
        ]

    def alike(self, choice: Choice, base: Program) -> list[Choice]:
        """The same decision about the other arguments of a task, where a mapper has another."""
        return [
            replace(choice, question=place.question)
            for place, theirs in self.of(base).items()
            if choice.aspect
            and place.aspect == choice.aspect
            and place.question.task == choice.question.task
            and place.question != choice.question
            and theirs.value != choice.value
        ]

    def all_told(self, program: Program, other: Program) -> bool:
        """Whether all that differs between two mappers is among their decisions apart."""
        theirs = self.of(other)
        differing = [p for p, choice in self.of(program).items() if theirs.get(p) != choice]
        return len(differing) == len(self.apart(program, other))

    def _moves(self, choice: Choice, base: Program, source: Program) -> bool:
        """Whether a mapper can be made to decide so; a more special rule of it may stand above."""
        if not self._statements([choice], base, source):
            return False
        moved = self.of(dsl.parse(self.between(base, source, [choice])))
        return moved.get(choice.place) == choice

    def between(self, base: Program, source: Program, choices: Sequence[Choice]) -> str:
        """A mapper with some decisions of a source in place of its own."""
        first = self._statements(choices, base, source)
        defined = {name for s in base.statements if (name := _defined(s))}
        moved = any("map" in choice.question.topic for choice in choices)
        needed = [
            statement
            for statement in source.statements
            if moved and (name := _defined(statement)) and name not in defined
        ]
        return unparse(Program((*needed, *first, *base.statements)))

    def _loaded(self, program: Program) -> Mapper | None:
        try:
            return dsl.load(program, self._shape)
        except dsl.MapperError:
            return None

    def _sides(self, question: Question, answer: Any) -> Iterator[Choice]:
        if question.topic != "layout":
            value = answer if "map" not in question.topic else _digest(answer)
            yield Choice(question, "", value)
            return
        # An argument of one field may get an instance that holds others of its region.
        yield Choice(question, "fields", not answer.soa)
        yield Choice(question, "order", answer.c_order)
        align = answer.align and (answer.align.operator, answer.align.bytes)
        yield Choice(question, "align", align)
        yield Choice(question, "compact", (answer.compact, answer.exact and answer.compact))

    def _statements(
        self, choices: Iterable[Choice], base: Program, source: Program
    ) -> list[syntax.Statement]:
        """The statements that make a mapper decide so, if they stand before its own."""
        loaded, theirs = self._loaded(base), self._loaded(source)
        if loaded is None or theirs is None:
            return []
        answers = Answers(self._questions, loaded.tables, loaded)
        layouts: dict[Question, LayoutDecision] = {}
        written: list[syntax.Statement] = []
        for choice in choices:
            question = choice.question
            if question.topic == "layout":
                old = layouts.get(question, answers[question])
                layouts[question] = _with_side(old, choice)
            else:
                written += self._statement(choice, answers, theirs, base, source)
        for question, layout in layouts.items():
            written += _layout_statements(question, self._name(question), layout, answers)
        return written

    def _name(self, question: Question) -> str:
        """A name of an argument that no other one of the task has; else its number."""
        assert question.requirement is not None  # noqa: S101  (it is about an argument)
        requirements = self._questions.tasks[question.task].requirements
        return argument_name(requirements, question.requirement, question.names)

    def _statement(
        self, choice: Choice, answers: Answers, theirs: Mapper, base: Program, source: Program
    ) -> list[syntax.Statement]:
        question, value = choice.question, choice.value
        task, kind = question.task, answers.kind(question.task)
        match question.topic:
            case "kind" if value is not None:
                return [syntax.Task((task,), (value,))]
            case "limit":
                return [syntax.InstanceLimit(task, value)]
            case "memory" if value is not None and kind is not None:
                name = self._name(question)
                return [syntax.Region((task,), name, place, (value,)) for place in (kind, "*")]
            case "collection" if value and not (name := self._name(question)).isdecimal():
                return [syntax.CollectMemory(task, name)]
            case "index map" | "single map":
                index = question.topic == "index map"
                look_up = theirs.index_function if index else theirs.single_function
                function = look_up(task, kind)
                if function is None or not _same_definitions(base, source):
                    return []
                make = syntax.IndexTaskMap if index else syntax.SingleTaskMap
                return [make((task,), function)]
        return []


def _layout_statements(
    question: Question, name: str, layout: LayoutDecision, answers: Answers
) -> list[syntax.Statement]:
    """One for each place that a more special rule could be about."""
    places = (answers[question.about("memory")], answers.kind(question.task), "*")
    return [
        syntax.Layout(
            (question.task,),
            name,
            place,
            layout.soa,
            layout.c_order,
            layout.compact,
            layout.exact,
            layout.align,
        )
        for place in dict.fromkeys(place for place in places if place)
    ]


def _with_side(layout: LayoutDecision, choice: Choice) -> LayoutDecision:
    match choice.aspect:
        case "fields":
            return replace(layout, soa=not choice.value)
        case "order":
            return replace(layout, c_order=choice.value)
        case "align":
            return replace(layout, align=None if choice.value is None else Align(*choice.value))
        case _:
            compact, exact = choice.value
            return replace(layout, compact=compact, exact=exact)


def _defined(statement: syntax.Statement) -> str | None:
    if isinstance(statement, syntax.Assignment | syntax.FunctionDefinition):
        return statement.name
    return None


def _same_definitions(first: Program, second: Program) -> bool:
    """Whether no name means one thing in the first and another in the second."""
    told = [
        {
            name: unparse(Program((each,)))
            for each in reversed(program.statements)
            if (name := _defined(each))
        }
        for program in (first, second)
    ]
    return all(told[0][name] == told[1][name] for name in told[0].keys() & told[1].keys())


def _digest(answer: Any) -> str | None:
    """A short name of a map's answers."""
    return None if answer is None else blake2b(repr(answer).encode(), digest_size=8).hexdigest()


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
