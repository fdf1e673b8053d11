"""Changes of a mapper, what a rule has found, and how it would change the mapper for that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from dsl import syntax
from dsl.unparse import unparse_statement

__all__ = ["Block", "Change", "Found", "Move", "TextChange"]

Block: TypeAlias = Literal["task", "region", "layout", "limit", "index map", "single map"]
"""The decision blocks of the paper; memory collection counts as a limit."""


@dataclass(frozen=True, slots=True)
class Change:
    """Statements to put into a mapper, and statements to take out."""

    new: tuple[syntax.Statement, ...] = ()
    gone: tuple[syntax.Statement, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.new or self.gone)

    @property
    def statements(self) -> str:
        """The new statements as text."""
        return "\n".join(unparse_statement(each) for each in self.new)

    @property
    def replaces(self) -> tuple[str, ...]:
        """The statements that go, as text."""
        return tuple(unparse_statement(each) for each in self.gone)


@dataclass(frozen=True, slots=True)
class TextChange:
    """A stretch of a text that does not parse, and what to write in its place."""

    statements: str
    stretch: str

    @property
    def replaces(self) -> tuple[str, ...]:
        """The stretch that goes."""
        return (self.stretch,)


class Move(NamedTuple):
    """A change that a predicate or a repair proposes.

    Attributes:
        values: What the sentence of the suggestion has to say, by placeholder.
    """

    change: Change | TextChange
    block: Block
    values: Mapping[str, str]
    tasks: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """What a predicate found in a profile.

    Attributes:
        values: What the explanation has to say, by placeholder.
        seconds: How much of an iteration it is about: the more, the earlier it is told.
        moves: Changes that may help.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    moves: Sequence[Move] = ()
