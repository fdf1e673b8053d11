"""One unit of a template: its renderings, by the values of its holes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

from dsl import syntax
from dsl.errors import MapperSyntaxError
from dsl.parsing.parse import parse
from dsl.templates.space.parameters import NONE, Parameter, Value
from dsl.templates.space.space_size import count_points
from dsl.templates.text.rendering import Rendering, TokenMatcher

__all__ = ["Row", "Unit", "Values"]

Values = Mapping[str, Value]

_ENUMERATED = 4096  # points of one unit that are written out


class Row(NamedTuple):
    """A rendering: the values of the holes that count, and the statements."""

    values: Values
    statements: tuple[syntax.Statement, ...]


class Unit:
    """Pieces of a template that render as whole statements.

    Attributes:
        parameters: Its holes, and those that their conditions ask about, by name.
    """

    def __init__(self, rendering: Rendering, parameters: Mapping[str, Parameter]) -> None:
        self._rendering = rendering
        self._parsed: dict[str, tuple[syntax.Statement, ...] | None] = {}
        wanted = set(rendering.names)
        for name, parameter in reversed(list(parameters.items())):
            if name in wanted and parameter.condition is not None:
                wanted.update(parameter.condition.names)
        self.parameters = {name: each for name, each in parameters.items() if name in wanted}

    @property
    def holes(self) -> tuple[str, ...]:
        """The names of its own holes."""
        return self._rendering.names

    @cached_property
    def is_small(self) -> bool:
        """Whether all its renderings are written out."""
        return count_points(self.parameters) <= _ENUMERATED

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """All renderings that are mappers, if it is small; those with more statements first."""
        points = _points(tuple(self.parameters.values()), {}) if self.is_small else ()
        rows = [row for values in points if (row := self.row(values))]
        return tuple(sorted(rows, key=lambda row: -len(row.statements)))

    def row(self, values: Values) -> Row | None:
        """The rendering with some values, or None where it is no mapper."""
        texts = {name: _text(values.get(name)) for name in self._rendering.names}
        text = self._rendering.text(texts)
        if text not in self._parsed:
            self._parsed[text] = _statements(text)
        statements = self._parsed[text]
        return None if statements is None else Row(values, statements)

    def rows_in(self, tokens: str) -> Iterator[Row]:
        """The renderings found word for word in a mapper, and the one with the default values."""
        found = self._search.search(tokens) if self._search else ()
        for values in [*found, {}]:
            chosen: dict[str, Value] = {}
            for name, parameter in self.parameters.items():
                if parameter.condition is None or parameter.condition.holds(chosen):
                    chosen[name] = values.get(name, parameter.default)
            fits = all(value in self.parameters[name] for name, value in chosen.items())
            if fits and (row := self.row(chosen)):
                yield row

    @cached_property
    def _search(self) -> TokenMatcher | None:
        try:
            return TokenMatcher(self._rendering.pieces, self.parameters)
        except ValueError:
            return None


def _points(
    parameters: tuple[Parameter, ...], chosen: dict[str, Value]
) -> Iterator[dict[str, Value]]:
    """All values of the parameters that count."""
    if not parameters:
        yield chosen
        return
    first, *rest = parameters
    if first.condition is not None and not first.condition.holds(chosen):
        yield from _points(tuple(rest), chosen)
        return
    for value in first.values:
        yield from _points(tuple(rest), {**chosen, first.name: value})


def _text(value: Value | None) -> str | None:
    """What a value renders as; None where the hole does not count."""
    if value is None:
        return None
    return "" if value == NONE else str(value)


def _statements(text: str) -> tuple[syntax.Statement, ...] | None:
    try:
        return parse(text).statements if text.strip() else ()
    except MapperSyntaxError:
        return None
