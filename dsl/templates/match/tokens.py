"""Matching a mapper against a template by its tokens: the exact inverse of rendering.

Both are brought to a form in which each token is followed by one blank and comments are left
out. There the template is a regular expression: each token with holes is a group of the texts
that it may be.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import NamedTuple

from dsl.templates.space.parameters import NONE, Parameter, Value
from dsl.templates.text.pieces import Group, HoleUse, Piece

__all__ = ["TokenMatcher", "canonical_tokens"]

_TOKEN = re.compile(r'(?:#|//)[^\n]*|"[^"\n]*"|[\w\U000f0000-\U000ffffd]+|[<>=!]=|&&|\|\||\S')
_FIRST_HOLE, _OPEN, _CLOSE = 0xF0000, "\U00100000", "\U00100001"
_HOLE = re.compile("[\U000f0000-\U000ffffd]")
_MAX_USES = 0xFFFE
_ENUMERATED = 10_000  # values of one token that are written out


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
        if prod(each.size for each in parameters) > _ENUMERATED:
            raise ValueError(f"more than {_ENUMERATED} values of one token")
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
