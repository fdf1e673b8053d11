"""Cuts a template into units: pieces that render as whole statements, whatever the holes hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from dsl.templates.text.pieces import Group, Literal, Piece

__all__ = ["split_units"]

_MARK = re.compile(r"[{};]")


def split_units(pieces: Iterable[Piece]) -> list[tuple[Piece, ...]]:
    """Cuts a template where a statement ends in literal text, outside of the braces of a function.

    Comments are left out, so that a unit without statements holds blanks alone; groups that
    are definitions always stand. A unit may hold several statements where a hole hides where
    they end.
    """
    units: list[list[Piece]] = [[]]
    depth = 0
    for piece in _without_definitions(pieces):
        if not isinstance(piece, Literal):
            units[-1].append(piece)
            if isinstance(piece, Group) and not depth and _ends_statement(piece):
                units.append([])
        elif piece.opaque:
            if piece.text.startswith('"'):
                units[-1].append(piece)
        else:
            for part, after in _cut(piece, depth):
                depth = after
                units[-1].append(part)
                if not depth and part.text[-1] in "};":
                    units.append([])
    return [tuple(unit) for unit in units if not all(map(_is_blank, unit))]


def _without_definitions(pieces: Iterable[Piece]) -> Iterator[Piece]:
    for piece in pieces:
        if isinstance(piece, Group) and piece.defines:
            yield from piece.pieces
        else:
            yield piece


def _cut(literal: Literal, depth: int) -> Iterator[tuple[Literal, int]]:
    """The parts of literal text up to the ends of statements, and the braces open after each."""
    start = 0
    for mark in _MARK.finditer(literal.text):
        depth += {"{": 1, "}": -1}.get(mark[0], 0)
        depth = max(depth, 0)
        if not depth and mark[0] != "{":
            yield Literal(literal.text[start : mark.end()], literal.offset + start), depth
            start = mark.end()
    if start < len(literal.text):
        yield Literal(literal.text[start:], literal.offset + start), depth


def _ends_statement(group: Group) -> bool:
    texts = [piece.text for piece in group.pieces if isinstance(piece, Literal)]
    return "".join(texts).rstrip().endswith((";", "}"))


def _is_blank(piece: Piece) -> bool:
    return isinstance(piece, Literal) and not piece.text.strip()
