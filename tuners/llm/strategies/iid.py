"""Independent proposals: the model is told of no trial."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuners.llm.prompts.writer import part
from tuners.llm.strategies.strategy import PromptPlan, Strategy

if TYPE_CHECKING:
    from tuners.finished_trial import TrialHistory
    from tuners.llm.prompts.trial_formatter import TrialFormatter

__all__ = ["Independent"]


class Independent(Strategy):
    """Shows no history: the zero-shot baseline, which many elaborate prompts fail to beat."""

    name = "iid"
    summary = "independent proposals, without history"

    def plan(self, history: TrialHistory, formatter: TrialFormatter, most: int) -> PromptPlan:  # noqa: ARG002  (no history)
        return PromptPlan((), part("task_iid", count=formatter.wanted), formatter.problem.form)
