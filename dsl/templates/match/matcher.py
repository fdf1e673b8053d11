"""The inverse of rendering: which values of the holes make a given mapper?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from dsl.syntax import Program
from dsl.templates.match.decisions import DecisionMatcher
from dsl.templates.match.tokens import TokenMatcher, canonical_tokens
from dsl.templates.match.unit import Unit
from dsl.templates.space.parameter import NONE, Value
from dsl.templates.space.parameter_space import ParameterSpace
from dsl.templates.text.rendering import Rendering
from dsl.unparse import unparse

__all__ = ["Matcher"]


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
