"""Revision by decision block, with feedback to the block that caused it.

After Trace's OptoPrime as the ICML 2025 paper uses it (arXiv 2410.15625, section 4): the mapper
is shown in its blocks, and blocks are rewritten one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tuners.llm.prompts.writer import part
from tuners.llm.strategies.strategy import Entry, PromptPlan, Strategy

if TYPE_CHECKING:
    from tuners.finished_trial import FinishedTrial, TrialHistory
    from tuners.llm.prompts.trial_formatter import TrialFormatter

__all__ = ["Trace"]


class Trace(Strategy):
    """One conversation; the model revises the best mapper, or the last where none ran."""

    name = "trace"
    summary = "decision blocks revised with the feedback that each caused"
    converses = True

    def plan(self, history: TrialHistory, formatter: TrialFormatter, most: int) -> PromptPlan:
        base = history.best or history.last
        if base is None:
            first = "task_first" if formatter.problem.form == "mapper" else "task_first_values"
            return PromptPlan((), part(first, count=formatter.wanted), formatter.problem.form)
        others = [each for each in history.by_usefulness()[:most] if each is not base]
        entries = [self._first(base, formatter)]
        entries += [
            Entry(formatter.entry(each), formatter.line(each), place=each.number)
            for each in others
        ]
        return self._brief(entries, base, formatter)

    def update(
        self, news: Sequence[FinishedTrial], history: TrialHistory, formatter: TrialFormatter
    ) -> PromptPlan:
        base = history.best or history.last
        assert base is not None  # noqa: S101  (a conversation goes on after a trial)
        entries = []
        for trial in sorted(news, key=lambda each: (each is not base, -each.number)):
            if trial is base:
                entries.append(self._first(base, formatter))
            else:
                entries.append(self._news(trial, formatter))
        if base not in news:
            entries.append(Entry(f"The best is still {formatter.line(base)}.", place=1e9))
        return self._brief(entries, base, formatter)

    def _news(self, trial: FinishedTrial, formatter: TrialFormatter) -> Entry:
        """A trial since the last turn, with its mapper unless the model wrote it itself."""
        own = trial.proposer == "model"
        text = formatter.line(trial) if own else formatter.entry(trial)
        said = formatter.feedback_on(trial) if own else ""
        return Entry(f"{text}\n{said}".strip(), formatter.line(trial), place=trial.number)

    def _first(self, base: FinishedTrial, formatter: TrialFormatter) -> Entry:
        """The mapper to revise, in its blocks."""
        if formatter.problem.form == "values":
            text = "\n".join(filter(None, (formatter.entry(base), formatter.feedback_on(base))))
        else:
            said = formatter.explanation(base)
            text = "\n".join(filter(None, (formatter.line(base), said, formatter.blocks(base))))
        return Entry(text, formatter.entry(base), place=1e9)

    def _brief(
        self, entries: Sequence[Entry], base: FinishedTrial, formatter: TrialFormatter
    ) -> PromptPlan:
        if formatter.problem.form == "values":
            return PromptPlan(entries, part("task_opro", count=formatter.wanted), "values")
        task = part("task_trace", base=base.number)
        return PromptPlan(entries, task, "blocks", base)
