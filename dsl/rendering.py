"""Putting texts into the holes of a template's pieces."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from dsl.template_text import Group, HoleUse, Literal, Piece

__all__ = ["Rendering"]

Texts = Mapping[str, str | None]


class Rendering:
    """Pieces, and what stands in a hole outside of groups that does not count.

    Attributes:
        pieces: The pieces.
        names: The holes in them, each once.
    """

    def __init__(self, pieces: Iterable[Piece], defaults: Mapping[str, str]) -> None:
        self.pieces = tuple(pieces)
        self.names = tuple(dict.fromkeys(_names(self.pieces)))
        self._defaults = defaults
        groups = [piece for piece in self.pieces if isinstance(piece, Group) and piece.defines]
        self._words = {g.defines: re.compile(rf"\b{g.defines}\b") for g in groups if g.defines}
        # What each definition uses, itself among it.
        self._uses = {g.defines: self._mentioned(_code(g.pieces)) for g in groups if g.defines}

    def text(self, texts: Texts) -> str:
        """The rendering; a text is None where the hole does not count."""
        defaults = self._defaults
        parts: list[str] = []
        for piece in self.standing(texts):
            if isinstance(piece, Literal):
                parts.append(piece.text)
            else:
                text = texts[piece.name]
                parts.append(defaults[piece.name] if text is None else text)
        return "".join(parts)

    def standing(self, texts: Texts) -> list[Literal | HoleUse]:
        """The pieces that are not left out, those of groups among them."""
        flat: list[Literal | HoleUse] = []
        definitions: list[tuple[int, Group]] = []
        for piece in self.pieces:
            if not isinstance(piece, Group):
                flat.append(piece)
            elif piece.defines:
                definitions.append((len(flat), piece))
            elif all(texts[name] for name in piece.names):
                flat += piece.pieces
        return self._with_definitions(flat, definitions, texts) if definitions else flat

    def _with_definitions(
        self,
        flat: list[Literal | HoleUse],
        definitions: list[tuple[int, Group]],
        texts: Texts,
    ) -> list[Literal | HoleUse]:
        """The pieces, with the definitions that they use put at their places."""
        new = self._mentioned(_code(flat, texts))
        used: set[str] = set()
        while new:
            used |= new
            new = set().union(*(self._uses[name] for name in new)) - used
        complete: list[Literal | HoleUse] = []
        at = 0
        for place, group in definitions:
            if group.defines in used:
                complete += flat[at:place]
                complete += group.pieces
                at = place
        return complete + flat[at:]

    def _mentioned(self, text: str) -> set[str]:
        """The definitions whose names stand in a text."""
        return {name for name, word in self._words.items() if name in text and word.search(text)}


def _code(pieces: Iterable[Literal | HoleUse], texts: Texts | None = None) -> str:
    """Their text without comments and strings."""
    parts = []
    for piece in pieces:
        if isinstance(piece, HoleUse):
            parts.append((texts or {}).get(piece.name) or "")
        elif not piece.opaque:
            parts.append(piece.text)
    return "".join(parts)


def _names(pieces: Iterable[Piece]) -> Iterator[str]:
    for piece in pieces:
        if isinstance(piece, Group):
            yield from piece.names
        elif isinstance(piece, HoleUse):
            yield piece.name
