"""Finished trials as a sampler sees them: values, and how good they were."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from tuners import attributes

__all__ = ["History", "Observation"]


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """One finished trial.

    Attributes:
        number: Of the trial.
        values: Of the parameters that it asked for.
        violation: How far it is from keeping every constraint, 0 where it keeps them all;
            infinite for a trial that failed.
        loss: Its value, negated where the study maximises; infinite where it has none.
        failed: Whether it failed, perhaps before it had asked for all parameters.
        key: The candidate that it ran, where a problem has said so.
    """

    number: int
    values: Mapping[str, Any]
    violation: float
    loss: float
    failed: bool = False
    key: str | None = None

    @property
    def rank(self) -> tuple[float, float]:
        """Smaller is better: first the constraints count, then the value."""
        return self.violation, self.loss

    @property
    def feasible(self) -> bool:
        """Whether it kept every constraint and has a value."""
        return self.violation <= 0 and math.isfinite(self.loss)


class History:
    """The finished trials of a study, in the order in which they were noticed.

    Attributes:
        observations: One for each.
        distributions: Those of all parameters seen, the latest where they changed.
    """

    def __init__(self, direction: StudyDirection) -> None:
        self._sign = -1.0 if direction == StudyDirection.MAXIMIZE else 1.0
        self._unfinished_from = 0
        self._seen: set[int] = set()
        self.observations: list[Observation] = []
        self.distributions: dict[str, BaseDistribution] = {}

    def update(self, trials: Sequence[FrozenTrial]) -> None:
        """Notices what has finished since the last time.

        Args:
            trials: All trials of the study, by number.
        """
        gap = False
        for trial in trials[self._unfinished_from :]:
            if not trial.state.is_finished():
                gap = True
            elif trial.number not in self._seen:
                self._seen.add(trial.number)
                self.distributions.update(trial.distributions)
                self.observations.append(self._observation(trial))
            if not gap:
                self._unfinished_from = trial.number + 1

    def _observation(self, trial: FrozenTrial) -> Observation:
        complete = trial.state == TrialState.COMPLETE
        failed = trial.state == TrialState.FAIL
        violation = sum(max(0.0, value) for value in trial.constraints.values())
        key = trial.user_attrs.get(attributes.NORMAL_FORM)
        return Observation(
            number=trial.number,
            values=trial.params,
            violation=math.inf if failed else violation,
            loss=self._sign * trial.values[0] if complete and trial.values else math.inf,
            failed=failed,
            key=key if isinstance(key, str) else None,
        )
