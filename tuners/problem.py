"""What a tuner tunes: any domain whose candidates are texts and, at the same time, parameters.

``MapperProblem`` is the one that this project is about; whatever has these methods will do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from dsl.syntax import Position, Program
    from legion_bridge.outcome import Outcome

__all__ = ["Evaluation", "Finding", "Problem", "Suggester", "Value"]

Value: TypeAlias = str | int


class Finding(Protocol):
    """What a check found in a candidate; ``dsl.Diagnostic`` is one."""

    @property
    def code(self) -> str: ...

    @property
    def severity(self) -> str:
        """``"error"`` (it would fail), ``"warning"`` or ``"note"``."""

    @property
    def position(self) -> Position | None: ...

    @property
    def sentence(self) -> str: ...

    @property
    def suggestion(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came of one candidate.

    Attributes:
        text: The mapper as it was proposed.
        program: Its syntax tree; None where it does not parse.
        normal_form: Equal for mappers that decide alike; None where it does not parse.
        diagnostics: What the check found; empty where nobody asked for a check.
        outcome: What running it gave.
        cached: Whether the outcome was known from an earlier mapper of the same normal form.
    """

    text: str
    program: Program | None
    normal_form: str | None
    diagnostics: tuple[Finding, ...]
    outcome: Outcome
    cached: bool


class Suggester(Protocol):
    """The part of ``optuna.Trial`` that a problem needs to ask for its parameters."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any: ...

    def suggest_int(self, name: str, low: int, high: int) -> int: ...


class Problem(Protocol):
    """A domain for tuners.

    A sampler needs ``distributions``, ``suggest`` and ``key``; one that reads and writes texts
    needs the rest as well.
    """

    @property
    def distributions(self) -> Mapping[str, BaseDistribution]:
        """The whole search space, parameters that are active under a condition included."""

    def suggest(self, trial: Suggester) -> dict[str, Value]:
        """Asks for the value of every parameter that is active, conditions first."""

    def key(self, values: Mapping[str, Value]) -> str:
        """Equal for values that make equal candidates."""

    def describe(self) -> str:
        """The domain in words and numbers: what is tuned, on what, and what may be decided."""

    def render(self, values: Mapping[str, Value]) -> str:
        """The text of the candidate with these values."""

    def check(self, text: str) -> Sequence[Finding]:
        """What can be known to be wrong with a text before it is run."""

    def evaluate_text(self, text: str) -> Evaluation:
        """Runs a text; it never raises for what is wrong with the text."""
