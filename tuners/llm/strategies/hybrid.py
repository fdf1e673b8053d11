"""The model first, then a classical tuner from its trials, the model again on a stall."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuners.llm.prompts.fitting import Entry
from tuners.llm.prompts.parts import part
from tuners.llm.strategies.importance import importances
from tuners.llm.strategies.strategy import Brief, Strategy
from tuners.llm.strategies.trace import Trace

if TYPE_CHECKING:
    from tuners.llm.trial_history import Past
    from tuners.llm.prompts.trial_formatter import Voice

__all__ = ["Hybrid"]

_TOLD = 8  # parameters


class Hybrid(Strategy):
    """A warm start by the model; the fallback goes on; on a stall the model looks at it again.

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

    def pause(self, past: Past) -> str | None:
        if len(past.attempts) < self.warm:
            return None
        if past.attempts[-1].proposer == "model" and self._turns_taken(past) < self.turns:
            return None
        quiet = self._quiet(past)
        if quiet >= self.patience:
            return None
        return f"hybrid: the fallback goes on, {quiet} trials without a better one"

    def brief(self, past: Past, voice: Voice, most: int) -> Brief:
        if len(past.attempts) < self.warm:
            return self._trace.brief(past, voice, most)
        entries = [
            Entry(voice.entry(each), voice.line(each), place=-each.loss)
            for each in past.by_usefulness()[:most]
        ]
        shares = importances(past.attempts, tuple(voice.problem.distributions))
        told = "\n".join(f"- {name}: {share:.0%}" for name, share in shares[:_TOLD])
        task = part(
            "task_hybrid",
            trials=len(past.attempts),
            since=past.since_best(),
            importances=told or "- none stands out",
            count=voice.wanted,
        )
        return Brief(entries, task, voice.problem.form)

    def _quiet(self, past: Past) -> int:
        """Trials of the fallback since the best one, or since the model was last asked."""
        after = -1 if past.best is None else past.best.number
        quiet = 0
        for attempt in reversed(past.attempts):
            if attempt.number <= after or attempt.proposer == "model":
                break
            quiet += 1
        return quiet

    def _turns_taken(self, past: Past) -> int:
        """How many trials in a row the model has proposed; the warm start counts as all."""
        taken = 0
        for attempt in reversed(past.attempts[self.warm :]):
            if attempt.proposer != "model":
                return taken
            taken += 1
        return max(taken, self.turns)
