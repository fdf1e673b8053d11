"""What each statement of a mapper gains: the mapper beside itself without the statement."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dsl
from dsl import syntax
from dsl.syntax import Program, Statement
from dsl.units import percent
from dsl.unparse import unparse, unparse_statement
from tuners.problems.references import NO_DECISIONS

if TYPE_CHECKING:
    from legion_bridge.outcome import Outcome

__all__ = ["Gain", "StatementGain", "statement_gains"]

# Two times that differ by less are equal: sums are exact to about 1e-12.
TOLERANCE = 1e-9
# From there on a factor reads better than a percentage.
AS_FACTOR = 10.0
LEAST = 1e-4


@dataclass(frozen=True, slots=True)
class Gain:
    """A mapper beside another one that lacks something.

    Attributes:
        without: The outcome of the other one; None where it was not run.
        gain: How much faster the mapper is: 0.24 for a quarter; None where the other one does not
            run, or was not tried.
    """

    without: Outcome | None
    gain: float | None

    @classmethod
    def of(cls, whole: Outcome, without: Outcome | None) -> Gain:
        """What two outcomes come to; the first is of a mapper that runs."""
        if without is None or not without.ok:
            return cls(without, None)
        gain = whole.throughput / without.throughput - 1
        return cls(without, 0.0 if abs(gain) < TOLERANCE else gain)

    @property
    def needed(self) -> bool:
        """Whether the other mapper does not run."""
        return self.without is not None and not self.without.ok

    @property
    def matters(self) -> bool:
        """Whether there is a difference, as far as it was tried."""
        return self.needed or bool(self.gain)

    @property
    def rank(self) -> float:
        """The more it matters, the larger."""
        return math.inf if self.needed else self.gain or 0.0

    @property
    def told(self) -> str:
        """Such as ``"+24 %"``, ``"needed"`` or ``"changes nothing"``."""
        if self.gain is None:
            return "needed" if self.needed else "not tried"
        if not self.gain:
            return "changes nothing"
        if self.gain + 1 >= AS_FACTOR:
            return f"{self.gain + 1:.3g} times as fast"
        size, sign = abs(self.gain), "+" if self.gain > 0 else "-"
        if size < LEAST:
            return f"under {sign}{percent(LEAST, decimals=2)}"
        return f"{sign}{percent(size, decimals=_decimals(100 * size))}"

    def as_json(self) -> dict[str, Any]:
        """It as JSON values."""
        without = self.without and {
            "status": self.without.status,
            "throughput": self.without.throughput,
            "raw": "" if self.without.ok else self.without.raw,
        }
        return {"gain": self.gain, "told": self.told, "without": without}


@dataclass(frozen=True, slots=True)
class StatementGain:
    """One statement of a mapper, and what it gains.

    Attributes:
        text: The statement.
        label: The same without what is clear by itself, such as ``"Region rp_shared FBMEM"``.
        line: Where it stands in the mapper's text.
        by: The mapper beside itself without it, and without what uses it if it is a definition.
    """

    text: str
    label: str
    line: int | None
    by: Gain

    def as_json(self) -> dict[str, Any]:
        """It as JSON values."""
        named = {"line": self.line, "statement": self.text, "label": self.label}
        return named | self.by.as_json()


def statement_gains(
    evaluate: Callable[[str], Outcome], text: str, most: int | None = None
) -> tuple[Outcome, list[StatementGain]]:
    """Runs a mapper, and then without each of its statements alone.

    Statements that stand in for each other gain nothing each, so what a mapper of few statements
    says is worth more: see `tuners.problems.essential`.

    Args:
        evaluate: What comes of a mapper's text.
        text: The mapper.
        most: How many statements are left out in turn, from the first on; None for all.

    Returns:
        The outcome of the mapper, and its statements in order; none where it fails.

    Raises:
        dsl.MapperSyntaxError: It does not parse.
    """
    statements = dsl.parse(text).statements
    whole = evaluate(text)
    if not whole.ok:
        return whole, []
    texts = list(map(unparse_statement, statements))
    gains = []
    for number, (statement, label) in enumerate(
        zip(statements, _labels(statements, texts), strict=True)
    ):
        tried = most is None or number < most
        without = evaluate(_without(number, statements, texts)) if tried else None
        line = statement.position.line if statement.position else None
        gains.append(StatementGain(texts[number], label, line, Gain.of(whole, without)))
    return whole, gains


def _without(number: int, statements: Sequence[Statement], texts: Sequence[str]) -> str:
    """The mapper without a statement, and without those that use what it defines."""
    gone = {number}
    new = [number]
    while new:
        name = _name(statements[new.pop()])
        if name is None:
            continue
        users = re.compile(rf"\b{re.escape(name)}\b")
        found = [n for n, each in enumerate(texts) if n not in gone and users.search(each)]
        gone.update(found)
        new += found
    left = [each for n, each in enumerate(statements) if n not in gone]
    return unparse(Program(tuple(left))) if left else NO_DECISIONS


def _name(statement: Statement) -> str | None:
    """What a statement defines, if it does."""
    if isinstance(statement, syntax.Assignment | syntax.FunctionDefinition):
        return statement.name
    return None


def _labels(statements: Sequence[Statement], texts: Sequence[str]) -> list[str]:
    """Short ones; where two statements would have the same, their whole texts."""
    short = [_label(*pair) for pair in zip(statements, texts, strict=True)]
    count = Counter(short)
    return [
        text.rstrip(";") if count[label] > 1 else label
        for label, text in zip(short, texts, strict=True)
    ]


def _label(statement: Statement, text: str) -> str:
    """Without stars, and without the processors of a task whose data is spoken of."""
    match statement:
        case syntax.FunctionDefinition():
            return f"def {statement.name}"
        case syntax.Region():
            tasks = ",".join(statement.tasks)
            words = ["Region", tasks, statement.region, ",".join(statement.memories)]
        case _:
            words = text.rstrip(";").split(" ")
    told = [word for word in words if word != "*"]
    return " ".join(told) if len(told) > 1 else text.rstrip(";")


def _decimals(size: float) -> int:
    """Of a percentage: as many as show two digits, or one from one on."""
    return 0 if size >= 9.95 else 1 if size >= 0.95 else 2
