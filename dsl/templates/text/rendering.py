"""Putting texts into the holes of a template's pieces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from dsl.templates.space.parameter import NONE, Parameter
from dsl.templates.text.definition_uses import DefinitionUses
from dsl.templates.text.pieces import Group, HoleUse, Literal, Piece

__all__ = ["Rendering"]

Texts = Mapping[str, str | None]


class Rendering:
    """Pieces of a template, ready to have texts put into their holes.

    A hole outside of groups that does not count renders as its default.

    Attributes:
        pieces: The pieces.
        names: The holes in them, each once.
    """

    def __init__(self, pieces: Iterable[Piece], parameters: Mapping[str, Parameter]) -> None:
        self.pieces = tuple(pieces)
        self.names = tuple(dict.fromkeys(_names(self.pieces)))
        self._defaults = {
            name: "" if parameters[name].default == NONE else str(parameters[name].default)
            for name in self.names
        }
        self._uses = DefinitionUses(self.pieces, parameters, self._defaults)

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
        used = self._uses.used(texts) if self._uses else set()
        flat: list[Literal | HoleUse] = []
        for piece in self.pieces:
            if not isinstance(piece, Group):
                flat.append(piece)
            elif piece.defines in used if piece.defines else all(map(texts.get, piece.names)):
                flat += piece.pieces
        return flat


def _names(pieces: Iterable[Piece]) -> Iterator[str]:
    for piece in pieces:
        if isinstance(piece, Group):
            yield from piece.names
        elif isinstance(piece, HoleUse):
            yield piece.name
