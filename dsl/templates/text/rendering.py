"""Putting texts into the holes of a template's pieces, and reading them back from a mapper.

A definition stands in a rendering where its name is used, and a name may be put together from
literal text and holes, as in ``${map}_GPU``. What each such word can stand for is worked out once,
so that a rendering only looks at words that may be a name.

The inverse is exact: template and mapper are brought to a form in which each token is followed by
one blank and comments are left out. There the template is a regular expression: each token with
holes is a group of the texts that it may be.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import product
from math import prod
from typing import NamedTuple

from dsl.bounded_cache import BoundedCache
from dsl.templates.space.parameters import NONE, Parameter, Value
from dsl.templates.text.pieces import Group, HoleUse, Literal, Piece

__all__ = ["Rendering", "TokenMatcher", "canonical_tokens"]

_FIRST_HOLE = 0xF0000  # characters of no script stand for holes, one each
_HOLE = re.compile("[\U000f0000-\U000ffffd]")
_WORD = re.compile("[\\w\U000f0000-\U000ffffd]+")
_WORDS_KEPT = 10_000
_SHOWN_KEPT = 1000  # texts of one hole
_ENUMERATED = 1000  # texts of one word that are looked at beforehand
_TOKEN = re.compile(r'(?:#|//)[^\n]*|"[^"\n]*"|[\w\U000f0000-\U000ffffd]+|[<>=!]=|&&|\|\||\S')
_OPEN, _CLOSE = "\U00100000", "\U00100001"  # and two more for the ends of groups
_MAX_USES = 0xFFFE
_WRITTEN_OUT = 10_000  # values of one token that are written out

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
        self._found = BoundedCache[str, frozenset[str]](_WORDS_KEPT)
        # What each definition, each group and the rest uses: always, and depending on words.
        self._of_definitions = {g.defines: self._uses(g.pieces)[0] for g in groups if g.defines}
        of_groups = [(g, *self._uses(g.pieces)) for g in groups if not g.defines]
        self._of_groups = [(g, uses, words) for g, uses, words in of_groups if uses or words]
        self._of_rest = self._uses(plain)

    def __bool__(self) -> bool:
        return bool(self._definitions)

    def used(self, texts: Texts) -> set[str]:
        """The definitions that a rendering uses, those that they use among them."""
        always, words = self._of_rest
        new = always.union(*[self._named_by(word.text(texts)) for word in words])
        for group, uses, words in self._of_groups:
            if all(texts[name] for name in group.names):
                new |= uses.union(*[self._named_by(word.text(texts)) for word in words])
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

    def _named_by(self, word: str) -> frozenset[str]:
        """The definitions whose names stand in a word, which comes again in other renderings."""
        found = self._found.get(word)
        return self._found.keep(word, frozenset(self._mentioned(word))) if found is None else found

    def _mentioned(self, text: str) -> set[str]:
        """The definitions whose names stand in a text."""
        return {
            name for name, word in self._definitions.items() if name in text and word.search(text)
        }


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
        self._form = _form(self.pieces)
        self._slots = [self._slot(each) for each in self.pieces if not isinstance(each, Literal)]
        # Groups that stand by more than one hole, or by the use of what they define.
        self._groups = [
            (place, slot.group) for place, slot in enumerate(self._slots) if slot.group is not None
        ]

    def text(self, texts: Texts) -> str:
        """The rendering; a text is None where the hole does not count."""
        get = texts.get
        shown = [known[get(name)] for name, known, _ in self._slots]
        if self._groups:
            used = self._used(texts)
            for place, group in self._groups:
                if _stands(group, used, texts):
                    shown[place] = self._plain(group.pieces, texts)
        return self._form % tuple(shown)

    def _slot(self, piece: HoleUse | Group) -> _Slot:
        if isinstance(piece, HoleUse):
            default = self._defaults[piece.name]
            return _Slot(piece.name, _Shown(lambda text: default if text is None else text))
        if piece.defines or len(set(piece.names)) != 1:
            return _Slot("", _Shown(lambda _: ""), piece)
        name = piece.names[0]
        return _Slot(
            name, _Shown(lambda text: self._plain(piece.pieces, {name: text}) if text else "")
        )

    def _plain(self, pieces: Iterable[Literal | HoleUse], texts: Texts) -> str:
        """Pieces that are no groups."""
        parts: list[str] = []
        for piece in pieces:
            if isinstance(piece, Literal):
                parts.append(piece.text)
            else:
                text = texts[piece.name]
                parts.append(self._defaults[piece.name] if text is None else text)
        return "".join(parts)

    def standing(self, texts: Texts) -> list[Literal | HoleUse]:
        """The pieces that are not left out, those of groups among them."""
        used = self._used(texts)
        flat: list[Literal | HoleUse] = []
        for piece in self.pieces:
            if not isinstance(piece, Group):
                flat.append(piece)
            elif _stands(piece, used, texts):
                flat += piece.pieces
        return flat

    def _used(self, texts: Texts) -> AbstractSet[str]:
        return self._uses.used(texts) if self._uses else frozenset()


def _stands(group: Group, used: AbstractSet[str], texts: Texts) -> bool:
    """Whether a group is not left out."""
    return group.defines in used if group.defines else all(map(texts.get, group.names))


class _Shown(dict[str | None, str]):
    """What a piece renders as, by the text of its hole; what was made once is kept."""

    def __init__(self, make: Callable[[str | None], str]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, text: str | None) -> str:
        shown = self._make(text)
        if len(self) < _SHOWN_KEPT:
            self[text] = shown
        return shown


class _Slot(NamedTuple):
    """A place in the text that holes decide about.

    Attributes:
        name: The hole; empty for a group that is written anew each time.
        shown: What stands there, by the text of the hole.
        group: That group.
    """

    name: str
    shown: _Shown
    group: Group | None = None


def _form(pieces: Iterable[Piece]) -> str:
    """The pieces as a form for ``%``: a place for each hole and each group."""
    return "".join(
        [each.text.replace("%", "%%") if isinstance(each, Literal) else "%s" for each in pieces]
    )


def _names(pieces: Iterable[Piece]) -> Iterator[str]:
    for piece in pieces:
        if isinstance(piece, Group):
            yield from piece.names
        elif isinstance(piece, HoleUse):
            yield piece.name


# Reading back


def canonical_tokens(text: str) -> str:
    """The tokens of a mapper, each followed by a blank; no comments.

    >>> canonical_tokens("Task * GPU,CPU; # all")
    'Task * GPU , CPU ; '
    """
    return "".join(
        [f"{token} " for token in _TOKEN.findall(text) if not token.startswith(("#", "//"))]
    )


Candidates = list[dict[str, Value]]


class _Place(NamedTuple):
    """A token with holes: what each text that it may have says of their values."""

    values: Mapping[str, Candidates]
    range_name: str | None = None

    def candidates(self, text: str) -> Candidates:
        if self.range_name is not None:
            return [{self.range_name: int(text.replace(" ", ""))}]
        return self.values[text]


class TokenMatcher:
    """Some pieces of a template as a regular expression over canonical tokens.

    Raises:
        ValueError: There are too many holes, or too many values of the holes of one token.
    """

    def __init__(self, pieces: Iterable[Piece], parameters: Mapping[str, Parameter]) -> None:
        self._parameters = parameters
        self._uses: list[str] = []
        self._places: list[_Place] = []
        marked = "".join([self._marked(piece) for piece in pieces])
        tokens = _TOKEN.findall(marked)
        self._pattern = re.compile("".join([self._token(token) for token in tokens]))

    def match(self, tokens: str) -> dict[str, Value] | None:
        """The values that can be read from a whole text, or None where it does not match.

        A hole in a group that was left out is not among them. The range of an integer is not
        checked, nor whether a parameter counts.
        """
        found = self._pattern.fullmatch(tokens)
        return None if found is None else self._read(found)

    def search(self, tokens: str) -> Iterator[dict[str, Value]]:
        """The values that can be read from each part of a text that matches."""
        for found in self._pattern.finditer(tokens):
            values = self._read(found) if found[0] else None
            if values is not None:
                yield values

    def _read(self, found: re.Match[str]) -> dict[str, Value] | None:
        values: dict[str, Value] = {}
        for place, text in zip(self._places, found.groups(), strict=True):
            if text is None:
                continue
            for candidate in place.candidates(text):
                if all(values.get(name, value) == value for name, value in candidate.items()):
                    values |= candidate
                    break
            else:
                return None
        return values

    # Construction

    def _marked(self, piece: Piece) -> str:
        """The text of a piece, with characters that stand for holes and ends of groups."""
        if isinstance(piece, Group):
            return f"{_OPEN}{''.join([self._marked(each) for each in piece.pieces])}{_CLOSE}"
        if isinstance(piece, HoleUse):
            self._uses.append(piece.name)
            if len(self._uses) > _MAX_USES:
                raise ValueError(f"more than {_MAX_USES} holes")
            return chr(_FIRST_HOLE + len(self._uses) - 1)
        return "\n" if piece.opaque and not piece.text.startswith('"') else piece.text

    def _token(self, token: str) -> str:
        if token in (_OPEN, _CLOSE):
            # Possessive: a group that can stand does, so that no text takes long to fail.
            return "(?:" if token == _OPEN else ")?+"
        marks = _HOLE.findall(token)
        if not marks or token.startswith('"'):
            return re.escape(f"{token} ")
        names = [self._uses[ord(mark) - _FIRST_HOLE] for mark in marks]
        if token == marks[0] and self._parameters[names[0]].is_range:
            self._places.append(_Place({}, names[0]))
            return r"((?:- )?\d+ )"
        self._places.append(_Place(self._written_out(token, marks, names)))
        texts = sorted(self._places[-1].values, key=len, reverse=True)
        return f"({'|'.join(map(re.escape, texts))})"

    def _written_out(
        self, token: str, marks: list[str], names: list[str]
    ) -> dict[str, Candidates]:
        """The texts of a token with holes in it, for all their values."""
        parameters = [self._parameters[name] for name in dict.fromkeys(names)]
        if prod(each.size for each in parameters) > _WRITTEN_OUT:
            raise ValueError(f"more than {_WRITTEN_OUT} values of one token")
        written: dict[str, Candidates] = {}
        spreads: list[Sequence[Value]] = [each.values for each in parameters]
        for values in product(*spreads):
            assignment: dict[str, Value] = {
                each.name: value for each, value in zip(parameters, values, strict=True)
            }
            texts = {
                mark: "" if assignment[name] == NONE else str(assignment[name])
                for mark, name in zip(marks, names, strict=True)
            }
            text = "".join([texts.get(character, character) for character in token])
            written.setdefault(canonical_tokens(text), []).append(assignment)
        return written
