"""How far a text parses while its lines are changed: only what a change can tell on is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from lark import Token

from dsl.parsing.lalr import END
from dsl.parsing.parse import grammar_parser
from dsl.parsing.syntax_errors import tables
from dsl.parsing.tolerant_lexer import tolerant_tokens

__all__ = ["ChangedLines", "Place"]

Place: TypeAlias = tuple[int, int]
"""A line and a column, both from 0."""

_END = (Token(END, ""),)


class _Standing(NamedTuple):
    """Where the parser stands at the beginning of a line.

    Attributes:
        states: Those of the parser.
        end: Where the last token before ends.
    """

    states: tuple[int, ...]
    end: Place


class ChangedLines:
    """The lines of a text, and where it ceases to be a mapper.

    It knows the grammar alone: what is said of a statement that the grammar takes, such as that
    it nests too deeply, only ``parse`` says.

    Args:
        text: The text.
        patience: How many characters to read for changes at most.

    Attributes:
        lines: The lines as they are now.
        stop: Where the parser cannot go on; None where it takes the whole text.

    >>> lines = ChangedLines("Task a GPU" + chr(10) + "Task b CPU;", patience=100)
    >>> lines.stop
    (0, 10)
    >>> lines.change(0, "Task a GPU;"), lines.stop
    (True, None)
    """

    def __init__(self, text: str, patience: int) -> None:
        self.lines = text.split("\n")
        self._patience = patience
        self._tokens: list[Sequence[Token]] = [[] for _ in self.lines]
        for token in _tokens_of(text):
            self._tokens[(token.line or 1) - 1].append(token)  # type: ignore[attr-defined]
        start = _Standing(tables(grammar_parser()).start, (0, 0))
        self._standings, self.stop = self._read(start, 0, self._tokens)

    def change(self, number: int, line: str) -> bool:
        """Puts a line in the place of one if the text parses further then; says whether it does.

        Args:
            number: The old line; none after that of ``stop``.
            line: The new one.
        """
        if self.stop is None or self._patience < 0:
            return False
        tokens = _tokens_of(line)
        rest = [tokens, *self._tokens[number + 1 :]]
        standings, stop = self._read(self._standings[number], number, rest)
        self._patience -= sum(map(len, self.lines[number : number + len(standings)]))
        if stop is not None and stop <= self.stop:
            return False
        self.lines[number], self._tokens[number], self.stop = line, tokens, stop
        self._standings[number:] = standings
        return True

    def _read(
        self, standing: _Standing, first: int, lines: Sequence[Sequence[Token]]
    ) -> tuple[list[_Standing], Place | None]:
        """Where the parser stands at the beginning of each line that it reaches, and its stop."""
        lalr = tables(grammar_parser())
        states, end = [*standing.states], standing.end
        passed: list[_Standing] = []
        for number, tokens in enumerate((*lines, _END), first):
            passed.append(_Standing(tuple(states), end))
            for token in tokens:
                before = states[:]
                if not lalr.feed(states, token.type, None, None):
                    later = number > end[0] or token.type in ("RIGHT_BRACE", END)
                    lacks_semicolon = later and "SEMICOLON" in lalr.takes(before)
                    here = end if lacks_semicolon or token.type == END else None
                    return passed, here or (number, (token.column or 1) - 1)
                end = (number, (token.end_column or 1) - 1)
        return passed, None


def _tokens_of(text: str) -> list[Token]:
    return tolerant_tokens(grammar_parser(), text).tokens[:-1]
