"""What two mappers of a program decide differently, and which of that has an effect on time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Literal, TypeAlias

import dsl
from dsl import syntax
from dsl.errors import MappertuneError
from dsl.unparse import unparse_statement
from tuners.llm.replies.texts import BLOCKS, block_of

if TYPE_CHECKING:
    from legion_bridge.outcome import Outcome
    from tuners.problems.mapper_problem import MapperProblem

__all__ = ["Difference", "Edit", "Effect", "difference"]

Effect: TypeAlias = Literal["time", "untimed", "none", "unknown"]
"""Whether an edit changes what the clock shows, only what it does not show, or neither."""

MOST_EDITS = 16
"""Edits whose effects are looked at one by one."""


LONGEST_LINE = 160
"""Characters of a statement up to which it is told in a line."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Statements that came, and statements that went in their place.

    Attributes:
        new, gone: As text, each statement by itself.
        effect: What taking it back changes, the other edits being as they are.
        knobs: What it turns, such as ``"Align"`` or ``"InstanceLimit t"``.
    """

    new: tuple[str, ...]
    gone: tuple[str, ...]
    effect: Effect = "unknown"
    knobs: tuple[str, ...] = ()

    def __str__(self) -> str:
        """In a line; what was replaced is not told, nor how a function was that is gone."""
        if self.new:
            return " ".join(f"+{_brief(each)}" for each in self.new)
        return " ".join(f"-{_brief(each, most=0)}" for each in self.gone)


@dataclass(frozen=True, slots=True)
class Difference:
    """What one mapper has in place of another.

    Attributes:
        edits: The changes, by decision block.
        effect: What they change together.
    """

    edits: tuple[Edit, ...]
    effect: Effect

    @property
    def inert(self) -> tuple[Edit, ...]:
        """The edits without which the mapper takes exactly as long."""
        return tuple(each for each in self.edits if each.effect == "none")

    @property
    def untimed(self) -> tuple[Edit, ...]:
        """The edits that change only what the program's clock does not show."""
        return tuple(each for each in self.edits if each.effect == "untimed")


def difference(problem: MapperProblem, before: str, after: str) -> Difference:
    """What a mapper decides otherwise than the one that it was made of.

    Where the mappers are simulated, each edit is taken back by itself: equal schedules take equal
    times, to the bit. Where they are measured, no effect is known.

    Raises:
        dsl.MapperSyntaxError: One of them does not parse.
    """
    old, new = (_ordered(dsl.parse(text).statements) for text in (before, after))
    edits = list(_edits(old, new))
    if not problem.is_simulated or not edits:
        return Difference(tuple(_edit(old, new, each) for each in edits), "unknown")
    outcomes = [_outcome(problem, text) for text in (before, after)]
    together = _effect(*outcomes)
    if len(edits) > MOST_EDITS:
        effect: Effect = together if together in ("none", "untimed") else "unknown"
        return Difference(tuple(_edit(old, new, each, effect) for each in edits), together)
    effects = [_effect(_outcome(problem, _without(old, new, edits, [each])), outcomes[1])
               for each in edits]  # fmt: skip
    idle = [each for each, effect in zip(edits, effects, strict=True) if effect == "none"]
    if _effect(_outcome(problem, _without(old, new, edits, idle)), outcomes[1]) != "none":
        # Each alone changes nothing, as another one does the same; all of them do.
        effects = ["unknown" if effect == "none" else effect for effect in effects]
    found = [_edit(old, new, *each) for each in zip(edits, effects, strict=True)]
    return Difference(tuple(found), together)


_Span: TypeAlias = tuple[int, int, int, int]
"""Statements of the old mapper, and those of the new one that stand in their place."""


def _ordered(statements: Sequence[syntax.Statement]) -> list[syntax.Statement]:
    """By decision block; the order within a block stays."""
    return sorted(statements, key=lambda each: BLOCKS.index(block_of(each)))


def _edits(old: Sequence[syntax.Statement], new: Sequence[syntax.Statement]) -> Iterator[_Span]:
    """The stretches that differ, cut into single statements where they pair off."""
    before, after = ([unparse_statement(each) for each in side] for side in (old, new))
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            continue
        if tag == "replace" and (b - a != d - c or not _pair_off(old[a:b], new[c:d])):
            yield a, b, c, d
        elif tag == "replace":
            yield from ((a + i, a + i + 1, c + i, c + i + 1) for i in range(b - a))
        else:
            yield from ((i, i + 1, c, c) for i in range(a, b))
            yield from ((a, a, i, i + 1) for i in range(c, d))


def _pair_off(old: Sequence[syntax.Statement], new: Sequence[syntax.Statement]) -> bool:
    return all(type(a) is type(b) for a, b in zip(old, new, strict=True))


def _without(
    old: Sequence[syntax.Statement],
    new: Sequence[syntax.Statement],
    edits: Sequence[_Span],
    left_out: Sequence[_Span],
) -> str:
    """The new mapper but for some edits."""
    found: list[syntax.Statement] = []
    at = 0
    for a, b, c, d in edits:
        found += old[at:a]
        found += old[a:b] if (a, b, c, d) in left_out else new[c:d]
        at = b
    return "\n".join(unparse_statement(each) for each in (*found, *old[at:]))


def _outcome(problem: MapperProblem, text: str) -> Outcome | None:
    try:
        return problem.evaluate_text(text, check=False).outcome
    except MappertuneError:
        return None


def _effect(first: Outcome | None, second: Outcome | None) -> Effect:
    if first is None or second is None or not (first.ok and second.ok):
        return "time"  # without it, or with it, the mapper fails
    if first.elapsed != second.elapsed:
        return "time"
    return "none" if first.whole == second.whole else "untimed"


def _edit(
    old: Sequence[syntax.Statement],
    new: Sequence[syntax.Statement],
    span: _Span,
    effect: Effect = "unknown",
) -> Edit:
    a, b, c, d = span
    gone, came = old[a:b], new[c:d]
    knobs = dict.fromkeys(knob for each in (*gone, *came) for knob in _knobs(each, gone, came))
    return Edit(
        tuple(map(unparse_statement, came)), tuple(map(unparse_statement, gone)), effect,
        tuple(knobs),
    )  # fmt: skip


def _knobs(
    statement: syntax.Statement,
    gone: Sequence[syntax.Statement],
    came: Sequence[syntax.Statement],
) -> Iterator[str]:
    """What a statement of an edit turns; of a layout, the words that differ."""
    if isinstance(statement, syntax.Layout):
        pair = [s for s in (*gone, *came) if isinstance(s, syntax.Layout)]
        others = pair if len(pair) == 2 else [statement, _NO_LAYOUT]
        about = f"{','.join(statement.tasks)} {statement.region}"
        for name, words in _WORDS.items():
            if getattr(others[0], name) != getattr(others[1], name):
                yield f"{words} of {about}"
    elif isinstance(statement, syntax.InstanceLimit | syntax.CollectMemory):
        yield f"{type(statement).__name__} {statement.task}"
    elif isinstance(statement, syntax.Region):
        yield f"Region {','.join(statement.tasks)} {statement.region}"
    elif isinstance(statement, syntax.Task):
        yield f"Task {','.join(statement.tasks)}"
    elif isinstance(statement, syntax.IndexTaskMap | syntax.SingleTaskMap):
        yield f"{type(statement).__name__} {','.join(statement.keys)}"


_NO_LAYOUT = syntax.Layout(tasks=("*",), region="*", place="*")
_WORDS = {
    "soa": "SOA/AOS",
    "c_order": "order",
    "align": "Align",
    "exact": "Exact",
    "compact": "Compact",
}


def _brief(statement: str, most: int = LONGEST_LINE) -> str:
    """A statement in a line; of a function that is longer its name."""
    line = " ".join(statement.split()).rstrip(";")
    is_long = line.startswith("def ") and len(line) > most
    return line.partition("(")[0] if is_long else line
