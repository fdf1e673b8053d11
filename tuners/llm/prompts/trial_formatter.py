"""How trials are told to a model: scores, candidates, feedback."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import dsl
from dsl.bounded_cache import BoundedCache
from dsl.errors import MappertuneError
from tuners.llm.prompts.parts import part
from tuners.llm.replies.blocks import blocks_of

if TYPE_CHECKING:
    from tuners.guide.guidance import Guidance
    from tuners.llm.candidates import Candidate
    from tuners.llm.trial_history import FinishedTrial
    from tuners.problems.problem import TextProblem

__all__ = ["Answer", "Decode", "Feedback", "TrialFormatter"]

Answer = Literal["mapper", "blocks", "values"]
Decode = Literal["free", "schema", "grammar"]
Feedback = Literal["none", "raw", "explained", "suggested"]

_RAW_TOLD = 400  # characters of a message where no more feedback is asked for
_FEEDBACK_TOLD = 4000
_REMEMBERED = 500  # explanations, and mappers in brief


class TrialFormatter:
    """Says what came of trials, at one level of feedback.

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

    @property
    def wanted(self) -> str:
        """What a reply shall hold, such as ``"one mapper"``."""
        noun = "mapper" if self.problem.form == "mapper" else "set of values"
        if self.count == 1:
            return f"one {noun}"
        plural = "mappers" if noun == "mapper" else "sets of values"
        return f"{self.count} {plural} that differ from each other"

    def score(self, attempt: FinishedTrial) -> str:
        """The score of a trial, or how it failed."""
        if attempt.score is not None:
            return f"{attempt.score:.6g} {self.problem.unit}".rstrip()
        told = _RAW_TOLD if self.feedback != "none" else 0
        raw = attempt.raw[:told].strip()
        return f"failed: {raw}" if raw else "failed"

    def candidate(self, attempt: FinishedTrial) -> str:
        """The candidate of a trial, fenced."""
        text = self.text(attempt).strip("\n")
        word = "mapper" if self.problem.form == "mapper" else "json"
        return f"```{word}\n{text}\n```"

    def line(self, attempt: FinishedTrial) -> str:
        """A trial in a line."""
        return f"Trial {attempt.number}: {self.score(attempt)}"

    def entry(self, attempt: FinishedTrial) -> str:
        """A trial with its candidate."""
        if self.problem.form == "values":
            values = json.dumps(dict(attempt.params), default=str)
            return f"{self.line(attempt)} with {values}"
        return f"{self.line(attempt)}\n{self.candidate(attempt)}"

    def said(self, attempt: FinishedTrial) -> str:
        """The feedback on a trial; empty where none is asked for or there is none."""
        if self.feedback == "none":
            return ""
        if self.feedback == "raw":
            return attempt.raw[:_FEEDBACK_TOLD]
        guidance = self._explained(attempt)
        if guidance is None:
            return attempt.raw[:_FEEDBACK_TOLD]
        return guidance.text(self.feedback)[:_FEEDBACK_TOLD]

    def blocks(self, attempt: FinishedTrial) -> str:
        """A mapper taken apart, each block with the feedback that it caused."""
        try:
            blocks = blocks_of(dsl.parse(self.text(attempt)))
        except MappertuneError:
            return self.candidate(attempt)
        blamed = self._blamed(attempt)
        parts: list[str] = []
        for name in dict.fromkeys([*blocks, *blamed]):
            text = blocks.get(name, f"# {name} block: none")
            parts.append(f"{name} block:\n```mapper\n{text}\n```")
            parts += [f"Feedback: {sentence}" for sentence in blamed.get(name, ())]
        return "\n".join(parts)

    def _blamed(self, attempt: FinishedTrial) -> dict[str, list[str]]:
        """What the suggestions say, by the block that each would change."""
        guidance = self._explained(attempt) if self.feedback == "suggested" else None
        blamed: dict[str, list[str]] = {}
        for suggestion in guidance.suggestions if guidance else ():
            change = suggestion.statements.strip()
            sentence = suggestion.sentence + (f" Try: {change}" if change else "")
            blamed.setdefault(suggestion.block, []).append(sentence)
        return blamed

    def explanation(self, attempt: FinishedTrial) -> str:
        """What the runtime said of a trial and what it means, without what to try."""
        if self.feedback in ("none", "raw"):
            return self.said(attempt)
        guidance = self._explained(attempt)
        return guidance.text("explained")[:_FEEDBACK_TOLD] if guidance else self.said(attempt)

    def _explained(self, attempt: FinishedTrial) -> Guidance | None:
        text = self.text(attempt)
        return self._guidance.get_or_make(text, lambda: self._explain(text))[0]

    def text(self, attempt: FinishedTrial) -> str:
        """The candidate of a trial: as a model wrote it, else in as few words as can be."""
        if attempt.written is not None:
            return attempt.written
        whole = attempt.text(self.problem)
        return self._short.get_or_make(whole, lambda: self.problem.shorten(whole))[0]

    def _explain(self, text: str) -> Guidance | None:
        if not text:
            return None
        try:
            return self.problem.explain(self.problem.evaluate_text(text))
        except MappertuneError:
            return None

    def complaint(
        self,
        found: Sequence[Candidate],
        known: Mapping[str, int],
        history: Mapping[int, FinishedTrial],
    ) -> str:
        """The message that sends a reply back."""
        if not found:
            return part("nothing", form=self.wanted)
        faulty = [each for each in found if each.complaints]
        if faulty:
            complaints = "\n\n".join(text for each in faulty[:2] for text in each.complaints)
            return part("repair", complaints=complaints)
        number = min(known.values(), default=0)
        attempt = history.get(number)
        return part(
            "repeated",
            number=number,
            result=self.score(attempt) if attempt else "still running",
        )


def values_schema(problem: TextProblem) -> dict[str, Any]:
    """The JSON schema of a candidate that is written as values."""
    properties: dict[str, Any] = {}
    for name, distribution in problem.distributions.items():
        choices = getattr(distribution, "choices", None)
        if choices is not None:
            properties[name] = {"enum": list(choices)}
        else:
            kind = "integer" if type(distribution).__name__ == "IntDistribution" else "number"
            properties[name] = {
                "type": kind,
                "minimum": getattr(distribution, "low", None),
                "maximum": getattr(distribution, "high", None),
            }
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


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
