"""Optimisation by prompting (OPRO, arXiv 2309.03409): candidates with scores, the best last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuners.llm.prompts.writer import part
from tuners.llm.strategies.first_task import first_task
from tuners.llm.strategies.strategy import Entry, PromptPlan, Strategy

if TYPE_CHECKING:
    from tuners.finished_trial import TrialHistory
    from tuners.llm.prompts.trial_formatter import TrialFormatter

__all__ = ["Opro"]


class Opro(Strategy):
    """Shows trials by their scores in ascending order (section 4.2 of the paper) and asks for a
    better one.
    """

    name = "opro"
    summary = "candidates with their scores, the best last"

    def plan(self, history: TrialHistory, formatter: TrialFormatter, most: int) -> PromptPlan:
        if not history.trials:
            return PromptPlan((), first_task(formatter), formatter.problem.form)
        entries = [
            Entry(formatter.entry(trial), formatter.line(trial), place=-trial.feasible_loss)
            for trial in history.by_usefulness()[:most]
        ]
        return PromptPlan(
            entries, part("task_opro", count=formatter.wanted), formatter.problem.form
        )
