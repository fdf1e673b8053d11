"""Revision by decision block, with feedback to the block that caused it.

After Trace's OptoPrime as the ICML 2025 paper uses it (arXiv 2410.15625, section 4): the best
mapper is shown with the feedback on its blocks, and blocks are rewritten one by one. Each request
stands by itself: the other trials are a line each, with what they changed and what came of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuners.llm.prompts.writer import part
from tuners.llm.strategies.first_task import first_task
from tuners.llm.strategies.strategy import Entry, PromptPlan, Strategy

if TYPE_CHECKING:
    from tuners.finished_trial import FinishedTrial, TrialHistory
    from tuners.llm.prompts.trial_formatter import TrialFormatter

__all__ = ["Trace"]


class Trace(Strategy):
    """The model revises the best mapper, or the last where none ran."""

    name = "trace"
    summary = "decision blocks revised with the feedback that each caused"

    def plan(self, history: TrialHistory, formatter: TrialFormatter, most: int) -> PromptPlan:
        base = history.best or history.last
        if base is None:
            return PromptPlan((), first_task(formatter), formatter.problem.form)
        last = history.last
        entries = [self._base(base, history, formatter)]
        for each in history.by_usefulness()[:most]:
            if each is last and each is not base:
                entries.append(self._newest(each, history, formatter))
            elif each is not base:
                brief = formatter.brief(each, history)
                entries.append(Entry(brief, formatter.line(each), place=each.number))
        inert = formatter.inert(history)
        if inert:
            entries.append(Entry(inert, place=1e8))
        return self._brief(entries, base, formatter)

    def _newest(
        self, trial: FinishedTrial, history: TrialHistory, formatter: TrialFormatter
    ) -> Entry:
        """The latest trial, which is not the best: how it differs, and why."""
        brief = formatter.brief(trial, history, detailed=True)
        parts = [brief if trial.base is not None else formatter.entry(trial)]
        if not trial.feasible or trial.base is None:
            parts += [formatter.explanation(trial), formatter.news(trial, history)]
        text = "\n".join(filter(None, parts))
        return Entry(text, formatter.brief(trial, history), place=trial.number)

    def _base(
        self, base: FinishedTrial, history: TrialHistory, formatter: TrialFormatter
    ) -> Entry:
        """The mapper to revise, with all that is known of it."""
        parts = [formatter.brief(base, history), formatter.explanation(base)]
        if formatter.problem.form == "values":
            parts[0] = formatter.entry(base)
        else:
            parts.append(formatter.candidate(base))
        text = "\n".join(filter(None, [*parts, *formatter.suggestions(base)]))
        return Entry(text, formatter.entry(base), place=1e9)

    def _brief(
        self, entries: list[Entry], base: FinishedTrial, formatter: TrialFormatter
    ) -> PromptPlan:
        if formatter.problem.form == "values":
            return PromptPlan(entries, part("task_opro", count=formatter.wanted), "values")
        blamed = formatter.blamed(base)
        if not base.feasible:
            task = part("task_mend", base=base.number)
        elif blamed:
            task = part("task_trace", base=base.number, blocks=_listed(blamed))
        else:
            task = part("task_best", base=base.number)
        return PromptPlan(entries, task, "blocks", base)


def _listed(blocks: list[str]) -> str:
    if len(blocks) == 1:
        return f"the {blocks[0]} block"
    return f"the blocks {', '.join(blocks[:-1])} and {blocks[-1]}"
