"""Matching a mapper against a template: by its tokens, else by what it decides.

Each unit of the template is rendered with all values of its holes, once. A rendering fits a
mapper that takes its decisions; the values are those of renderings, one a unit, that agree with
each other. Whether the normal forms are equal decides in the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice, product
from typing import NamedTuple, TypeAlias

from dsl import syntax
from dsl.normal_forms.canonical_names import Irregular
from dsl.normal_forms.definitions import Definitions
from dsl.normal_forms.normal_form import (
    Decision,
    Key,
    all_decisions,
    decided,
    decisions_of,
    normal_form,
)
from dsl.syntax import Program
from dsl.templates.match.unit import Row, Unit, Values
from dsl.templates.space.parameters import NONE, ParameterSpace, Value
from dsl.templates.text.rendering import Rendering, TokenMatcher, canonical_tokens
from dsl.unparse import unparse

__all__ = ["Matcher"]


Assignment: TypeAlias = Mapping[str, Value]
Table: TypeAlias = Mapping[Key, Decision]

_ATTEMPTS = 16  # solutions, and choices of definitions, that are tried
_DEFINITIONS = (syntax.Assignment, syntax.FunctionDefinition, syntax.Print)


class Matcher:
    """Matches mappers against a template: by their tokens, else by their decisions."""

    def __init__(
        self, space: ParameterSpace, whole: Rendering, units: Sequence[Rendering]
    ) -> None:
        self._space = space
        self._whole = whole
        self.units = [Unit(unit, space.parameters) for unit in units]

    def match(self, program: Program) -> dict[str, Value] | None:
        """The values whose rendering is the program, or None."""
        tokens = canonical_tokens(program.source or unparse(program))
        values = self._by_tokens(tokens)
        if values is None:
            values = next(map(self._completed, self._decisions.solutions(program, tokens)), None)
        return values

    @cached_property
    def _tokens(self) -> TokenMatcher | None:
        try:
            return TokenMatcher(self._whole.pieces, self._space.parameters)
        except ValueError:
            return None

    @cached_property
    def _decisions(self) -> DecisionMatcher:
        return DecisionMatcher(self.units)

    def _by_tokens(self, tokens: str) -> dict[str, Value] | None:
        read = None if self._tokens is None else self._tokens.match(tokens)
        if read is None:
            return None
        values = self._completed(read)
        if any(value not in self._space.parameters[name] for name, value in values.items()):
            return None
        rendered = self._whole.text(self._space.texts(values))
        return values if canonical_tokens(rendered) == tokens else None

    def _completed(self, read: Mapping[str, Value]) -> dict[str, Value]:
        """The values of the parameters that count; what could not be read was left out."""
        unread = {
            name: NONE for name, parameter in self._space.parameters.items() if NONE in parameter
        }
        return self._space.active({**unread, **read})


class _Fit(NamedTuple):
    """A rendering of a unit, and its decisions where no statement before takes them."""

    row: Row
    decisions: list[tuple[Key, Decision]]


class DecisionMatcher:
    """The units of a template, made ready to be compared with mappers."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self._units = units
        self._made_once: list[list[_Fit]] | None = None

    def solutions(self, program: Program, tokens: str) -> Iterator[Values]:
        """Values whose rendering has a mapper's normal form; none if it is off-template.

        Args:
            program: The mapper.
            tokens: Its text as canonical tokens.
        """
        try:
            table = all_decisions(program.statements, Definitions(program.statements))
            wanted = normal_form(program)
            for definitions in self._choices(tokens):
                lists = self._fitting(definitions, table, tokens)
                for values in islice(agreeing(lists), _ATTEMPTS):
                    if self._normal_form(values) == wanted:
                        yield values
        except Irregular:
            return

    def _normal_form(self, values: Values) -> str | None:
        rows = [unit.row(values) for unit in self._units]
        statements = [each for row in rows if row for each in row.statements]
        return normal_form(Program(tuple(statements))) if all(rows) and statements else None

    # Definitions

    @cached_property
    def _parts(self) -> tuple[list[Unit], list[Unit]]:
        """The units that hold functions or variables, and the others."""
        parts: tuple[list[Unit], list[Unit]] = ([], [])
        for unit in self._units:
            parts[not _defines(unit)].append(unit)
        return parts

    def _choices(self, tokens: str) -> Iterator[list[Row]]:
        """A rendering of each unit with definitions: as the mapper has it, or the default."""
        rows = [list(unit.rows_in(tokens)) for unit in self._parts[0]]
        return map(list, islice(product(*rows), _ATTEMPTS))

    # Decisions

    def _fitting(self, definitions: list[Row], table: Table, tokens: str) -> list[list[Values]]:
        """For each unit the values with which it takes only decisions of the table."""
        return [
            *[[row.values] for row in definitions],
            *[
                [
                    fit.row.values
                    for fit in fits
                    if all(decided(table, key) == each for key, each in fit.decisions)
                ]
                for fits in self._fits(definitions, tokens)
            ],
        ]

    def _fits(self, definitions: list[Row], tokens: str) -> list[list[_Fit]]:
        """The renderings of the units without definitions, with their decisions."""
        constant = all(unit.is_small for unit in self._parts[1]) and not any(
            unit.parameters for unit in self._parts[0]
        )
        if not constant:
            return list(self._made(definitions, tokens))
        if self._made_once is None:
            self._made_once = list(self._made(definitions, tokens))
        return self._made_once

    def _made(self, definitions: list[Row], tokens: str) -> Iterator[list[_Fit]]:
        functions = Definitions([each for row in definitions for each in row.statements])
        taken: set[Key] = set()
        for unit in self._parts[1]:
            rows = unit.rows if unit.is_small else unit.rows_in(tokens)
            made = [(row, _decisions(row, functions)) for row in rows]
            yield [
                _Fit(row, [each for each in found if each[0] not in taken]) for row, found in made
            ]
            taken.update(key for _, found in made for key, _ in found)


def _defines(unit: Unit) -> bool:
    rows = unit.rows if unit.is_small else tuple(unit.rows_in(""))
    return any(isinstance(each, _DEFINITIONS) for row in rows for each in row.statements)


def _decisions(row: Row, functions: Definitions) -> list[tuple[Key, Decision]]:
    return [each for statement in row.statements for each in decisions_of(statement, functions)]


def agreeing(lists: Sequence[Sequence[Assignment]]) -> Iterator[dict[str, Value]]:
    """The unions of one assignment from each list, where no two give a name different values.

    Earlier assignments of a list come first.

    >>> list(agreeing([[{"a": 1}, {"a": 2}], [{"a": 2, "b": 0}]]))
    [{'a': 2, 'b': 0}]
    """
    values: dict[str, Value] = {}
    open_lists: Sequence[Sequence[Assignment]] = lists
    narrowed = True
    while narrowed:
        narrowed = False
        remaining: list[Sequence[Assignment]] = []
        for candidates in open_lists:
            fitting = [each for each in candidates if _agrees(each, values)]
            if not fitting:
                return
            if len(fitting) == 1:
                values.update(fitting[0])
                narrowed = True
            else:
                remaining.append(fitting)
        open_lists = remaining
    if not open_lists:
        yield values
        return
    shortest = min(open_lists, key=len)
    others = [each for each in open_lists if each is not shortest]
    for each in shortest:
        yield from agreeing([[{**values, **each}], *others])


def _agrees(assignment: Assignment, values: Assignment) -> bool:
    return all(values.get(name, value) == value for name, value in assignment.items())
