"""The model first, then a classical tuner from its trials, the model again on a stall."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsl.units import percent
from tuners.llm.prompts.writer import part
from tuners.llm.strategies.importance import importances
from tuners.llm.strategies.strategy import Entry, PromptPlan, Strategy
from tuners.llm.strategies.trace import Trace

if TYPE_CHECKING:
    from tuners.finished_trial import TrialHistory
    from tuners.llm.prompts.trial_formatter import TrialFormatter

__all__ = ["Hybrid"]

_LISTED = 8  # parameters


class Hybrid(Strategy):
    """The model starts, the fallback goes on from its trials, and the model helps on a stall.

    Args:
        warm: Trials that the model proposes first.
        patience: Trials without a better one after which it is asked again.
        turns: How many trials it then proposes before the fallback goes on.
    """

    name = "hybrid"
    summary = "the model first, TPE from its trials, the model again on a stall"

    def __init__(self, warm: int = 10, patience: int = 30, turns: int = 2) -> None:
        self.warm = warm
        self.patience = patience
        self.turns = turns
        self._trace = Trace()

    def skip_reason(self, history: TrialHistory) -> str | None:
        if len(history.trials) < self.warm:
            return None
        if history.trials[-1].proposer == "model" and self._turns_taken(history) < self.turns:
            return None
        quiet = self._quiet(history)
        if quiet >= self.patience:
            return None
        return f"hybrid: the fallback goes on, {quiet} trials without a better one"

    def plan(self, history: TrialHistory, formatter: TrialFormatter, most: int) -> PromptPlan:
        if len(history.trials) < self.warm:
            return self._trace.plan(history, formatter, most)
        entries = [
            Entry(formatter.entry(each), formatter.line(each), place=-each.feasible_loss)
            for each in history.by_usefulness()[:most]
        ]
        shares = importances(history.trials, tuple(formatter.problem.distributions))
        listed = "\n".join(f"- {name}: {percent(share)}" for name, share in shares[:_LISTED])
        task = part(
            "task_hybrid",
            trials=len(history.trials),
            since=history.since_best(),
            importances=listed or "- none stands out",
            count=formatter.wanted,
        )
        return PromptPlan(entries, task, formatter.problem.form)

    def _quiet(self, history: TrialHistory) -> int:
        """Trials of the fallback since the best one, or since the model was last asked."""
        after = -1 if history.best is None else history.best.number
        quiet = 0
        for trial in reversed(history.trials):
            if trial.number <= after or trial.proposer == "model":
                break
            quiet += 1
        return quiet

    def _turns_taken(self, history: TrialHistory) -> int:
        """How many trials in a row the model has proposed since the last stall.

        Right after the warm start its turns count as taken.
        """
        taken = 0
        for trial in reversed(history.trials[self.warm :]):
            if trial.proposer != "model":
                return taken
            taken += 1
        return max(taken, self.turns)
