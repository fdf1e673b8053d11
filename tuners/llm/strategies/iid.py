"""Independent proposals: the model is told of no trial."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuners.llm.prompts.parts import part
from tuners.llm.strategies.strategy import Brief, Strategy

if TYPE_CHECKING:
    from tuners.llm.trial_history import Past
    from tuners.llm.prompts.trial_formatter import Voice

__all__ = ["Independent"]


class Independent(Strategy):
    """No history: what many elaborate prompts fail to beat, and the zero-shot baseline."""

    name = "iid"
    summary = "independent proposals, without history"

    def brief(self, past: Past, voice: Voice, most: int) -> Brief:  # noqa: ARG002  (no history)
        return Brief((), part("task_iid", count=voice.wanted), voice.problem.form)
