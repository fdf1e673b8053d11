"""What a sampler remembers of one study beside what stands in its trials."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tuners.llm.conversations import Conversations
from tuners.llm.known import KnownCandidates, KnownPoints
from tuners.llm.study_space import StudySpace
from tuners.problems.search_space import SearchSpace

if TYPE_CHECKING:
    import numpy as np
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    from tuners.llm.candidates import Candidate
    from tuners.llm.prompts.writer import PromptWriter
    from tuners.llm.trial_history import FinishedTrial
    from tuners.problems.problem import TextProblem

__all__ = ["StudyMemory"]

# Steps away from a proposal that was tried before, as in `tuners.samplers.distinct`.
CHANGES = 200
STEPS_AWAY = 10
LISTED = 20_000


class StudyMemory:
    """Known candidates, conversations and prompts of one study; workers share it.

    Attributes:
        problem: What the model is asked about.
        conversations: Those that can go on.
        attempts: The finished trials as a model is told of them, by number.
    """

    problem: TextProblem

    def __init__(
        self,
        problem: TextProblem | None,
        space: Mapping[str, BaseDistribution],
        description: str | None,
    ) -> None:
        self._given = problem
        self._description = description
        self._points: KnownPoints | None = None
        self._writer: tuple[int, PromptWriter] | None = None
        self._handed_out: dict[str, int] = {}
        self._lock = threading.RLock()
        self.conversations = Conversations()
        self.attempts: dict[int, FinishedTrial] = {}
        if problem is not None:
            self.problem = problem
            self._candidates = KnownCandidates(problem)
        else:
            self.problem = StudySpace(space, description)

    def search_in(self, space: Mapping[str, BaseDistribution]) -> None:
        """Takes another space where there is no problem: the study has asked for more."""
        with self._lock:
            if self._given is None and space and dict(space) != self.problem.distributions:
                self.problem = StudySpace(space, self._description)
                self._writer = None
                self._handed_out.clear()

    def seen(self, study: Study) -> dict[str, BaseDistribution]:
        """The distributions of all parameters that the study's trials have asked for."""
        with self._lock:
            history = self._known_points(study).history
            history.update(study.get_trials(deepcopy=False))
            return dict(history.distributions)

    # Candidates

    def number_of(self, candidate: Candidate, study: Study, trial: FrozenTrial) -> int | None:
        """The trial that tries, or has tried, a candidate; the present one does not count."""
        if candidate.key is None:
            return None
        with self._lock:
            return self._number_of(candidate, candidate.key, study, trial)

    def _number_of(
        self, candidate: Candidate, key: str, study: Study, trial: FrozenTrial
    ) -> int | None:
        handed_out = self._handed_out.get(key)
        if handed_out is not None and handed_out != trial.number:
            return handed_out
        trials = study.get_trials(deepcopy=False)
        if self._given is not None:
            return self._candidates.update(trials, trial.number).get(key)
        points = self._known_points(study)
        points.history.update(trials)
        tried = points.tried_in(SearchSpace(self.problem.distributions))
        found = tried.find(self.problem.project(candidate.text).values)
        return None if found is None else found.number

    def claim(self, candidate: Candidate, study: Study, trial: FrozenTrial) -> bool:
        """Notes that a trial tries a candidate; false where another one does, or did."""
        with self._lock:
            if self.number_of(candidate, study, trial) is not None:
                return False
            if candidate.key is not None:
                self._handed_out[candidate.key] = trial.number
            return True

    def leave(self, key: str, number: int) -> None:
        """Notes that a trial of a worker elsewhere tries a candidate."""
        with self._lock:
            self._handed_out[key] = number

    def untried(
        self,
        study: Study,
        trial: FrozenTrial,
        values: dict[str, Any],
        fixed: Mapping[str, Any],
        rng: np.random.Generator,
    ) -> dict[str, Any]:
        """Values near to these that the study has not tried, while any are found."""
        with self._lock:
            return self._untried(study, trial, values, fixed, rng)

    def _untried(
        self,
        study: Study,
        trial: FrozenTrial,
        values: dict[str, Any],
        fixed: Mapping[str, Any],
        rng: np.random.Generator,
    ) -> dict[str, Any]:
        space = SearchSpace(self.problem.distributions)
        points = self._known_points(study)
        points.history.update(study.get_trials(deepcopy=False))
        tried = points.tried_in(space)

        def new(point: Mapping[str, Any]) -> bool:
            handed_out = self._handed_out.get(self.problem.key(point), trial.number)
            return tried.find(point) is None and handed_out == trial.number

        proposal = {**values, **fixed}
        names = [name for name in values if name not in fixed]
        point = proposal
        for step in range(CHANGES if names else 0):
            if new(point):
                break
            start = proposal if step % STEPS_AWAY == 0 else point
            point = space.change(rng, start, [names[int(rng.integers(len(names)))]])
        if not new(point) and space.size <= LISTED:
            listed = ({**each, **fixed} for each in space.all_points())
            point = next((each for each in listed if new(each)), proposal)
        found = point if new(point) else proposal
        self._handed_out[self.problem.key(found)] = trial.number
        return {name: found[name] for name in values}

    def _known_points(self, study: Study) -> KnownPoints:
        if self._points is None:
            self._points = KnownPoints(study)
        return self._points

    # Prompts

    def writer(self, limit: int, make: Callable[[], PromptWriter]) -> PromptWriter:
        """The writer of prompts up to a limit, made once."""
        with self._lock:
            if self._writer is None or self._writer[0] != limit:
                self._writer = limit, make()
            return self._writer[1]
