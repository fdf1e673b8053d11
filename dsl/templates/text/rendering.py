"""Putting texts into the holes of a template's pieces, and which definitions stand then.

A definition stands where its name is used, and a name may be put together from literal text and
holes, as in ``${map}_GPU``. What each such word can stand for is worked out once, so that a
rendering only looks at words that may be a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from math import prod

from dsl.templates.space.parameters import NONE, Parameter
from dsl.templates.text.pieces import Group, HoleUse, Literal, Piece

__all__ = ["Rendering"]

_FIRST_HOLE = 0xF0000  # characters of no script stand for holes, one each
_HOLE = re.compile("[\U000f0000-\U000ffffd]")
_WORD = re.compile("[\\w\U000f0000-\U000ffffd]+")
_ENUMERATED = 1000  # texts of one word that are looked at beforehand

Texts = Mapping[str, str | None]


class _Word:
    """A word with holes in it."""

    def __init__(self, form: str, names: Sequence[str], defaults: Mapping[str, str]) -> None:
        self.names = [names[ord(mark) - _FIRST_HOLE] for mark in _HOLE.findall(form)]
        self._form = _HOLE.sub("{}", form)
        self._defaults = defaults

    def text(self, texts: Texts) -> str:
        shown = [(texts[name], self._defaults[name]) for name in self.names]
        return self._form.format(*[default if text is None else text for text, default in shown])


class _DefinitionUses:
    """The definitions of a template by name, and what uses them.

    Args:
        pieces: All pieces of the template.
        parameters: Its parameters by name.
        defaults: What each hole renders as where it does not count.
    """

    def __init__(
        self,
        pieces: Sequence[Piece],
        parameters: Mapping[str, Parameter],
        defaults: Mapping[str, str],
    ) -> None:
        self._defaults = defaults
        groups = [piece for piece in pieces if isinstance(piece, Group)]
        self._parameters = parameters
        names = [group.defines for group in groups if group.defines]
        self._definitions = {name: re.compile(rf"\b{name}\b") for name in names}
        plain = [piece for piece in pieces if not isinstance(piece, Group)]
        # What each definition, each group and the rest uses: always, and depending on words.
        self._of_definitions = {g.defines: self._uses(g.pieces)[0] for g in groups if g.defines}
        self._of_groups = [(g, *self._uses(g.pieces)) for g in groups if not g.defines]
        self._of_rest = self._uses(plain)

    def __bool__(self) -> bool:
        return bool(self._definitions)

    def used(self, texts: Texts) -> set[str]:
        """The definitions that a rendering uses, those that they use among them."""
        always, words = self._of_rest
        new = always.union(*[self._mentioned(word.text(texts)) for word in words])
        for group, uses, words in self._of_groups:
            if (uses or words) and all(texts[name] for name in group.names):
                new |= uses.union(*[self._mentioned(word.text(texts)) for word in words])
        found: set[str] = set()
        while new:
            found |= new
            new = set().union(*[self._of_definitions[name] for name in new]) - found
        return found

    def _uses(self, pieces: Iterable[Literal | HoleUse]) -> tuple[set[str], list[_Word]]:
        """The definitions that some pieces always use, and the words that may use others."""
        names: list[str] = []
        marked = ""
        for piece in pieces:
            if isinstance(piece, HoleUse):
                marked += chr(_FIRST_HOLE + len(names))
                names.append(piece.name)
            else:
                marked += "\n" if piece.opaque else piece.text
        words = [
            _Word(form, names, self._defaults)
            for form in _WORD.findall(marked)
            if _HOLE.search(form)
        ]
        return self._mentioned(marked), [word for word in words if self._may_mention(word)]

    def _may_mention(self, word: _Word) -> bool:
        names = list(dict.fromkeys(word.names))
        spreads = [self._parameters[name].values for name in names]
        if prod(map(len, spreads)) > _ENUMERATED:
            return True
        shown = [["" if value == NONE else str(value) for value in values] for values in spreads]
        return any(
            self._mentioned(word.text(dict(zip(names, texts, strict=True))))
            for texts in product(*shown)
        )

    def _mentioned(self, text: str) -> set[str]:
        """The definitions whose names stand in a text."""
        return {
            name for name, word in self._definitions.items() if name in text and word.search(text)
        }


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
        self._uses = _DefinitionUses(self.pieces, parameters, self._defaults)

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
