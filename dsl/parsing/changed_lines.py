"""How far a text parses while its lines are changed: only what a change can tell on is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from dsl.parsing.grammar import tables
from dsl.parsing.lalr import END
from dsl.parsing.tolerant_lexer import tolerant_tokens

__all__ = ["ChangedLines", "Place"]

Place: TypeAlias = tuple[int, int]
"""A line and a column, both from 0."""

_NOWHERE = (0, 0)  # no token ends before the first column


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

    It knows the grammar alone, and each line by itself: that a statement nests too deeply, or that
    ``ilower`` on a line of its own is a member, only ``parse`` says.

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
        start = _Standing(tables().start, _NOWHERE)
        self._standings, self.stop = _read(start, 0, self.lines)

    def change(self, number: int, line: str) -> bool:
        """Puts a line in the place of one if the text parses further then; says whether it does.

        Args:
            number: The old line; none after that of ``stop``.
            line: The new one.
        """
        if self.stop is None or self._patience < 0:
            return False
        rest = [line, *self.lines[number + 1 :]]
        standings, stop = _read(self._standings[number], number, rest)
        self._patience -= sum(map(len, self.lines[number : number + len(standings)]))
        if stop is not None and stop <= self.stop:
            return False
        self.lines[number], self.stop = line, stop
        self._standings[number:] = standings
        return True


def _read(
    standing: _Standing, first: int, lines: Sequence[str]
) -> tuple[list[_Standing], Place | None]:
    """Where the parser stands at the beginning of each line that it reaches, and its stop."""
    lalr = tables()
    states, end = [*standing.states], standing.end
    passed: list[_Standing] = []
    for number, line in enumerate(lines, first):
        passed.append(_Standing(tuple(states), end))
        for token in tolerant_tokens(line).tokens[:-1]:
            before = states[:]
            if not lalr.feed(states, token.type, None, None):
                later = number > end[0] or token.type == "RIGHT_BRACE"
                if later and "SEMICOLON" in lalr.takes(before):
                    return passed, end
                return passed, (number, (token.column or 1) - 1)
            end = (number, (token.end_column or 1) - 1)
    if lalr.feed(states, END, None, None):
        return passed, None
    return passed, end if end != _NOWHERE else (first + len(lines) - 1, 0)
