"""How a model is asked: the settings, and the prompts and requests that follow from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optuna.study import StudyDirection

from tuners import attributes
from tuners.llm.model.exchange import Request
from tuners.llm.prompts.trial_formatter import Decode, Feedback, TrialFormatter, reply_schema
from tuners.llm.prompts.writer import Prompt, PromptWriter
from tuners.samplers.repeatable import derived_seed

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from tuners.llm.strategies import Strategy
    from tuners.llm.study_memory import StudyMemory
    from tuners.problems.problem import TextProblem

__all__ = ["PromptSettings"]

# What is left of a prompt's limit each time that one was too long for the model.
SHRINKING = 0.7


@dataclass(frozen=True, slots=True)
class PromptSettings:
    """How a model is asked; `LLMSampler` says what each setting means."""

    strategy: Strategy
    seed: int
    repairs: int
    feedback: Feedback
    candidates: int
    history: int
    examples: int
    max_prompt_tokens: int
    max_reply_tokens: int | None
    temperature: float | None
    decode: Decode

    def writer(
        self, memory: StudyMemory, direction: StudyDirection, trials: Sequence[FrozenTrial]
    ) -> PromptWriter:
        """The writer of prompts; of shorter ones after each that was too long for the model."""
        too_long = sum(each.user_attrs.get(attributes.FAILURE) == "context" for each in trials)
        limit = int(self.max_prompt_tokens * SHRINKING**too_long)
        return memory.writer(
            limit,
            lambda: PromptWriter(
                TrialFormatter(memory.problem, self.feedback, self.candidates),
                limit=limit,
                history=self.history,
                examples=self.examples,
                decode=self.decode,
                maximise=direction == StudyDirection.MAXIMIZE,
            ),
        )

    def request(self, trial: int, problem: TextProblem, prompt: Prompt) -> Request:
        """What is sent for a trial."""
        schema = grammar = None
        if self.decode == "schema" and prompt.plan.answer != "blocks":
            schema = reply_schema(problem, self.candidates)
        elif self.decode == "grammar":
            grammar = getattr(problem, "grammar", None)
        return Request(
            messages=prompt.messages,
            temperature=self.temperature,
            max_tokens=self.max_reply_tokens,
            seed=derived_seed(self.seed, trial) % 2**31,
            schema=schema,
            grammar=grammar,
            trial=trial,
        )
