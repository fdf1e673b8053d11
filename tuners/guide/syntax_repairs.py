"""Slips of syntax that can be mended without asking back: habits of Python, C++ and Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from dsl.collected_regions import collected_by_name
from dsl.limits import MAX_TEXT
from dsl.parsing.changed_lines import ChangedLines, Place
from tuners.guide.guidance import Move, TextChange

if TYPE_CHECKING:
    from tuners.guide.case import Case
    from tuners.problems.problem import Finding

__all__ = ["mend_syntax"]

MOST_SLIPS = 20
PATIENCE = 60_000
"""Characters that are read again for changes: a few times those of the longest mappers."""


class _Slip(NamedTuple):
    pattern: str
    instead: str
    why: str


# Possessive, so that no line takes longer than its length.
_HEAD = r"(def\s++\w++\s*+\([^()]*+\))\s*+:\s*+"
_SLIPS = (
    _Slip(r"^\s*+```\w*+\s*+$", "", "Markdown is no part of a mapper"),
    _Slip(_HEAD + r"\{", r"\1 {", "a function definition has no colon"),
    _Slip(_HEAD + r"$", r"\1 {", "a function's body stands in braces"),
    _Slip(r"\band\b", "&&", "the logical and is &&"),
    _Slip(r"\bor\b", "||", "the logical or is ||"),
    _Slip(r"^(\s*+)(?:int|auto|const|var|let)\s++(\w++\s*+=)", r"\1\2", "variables have no types"),
    _Slip(r"([\w)\]])\s*+//\s*+(?=[\w(])", r"\1 / ", "integer division is /"),
    _Slip(r"^(\s*+)#?\s*+include.*$", "", "there is nothing to include"),
    _Slip(r"([^;{}\s])[ \t]*+$", r"\1;", "every statement but def ends in ;"),
    _Slip(r"$", " }", "a function ends in }"),
)
"""Patterns over one line, what takes their place, and why."""


def mend_syntax(case: Case, _: Mapping[str, str], __: Finding | None) -> Iterator[Move]:
    """The text as it was probably meant, where it does not parse."""
    if case.program is not None or len(case.text) > MAX_TEXT:
        return
    named, said = collected_by_name(case.text, case.application)
    text = ChangedLines(named, patience=PATIENCE)
    reasons = dict.fromkeys(["regions are collected by name"] if said else [])
    for _attempt in range(MOST_SLIPS):
        if text.stop is None:
            break
        why = _mended(text, text.stop)
        if why is None:
            return
        reasons[why] = None
    if reasons and text.stop is None:
        change = _change(case.text.split("\n"), text.lines)
        yield Move(change, "index map", {"why": "; ".join(reasons)})


def _mended(text: ChangedLines, stop: Place) -> str | None:
    """Changes a line so that the text parses further, and says why."""
    where, _ = stop
    before = next((n for n in range(where - 1, -1, -1) if text.lines[n].strip()), where)
    for number in dict.fromkeys((where, before)):
        for slip in _SLIPS:
            line = re.sub(slip.pattern, slip.instead, text.lines[number])
            if line != text.lines[number] and text.change(number, line):
                return slip.why
    return None


def _change(old: Sequence[str], new: Sequence[str]) -> TextChange:
    """The stretch of lines that differ; all of them where that stretch occurs twice."""
    differing = [n for n, pair in enumerate(zip(old, new, strict=True)) if pair[0] != pair[1]]
    part = slice(differing[0], differing[-1] + 1)
    stretch, text = "\n".join(old[part]), "\n".join(old)
    if text.count(stretch) == 1 and stretch.strip():
        return TextChange("\n".join(new[part]), stretch)
    return TextChange("\n".join(new), text)
