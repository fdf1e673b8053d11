"""A model that has nothing left to propose: what it says, and what comes of that."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from optuna.study import StudyDirection

from tuners import attributes
from tuners.finished_trial import TrialHistory
from tuners.llm.replies.texts import json_values_in

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from tuners.finished_trial import FinishedTrial
    from tuners.problems.problem import TextProblem

__all__ = ["NEAR_FLOOR", "WhenDone", "done_reason", "done_trial", "ends_study", "is_near_floor"]

WhenDone: TypeAlias = Literal["auto", "stop", "fallback"]

NEAR_FLOOR = 0.99
"""Share of the floor from which on, by default, a study ends with its model."""
LONGEST_REASON = 500
UNTOLD = "it gives no reason"

_LINE = re.compile(
    r"^[ \t>#*_`]*done[*_`]*[ \t]*(?:[:\u2014\u2013-]+[ \t]*(.*)|[.!]?)$", re.IGNORECASE
)


def done_reason(reply: str) -> str | None:
    """Why a model is done, where its reply says so; None where it does not.

    A line that begins with ``done`` says it, or the member ``done`` of a JSON object. Whether the
    reply proposes something as well is not looked at.

    >>> done_reason("All of it is arithmetic." + chr(10) + "done: 99.9 % of the floor")
    '99.9 % of the floor'
    >>> done_reason("I have not done this before.") is None
    True
    """
    for found in json_values_in(reply) if reply.lstrip().startswith("{") else ():
        said = found.get("done")
        if said:
            reason = said if isinstance(said, str) else str(found.get("reasoning", ""))
            return _shortened(reason)
    matches = [match for line in reply.splitlines() if (match := _LINE.match(line))]
    return _shortened((matches[-1][1] or "").strip(" *_`")) if matches else None


def _shortened(reason: str) -> str:
    return " ".join(reason.split())[:LONGEST_REASON] or UNTOLD


def done_trial(trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """The first trial for which the model has said that it is done; None where it never did."""
    return next((each for each in trials if attributes.DONE in each.user_attrs), None)


def ends_study(
    problem: TextProblem,
    trials: Sequence[FrozenTrial],
    when_done: WhenDone,
    direction: StudyDirection = StudyDirection.MAXIMIZE,
) -> str | None:
    """Why a study ends here, where its model is done; None where the fallback goes on.

    Args:
        problem: What is tuned.
        trials: All trials of the study.
        when_done: ``"auto"`` ends it within 1 % of the floor.
        direction: The study's.
    """
    done = done_trial(trials)
    if done is None or when_done == "fallback":
        return None
    said = f"{attributes.IS_DONE} since trial {done.number}: {done.user_attrs[attributes.DONE]}"
    if when_done == "stop":
        return said
    history = TrialHistory(direction)
    history.update(trials)
    return said if is_near_floor(problem, history.best) else None


def is_near_floor(problem: TextProblem, trial: FinishedTrial | None) -> bool:
    """Whether no mapper can be faster than a trial's by more than 1 %, as far as is known."""
    if trial is None:
        return False
    outcome = problem.evaluate_text(trial.candidate(problem)).outcome
    return (outcome.of_floor or 0.0) >= NEAR_FLOOR
