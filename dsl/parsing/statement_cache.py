"""Parsing of many similar mappers: each line is parsed once, whichever mapper it stands in.

A tuner renders thousands of mappers from one template; they consist of the same few hundred
lines, and of functions of some lines each. The trees are those of ``parse``, except that
positions are not those in the text; they only differ for different statements. Where a mapper
fails and its error must name the position, parse it in full.
"""

from __future__ import annotations

import re
import threading
from typing import NamedTuple

from dsl.errors import MapperSyntaxError
from dsl.parsing.parse import parse
from dsl.parsing.plain_statements import plain_statement
from dsl.syntax import Program, Statement

__all__ = ["StatementCache"]

# Comments and strings hide what follows.
_MARK = re.compile(r'#[^\n]*|//[^\n]*|"[^"\n]*"|[;{}]')
MOST_BLOCKS = 100_000
# No function of a template is longer; a text with a longer statement is read as a whole.
MOST_CHARACTERS = 2_000


class _Block(NamedTuple):
    """Some lines of a text.

    Attributes:
        statements: The statements in it, or None where the last one goes on.
        depth: How many braces are open at its end.
    """

    statements: tuple[Statement, ...] | None
    depth: int = 0


class StatementCache:
    """A parser that remembers statements.

    >>> from dsl import parse
    >>> cache = StatementCache()
    >>> cache.parse("Task a GPU; Task b CPU;") == parse("Task a GPU;  Task b CPU;")
    True
    """

    def __init__(self) -> None:
        self._memory = _Memory()

    def __len__(self) -> int:
        return len(self._memory.known)

    def parse(self, text: str) -> Program:
        """The syntax tree of a mapper; its positions are not those in the text.

        Raises:
            MapperSyntaxError: The text is not a mapper; the position is that in the whole text.
        """
        memory = self._memory
        if len(memory.known) >= MOST_BLOCKS:
            memory = self._memory = _Memory()
        pending, depth = "", 0
        statements: list[Statement] = []
        for line in text.split("\n"):
            block = pending + line
            found = memory.known.get(block)
            if found is None and len(block) > MOST_CHARACTERS:
                return parse(text)
            if found is None:
                try:
                    found = memory.learn(pending, line, depth)
                except MapperSyntaxError:
                    return parse(text)  # an error, or right in the whole text only
            if found.statements is None:
                pending, depth = block + "\n", found.depth
            else:
                statements += found.statements
                pending, depth = "", 0
        if pending or not statements:
            return parse(text)
        return Program(tuple(statements), source=text)

    # What was read does not travel between processes, and need not.
    def __reduce__(self) -> tuple[object, ...]:
        return type(self), ()


class _Memory:
    """Blocks that were read, and how many lines they have, as if one stood below the other.

    A text is read with one memory from its first line to its last, so that no two of its
    statements stand at the same place, whatever other threads read or forget.
    """

    def __init__(self) -> None:
        self.known: dict[str, _Block] = {}
        self._lines = 0
        self._lock = threading.Lock()

    def learn(self, pending: str, line: str, depth: int) -> _Block:
        """Reads a block whose lines before the last go on, so many braces deep."""
        block = pending + line
        with self._lock:
            found = self.known.get(block)
            if found is None:
                found = self.known[block] = self._read(pending, line, depth)
        return found

    def _read(self, pending: str, line: str, depth: int) -> _Block:
        plain = None if pending else plain_statement(line, self._lines + 1)
        if plain is not None:
            self._lines += 1
            return _Block((plain,))
        depth, goes_on = _scan(line, depth, goes_on=bool(pending))
        if goes_on:
            return _Block(None, depth)
        if _is_blank(line) and not pending:
            return _Block(())
        # Positions stay distinct, for whatever tells statements apart by them.
        block = pending + line
        statements = parse("\n" * self._lines + block).statements
        self._lines += block.count("\n") + 1
        return _Block(statements)


def _scan(line: str, depth: int, *, goes_on: bool) -> tuple[int, bool]:
    """How deep in braces a line ends, and whether its last statement goes on."""
    start = 0
    for match in _MARK.finditer(line):
        mark = match.group()
        if mark in ("{", "}"):
            depth += 1 if mark == "{" else -1
        if mark in (";", "}") and depth == 0:
            goes_on = False
        elif not _is_blank(line[start : match.end()]):
            goes_on = True
        start = match.end()
    return depth, depth > 0 or goes_on or bool(line[start:].strip())


def _is_blank(line: str) -> bool:
    """Whether there is nothing but space and comments."""
    start = line.lstrip()
    return not start or start.startswith(("#", "//"))
