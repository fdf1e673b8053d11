"""Slips of syntax that can be mended without asking back: habits of Python, C++ and Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import dsl
from tuners.guide.guidance import Move, TextChange

if TYPE_CHECKING:
    from tuners.guide.case import Case
    from tuners.problems.problem import Finding

__all__ = ["mend_syntax"]

MOST_SLIPS = 20


class _Slip(NamedTuple):
    pattern: str
    instead: str
    why: str


_SLIPS = (
    _Slip(r"^\s*```\w*\s*$", "", "Markdown is no part of a mapper"),
    _Slip(r"(def\s+\w+\s*\([^)]*\))\s*:\s*\{", r"\1 {", "a function definition has no colon"),
    _Slip(r"(def\s+\w+\s*\([^)]*\))\s*:\s*$", r"\1 {", "a function's body stands in braces"),
    _Slip(r"\band\b", "&&", "the logical and is &&"),
    _Slip(r"\bor\b", "||", "the logical or is ||"),
    _Slip(r"^(\s*)(?:int|auto|const|var|let)\s+(\w+\s*=)", r"\1\2", "variables have no types"),
    _Slip(r"([\w)\]])\s*//\s*(?=[\w(])", r"\1 / ", "integer division is /"),
    _Slip(r"^(\s*)#?\s*include.*$", "", "there is nothing to include"),
    _Slip(r"([^;{}\s])[ \t]*$", r"\1;", "every statement but def ends in ;"),
    _Slip(r"$", " }", "a function ends in }"),
)
"""Patterns over one line, what takes their place, and why."""


def mend_syntax(case: Case, _: Mapping[str, str], __: Finding | None) -> Iterator[Move]:
    """The text as it was probably meant, where it does not parse."""
    error = _error(case.text)
    if case.program is not None or error is None:
        return
    lines, reasons = case.text.split("\n"), dict[str, None]()
    for _attempt in range(MOST_SLIPS):
        found = _mended(lines, error)
        if found is None:
            return
        number, line, why, error = found
        lines[number] = line
        reasons[why] = None
        if error is None:
            change = _change(case.text.split("\n"), lines)
            yield Move(change, "index map", {"why": "; ".join(reasons)})
            return


def _error(text: str) -> dsl.MapperSyntaxError | None:
    try:
        dsl.parse(text)
    except dsl.MapperSyntaxError as error:
        return error
    return None


def _mended(
    lines: Sequence[str], error: dsl.MapperSyntaxError
) -> tuple[int, str, str, dsl.MapperSyntaxError | None] | None:
    """A line to change so that the text parses further: its number, the line, and why."""
    where = _line(error, lines)
    before = next((n for n in range(where - 1, -1, -1) if lines[n].strip()), where)
    for number in dict.fromkeys((where, before)):
        for slip in _SLIPS:
            line = re.sub(slip.pattern, slip.instead, lines[number])
            if line == lines[number]:
                continue
            after = _error("\n".join([*lines[:number], line, *lines[number + 1 :]]))
            if after is None or _place(after) > _place(error):
                return number, line, slip.why, after
    return None


def _line(error: dsl.MapperSyntaxError, lines: Sequence[str]) -> int:
    """The number, from 0, of the line where parsing stopped."""
    return min((error.position.line if error.position else len(lines)) - 1, len(lines) - 1)


def _place(error: dsl.MapperSyntaxError) -> tuple[int, int]:
    return (error.position.line, error.position.column) if error.position else (0, 0)


def _change(old: Sequence[str], new: Sequence[str]) -> TextChange:
    """The stretch of lines that differ; all of them where that stretch occurs twice."""
    differing = [n for n, pair in enumerate(zip(old, new, strict=True)) if pair[0] != pair[1]]
    part = slice(differing[0], differing[-1] + 1)
    stretch, text = "\n".join(old[part]), "\n".join(old)
    if text.count(stretch) == 1 and stretch.strip():
        return TextChange("\n".join(new[part]), stretch)
    return TextChange("\n".join(new), text)
