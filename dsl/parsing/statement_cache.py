"""Parsing of many similar mappers: each line is parsed once, whichever mapper it stands in.

A tuner renders thousands of mappers from one template; they consist of the same few hundred
lines, and of functions of some lines each. The trees are those of ``parse``, except that
positions are not those in the text; they only differ for different statements. Where a mapper
fails and its error must name the position, parse it in full.

Most lines are plain: rules on one line that consist of names and words alone. They are read by one
regular expression each, some twenty times as fast as by the grammar; whatever is not plainly such
a rule is left to the grammar, which also says what is wrong with it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from dsl import syntax
from dsl.errors import MapperSyntaxError
from dsl.limits import MAX_TEXT
from dsl.machine_shape import MEMORY_KINDS, PROCESSOR_KINDS
from dsl.names import NAME_PATTERN
from dsl.parsing.parse import is_known_to_fail, parse, parse_from
from dsl.parsing.tree_builder import LAYOUT_WORDS as SETTINGS
from dsl.parsing.words import LAYOUT_WORDS
from dsl.syntax import Position, Program, Statement

__all__ = ["StatementCache", "plain_statement"]

# Comments and strings hide what follows.
_MARK = re.compile(r'#[^\n]*|//[^\n]*|"[^"\n]*"|[;{}]')
MOST_BLOCKS = 100_000
# No function of a template is longer; a text with a longer statement is read as a whole.
MOST_CHARACTERS = 2_000
# A text with more that is new, and not plain, is read sooner as a whole.
MOST_NEW = 8_000


class _Block(NamedTuple):
    """Some lines of a text.

    Attributes:
        statements: The statements in it, or None where the last one goes on.
        depth: How many braces are open at its end.
        is_plain: Whether it is a plain statement.
    """

    statements: tuple[Statement, ...] | None
    depth: int = 0
    is_plain: bool = False


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
        if len(text) > MAX_TEXT or is_known_to_fail(text):
            return parse(text)
        memory = self._memory
        if len(memory.known) >= MOST_BLOCKS:
            memory = self._memory = _Memory()
        pending, depth, begun, whole, new = "", 0, 0, 0, 0
        statements: list[Statement] = []
        for number, line in enumerate(text.split("\n")):
            begun = begun if pending else number
            block = pending + line
            found = memory.known.get(block)
            if found is None and len(block) > MOST_CHARACTERS:
                return parse_from(text, whole)
            if found is None:
                try:
                    found = memory.learn(pending, line, depth)
                except MapperSyntaxError:
                    return parse_from(text, whole)  # an error, or right in the whole only
                new += len(block) if found.statements and not found.is_plain else 0
                if new > MOST_NEW:
                    return parse(text)
            if found.statements is None:
                pending, depth = block + "\n", found.depth
            else:
                statements += found.statements
                pending, depth = "", 0
                whole = begun if found.statements else whole
        if pending or not statements:
            return parse_from(text, whole)
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
            return _Block((plain,), is_plain=True)
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


# Plain statements

_NAMES = rf"({NAME_PATTERN}(?:[ \t\r]*,[ \t\r]*{NAME_PATTERN})*|\*)"
# Nine digits: what is longer does not fit 32 bits, and is not plain.
_REGION = rf"({NAME_PATTERN}|\*|[0-9]{{1,9}})"
_KIND, _MEMORY = "|".join(PROCESSOR_KINDS), "|".join(MEMORY_KINDS)
_MEMORIES = rf"((?:{_MEMORY})(?:[ \t\r]*,[ \t\r]*(?:{_MEMORY}))*)"
_CONSTRAINT = rf"(?:{'|'.join(LAYOUT_WORDS)}|Align[ \t\r]*==[ \t\r]*[0-9]{{1,9}})"
_CONSTRAINTS = rf"((?:[ \t\r]+{_CONSTRAINT})*)"

_Reader = Callable[[re.Match[str], Position], syntax.Statement]


@lru_cache(maxsize=1_000)
def _settings(constraints: str) -> Mapping[str, object]:
    """What the constraints of a layout set; the last of its kind holds."""
    settings: dict[str, object] = {}
    for word in constraints.replace("==", " ").replace("Align", "Align ").split():
        if word.isdigit():
            settings["align"] = syntax.Align("==", int(word))
        elif word != "Align":
            name, value = SETTINGS[word]
            settings[name] = value
    return MappingProxyType(settings)


@lru_cache(maxsize=10_000)
def _listed(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


def _region(text: str) -> str:
    return str(int(text)) if text[0].isdigit() else text


def _task(m: re.Match[str], where: Position) -> syntax.Statement:
    return syntax.Task(_listed(m[1]), _listed(m[2]), position=where)


def _memory_rule(m: re.Match[str], where: Position) -> syntax.Statement:
    return syntax.Region(_listed(m[1]), _region(m[2]), m[3], _listed(m[4]), position=where)


def _layout(m: re.Match[str], where: Position) -> syntax.Statement:
    layout: Callable[..., syntax.Statement] = syntax.Layout
    return layout(_listed(m[1]), _region(m[2]), m[3], **_settings(m[4]), position=where)


def _limit(m: re.Match[str], where: Position) -> syntax.Statement:
    return syntax.InstanceLimit(m[1], int(m[2]), position=where)


def _collect(m: re.Match[str], where: Position) -> syntax.Statement:
    return syntax.CollectMemory(m[1], m[2], position=where)


def _index_map(m: re.Match[str], where: Position) -> syntax.Statement:
    return syntax.IndexTaskMap(_listed(m[1]), m[2], position=where)


def _single_map(m: re.Match[str], where: Position) -> syntax.Statement:
    return syntax.SingleTaskMap(_listed(m[1]), m[2], position=where)


def _form(*parts: str) -> re.Pattern[str]:
    return re.compile(r"[ \t\r]*" + r"[ \t\r]+".join(parts) + r"[ \t\r]*;[ \t\r]*", re.ASCII)


_FORMS: dict[str, tuple[re.Pattern[str], _Reader]] = {
    "T": (_form("Task", _NAMES, rf"((?:{_KIND})(?:[ \t\r]*,[ \t\r]*(?:{_KIND}))*)"), _task),
    "R": (_form("Region", _NAMES, _REGION, rf"({_KIND}|\*)", _MEMORIES), _memory_rule),
    "L": (
        _form("Layout", _NAMES, _REGION, rf"({_MEMORY}|{_KIND}|\*)" + _CONSTRAINTS),
        _layout,
    ),
    "In": (_form("InstanceLimit", f"({NAME_PATTERN})", "([0-9]{1,9})"), _limit),
    "C": (_form("CollectMemory", rf"({NAME_PATTERN}|\*)", rf"({NAME_PATTERN}|\*)"), _collect),
    "IT": (_form("IndexTaskMap", _NAMES, f"({NAME_PATTERN})"), _index_map),
    "S": (_form("SingleTaskMap", _NAMES, f"({NAME_PATTERN})"), _single_map),
}
_BEGINNINGS = {
    "Ta": "T",
    "Re": "R",
    "La": "L",
    "In": "In",
    "Co": "C",
    "Si": "S",
}


def plain_statement(line: str, number: int) -> syntax.Statement | None:
    """The statement that a line consists of, or None where it is not plainly one.

    Args:
        line: The line.
        number: The number of the line, for the statement's position.
    """
    start = line.lstrip()
    key = _BEGINNINGS.get(start[:2])
    if key is None:
        return None
    if start.startswith("IndexTaskMap"):
        key = "IT"
    form, read = _FORMS[key]
    match = form.fullmatch(line)
    if match is None:
        return None
    return read(match, Position(number, 1, number, len(line) + 1))
