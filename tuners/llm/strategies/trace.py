"""Revision by decision block, with feedback to the block that caused it.

After Trace's OptoPrime as the ICML 2025 paper uses it (arXiv 2410.15625, section 4): the mapper
is shown in its blocks, and blocks are rewritten one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tuners.llm.prompts.fitting import Entry
from tuners.llm.prompts.parts import part
from tuners.llm.strategies.strategy import Brief, Strategy

if TYPE_CHECKING:
    from tuners.llm.trial_history import Attempt, Past
    from tuners.llm.prompts.trial_formatter import Voice

__all__ = ["Trace"]


class Trace(Strategy):
    """One conversation; the model revises the best mapper, or the last where none ran."""

    name = "trace"
    summary = "decision blocks revised with the feedback that each caused"
    converses = True

    def brief(self, past: Past, voice: Voice, most: int) -> Brief:
        base = past.best or past.last
        if base is None:
            first = "task_first" if voice.problem.form == "mapper" else "task_first_values"
            return Brief((), part(first, count=voice.wanted), voice.problem.form)
        others = [each for each in past.by_usefulness()[:most] if each is not base]
        entries = [self._first(base, voice)]
        entries += [
            Entry(voice.entry(each), voice.line(each), place=each.number) for each in others
        ]
        return self._brief(entries, base, voice)

    def update(self, news: Sequence[Attempt], past: Past, voice: Voice) -> Brief:
        base = past.best or past.last
        assert base is not None  # noqa: S101  (a conversation goes on after a trial)
        entries = []
        for attempt in sorted(news, key=lambda each: (each is not base, -each.number)):
            if attempt is base:
                entries.append(self._first(base, voice))
            else:
                entries.append(self._news(attempt, voice))
        if base not in news:
            entries.append(Entry(f"The best is still {voice.line(base)}.", place=1e9))
        return self._brief(entries, base, voice)

    def _news(self, attempt: Attempt, voice: Voice) -> Entry:
        """A trial since the last turn: the model knows its own mappers, others are shown."""
        own = attempt.proposer == "model"
        text = voice.line(attempt) if own else voice.entry(attempt)
        said = voice.said(attempt) if own else ""
        return Entry(f"{text}\n{said}".strip(), voice.line(attempt), place=attempt.number)

    def _first(self, base: Attempt, voice: Voice) -> Entry:
        """The mapper to revise, in its blocks."""
        if voice.problem.form == "values":
            text = "\n".join(filter(None, (voice.entry(base), voice.said(base))))
        else:
            said = voice.explanation(base)
            text = "\n".join(filter(None, (voice.line(base), said, voice.blocks(base))))
        return Entry(text, voice.entry(base), place=1e9)

    def _brief(self, entries: Sequence[Entry], base: Attempt, voice: Voice) -> Brief:
        if voice.problem.form == "values":
            return Brief(entries, part("task_opro", count=voice.wanted), "values")
        task = part("task_trace", base=base.number)
        return Brief(entries, task, "blocks", base)
