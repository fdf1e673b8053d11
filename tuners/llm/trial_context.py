"""A trial that wants values, with all that those who propose them look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuners.llm.trial_history import TrialHistory
from tuners.samplers.claims import conflicting_trial, is_shared

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    from tuners.llm.candidates import Candidate
    from tuners.llm.study_memory import StudyMemory

__all__ = ["TrialContext"]


@dataclass(frozen=True, slots=True)
class TrialContext:
    """One trial of one study.

    Attributes:
        study: The study.
        trial: The trial, which is running.
        space: The parameters that want values.
        memory: What is remembered of the study.
    """

    study: Study
    trial: FrozenTrial
    space: Mapping[str, BaseDistribution]
    memory: StudyMemory

    @property
    def trials(self) -> Sequence[FrozenTrial]:
        """All trials of the study as they are now."""
        return self.study.get_trials(deepcopy=False)

    def history(self, trials: Sequence[FrozenTrial]) -> TrialHistory:
        """The finished ones of the study's trials, as a model is told of them."""
        return TrialHistory(trials, self.study.direction, self.memory.attempts)

    @property
    def fixed(self) -> Mapping[str, Any]:
        """Values that the trial was enqueued with."""
        found: Mapping[str, Any] = self.trial.system_attrs.get("fixed_params", {})
        return found

    def tried(self, candidate: Candidate) -> int | None:
        """The other trial that tries, or has tried, a candidate."""
        return self.memory.number_of(candidate, self.study, self.trial)

    def finished(self) -> frozenset[int]:
        """Numbers of the trials that have finished by now."""
        return frozenset(each.number for each in self.trials if each.state.is_finished())

    def is_ours(self, key: str | None, finished: frozenset[int]) -> bool:
        """Claims a candidate for the trial; false where a worker elsewhere tries it.

        Args:
            key: Of the candidate.
            finished: The trials that had finished before it was looked at whether one tried it.
        """
        if key is None or not is_shared(self.study):
            return True
        other = conflicting_trial(self.study, self.trial, key, finished)
        if other is not None:
            self.memory.leave(key, other)
        return other is None
