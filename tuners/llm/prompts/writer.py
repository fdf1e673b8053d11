"""Whole prompts: the problem, what was tried, what to do and how to answer.

The parts are text files beside this module, with places for what changes. A prompt is kept under a
limit of tokens: the least useful history goes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from tuners.errors import TunerError
from tuners.llm.model.exchange import Message, estimated_tokens
from tuners.llm.prompts.examples import examples_for
from tuners.llm.prompts.manual import brief_manual

if TYPE_CHECKING:
    from tuners.finished_trial import TrialHistory
    from tuners.llm.candidates import Answer
    from tuners.llm.prompts.trial_formatter import Decode, TrialFormatter
    from tuners.llm.strategies.strategy import Entry, PromptPlan, Strategy

__all__ = ["Prompt", "PromptTooLong", "PromptWriter", "part"]


class PromptTooLong(TunerError):  # noqa: N818  (what is the case)
    """The part of a prompt that must be said exceeds the limit; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question with the conversation before it.

    Attributes:
        messages: The conversation up to the question.
        plan: What the question is about.
    """

    messages: tuple[Message, ...]
    plan: PromptPlan


class PromptWriter:
    """Writes prompts for one problem.

    Args:
        formatter: Puts the trials into words.
        limit: The most tokens of a prompt, as estimated.
        history: How many trials to tell of at most.
        examples: How many mappers of other programs to show.
        decode: How the reply is held to its form.
        maximise: Whether larger values are better.
    """

    def __init__(
        self,
        formatter: TrialFormatter,
        *,
        limit: int,
        history: int,
        examples: int = 0,
        decode: Decode = "free",
        maximise: bool = True,
    ) -> None:
        self.formatter = formatter
        self._limit = limit
        self._history = history
        self._decode = decode
        self._first, self._later = (
            _system(formatter, examples, maximise=maximise, first=first) for first in (True, False)
        )

    def prompt(self, strategy: Strategy, history: TrialHistory) -> Prompt:
        """What is asked, with as much of the history as there is room for.

        Raises:
            PromptTooLong: It does not fit without any history.
        """
        plan = strategy.plan(history, self.formatter, self._history)
        ending = f"{plan.task}\n\n{self._form(plan.answer)}"
        text = self._later if plan.entries and history.best is not None else self._first
        entries = fit([text, ending], plan.entries, self._limit)
        system = Message("system", text)
        return Prompt((system, Message("user", _joined(entries, ending))), plan)

    def _form(self, answer: Answer) -> str:
        count = self.formatter.wanted
        if self._decode == "schema" and answer != "blocks":
            return part("answer_json", count=count)
        return part(f"answer_{answer}", count=count)


def _system(formatter: TrialFormatter, examples: int, *, maximise: bool, first: bool) -> str:
    """What is known before any trial.

    Args:
        formatter: Has the problem.
        examples: How many mappers of other programs to show.
        maximise: Whether larger values are better.
        first: Whether no candidate has run yet: the language is told in full then.
    """
    problem = formatter.problem
    unit = f", in {problem.unit}" if problem.unit else ""
    goal = "largest" if maximise else "smallest"
    role = part(
        f"role_{problem.form}", unit=problem.unit if problem.form == "mapper" else unit, goal=goal
    )
    space = problem.space()
    heading = "Parameters" if problem.form == "values" else "What there is to decide"
    parts = [
        role,
        problem.language if first else brief_manual(problem.language),
        f"# The problem\n\n{problem.describe()}",
        f"# {heading}\n\n{space}" if space else "",
        examples_for(problem, examples),
    ]
    return "\n\n".join(text.strip("\n") for text in parts if text)


def _joined(entries: Sequence[str], ending: str) -> str:
    """The history and what comes after it; entries of one line each stand close together."""
    if not entries:
        return ending
    parts = [part("history")]
    for before, entry in zip(("", *entries), entries, strict=False):
        close = before and "\n" not in before and "\n" not in entry
        parts.append(f"{'' if close else chr(10)}{entry}")
    return "\n".join(parts) + f"\n\n{ending}"


def fit(needed: Sequence[str], entries: Sequence[Entry], limit: int) -> list[str]:
    """The entries that fit beside what is needed, in the order of their places.

    Args:
        needed: The texts that must stand.
        entries: What may be left out, the most useful first.
        limit: The most tokens of all together.

    Raises:
        PromptTooLong: What is needed does not fit by itself.

    >>> from tuners.llm.strategies.strategy import Entry
    >>> fit(["x" * 30], [Entry("a" * 30, place=2), Entry("b" * 300, "b", place=1)], limit=50)
    ['b', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa']
    """
    room = limit - sum(estimated_tokens(text) for text in needed)
    if room < 0:
        raise PromptTooLong(
            f"the prompt takes {limit - room:,} tokens without any history, more than the limit "
            f"of {limit:,}: raise max_prompt_tokens"
        )
    kept: list[tuple[float, str]] = []
    for entry in entries:
        for text in filter(None, (entry.text, entry.short)):
            tokens = estimated_tokens(text)
            if tokens <= room:
                room -= tokens
                kept.append((entry.place, text))
                break
    return [text for _, text in sorted(kept, key=lambda each: each[0])]


def part(name: str, **values: object) -> str:
    """The text of a part with its places filled.

    >>> part("repeated", number=3, result="1.5 GB/s").splitlines()[1]
    'same form.'
    """
    return _template(name).substitute(values).strip("\n")


@cache
def _template(name: str) -> Template:
    return Template(files("tuners.llm.prompts").joinpath(f"{name}.md").read_text(encoding="utf-8"))
