"""The helpers that a compiled mapper needs, and no others.

The files in ``c_policy`` consist of pieces with blank lines between them: a function, a type, a
table, a macro. A piece that nothing uses, not even indirectly, is left out, so that the C of a
small mapper is short and compiles fast.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import zip_longest

__all__ = ["needed_helpers", "resource"]

_PIECES = re.compile(r"\n\n+(?=\S)")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_WORD = re.compile(r"[A-Za-z_]\w*")
# What a piece defines: macros, functions and tables, tagged types, type names, enumerators.
_DEFINITIONS = (
    re.compile(r"^#define (\w+)", re.MULTILINE),
    re.compile(r"^(?:HELPER|INLINE|static)\b[^(=;\[{]*?(\w+)(?:\(|\[)", re.MULTILINE),
    re.compile(r"^(?:typedef )?(?:struct|enum|union) (\w+)", re.MULTILINE),
    re.compile(r"^\} (\w+);", re.MULTILINE),
    re.compile(r"^typedef [^{]*?(\w+)(?:\([^)]*\))?;$", re.MULTILINE),
)
_ENUMERATION = re.compile(r"^(?:typedef )?enum[^{]*\{(.*?)\}", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class _Piece:
    text: str
    defines: frozenset[str]
    uses: frozenset[str]

    @property
    def heading(self) -> bool:
        """Whether the piece is the heading of a file."""
        return self.text.startswith("/* ----")

    @property
    def always(self) -> bool:
        """Whether the piece stands by itself: an include, or the heading of a file."""
        return not self.defines


@cache
def resource(path: str) -> str:
    """The text of a file of this package."""
    return files("dsl.c_output").joinpath(path).read_text(encoding="utf-8")


def needed_helpers(parts: Iterable[str], users: Sequence[str]) -> list[str]:
    """The pieces of the named files that some texts use, directly or indirectly, in order."""
    pieces = [piece for part in parts for piece in _pieces(part)]
    pending = {word for text in users for word in _words(text)}
    pending |= {word for piece in pieces if piece.always for word in piece.uses}
    wanted: set[str] = set()
    by_name: dict[str, list[_Piece]] = {}
    for piece in pieces:
        for name in piece.defines:
            by_name.setdefault(name, []).append(piece)
    while pending:
        name = pending.pop()
        wanted.add(name)
        for piece in by_name.get(name, ()):
            pending |= piece.uses - wanted
    needed = [piece for piece in pieces if piece.always or piece.defines & wanted]
    return [
        piece.text + "\n"
        for piece, following in zip_longest(needed, needed[1:])
        if not piece.heading or (following and not following.heading)
    ]


@cache
def _pieces(part: str) -> tuple[_Piece, ...]:
    return tuple(_piece(text.strip("\n")) for text in _PIECES.split(resource(part)))


def _piece(text: str) -> _Piece:
    code = _COMMENT.sub(" ", text)
    defines = {name for pattern in _DEFINITIONS for name in pattern.findall(code)}
    for body in _ENUMERATION.findall(code):
        defines |= {entry.split("=")[0].strip() for entry in body.split(",")}
    return _Piece(text, frozenset(defines - {""}), frozenset(_words(code)))


def _words(text: str) -> Iterable[str]:
    return _WORD.findall(_COMMENT.sub(" ", text))
