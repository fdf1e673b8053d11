"""The point of a template's space whose decisions are nearest to those of a given mapper.

Each hole takes the value under which the statements that it stands in answer what they are asked
as the mapper does; the nearest where none answers alike. So a mapper that a template cannot make
still has a place in its space, near those that behave like it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsl import syntax
from dsl.errors import MapperError, MapperSyntaxError
from dsl.facts import ApplicationFacts, MachineFacts
from dsl.launch_domain import LaunchDomain
from dsl.load import load
from dsl.mapper import Mapper
from dsl.normal_forms.definitions import Definitions
from dsl.normal_forms.normal_form import all_decisions, decided, decisions_of
from dsl.parsing.parse import parse
from dsl.parsing.statement_cache import StatementCache
from dsl.syntax import Program
from dsl.tables import Tables
from dsl.templates.match.answers import Answers, Question, Questions, asked_by, distance
from dsl.templates.match.unit import Unit
from dsl.templates.space.parameters import Parameter, Value
from dsl.templates.template import Template

__all__ = ["NearestPoint", "TemplateNeighbours", "readable_rules"]

# A memory that is named but not seen has the effect of another one: of values with equal effects
# the one that names what the task really gets is taken.
_UNNAMED = 0.01
# Integers of a range that are tried; of wider ones the bounds and the default.
_TRIED = 256
_SWEEPS = 3

_RULES = (
    syntax.Task,
    syntax.Region,
    syntax.Layout,
    syntax.InstanceLimit,
    syntax.CollectMemory,
)
_DEFINITIONS = (syntax.Assignment, syntax.FunctionDefinition)

# A rule without functions: what can still be read of a mapper that does not parse.
_RULE = re.compile(
    r"^[ \t]*((?:Task|Region|Layout|InstanceLimit|CollectMemory)\b[^;{}\n]{1,400};)", re.MULTILINE
)
_RULES_READ = 1000


@dataclass(frozen=True, slots=True)
class NearestPoint:
    """Values of the parameters that count, and what they do not say.

    Attributes:
        values: The values of the parameters that count.
        differs: The questions to which their rendering gives another answer than the mapper.
    """

    values: Mapping[str, Value]
    differs: tuple[Question, ...]


class TemplateNeighbours:
    """Finds the nearest points of one template, for a program on a machine."""

    def __init__(
        self, template: Template, application: ApplicationFacts, machine: MachineFacts
    ) -> None:
        self._template = template
        self._questions = Questions(application, machine.for_ranks(application.ranks_per_node))
        self._shape = self._questions.machine.shape
        self._units = [_PreparedUnit(unit) for unit in template.units]
        self._of_hole: dict[str, list[_PreparedUnit]] = {}
        for unit in self._units:
            for name in unit.holes:
                self._of_hole.setdefault(name, []).append(unit)
        self._fixed = [s for unit in self._units if not unit.holes for s in unit.constant]
        self._library = self._loaded_library()
        self._statements = StatementCache()

    def nearest(self, program: Program) -> NearestPoint:
        """The nearest point to a mapper, which need not be one that can be loaded."""
        search = _Search(self._questions, self._answers(program), program)
        values: dict[str, Value] = {}
        for sweep in range(_SWEEPS):
            before = dict(values)
            for name, parameter in self._template.parameters.items():
                self._decide(search, name, parameter, values)
            if sweep and values == before:
                break
        return NearestPoint(values, self._differing(search.target, values))

    def _decide(
        self, search: _Search, name: str, parameter: Parameter, values: dict[str, Value]
    ) -> None:
        """Gives one hole its nearest value, or none where it does not count."""
        if parameter.condition is not None and not parameter.condition.holds(values):
            values.pop(name, None)
            return
        current = values.get(name, parameter.default)
        costs = {
            value: self._cost(search, {**values, name: value}, name)
            for value in _candidates(parameter, current)
        }
        values[name] = min(costs, key=lambda value: costs[value])

    def _cost(self, search: _Search, values: Mapping[str, Value], name: str) -> float:
        units = self._of_hole.get(name, ())
        if any(unit.defines for unit in units):
            return search.cost_of_maps(self._answers(self._rendered(values)))
        return sum(self._cost_of_unit(search, unit, values) for unit in units)

    def _cost_of_unit(
        self, search: _Search, unit: _PreparedUnit, values: Mapping[str, Value]
    ) -> float:
        """The cost of what the statements of one unit, with those without holes, answer."""
        row = unit.unit.row({**unit.defaults, **values})
        own = row.statements if row else ()
        if not search.asks(unit):
            return search.unlike(own)
        tables = Tables.of([*own, *self._fixed])
        borrowed = _Borrowed(self._library, tables)
        return search.cost(unit, Answers(self._questions, tables, borrowed, search.kinds))

    def _rendered(self, values: Mapping[str, Value]) -> Program:
        parameters = self._template.parameters
        known = {name: values.get(name, each.default) for name, each in parameters.items()}
        return self._statements.parse(self._template.render(known))

    def _answers(self, program: Program) -> Answers:
        mapper: Mapper | None = None
        try:
            mapper = load(program, self._shape)
            tables = mapper.tables
        except MapperError:  # what its rules say is known nevertheless
            tables = Tables.of(program.statements)
        return Answers(self._questions, tables, mapper)

    def _differing(self, target: Answers, values: Mapping[str, Value]) -> tuple[Question, ...]:
        try:
            found = self._answers(self._rendered(values))
        except MapperError:
            return self._questions.all
        return tuple(
            question
            for question in self._questions.all
            if distance(self._questions, question, found[question], target[question])
        )

    def _loaded_library(self) -> Mapper | None:
        """A mapper with all definitions of the template, and a task for each map among them."""
        definitions = [s for s in self._fixed if isinstance(s, _DEFINITIONS)]
        maps = [
            kind((each.name,), each.name)
            for each in definitions
            if isinstance(each, syntax.FunctionDefinition)
            and [parameter.type for parameter in each.parameters] == ["Task"]
            for kind in (syntax.IndexTaskMap, syntax.SingleTaskMap)
        ]
        try:
            return load(Program((*definitions, *maps)), self._shape)
        except MapperError:
            return None


class _PreparedUnit:
    """A unit of a template, with the questions that its statements may decide."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.holes = unit.holes
        row = None if self.holes else unit.row({})
        self.constant = row.statements if row else ()
        self.defaults = {name: each.default for name, each in unit.parameters.items()}
        rows = unit.rows if self.holes and unit.is_small else ()
        if self.holes and not rows:
            default = unit.row(self.defaults)
            rows = (default,) if default else ()
        forms = {_form(each): each for row in rows for each in row.statements}
        self.statements = tuple(forms.values())
        self.defines = bool(self.holes) and any(
            isinstance(each, _DEFINITIONS) for each in self.statements
        )


def _form(statement: syntax.Statement) -> tuple[object, ...]:
    """Equal for statements that are asked the same."""
    match statement:
        case syntax.Task(tasks):
            return ("Task", tasks)
        case syntax.Region(tasks, region, place) | syntax.Layout(tasks, region, place):
            return (type(statement), tasks, region, place)
        case syntax.IndexTaskMap(keys) | syntax.SingleTaskMap(keys):
            return (type(statement), keys)
        case syntax.InstanceLimit(task):
            return ("InstanceLimit", task)
    return (statement,)


class _Search:
    """The mapper that is looked for, and how far rows of a template are from it."""

    def __init__(self, questions: Questions, target: Answers, program: Program) -> None:
        self.questions = questions
        rules = [each for each in program.statements if isinstance(each, _RULES)]
        self._decisions = all_decisions(rules, Definitions(()))
        self.target = target
        self.kinds = {task: target.kind(task) for task in questions.tasks}
        self._asked: dict[int, tuple[Question, ...]] = {}

    def asks(self, unit: _PreparedUnit) -> bool:
        """Whether anything that a unit may decide is asked by the program."""
        return bool(self._questions_of(unit))

    def unlike(self, statements: Sequence[syntax.Statement]) -> float:
        """How many decisions of some rules the mapper takes otherwise, read word by word."""
        return sum(
            float(decided(self._decisions, key) != decision)
            for statement in statements
            if isinstance(statement, _RULES)
            for key, decision in decisions_of(statement, Definitions(()))
        )

    def cost(self, unit: _PreparedUnit, answers: Answers) -> float:
        """How far the answers are from the mapper's, where the unit may decide."""
        return sum(self._apart(question, answers) for question in self._questions_of(unit))

    def cost_of_maps(self, answers: Answers) -> float:
        """How far the maps are apart."""
        maps = [*self.questions.about("index map", ("*",))]
        maps += self.questions.about("single map", ("*",))
        return sum(distance(self.questions, q, answers[q], self.target[q]) for q in maps)

    def _apart(self, question: Question, answers: Answers) -> float:
        apart = distance(self.questions, question, answers[question], self.target[question])
        if question.topic == "memory":
            apart += _UNNAMED * (answers.first_memory(question) != self.target[question])
        return apart * question.weight

    def _questions_of(self, unit: _PreparedUnit) -> tuple[Question, ...]:
        if id(unit) not in self._asked:
            asked = (
                question
                for statement in unit.statements
                for question in asked_by(self.questions, statement, self.target)
            )
            self._asked[id(unit)] = tuple(dict.fromkeys(asked))
        return self._asked[id(unit)]


class _Borrowed:
    """Answers for the maps that some statements name, by the functions of a library."""

    def __init__(self, library: Mapper | None, tables: Tables) -> None:
        self._library = library
        self._tables = tables

    def has_index_map(self, task: str, kind: str | None) -> bool:
        return self._library is not None and _named(self._tables.index_functions, task, kind) != ""

    def has_single_map(self, task: str, kind: str | None) -> bool:
        named = _named(self._tables.single_functions, task, kind)
        return self._library is not None and named != ""

    def launch_map(self, task: str, kind: str | None, domain: LaunchDomain) -> NDArray[np.int64]:
        assert self._library is not None  # noqa: S101  (asked for first)
        function = _named(self._tables.index_functions, task, kind)
        return self._library.launch_map(function, kind, domain)

    def single_map(
        self,
        task: str,
        kind: str | None,
        parent: Sequence[int] | None,
        parent_kind: str | None = None,
    ) -> list[tuple[int, ...]]:
        assert self._library is not None  # noqa: S101  (asked for first)
        function = _named(self._tables.single_functions, task, kind)
        return self._library.single_map(function, kind, parent, parent_kind)


def _named(functions: Mapping[str, str], task: str, kind: str | None) -> str:
    return functions.get(task) or functions.get(kind or "") or ""


def _candidates(parameter: Parameter, current: Value) -> Iterator[Value]:
    """The values of a parameter, the present one first: of equals the first is taken."""
    yield current
    values: Sequence[Value] = parameter.values
    if len(values) > _TRIED:
        values = list(dict.fromkeys((values[0], values[-1], parameter.default)))
    yield from (value for value in values if value != current)


def readable_rules(text: str) -> Program:
    """The rules of a text that parse one by one, where the whole does not."""
    statements: list[syntax.Statement] = []
    for found in _RULE.findall(text)[:_RULES_READ]:
        try:
            statements += parse(found).statements
        except MapperSyntaxError:
            continue
    return Program(tuple(statements))
