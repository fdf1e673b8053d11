"""The trials of a study as a model is told of them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optuna.study import StudyDirection
from optuna.trial import TrialState

from dsl.errors import MappertuneError
from tuners import attributes

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from tuners.problems.problem import TextProblem

__all__ = ["FinishedTrial", "TrialHistory"]

_SIGNATURE = 60  # characters of a message that tell one kind of failure from another


@dataclass(frozen=True, slots=True, eq=False)
class FinishedTrial:
    """One finished trial.

    Attributes:
        number: Of the trial.
        params: Values of its parameters.
        score: Its value; None where it has none, or where it broke a constraint.
        loss: Smaller is better; infinite where there is no score.
        raw: What was said of it.
        written: The candidate as a model wrote it; None where its parameters make it.
        proposer: Who proposed it.
    """

    number: int
    params: Mapping[str, Any]
    score: float | None
    loss: float
    raw: str
    written: str | None
    proposer: str

    @classmethod
    def of(cls, trial: FrozenTrial, sign: float) -> FinishedTrial:
        """The attempt that a finished trial was; ``sign`` is -1 where larger is better."""
        noted = trial.user_attrs
        broken = any(value > 0 for value in trial.constraints.values())
        value = trial.values[0] if trial.state == TrialState.COMPLETE and trial.values else None
        if broken or (value is not None and not math.isfinite(value)):
            value = None
        raw = str(noted.get(attributes.RAW, ""))
        if value is None and not raw:
            raw = "it broke a constraint" if broken else "it gave no value"
        written = noted.get(attributes.TEXT)
        return cls(
            number=trial.number,
            params=trial.params,
            score=value,
            loss=math.inf if value is None else sign * value,
            raw=raw,
            written=written if isinstance(written, str) else None,
            proposer=str(noted.get(attributes.PROPOSER, "")),
        )

    @property
    def failure(self) -> str:
        """Equal for trials that failed in the same way; empty for those that did not."""
        return "" if self.score is not None else re.sub(r"\d+", "0", self.raw[:_SIGNATURE])

    def text(self, problem: TextProblem) -> str:
        """The candidate."""
        if self.written is not None:
            return self.written
        try:
            return problem.render(self.params)
        except (MappertuneError, KeyError):  # a trial that stopped early, or of another space
            return ""


class TrialHistory:
    """All finished trials of a study, in order.

    Args:
        trials: All trials of the study.
        direction: Whether larger values are better.
        known: Attempts by number, of this study; those that are missing are added.

    Attributes:
        attempts: One for each.
        maximise: Whether larger values are better.
    """

    def __init__(
        self,
        trials: Sequence[FrozenTrial],
        direction: StudyDirection,
        known: dict[int, FinishedTrial] | None = None,
    ) -> None:
        self.maximise = direction == StudyDirection.MAXIMIZE
        sign = -1.0 if self.maximise else 1.0
        known = {} if known is None else known
        self.attempts = [
            known.get(trial.number)
            or known.setdefault(trial.number, FinishedTrial.of(trial, sign))
            for trial in trials
            if trial.state.is_finished()
        ]

    @property
    def best(self) -> FinishedTrial | None:
        """The first of the best; None where nothing has a score."""
        scored = [each for each in self.attempts if each.score is not None]
        return min(scored, key=lambda each: each.loss, default=None)

    @property
    def last(self) -> FinishedTrial | None:
        """The last one; None before the first."""
        return self.attempts[-1] if self.attempts else None

    @property
    def asked(self) -> int:
        """How many of them a model proposed."""
        return sum(each.proposer == "model" for each in self.attempts)

    def since_best(self) -> int:
        """Trials since the best one; all where nothing has a score."""
        best = self.best
        if best is None:
            return len(self.attempts)
        return sum(each.number > best.number for each in self.attempts)

    def by_usefulness(self) -> list[FinishedTrial]:
        """What to tell of first: the best, the last, the worst that ran, the latest of each kind
        of failure; then the others, better ones first.
        """
        scored = sorted(
            (each for each in self.attempts if each.score is not None),
            key=lambda each: (each.loss, each.number),
        )
        failures = {each.failure: each for each in self.attempts if each.score is None}
        latest = sorted(failures.values(), key=lambda each: -each.number)
        first = [*scored[:1], *self.attempts[-1:], *scored[-1:], *latest]
        rest = [each for each in self.attempts if each.score is None][::-1]
        return list(dict.fromkeys([*first, *scored, *rest]))
