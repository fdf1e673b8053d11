"""Refuses, before it is parsed, a text whose expressions are nested too deeply.

The parser takes brackets and operators of any number, in seconds and hundreds of megabytes for
some hundred thousand; what it makes of them is refused only afterwards (`tree_builder`).
"""

from __future__ import annotations

import re

from dsl.errors import MapperSyntaxError
from dsl.limits import MAX_BRACKETS, MAX_NESTING
from dsl.syntax import Position

__all__ = ["check_depth"]

# Each operator of a chain is a level deeper, but for those that bind more tightly than others.
# There are eight levels of precedence: a chain of so many is refused afterwards in any case.
assert MAX_BRACKETS >= 16 * MAX_NESTING  # noqa: S101  (what the above needs)
_MARK = re.compile(
    r'(?:#|//)[^\n]*|"[^"\n]*"|(?P<open>[(\[])|(?P<close>[)\]])|(?P<anew>[;{}])|(?P<comma>,)'
    r"|(?P<operator>&&|\|\||[=!<>]=|[-+*/%<>?.])"
)


def check_depth(text: str) -> None:
    """Raises where a statement nests too many brackets, or chains too many operators.

    Raises:
        dsl.MapperSyntaxError: It does; the code is ``too-deep``.
    """
    if len(text) <= MAX_BRACKETS:
        return
    chains = [0]  # operators since the last comma, for each open bracket
    for mark in _MARK.finditer(text):
        match mark.lastgroup:
            case "operator":
                chains[-1] += 1
                if chains[-1] > MAX_BRACKETS:
                    raise _too_deep(text, mark.start(), "chains more operators")
            case "open":
                chains.append(0)
                if len(chains) > MAX_BRACKETS:
                    raise _too_deep(text, mark.start(), "nests more brackets")
            case "close":
                del chains[max(1, len(chains) - 1) :]
            case "comma":
                chains[-1] = 0
            case "anew":
                chains = [0]


def _too_deep(text: str, at: int, what: str) -> MapperSyntaxError:
    line, start = text.count("\n", 0, at) + 1, text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    column = at - start + 1
    return MapperSyntaxError(
        f"this statement {what} than can be read: at most {MAX_BRACKETS:,}",
        code="too-deep",
        position=Position(line, column, line, column + 1),
        source_line=text[start : len(text) if end < 0 else end],
        hint="give parts of the expression names of their own",
    )
