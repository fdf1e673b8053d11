"""How trials are told to a model: scores, candidates, what differs between them, feedback."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from dsl.bounded_cache import BoundedCache
from dsl.errors import MappertuneError
from dsl.units import percent, seconds
from tuners.llm.prompts.comparison import comparison
from tuners.llm.prompts.difference import Difference, difference
from tuners.llm.replies.values import told_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from legion_bridge.outcome import Outcome
    from tuners.finished_trial import FinishedTrial, TrialHistory
    from tuners.guide.guidance import Guidance, Suggestion
    from tuners.problems.mapper_problem import MapperProblem
    from tuners.problems.problem import TextProblem

__all__ = ["Decode", "Feedback", "TrialFormatter"]

Decode = Literal["free", "schema", "grammar"]
Feedback = Literal["none", "raw", "explained", "suggested"]

_RAW_SHOWN = 400  # characters of a message where no more feedback is asked for
_FEEDBACK_SHOWN = 4000
_NOTES_SHOWN = 4  # of a trial
_EXPLAINED = 5  # explanations of one trial
_SUGGESTED = 3  # suggestions for one trial
_EDITS_SHOWN = 6  # edits of one trial in the list of trials
_KNOBS_SHOWN = 12
SAME = 1e-3
"""Share of a setup by which it must differ to be told again."""
_REMEMBERED = 500  # explanations, differences, and mappers in brief


class TrialFormatter:
    """Puts trials into words, at one level of feedback.

    Args:
        problem: What is tuned.
        feedback: How much is told of a trial beside its score.
        count: How many candidates a reply shall have.
    """

    def __init__(self, problem: TextProblem, feedback: Feedback, count: int = 1) -> None:
        self.problem = problem
        self.feedback = feedback
        self.count = count
        self._guidance = BoundedCache[str, "Guidance | None"](_REMEMBERED)
        self._short = BoundedCache[str, str](_REMEMBERED)
        self._differences = BoundedCache[tuple[str, str], "Difference | None"](_REMEMBERED)

    @property
    def wanted(self) -> str:
        """What a reply shall hold, such as ``"one mapper"``."""
        noun = "mapper" if self.problem.form == "mapper" else "set of values"
        if self.count == 1:
            return f"one {noun}"
        plural = "mappers" if noun == "mapper" else "sets of values"
        return f"{self.count} {plural} that differ from each other"

    def score(self, trial: FinishedTrial) -> str:
        """The score of a trial, or how it failed."""
        if trial.score is not None:
            spread = trial.spread
            more = [f"setup {seconds(trial.setup)}"] if trial.setup is not None else []
            more += [f"its runs lie {percent(spread, decimals=1)} apart"] if spread else []
            return f"{trial.score:.6g} {self.problem.unit}".rstrip() + (
                f" ({', '.join(more)})" if more else ""
            )
        shown = _RAW_SHOWN if self.feedback != "none" else 0
        raw = trial.raw[:shown].strip()
        return f"failed: {raw}" if raw else "failed"

    def candidate(self, trial: FinishedTrial) -> str:
        """The candidate of a trial, fenced."""
        text = self.text(trial).strip("\n")
        word = "mapper" if self.problem.form == "mapper" else "json"
        return f"```{word}\n{text}\n```"

    def line(self, trial: FinishedTrial) -> str:
        """A trial in a line."""
        notes = "; ".join(trial.notes[:_NOTES_SHOWN])
        return f"Trial {trial.number}: {self.score(trial)}" + (f" ({notes})" if notes else "")

    def entry(self, trial: FinishedTrial) -> str:
        """A trial with its candidate."""
        if self.problem.form == "values":
            known = self.problem.distributions
            values = {
                name: told_value(value, known[name]) if name in known else value
                for name, value in trial.params.items()
            }
            return f"{self.line(trial)} with {json.dumps(values, default=str)}"
        return f"{self.line(trial)}\n{self.candidate(trial)}"

    def text(self, trial: FinishedTrial) -> str:
        """The candidate of a trial: as a model wrote it, else as short as it can be written."""
        if trial.text is not None:
            return trial.text
        whole = trial.candidate(self.problem)
        return self._short.get_or_make(whole, lambda: self.problem.shorten(whole))[0]

    # What differs

    def brief(self, trial: FinishedTrial, history: TrialHistory, *, detailed: bool = False) -> str:
        """A trial in a line: what it changed in which other one, and what came of that.

        Args:
            trial: The trial.
            history: Has the other one.
            detailed: Whether to say which parts of an iteration differ.
        """
        base = self.base_of(trial, history)
        told = None if base is None else self._difference(base, trial)
        if base is None or told is None:
            return self._first_line(trial)
        edits = " ".join(f"`{each}`" for each in told.edits[:_EDITS_SHOWN])
        more = len(told.edits) - _EDITS_SHOWN
        edits += f" and {more} more" if more > 0 else ""
        changed = f"trial {base.number} with {edits}" if told.edits else f"trial {base.number}"
        compared = self._compared(base, trial, told, detailed=detailed)
        same = _nearly(base.setup, trial.setup)
        line = self._first_line(replace(trial, setup=None) if same else trial)
        if told.effect == "none" and same and compared:
            return f"Trial {trial.number}: as {changed}: {compared}"
        return ": ".join(filter(None, (f"{line}; {changed}", compared)))

    def _first_line(self, trial: FinishedTrial) -> str:
        """A trial in a line, of a message no more than how it begins."""
        begins = trial.raw.strip().partition("\n")[0]
        return self.line(trial if trial.feasible else replace(trial, raw=begins))

    def news(self, trial: FinishedTrial, history: TrialHistory) -> str:
        """The statements that a trial put into the mapper of another one, fenced."""
        base = self.base_of(trial, history)
        told = None if base is None else self._difference(base, trial)
        new = [each for edit in told.edits for each in edit.new] if told else []
        return _fenced("What it put in:", new) if new else ""

    def base_of(self, trial: FinishedTrial, history: TrialHistory) -> FinishedTrial | None:
        """The trial whose mapper was revised for a trial; None where it was written anew."""
        return next((each for each in history.trials if each.number == trial.base), None)

    def inert(self, history: TrialHistory) -> str:
        """What was turned and never changed the time; empty where there is none such."""
        tried: dict[str, bool] = {}
        for trial in history.trials:
            base = self.base_of(trial, history)
            told = None if base is None else self._difference(base, trial)
            for edit in told.edits if told else ():
                for knob in edit.knobs:
                    still = edit.effect == "none" and tried.get(knob, True)
                    tried[knob] = still
        knobs = [knob for knob, still in tried.items() if still]
        if not knobs:
            return ""
        more = len(knobs) - _KNOBS_SHOWN
        listed = ", ".join(knobs[:_KNOBS_SHOWN]) + (f" and {more} more" if more > 0 else "")
        return f"Without any effect on time so far: {listed}."

    def _difference(self, base: FinishedTrial, trial: FinishedTrial) -> Difference | None:
        """None of problems that have no mappers, and of texts that do not parse."""
        problem = _mapper_problem(self.problem)
        if problem is None:
            return None
        key = (self.text(base), self.text(trial))

        def find() -> Difference | None:
            try:
                return difference(problem, *key)
            except MappertuneError:
                return None

        return self._differences.get_or_make(key, find)[0]

    def _compared(
        self, base: FinishedTrial, trial: FinishedTrial, told: Difference, *, detailed: bool
    ) -> str:
        """What came of a change, at the level of feedback."""
        problem = _mapper_problem(self.problem)
        if problem is None or self.feedback == "none" or not (base.feasible and trial.feasible):
            return ""
        if told.effect == "none":
            return "no effect on time"
        if told.effect == "untimed":
            return "no effect on the timed part"
        first, second = (self._outcome(problem, each, detailed=detailed) for each in (base, trial))
        said = [comparison(first, second)]
        for edits, what in (
            (told.inert, "no effect on time"),
            (told.untimed, "no effect on the timed part"),
        ):
            if edits:
                said.append(f"{what}: {', '.join(f'`{each}`' for each in edits)}")
        return "; ".join(filter(None, said))

    def _outcome(self, problem: MapperProblem, trial: FinishedTrial, *, detailed: bool) -> Outcome:
        evaluation = problem.evaluate_text(self.text(trial), check=False)
        return problem.profiled(evaluation) if detailed else evaluation.outcome

    # Feedback

    def feedback_on(self, trial: FinishedTrial) -> str:
        """The feedback on a trial by itself; empty where none is wanted or known."""
        return "\n".join(filter(None, (self.explanation(trial), *self.suggestions(trial))))

    def explanation(self, trial: FinishedTrial) -> str:
        """What came of a trial and what it means, without what to try."""
        if self.feedback == "none":
            return ""
        guidance = None if self.feedback == "raw" else self._explained(trial)
        if guidance is None:
            return trial.raw[:_FEEDBACK_SHOWN]
        raw = "" if trial.feasible and guidance.standing else guidance.raw[:_RAW_SHOWN].strip()
        told = guidance.explanations[: guidance.costly or None][:_EXPLAINED]
        lines = [*_lines(raw), *_lines(guidance.standing), *(f"- {each}" for each in told)]
        return "\n".join(lines)[:_FEEDBACK_SHOWN]

    def suggestions(self, trial: FinishedTrial) -> list[str]:
        """What to try after a trial, each item with its block and with whole statements."""
        guidance = self._explained(trial) if self.feedback == "suggested" else None
        if guidance is None:
            return []
        return [_suggested(each) for each in guidance.suggestions[:_SUGGESTED]]

    def blamed(self, trial: FinishedTrial) -> list[str]:
        """The decision blocks that the suggestions after a trial would change."""
        guidance = self._explained(trial) if self.feedback == "suggested" else None
        found = guidance.suggestions[:_SUGGESTED] if guidance else ()
        return list(dict.fromkeys(each.block for each in found))

    def _explained(self, trial: FinishedTrial) -> Guidance | None:
        text = self.text(trial)
        return self._guidance.get_or_make(text, lambda: self._explain(text))[0]

    def _explain(self, text: str) -> Guidance | None:
        if not text:
            return None
        try:
            return self.problem.explain(self.problem.evaluate_text(text))
        except MappertuneError:
            return None


def _nearly(first: float | None, second: float | None) -> bool:
    """Whether two times are alike but for a thousandth."""
    if first is None or second is None:
        return first is second
    return abs(first - second) <= SAME * max(first, second)


def _lines(text: str) -> Iterable[str]:
    return (text,) if text else ()


def _suggested(suggestion: Suggestion) -> str:
    """A suggestion with what to take out and what to put in, whole."""
    parts = [f"Feedback on the {suggestion.block} block: {suggestion.sentence}"]
    gone = [each for each in suggestion.replaces if each.strip()]
    if gone and not suggestion.statements.strip():
        parts.append(_fenced("Take these lines out:", gone))
    elif suggestion.statements.strip():
        parts.append(_fenced("Put these first:", [suggestion.statements.strip("\n")]))
    return "\n".join(parts)


def _fenced(heading: str, lines: Sequence[str]) -> str:
    return "\n".join([heading, "```mapper", *lines, "```"])


def _mapper_problem(problem: TextProblem) -> MapperProblem | None:
    from tuners.problems.mapper_problem import MapperProblem  # noqa: PLC0415  (it loads programs)

    return problem if isinstance(problem, MapperProblem) else None
