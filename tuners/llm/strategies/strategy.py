"""What a strategy decides: when the model is asked, and what it is told of the history."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from tuners.finished_trial import FinishedTrial, TrialHistory
    from tuners.llm.candidates import Answer
    from tuners.llm.prompts.trial_formatter import TrialFormatter

__all__ = ["Entry", "PromptPlan", "Strategy"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A part of a prompt that may be left out.

    Attributes:
        text: The part in full.
        short: In brief, where there is no room for the whole; empty to leave it out then.
        place: Where it stands among the others; parts of equal place keep their order.
    """

    text: str
    short: str = ""
    place: float = 0.0


@dataclass(frozen=True, slots=True)
class PromptPlan:
    """What the model is told beside the problem.

    Attributes:
        entries: The history, the most useful first.
        task: What the model shall do.
        answer: The form in which it shall answer.
        base: The trial whose mapper it revises; None where it writes whole candidates.
    """

    entries: Sequence[Entry]
    task: str
    answer: Answer
    base: FinishedTrial | None = None


class Strategy(ABC):
    """A way to ask a model for trials.

    Attributes:
        name: The name by which users choose it.
        summary: What it does, in a sentence.
    """

    name: ClassVar[str]
    summary: ClassVar[str]

    def skip_reason(self, history: TrialHistory) -> str | None:  # noqa: ARG002  (most always ask)
        """Why the model is not asked for the next trial; None where it is."""
        return None

    @abstractmethod
    def plan(self, history: TrialHistory, formatter: TrialFormatter, most: int) -> PromptPlan:
        """What to tell.

        Args:
            history: The trials.
            formatter: Puts them into words.
            most: How many trials to tell of at most.
        """
