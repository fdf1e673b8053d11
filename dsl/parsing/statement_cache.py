"""Parsing of many similar mappers: each line is parsed once, whichever mapper it stands in.

A tuner renders thousands of mappers from one template; they consist of the same few hundred
lines, and of functions of some lines each. The trees are those of ``parse``, except that positions
are not those in the text, and no more than different for different statements: where a mapper
fails and its error must name the place, parse it in full.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from dsl.errors import MapperSyntaxError
from dsl.parsing.parse import parse
from dsl.parsing.plain_statements import plain_statement
from dsl.syntax import Program, Statement

__all__ = ["StatementCache"]

# Comments and strings hide what follows.
_MARK = re.compile(r'#[^\n]*|//[^\n]*|"[^"\n]*"|[;{}]')
MOST_BLOCKS = 100_000
# No function of a template is longer; a text whose statements go on for ever is read at once.
MOST_CHARACTERS = 2_000


class _Block(NamedTuple):
    """Some lines of a text: the statements in them, or None where the last one goes on."""

    statements: tuple[Statement, ...] | None


class StatementCache:
    """A parser that remembers statements.

    >>> from dsl import parse
    >>> cache = StatementCache()
    >>> cache.parse("Task a GPU; Task b CPU;") == parse("Task a GPU;  Task b CPU;")
    True
    """

    def __init__(self) -> None:
        self._known: dict[str, _Block] = {}
        self._lines = 0  # of all blocks, one after the other

    def __len__(self) -> int:
        return len(self._known)

    def parse(self, text: str) -> Program:
        """The syntax tree of a mapper, positions aside.

        Raises:
            MapperSyntaxError: The text is not a mapper; with the place in the whole text.
        """
        known, pending = self._known, ""
        statements: list[Statement] = []
        for line in text.split("\n"):
            block = pending + line
            found = known.get(block)
            if found is None and len(block) > MOST_CHARACTERS:
                return parse(text)
            if found is None:
                try:
                    found = self._learn(block)
                except MapperSyntaxError:
                    return parse(text)  # an error, or a liberty that only the whole text allows
            if found.statements is None:
                pending = block + "\n"
            else:
                statements += found.statements
                pending = ""
        if pending or not statements:
            return parse(text)
        return Program(tuple(statements), source=text)

    def _learn(self, block: str) -> _Block:
        if len(self._known) >= MOST_BLOCKS:
            self._known.clear()
            self._lines = 0
        plain = plain_statement(block, self._lines + 1) if "\n" not in block else None
        if plain is not None:
            self._lines += 1
            found = _Block((plain,))
        elif _goes_on(block):
            found = _Block(None)
        elif _is_blank(block):
            found = _Block(())
        else:
            # What tells statements apart by their places may do so here as well.
            found = _Block(parse("\n" * self._lines + block).statements)
            self._lines += block.count("\n") + 1
        self._known[block] = found
        return found


def _goes_on(block: str) -> bool:
    """Whether the last statement of a block is not complete."""
    start = depth = 0
    for match in _MARK.finditer(block):
        mark = match.group()
        if mark in ("{", "}"):
            depth += 1 if mark == "{" else -1
        if (mark in (";", "}") and depth == 0) or _is_blank(block[start : match.end()]):
            start = match.end()
    return depth > 0 or bool(block[start:].strip())


def _is_blank(block: str) -> bool:
    """Whether there is nothing but space and comments."""
    return not re.sub(r"(#|//)[^\n]*", "", block).strip()
