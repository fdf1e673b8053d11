"""Optimisation by prompting (OPRO, arXiv 2309.03409): candidates with scores, the best last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuners.llm.prompts.fitting import Entry
from tuners.llm.prompts.parts import part
from tuners.llm.strategies.strategy import Brief, Strategy

if TYPE_CHECKING:
    from tuners.llm.trial_history import Past
    from tuners.llm.prompts.trial_formatter import Voice

__all__ = ["Opro"]


class Opro(Strategy):
    """Shows trials by their scores in ascending order (section 4.2 of the paper) and asks for a
    better one.
    """

    name = "opro"
    summary = "candidates with their scores, the best last"

    def brief(self, past: Past, voice: Voice, most: int) -> Brief:
        if not past.attempts:
            first = "task_first" if voice.problem.form == "mapper" else "task_first_values"
            return Brief((), part(first, count=voice.wanted), voice.problem.form)
        entries = [
            Entry(voice.entry(attempt), voice.line(attempt), place=-attempt.loss)
            for attempt in past.by_usefulness()[:most]
        ]
        return Brief(entries, part("task_opro", count=voice.wanted), voice.problem.form)
