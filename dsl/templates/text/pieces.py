"""Reading a template's text: pieces of mapper text, holes, and groups that may be left out.

A hole is described where it first stands, between ``${`` and ``}``::

    ${NAME: CHOICES}
    ${NAME: CHOICES = DEFAULT}
    ${NAME: CHOICES when CONDITION}
    ${NAME: CHOICES = DEFAULT when CONDITION}

    CHOICES    one integer range LOW..HIGH, or choices separated by |
    CHOICE     any text, trimmed; the word none, which renders as nothing; among several
               choices LOW..HIGH stands for each of its integers
    CONDITION  COMPARISON and COMPARISON ...
    COMPARISON OTHER == VALUE, OTHER != VALUE or OTHER in (VALUE, VALUE, ...)

``${NAME}`` stands for the same hole again. ``OTHER`` is a hole described before. A text that has
one of ``| = { } '`` or the word ``when`` in it is quoted: ``'a || b'``; there is no quote within
quotes (``==``, ``<=``, ``>=`` and ``!=`` need none). Without one, the default is the first choice.

``$[ ... ]`` is an optional group: it is left out where a hole in it holds ``none`` or does not
count because its condition fails. A group without holes is a function or a global variable,
``$[def f(Task t) { ... }]`` or ``$[m = Machine(GPU);]``: it is left out where nothing that stands
uses its name. Brackets within are balanced; a group holds no other group.

Comments and strings of the mapper are copied as they stand, and have no holes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from dsl.templates.space.parameters import Parameter
from dsl.templates.text.hole import parse_hole
from dsl.templates.text.source import TemplateSource

__all__ = ["Group", "HoleUse", "Literal", "Piece", "TemplateText", "read_template"]


@dataclass(frozen=True, slots=True)
class Literal:
    """Mapper text that stands in every rendering; comments and strings are pieces of their own."""

    text: str
    offset: int
    opaque: bool = False


@dataclass(frozen=True, slots=True)
class HoleUse:
    """Where the value of a parameter is put."""

    name: str
    offset: int


@dataclass(frozen=True, slots=True)
class Group:
    """Pieces that stand together or not at all.

    Attributes:
        names: The parameters whose values decide whether it stands.
        defines: Where there are none, the function or variable whose use decides.
    """

    pieces: tuple[Literal | HoleUse, ...]
    offset: int
    defines: str | None = None
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        names = tuple(piece.name for piece in self.pieces if isinstance(piece, HoleUse))
        object.__setattr__(self, "names", names)


Piece = Literal | HoleUse | Group


@dataclass(frozen=True, slots=True)
class TemplateText:
    """A template that was read: its pieces in order, and its parameters by name, in order."""

    pieces: tuple[Piece, ...]
    parameters: dict[str, Parameter]


_TOKEN = re.compile(
    r"""(?P<opaque>(?:\#|//)[^\n]*|"[^"\n]*")   # comments and strings of the mapper
      | (?P<hole>\$\{(?:[^'{}$]|\$(?!\{)|'[^']*')*\})
      | (?P<open>\$\[) | (?P<left>\[) | (?P<right>\]) | (?P<stray>\$\{?)""",
    re.VERBOSE,
)

_DEFINITION = re.compile(r"\s*(?:def\s+(\w+)\s*\([^{}]*\{[^{}]*\}|(\w+)\s*=[^=;][^;]*;)\s*")


def read_template(source: TemplateSource) -> TemplateText:
    """Reads a template.

    Raises:
        TemplateError: A hole or a group is malformed.
    """
    reader = _Reader(source)
    for found in _TOKEN.finditer(source.text):
        reader.literal(found.start())
        reader.token(found.lastgroup or "", found)
    reader.literal(len(source.text))
    reader.finish()
    return TemplateText(tuple(reader.pieces), reader.parameters)


def _merge(first: Literal, second: Literal) -> bool:
    return not (first.opaque or second.opaque)


class _Reader:
    """Collects pieces, token by token; ``at`` is where the text read so far ends."""

    def __init__(self, source: TemplateSource) -> None:
        self.source = source
        self.at = 0
        self.pieces: list[Piece] = []
        self.parameters: dict[str, Parameter] = {}
        self.group: list[Literal | HoleUse] | None = None
        self.group_start = 0
        self.brackets = 0

    def add(self, piece: Literal | HoleUse) -> None:
        target = self.pieces if self.group is None else self.group
        last = target[-1] if target else None
        if isinstance(piece, Literal) and isinstance(last, Literal) and _merge(last, piece):
            piece = Literal(last.text + piece.text, last.offset)
            target.pop()
        target.append(piece)

    def literal(self, end: int) -> None:
        if end > self.at:
            self.add(Literal(self.source.text[self.at : end], self.at))
            self.at = end

    def token(self, kind: str, found: re.Match[str]) -> None:
        start, self.at = found.span()
        if kind == "hole":
            self.hole(*found.span())
        elif kind == "open":
            self.open(start)
        elif kind == "right" and self.group is not None and not self.brackets:
            self.close()
        elif kind == "stray":
            self.stray(start)
        else:
            self.brackets += {"left": 1, "right": -1}.get(kind, 0)
            self.add(Literal(found[0], start, opaque=kind == "opaque"))

    def hole(self, start: int, end: int) -> None:
        name, parameter = parse_hole(self.source, start + 2, end - 1, self.parameters)
        if parameter is not None:
            self.parameters[name] = parameter
        self.add(HoleUse(name, start))

    def open(self, start: int) -> None:
        if self.group is not None:
            raise self.source.error(
                "an optional group inside another",
                "nested-group",
                start,
                start + 2,
                hint="close the outer group before: $[ ... ] $[ ... ]",
            )
        self.group, self.group_start, self.brackets = [], start, 0

    def close(self) -> None:
        group = Group(tuple(self.group or ()), self.group_start)
        if not group.names:
            group = replace(group, defines=self.defined(group))
        self.group = None
        self.pieces.append(self._with_line_end(group))

    def _with_line_end(self, group: Group) -> Group:
        """A group that has a line to itself takes the line's end with it."""
        text = self.source.text
        before = text.rfind("\n", 0, group.offset) + 1
        if text[before : group.offset].strip() or text[self.at : self.at + 1] != "\n":
            return group
        self.at += 1
        return replace(group, pieces=(*group.pieces, Literal("\n", self.at - 1)))

    def defined(self, group: Group) -> str:
        text = "".join([p.text for p in group.pieces if isinstance(p, Literal) and not p.opaque])
        found = _DEFINITION.fullmatch(text)
        if found is None:
            raise self.source.error(
                "an optional group with neither a hole nor a definition of its own always stands",
                "idle-group",
                self.group_start,
                self.at,
                hint="remove $[ and ], or put the hole that decides inside",
            )
        return found[1] or found[2]

    def stray(self, start: int) -> None:
        if self.source.text.startswith("${", start):
            raise self.source.error(
                "this hole is not closed",
                "open-hole",
                start,
                start + 2,
                hint="a hole reads ${NAME: A | B}; quote a choice that has { or } in it",
            )
        raise self.source.error(
            "a $ that starts neither a hole nor an optional group",
            "stray-dollar",
            start,
            start + 1,
            hint="a hole reads ${NAME: A | B}, an optional group $[ ... ]",
        )

    def finish(self) -> None:
        if self.group is not None:
            raise self.source.error(
                "this optional group is not closed",
                "open-group",
                self.group_start,
                self.group_start + 2,
                hint="end it with ]; brackets inside are balanced",
            )
