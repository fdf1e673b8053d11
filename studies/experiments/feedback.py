"""How much each level of feedback is worth to a model (arXiv 2410.15625, section 5.4)."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from tuners.llm.prompts.trial_formatter import Feedback

if TYPE_CHECKING:
    from studies.records import StudyResult

__all__ = ["LEVELS", "LevelResult", "arm_name"]

#: The levels, from nothing to everything.
LEVELS: tuple[Feedback, ...] = get_args(Feedback)


def arm_name(level: Feedback) -> str:
    """The folder and label of a level's studies."""
    return f"feedback-{level}"


@dataclass(frozen=True)
class LevelResult:
    """What a model came to with one level of feedback.

    Attributes:
        level: The level.
        studies: One a seed.
    """

    level: Feedback
    studies: Sequence[StudyResult]

    def best_after(self, trials: int) -> list[float]:
        """The best ratio to the reference within the first trials of each seed."""
        found = []
        for study in self.studies:
            tried = [each.throughput for each in study.records if each.number < trials]
            if study.expert:
                found.append(max(tried, default=0.0) / study.expert)
        return found

    @property
    def invalid_share(self) -> float:
        """Share of all trials whose mapper was invalid."""
        records = [record for each in self.studies for record in each.records]
        return sum(each.status != "ok" for each in records) / len(records) if records else 0.0

    @property
    def repairs(self) -> int:
        """Replies that went back."""
        return sum(each.model_use.repairs for each in self.studies if each.model_use)

    @property
    def tokens(self) -> int:
        """Tokens of prompts and replies."""
        return sum(each.model_use.tokens for each in self.studies if each.model_use)

    def as_json(self, after: Sequence[int]) -> dict[str, Any]:
        """As JSON values."""
        return {
            "level": self.level,
            "seeds": len(self.studies),
            "mean_best_after": {
                str(trials): statistics.fmean(ratios)
                if (ratios := self.best_after(trials))
                else None
                for trials in after
            },
            "invalid_share": self.invalid_share,
            "repairs": self.repairs,
            "tokens": self.tokens,
            "studies": [each.as_json() for each in self.studies],
        }
