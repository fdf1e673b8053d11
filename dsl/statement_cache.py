"""Parsing of many similar mappers: each statement is parsed once, whichever mapper it stands in.

A tuner renders thousands of mappers from one template; they consist of the same few hundred
statements. The trees are those of ``parse``, except that positions count from the beginning of
their statement: where a mapper fails and its error must name the place, parse it in full.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from dsl.errors import MapperSyntaxError
from dsl.parse import parse
from dsl.syntax import Program, Statement

__all__ = ["StatementCache"]

# Comments and strings hide what follows; braces nest at most once.
_MARK = re.compile(r'#[^\n]*|//[^\n]*|"[^"\n]*"|[;{}]')
MOST_STATEMENTS = 100_000


class StatementCache:
    """A parser that remembers statements.

    >>> from dsl import parse
    >>> cache = StatementCache()
    >>> cache.parse("Task a GPU; Task b CPU;") == parse("Task a GPU;  Task b CPU;")
    True
    >>> len(cache)
    2
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[Statement, ...]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def parse(self, text: str) -> Program:
        """The syntax tree of a mapper, positions aside.

        Raises:
            MapperSyntaxError: The text is not a mapper; with the place in the whole text.
        """
        statements: list[Statement] = []
        for chunk in _chunks(text):
            found = self._known.get(chunk) or self._learn(chunk)
            if found is None:
                return parse(text)  # an error, or a liberty that only the whole text allows
            statements += found
        return Program(tuple(statements), source=text) if statements else parse(text)

    def _learn(self, chunk: str) -> tuple[Statement, ...] | None:
        try:
            found = parse(chunk).statements
        except MapperSyntaxError:
            return None
        if len(self._known) >= MOST_STATEMENTS:
            self._known.clear()
        self._known[chunk] = found
        return found


def _chunks(text: str) -> Iterator[str]:
    """The statements of a text, comments before them left out; the last may be incomplete."""
    start = depth = 0
    for match in _MARK.finditer(text):
        mark = match.group()
        if mark == "{":
            depth += 1
        elif mark == "}":
            depth -= 1
        elif mark != ";":
            if mark[0] != '"' and not depth and not text[start : match.start()].strip():
                start = match.end()  # a comment between statements
            continue
        if depth == 0:
            yield text[start : match.end()].strip()
            start = match.end()
    rest = text[start:].strip()
    if rest:
        yield rest
