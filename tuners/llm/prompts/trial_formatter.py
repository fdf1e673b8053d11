"""How trials are told to a model: scores, candidates, feedback."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from dsl.bounded_cache import BoundedCache
from dsl.errors import MappertuneError
from dsl.parsing.statement_cache import StatementCache
from dsl.units import seconds
from tuners.llm.replies.texts import blocks_of
from tuners.llm.replies.values import told, told_value

if TYPE_CHECKING:
    from tuners.finished_trial import FinishedTrial
    from tuners.guide.guidance import Guidance
    from tuners.problems.problem import TextProblem

__all__ = ["Decode", "Feedback", "TrialFormatter"]

Decode = Literal["free", "schema", "grammar"]
Feedback = Literal["none", "raw", "explained", "suggested"]

_RAW_SHOWN = 400  # characters of a message where no more feedback is asked for
_FEEDBACK_SHOWN = 4000
_NOTES_SHOWN = 4  # of a trial
_REMEMBERED = 500  # explanations, and mappers in brief


class TrialFormatter:
    """Puts trials into words, at one level of feedback.

    Args:
        problem: What is tuned.
        feedback: How much is told of a trial beside its score.
        count: How many candidates a reply shall have.
    """

    def __init__(self, problem: TextProblem, feedback: Feedback, count: int = 1) -> None:
        self.problem = problem
        self.feedback = feedback
        self.count = count
        self._guidance = BoundedCache[str, "Guidance | None"](_REMEMBERED)
        self._short = BoundedCache[str, str](_REMEMBERED)
        self._statements = StatementCache()

    @property
    def wanted(self) -> str:
        """What a reply shall hold, such as ``"one mapper"``."""
        noun = "mapper" if self.problem.form == "mapper" else "set of values"
        if self.count == 1:
            return f"one {noun}"
        plural = "mappers" if noun == "mapper" else "sets of values"
        return f"{self.count} {plural} that differ from each other"

    def score(self, trial: FinishedTrial) -> str:
        """The score of a trial, or how it failed."""
        if trial.score is not None:
            setup = "" if trial.setup is None else f" (setup {seconds(trial.setup)})"
            return f"{trial.score:.6g} {self.problem.unit}".rstrip() + setup
        shown = _RAW_SHOWN if self.feedback != "none" else 0
        raw = trial.raw[:shown].strip()
        return f"failed: {raw}" if raw else "failed"

    def candidate(self, trial: FinishedTrial) -> str:
        """The candidate of a trial, fenced."""
        text = self.text(trial).strip("\n")
        word = "mapper" if self.problem.form == "mapper" else "json"
        return f"```{word}\n{text}\n```"

    def line(self, trial: FinishedTrial) -> str:
        """A trial in a line."""
        notes = "; ".join(trial.notes[:_NOTES_SHOWN])
        return f"Trial {trial.number}: {self.score(trial)}" + (f" ({notes})" if notes else "")

    def entry(self, trial: FinishedTrial) -> str:
        """A trial with its candidate."""
        if self.problem.form == "values":
            known = self.problem.distributions
            values = {
                name: told_value(value, known[name]) if name in known else value
                for name, value in trial.params.items()
            }
            return f"{self.line(trial)} with {json.dumps(values, default=str)}"
        return f"{self.line(trial)}\n{self.candidate(trial)}"

    def feedback_on(self, trial: FinishedTrial) -> str:
        """The feedback on a trial; empty where none is wanted or known."""
        if self.feedback == "none":
            return ""
        if self.feedback == "raw":
            return trial.raw[:_FEEDBACK_SHOWN]
        guidance = self._explained(trial)
        if guidance is None:
            return trial.raw[:_FEEDBACK_SHOWN]
        return guidance.text(self.feedback)[:_FEEDBACK_SHOWN]

    def blocks(self, trial: FinishedTrial) -> str:
        """A mapper taken apart, each block with the feedback that it caused."""
        try:
            blocks = blocks_of(self._statements.parse(self.text(trial)))
        except MappertuneError:
            return self.candidate(trial)
        blamed = self._blamed(trial)
        parts: list[str] = []
        for name in dict.fromkeys([*blocks, *blamed]):
            text = blocks.get(name, f"# {name} block: none")
            parts.append(f"{name} block:\n```mapper\n{text}\n```")
            parts += [f"Feedback: {sentence}" for sentence in blamed.get(name, ())]
        return "\n".join(parts)

    def _blamed(self, trial: FinishedTrial) -> dict[str, list[str]]:
        """The sentences of the suggestions, by the block that each would change."""
        guidance = self._explained(trial) if self.feedback == "suggested" else None
        blamed: dict[str, list[str]] = {}
        for suggestion in guidance.suggestions if guidance else ():
            change = suggestion.statements.strip()
            sentence = suggestion.sentence + (f" Try: {change}" if change else "")
            blamed.setdefault(suggestion.block, []).append(sentence)
        return blamed

    def explanation(self, trial: FinishedTrial) -> str:
        """What the runtime said of a trial and what it means, without what to try."""
        if self.feedback in ("none", "raw"):
            return self.feedback_on(trial)
        guidance = self._explained(trial)
        if guidance is None:
            return self.feedback_on(trial)
        return guidance.text("explained")[:_FEEDBACK_SHOWN]

    def _explained(self, trial: FinishedTrial) -> Guidance | None:
        text = self.text(trial)
        return self._guidance.get_or_make(text, lambda: self._explain(text))[0]

    def text(self, trial: FinishedTrial) -> str:
        """The candidate of a trial: as a model wrote it, else as short as it can be written."""
        if trial.text is not None:
            return trial.text
        whole = trial.candidate(self.problem)
        return self._short.get_or_make(whole, lambda: self.problem.shorten(whole))[0]

    def _explain(self, text: str) -> Guidance | None:
        if not text:
            return None
        try:
            return self.problem.explain(self.problem.evaluate_text(text))
        except MappertuneError:
            return None


def values_schema(problem: TextProblem) -> dict[str, Any]:
    """The JSON schema of a candidate that is written as values."""
    properties = {name: _value_schema(each) for name, each in problem.distributions.items()}
    for name in getattr(problem, "conditions", ()):  # decoders want every property there
        properties[name] = {"anyOf": [properties[name], {"type": "null"}]}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _value_schema(distribution: BaseDistribution) -> dict[str, Any]:
    if isinstance(distribution, IntDistribution | FloatDistribution):
        kind = "integer" if isinstance(distribution, IntDistribution) else "number"
        return {"type": kind, "minimum": distribution.low, "maximum": distribution.high}
    assert isinstance(distribution, CategoricalDistribution)  # noqa: S101  (Optuna has no other)
    return {"enum": [told(each, number) for number, each in enumerate(distribution.choices)]}


def reply_schema(problem: TextProblem, count: int) -> dict[str, Any]:
    """The JSON schema of a reply: reasons first, then the candidates."""
    candidate = {"type": "string"} if problem.form == "mapper" else values_schema(problem)
    return {
        "type": "object",
        "properties": {
            "reasoning": {"type": "string"},
            "candidates": {"type": "array", "items": candidate, "minItems": 1, "maxItems": count},
        },
        "required": ["reasoning", "candidates"],
        "additionalProperties": False,
    }
