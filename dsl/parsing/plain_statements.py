"""Statements that are easy to read: rules on one line that consist of names and words alone.

Most lines of a mapper are such. They are read by one regular expression each, some twenty times as
fast as by the grammar; whatever is not plainly such a rule is left to the grammar, which also says
what is wrong with it. The trees are those of ``parse``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType

from dsl import syntax
from dsl.machine_shape import MEMORY_KINDS, PROCESSOR_KINDS
from dsl.names import NAME_PATTERN
from dsl.parsing.tree_builder import LAYOUT_WORDS as SETTINGS
from dsl.parsing.words import LAYOUT_WORDS
from dsl.syntax import Position

__all__ = ["plain_statement"]

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
