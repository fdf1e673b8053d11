"""What a tuner tunes: any domain whose candidates are texts and, at the same time, parameters.

``MapperProblem`` is the one that this project is about; whatever has these methods will do.
``ParameterProblem`` makes one of parameters and a score, in ten lines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

from dsl.templates.space.parameters import Value

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from dsl.syntax import Position, Program
    from legion_bridge.outcome import Outcome
    from tuners.guide.guidance import Guidance

__all__ = [
    "Evaluation",
    "Finding",
    "Form",
    "MendingProblem",
    "Problem",
    "Projection",
    "Suggester",
    "TextProblem",
    "Value",
]

Form: TypeAlias = Literal["mapper", "values"]


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


@dataclass(frozen=True, slots=True)
class Projection:
    """Values of parameters that stand for a text.

    Attributes:
        values: Of the parameters that count.
        exact: Whether rendering them makes the same candidate.
        differs: What the text decides otherwise than their rendering, in words.
    """

    values: Mapping[str, Value]
    exact: bool
    differs: tuple[str, ...] = ()


class Suggester(Protocol):
    """The part of ``optuna.Trial`` that a problem needs to ask for its parameters."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any: ...

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int: ...

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float: ...


class Problem(Protocol):
    """A domain for tuners.

    A sampler needs ``distributions``, ``suggest`` and ``key``; one that reads and writes texts
    needs the rest as well: it describes the domain, renders and checks candidates, has them
    evaluated and explained.
    """

    @property
    def distributions(self) -> Mapping[str, BaseDistribution]:
        """The whole search space, parameters that are active under a condition included."""

    def suggest(self, trial: Suggester) -> dict[str, Value]:
        """Asks for the value of every parameter that is active, conditions first."""

    def key(self, values: Mapping[str, Value]) -> str:
        """Equal for values that make equal candidates."""

    def describe(self) -> str:
        """The domain in words and numbers: what is tuned, and on what."""

    def render(self, values: Mapping[str, Value]) -> str:
        """The text of the candidate with these values."""

    def check(self, text: str) -> Sequence[Finding]:
        """What can be known to be wrong with a text before it is run.

        Raises:
            dsl.MappertuneError: It is no candidate at all; the message says why.
        """

    def evaluate_text(self, text: str) -> Evaluation:
        """Runs a text; it never raises for what is wrong with the text."""


@runtime_checkable
class MendingProblem(Protocol):
    """A problem that knows, beyond doubt, what some texts mean that are no candidates."""

    def mend(self, text: str) -> tuple[str, tuple[str, ...]]:
        """The candidate that is meant, and what was changed, in sentences; none if nothing was."""


class TextProblem(Problem, Protocol):
    """A problem whose candidates a language model can write.

    Attributes:
        language: What the model must know to write a candidate: the language and its pitfalls.
        form: ``"mapper"`` for texts of the mapping language, ``"values"`` for JSON objects with
            a value for each parameter.
        unit: The unit of the scores; empty where they have none.
        grammar: A Lark grammar of the candidates, for decoders that take one; None where there
            is none.
    """

    @property
    def language(self) -> str: ...

    @property
    def grammar(self) -> str | None: ...

    @property
    def form(self) -> Form: ...

    @property
    def unit(self) -> str: ...

    def space(self) -> str:
        """What may be decided: the parameters with their values."""

    def identity(self, text: str) -> str | None:
        """Equal for texts that are equal candidates, and to ``key`` of their values; None for
        what is no candidate.
        """

    def project(self, text: str) -> Projection:
        """The values of parameters that stand for a text, be it one that is no candidate."""

    def shorten(self, text: str) -> str:
        """An equal candidate that is shorter to read; the text itself where there is none."""

    def explain(self, evaluation: Evaluation) -> Guidance:
        """What came of a candidate, what it means and what to try."""
