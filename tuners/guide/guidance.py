"""What the guide says about one mapper: what was found, what to change, and that in words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import dsl
from dsl import syntax
from dsl.errors import MappertuneError
from dsl.machine_shape import MEMORY_KINDS
from dsl.unparse import unparse_statement
from tuners.guide.edits import apply_change
from tuners.guide.parameters import moved

if TYPE_CHECKING:
    from dsl.syntax import Statement
    from dsl.templates.space.parameters import Value
    from dsl.templates.template import Template

__all__ = [
    "LEVELS",
    "Block",
    "Change",
    "Found",
    "Guidance",
    "Level",
    "Move",
    "Suggestion",
    "TextChange",
    "listed",
    "memory_word",
]

Block: TypeAlias = Literal["task", "region", "layout", "limit", "index map", "single map"]
"""The decision blocks of the paper; memory collection counts as a limit."""


Level: TypeAlias = Literal["raw", "explained", "suggested"]
LEVELS: tuple[Level, ...] = ("raw", "explained", "suggested")
"""From what the runtime said alone to what to do about it (section 4.3 of the ICML 2025 paper)."""

_REALM = {
    "SYSTEM_MEM": "SYSMEM",
    "GPU_FB_MEM": "FBMEM",
    "Z_COPY_MEM": "ZCMEM",
    "REGDMA_MEM": "RDMEM",
    "SOCKET_MEM": "SOCKMEM",
}


@dataclass(frozen=True, slots=True)
class Change:
    """Statements to put into a mapper, and statements to take out."""

    new: tuple[syntax.Statement, ...] = ()
    gone: tuple[syntax.Statement, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.new or self.gone)

    @property
    def statements(self) -> str:
        """The new statements as text; those that differ in their tasks alone are one."""
        return "\n".join(unparse_statement(each) for each in _together(self.new))

    @property
    def replaces(self) -> tuple[str, ...]:
        """The statements that go, as text."""
        return tuple(unparse_statement(each) for each in self.gone)


def _together(statements: Sequence[Statement]) -> list[Statement]:
    """Statements about data of which those that differ in their tasks alone are one."""
    found: dict[Statement, Statement] = {}
    for each in statements:
        if not isinstance(each, syntax.Region | syntax.Layout):
            found[each] = each
            continue
        key = replace(each, tasks=(), position=None)
        known = found.get(key, key)
        tasks = (*getattr(known, "tasks", ()), *each.tasks)
        found[key] = replace(each, tasks=tuple(dict.fromkeys(tasks)))
    return list(found.values())


@dataclass(frozen=True, slots=True)
class TextChange:
    """A stretch of a text that does not parse, and what to write in its place."""

    statements: str
    stretch: str

    @property
    def replaces(self) -> tuple[str, ...]:
        """The stretch that goes."""
        return (self.stretch,)


class Move(NamedTuple):
    """A change that a predicate or a repair proposes.

    Attributes:
        values: What the sentence of the suggestion has to say, by placeholder.
    """

    change: Change | TextChange
    block: Block
    values: Mapping[str, str]
    tasks: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """What a predicate found in a profile.

    Attributes:
        values: What the explanation has to say, by placeholder.
        seconds: How much of an iteration it is about: the more, the earlier it is told.
        moves: Changes that may help.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    moves: Sequence[Move] = ()


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One change of a mapper, worth a try.

    Attributes:
        sentence: What to do and why, with the program's own names and numbers.
        statements: Statements of the mapping language to put in; may be empty.
        replaces: Statements that go, as the mapper has them (spacing aside).
        block: The decision block that the change belongs to.
        rule: Name of the rule that says so.
        tasks, regions: What it is about.
        gain: Expected seconds saved in one iteration; None where it mends an error.
        share: The same as a share of the iteration, 0 to 1; None likewise.
        verified: Whether the gain was measured by running the mapper, not estimated.
    """

    sentence: str
    statements: str
    replaces: tuple[str, ...]
    block: Block
    rule: str
    tasks: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    gain: float | None = None
    share: float | None = None
    verified: bool = False

    def apply(self, text: str) -> str:
        """The mapper with the suggestion applied; all the rest stays as it is written.

        Raises:
            dsl.MapperSyntaxError: The text is no mapper. Suggestions that mend the syntax name
                the stretches of text that they replace, and raise nothing.
        """
        return apply_change(text, self.statements, self.replaces)

    def values(self, template: Template, values: Mapping[str, Value]) -> dict[str, Value] | None:
        """The same move on the parameters of a template.

        By the names of its holes, as ``dsl.template_for`` gives them; else by the mapper that the
        suggestion makes, where the template can make the same.

        Returns:
            All values that count after the move, or None where the template cannot express it or
            nothing changes.
        """
        try:
            new, gone = _parsed(self.statements), _parsed("\n".join(self.replaces))
            found = moved(template, values, new, gone)
            if found is not None:
                return found
            before = template.render(values)
            matched = template.match(self.apply(before))
        except MappertuneError:
            return None
        return None if matched is None or template.render(matched) == before else matched


def _parsed(text: str) -> tuple[Statement, ...]:
    return dsl.parse(text).statements if text.strip() else ()


@dataclass(frozen=True, slots=True)
class Guidance:
    """What came of a mapper, what it means, and what to try.

    Attributes:
        raw: What the runtime or the compiler said, word for word.
        explanations: What it means, the most important first.
        suggestions: What to try, the most promising first.
        standing: How far the mapper is from the floor and from the reference, and what the rest
            consists of; empty where nobody knows.
        costly: How many of the explanations are of what costs time; those after them tell of what
            is hidden behind other work, or of dangers.
    """

    raw: str
    explanations: tuple[str, ...]
    suggestions: tuple[Suggestion, ...]
    standing: str = ""
    costly: int = 0

    def text(self, level: Level = "suggested") -> str:
        """All of it as plain text, up to a level.

        >>> Guidance("It stopped", ("Out of memory.",), ()).text("explained").splitlines()
        ['It stopped', '', 'Explanation:', '- Out of memory.']
        """
        parts = [self.raw] if self.raw else []
        if level != "raw" and self.standing:
            parts.append(self.standing)
        if level != "raw" and self.explanations:
            parts.append("\n".join(["Explanation:", *(f"- {each}" for each in self.explanations)]))
        if level == "suggested" and self.suggestions:
            lines = ["Suggestions, the most promising first:"]
            for number, each in enumerate(self.suggestions, start=1):
                lines.append(f"{number}. {each.sentence}")
                lines += [f"     {line}" for line in _change_lines(each)]
            parts.append("\n".join(lines))
        return "\n\n".join(parts)


def _change_lines(suggestion: Suggestion) -> list[str]:
    added = suggestion.statements.splitlines()
    removed = [line for text in suggestion.replaces for line in text.splitlines()]
    return [*(f"- {line}" for line in removed), *(f"+ {line}" for line in added)]


def memory_word(said: str) -> str | None:
    """The mapping language's word for a memory, where a runtime's text names one.

    >>> memory_word("1e00000000000000 (SYSTEM_MEM)"), memory_word("FBMEM of GPU 2 of node 0")
    ('SYSMEM', 'FBMEM')
    """
    words = re.findall(r"\w+", said)
    known = [_REALM.get(word, word) for word in words]
    return next((word for word in known if word in MEMORY_KINDS), None)


def listed(names: Sequence[str], most: int = 4) -> str:
    """Names in a sentence, the last ones counted where there are many.

    >>> listed(["a"]), listed(["a", "b", "c"]), listed(["a", "b", "c"], most=1)
    ('a', 'a, b and c', 'a and 2 more')
    """
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
