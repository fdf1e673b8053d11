"""Problems of parameters alone: a candidate's text is a JSON object with a value for each."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

from dsl.syntax import Position
from legion_bridge.outcome import Outcome
from tuners.errors import TunerError
from tuners.guide.guidance import Guidance
from tuners.llm.replies.values import InvalidValues, read_values, told, told_value
from tuners.problems.mapper_problem import digest, record
from tuners.problems.problem import Evaluation, Finding, Form, Projection, Suggester

__all__ = ["Complaint", "NoCandidateError", "ParameterProblem", "spread", "suggested"]


class NoCandidateError(TunerError):
    """A text is no candidate of a problem; the message says why."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something that is wrong with a candidate.

    Attributes:
        sentence: What it is.
        suggestion: What to do about it, or None.
    """

    sentence: str
    suggestion: str | None = None
    code: str = "value"
    severity: str = "error"
    position: Position | None = None

    def __str__(self) -> str:
        return f"{self.sentence}\nhint: {self.suggestion}" if self.suggestion else self.sentence


class ParameterProblem(ABC):
    """A problem made of parameters and a score: the least that a domain must bring.

    It is an Optuna objective to be maximised, and whatever a tuner of this project needs; a
    language model sees ``describe`` and answers with values.

    Attributes:
        distributions: The parameters.
        unit: The unit of the scores.
        grammar: A Lark grammar of the JSON objects, where a domain has one.

    >>> from optuna.distributions import CategoricalDistribution, IntDistribution
    >>> class Flags(ParameterProblem):
    ...     unit = "runs/s"
    ...     distributions = {
    ...         "level": CategoricalDistribution(("-O1", "-O2", "-O3")),
    ...         "unroll": IntDistribution(1, 8),
    ...     }
    ...     def describe(self):
    ...         return "Flags of a C compiler for a small matrix product; loops are short."
    ...     def score(self, values):
    ...         if values["level"] == "-O3" and values["unroll"] > 6:
    ...             raise ValueError("the compiler ran out of registers: unroll less")
    ...         return float(values["level"][2:]) * values["unroll"]
    >>> Flags().evaluate_text('{"level": "-O2", "unroll": 8}').outcome.throughput
    16.0
    >>> Flags().evaluate_text('{"level": "-O3", "unroll": 8}').outcome.raw
    'the compiler ran out of registers: unroll less'
    """

    distributions: Mapping[str, BaseDistribution]
    unit: str = "points"
    form: Form = "values"
    grammar: str | None = None

    @abstractmethod
    def describe(self) -> str:
        """What is tuned and what is known about it, in words."""

    @abstractmethod
    def score(self, values: Mapping[str, Any]) -> float:
        """How good values are; larger is better.

        Raises:
            ValueError: They are invalid; the message is the feedback.
        """

    def __call__(self, trial: optuna.Trial) -> float:
        """The score of the values that a trial proposes; 0.0 for invalid ones."""
        evaluation = self.evaluate_text(self.render(self.suggest(trial)))
        record(trial, evaluation, 0.0 if evaluation.outcome.ok else 1.0)
        return evaluation.outcome.throughput

    @property
    def language(self) -> str:
        """How a candidate is written: it needs no manual."""
        return ""

    def space(self) -> str:
        """The parameters with their values."""
        return "\n".join(f"- {name}: {spread(each)}" for name, each in self.distributions.items())

    def suggest(self, trial: Suggester) -> dict[str, Any]:
        """Asks for the value of every parameter."""
        return {name: suggested(trial, name, each) for name, each in self.distributions.items()}

    def key(self, values: Mapping[str, Any]) -> str:
        """A short digest of the values."""
        return digest(self.render(values))

    def identity(self, text: str) -> str | None:
        """The same of a text."""
        try:
            return self.key(self._read(text))
        except NoCandidateError:
            return None

    def render(self, values: Mapping[str, Any]) -> str:
        """The values as a JSON object, in the order of the parameters."""
        known = {
            name: told_value(values[name], each)
            for name, each in self.distributions.items()
            if name in values
        }
        return json.dumps(known, default=str)

    def check(self, text: str) -> Sequence[Finding]:
        """What is wrong with the values of a text."""
        try:
            self._read(text)
        except NoCandidateError as error:
            return [Complaint(str(error))]
        return []

    def shorten(self, text: str) -> str:
        """The text itself: values are brief."""
        return text

    def project(self, text: str) -> Projection:
        """The values themselves.

        Raises:
            NoCandidateError: The text has none.
        """
        return Projection(self._read(text), exact=True)

    def evaluate_text(self, text: str) -> Evaluation:
        """The score of a text's values; invalid ones are an outcome as well."""
        try:
            values = self._read(text)
        except NoCandidateError as error:
            outcome = Outcome("syntax_error", 0.0, self.unit, raw=str(error))
            return Evaluation(text, None, None, (), outcome, cached=False)
        try:
            outcome = Outcome("ok", float(self.score(values)), self.unit)
        except ValueError as error:
            outcome = Outcome("invalid", 0.0, self.unit, raw=str(error))
        return Evaluation(text, None, self.render(values), (), outcome, cached=False)

    def explain(self, evaluation: Evaluation) -> Guidance:
        """What the score said; a domain that knows more says more."""
        return Guidance(evaluation.outcome.raw, (), ())

    def _read(self, text: str) -> dict[str, Any]:
        try:
            return read_values(text, self.distributions)
        except InvalidValues as error:
            raise NoCandidateError(str(error)) from error


def suggested(trial: Suggester, name: str, distribution: BaseDistribution) -> Any:
    """The value that a trial suggests for a parameter."""
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(
            name,
            distribution.low,
            distribution.high,
            step=distribution.step,
            log=distribution.log,
        )
    if isinstance(distribution, FloatDistribution):
        return trial.suggest_float(
            name,
            distribution.low,
            distribution.high,
            step=distribution.step,
            log=distribution.log,
        )
    return trial.suggest_categorical(name, _choices(distribution))


def spread(distribution: BaseDistribution) -> str:
    """What values a parameter may have, in words.

    >>> spread(IntDistribution(1, 100, log=True))
    'integer from 1 to 100, on a logarithmic scale'
    """
    if isinstance(distribution, IntDistribution | FloatDistribution):
        kind = "integer" if isinstance(distribution, IntDistribution) else "number"
        words = f"{kind} from {distribution.low} to {distribution.high}"
        if distribution.step not in (None, 1) or (
            distribution.step == 1 and isinstance(distribution, FloatDistribution)
        ):
            words += f" in steps of {distribution.step}"
        return words + (", on a logarithmic scale" if distribution.log else "")
    choices = (told(each, number) for number, each in enumerate(_choices(distribution)))
    return "one of " + ", ".join(json.dumps(each, default=str) for each in choices)


def _choices(distribution: BaseDistribution) -> Sequence[Any]:
    return getattr(distribution, "choices", ())
