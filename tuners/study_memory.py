"""What a sampler remembers of one study beside what stands in its trials."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuners.known import KnownCandidates, KnownPoints
from tuners.search_space import SearchSpace
from tuners.study_space import StudySpace

if TYPE_CHECKING:
    import numpy as np
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    from tuners.candidates import Answer, Candidate
    from tuners.model.exchange import Message
    from tuners.problem import TextProblem
    from tuners.prompts.writer import PromptWriter

__all__ = ["Conversation", "StudyMemory"]

# Steps away from a proposal that was tried before, as in `tuners.distinct`.
CHANGES = 200
STEPS_AWAY = 10
LISTED = 20_000
SHRINKING = 0.7


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation that can go on.

    Attributes:
        messages: So far.
        told: Numbers of the trials that the model was told of.
        answer: The form of the last answer.
    """

    messages: tuple[Message, ...]
    told: frozenset[int]
    answer: Answer


@dataclass
class _OfThread(threading.local):
    """Each worker has a conversation of its own, and is told of the others' trials."""

    conversation: Conversation | None = field(default=None)


class StudyMemory:
    """Known candidates, conversations and prompts of one study.

    Attributes:
        problem: What the model is asked about.
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
        self._local = _OfThread()
        self._writer: PromptWriter | None = None
        self._scale = 1.0
        self._handed_out: dict[str, int] = {}
        if problem is not None:
            self.problem = problem
            self._candidates = KnownCandidates(problem)
        else:
            self.problem = StudySpace(space, description)

    def search_in(self, space: Mapping[str, BaseDistribution]) -> None:
        """Takes another space where there is no problem: the study has asked for more."""
        if self._given is None and space and dict(space) != self.problem.distributions:
            self.problem = StudySpace(space, self._description)
            self._writer = None
            self._handed_out.clear()

    def seen(self, study: Study) -> dict[str, BaseDistribution]:
        """The distributions of all parameters that the study's trials have asked for."""
        history = self._known_points(study).history
        history.update(study.get_trials(deepcopy=False))
        return history.distributions

    # Candidates

    def number_of(self, candidate: Candidate, study: Study, trial: FrozenTrial) -> int | None:
        """The trial that tries, or has tried, a candidate; the present one does not count."""
        if candidate.key is None:
            return None
        handed_out = self._handed_out.get(candidate.key)
        if handed_out is not None and handed_out != trial.number:
            return handed_out
        trials = study.get_trials(deepcopy=False)
        if self._given is not None:
            return self._candidates.update(trials, trial.number).get(candidate.key)
        points = self._known_points(study)
        points.history.update(trials)
        tried = points.tried_in(SearchSpace(self.problem.distributions))
        found = tried.find(self.problem.project(candidate.text).values)
        return None if found is None else found.number

    def hand_out(self, candidate: Candidate, trial: FrozenTrial) -> None:
        """Notes that a trial tries a candidate."""
        if candidate.key is not None:
            self._handed_out[candidate.key] = trial.number

    def untried(
        self,
        study: Study,
        trial: FrozenTrial,
        values: dict[str, Any],
        fixed: Mapping[str, Any],
        rng: np.random.Generator,
    ) -> dict[str, Any]:
        """Values near to these that the study has not tried, while any are found."""
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

    # Conversations and prompts

    @property
    def conversation(self) -> Conversation | None:
        """That of this worker."""
        return self._local.conversation

    @conversation.setter
    def conversation(self, conversation: Conversation | None) -> None:
        self._local.conversation = conversation

    def writer(self, make: Callable[[float], PromptWriter]) -> PromptWriter:
        """The writer of prompts, which is made once."""
        if self._writer is None:
            self._writer = make(self._scale)
        return self._writer

    def shrink(self) -> None:
        """Prompts were too long for the model: shorter ones from here on."""
        self._scale *= SHRINKING
        self._writer = None
