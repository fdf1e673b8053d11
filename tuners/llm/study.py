"""A study as those see it who propose its trials: its memory, and the trial that wants values."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optuna.trial import TrialState

from dsl.errors import MappertuneError
from tuners import attributes
from tuners.finished_trial import TrialHistory
from tuners.llm.conditions import Condition, learned_conditions
from tuners.llm.model.exchange import ModelUsage
from tuners.llm.study_space import StudySpace
from tuners.problems.search_space import SearchSpace
from tuners.samplers.claims import MAX_RETRIES, conflicting_trial
from tuners.samplers.evaluated_points import EvaluatedPoints

if TYPE_CHECKING:
    import numpy as np
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.study import StudyDirection
    from optuna.trial import FrozenTrial

    from tuners.llm.candidates import Candidate
    from tuners.llm.lazy_model import LazyModel
    from tuners.llm.prompts.writer import PromptWriter
    from tuners.problems.problem import TextProblem

__all__ = ["StudyMemory", "TrialContext", "model_usage"]

# Steps away from a proposal that was tried before, as in `tuners.samplers.history_sampler`.
CHANGES = 200
STEPS_AWAY = 10
LISTED = 20_000


def model_usage(trials: Sequence[FrozenTrial]) -> ModelUsage:
    """What the model has used for trials, as their attributes say.

    They do not tell prompts from replies: all tokens count as those of prompts.
    """
    noted = [trial.user_attrs for trial in trials if attributes.CALLS in trial.user_attrs]
    return ModelUsage(
        calls=sum(each[attributes.CALLS] for each in noted),
        prompt_tokens=sum(each.get(attributes.TOKENS) or 0 for each in noted),
        cost=sum(each.get(attributes.COST) or 0.0 for each in noted),
        repairs=sum(each.get(attributes.REPAIRS) or 0 for each in noted),
    )


@dataclass(frozen=True, slots=True)
class TrialContext:
    """A running trial that wants values.

    Attributes:
        study: Its study.
        trial: The trial.
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

    @property
    def fixed(self) -> Mapping[str, Any]:
        """The values that the trial was enqueued with."""
        found: Mapping[str, Any] = self.trial.system_attrs.get("fixed_params", {})
        return found

    def duplicate_of(self, candidate: Candidate) -> int | None:
        """The number of another trial that tries a candidate, or has tried it; else None."""
        return self.memory.number_of(candidate, self)

    def claim(self, candidate: Candidate) -> bool:
        """Takes a candidate for the trial; false where another one tries it, or has tried it."""
        finished = self._finished()
        if not self.memory.hand_out(candidate, self):
            return False
        return candidate.key is None or self._is_free(candidate.key, finished)

    def claim_near(self, values: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        """Takes values near to these that the study has not tried, while any are found."""
        for _ in range(MAX_RETRIES):
            finished = self._finished()
            values = self.memory.hand_out_near(self, values, rng)
            if self._is_free(self.memory.problem.key({**values, **self.fixed}), finished):
                break
        return values

    def _finished(self) -> frozenset[int]:
        return frozenset(each.number for each in self.trials if each.state.is_finished())

    def _is_free(self, key: str, finished: frozenset[int]) -> bool:
        """Claims a candidate's key in the storage; false where a worker elsewhere tries it.

        Args:
            key: The key.
            finished: The trials that had finished before it was looked at whether one tried it.
        """
        if not self.memory.shared:
            return True
        other = conflicting_trial(self.study, self.trial, key, finished)
        if other is not None:
            self.memory.leave(key, other)
        return other is None


class StudyMemory:
    """What is remembered of one study beside what stands in its trials; its workers share it.

    Args:
        problem: What is tuned; None where the study alone knows its objective.
        space: The parameters, where there is no problem.
        description: What is said of the objective, where there is no problem.
        direction: The study's.
        shared: Whether other processes may take part in it.
        model: The model that is asked for it; None where none is.

    Attributes:
        problem: What the model is asked about.
        direction: Whether larger or smaller values are better.
        shared: Whether other processes may take part in the study.
        model: The model that is asked for it.
    """

    problem: TextProblem

    def __init__(
        self,
        problem: TextProblem | None,
        space: Mapping[str, BaseDistribution],
        description: str | None,
        direction: StudyDirection,
        *,
        shared: bool = False,
        model: LazyModel | None = None,
    ) -> None:
        self.direction = direction
        self.model = model
        self.shared = shared
        self._history = TrialHistory(direction)
        self._description = description
        self._lock = threading.RLock()
        self._handed_out: dict[str, int] = {}
        self._writer: tuple[int, PromptWriter] | None = None
        self._keys: _KeysOfTrials | None = None
        if problem is not None:
            self.problem = problem
            self._keys = _KeysOfTrials(problem)
        else:
            self._search_in(space)

    def search_in(
        self, space: Mapping[str, BaseDistribution], trials: Sequence[FrozenTrial] = ()
    ) -> None:
        """Takes another space where there is no problem: the trials have asked for more."""
        with self._lock:
            if self._keys is not None or not space:
                return
            self._history.update(trials)
            conditions = learned_conditions(self._history.trials, space)
            known = self.problem
            assert isinstance(known, StudySpace)  # noqa: S101  (it is where there is no problem)
            if dict(space) != known.distributions or conditions != known.conditions:
                self._search_in(space, conditions)

    def _search_in(
        self,
        space: Mapping[str, BaseDistribution],
        conditions: Mapping[str, Condition] | None = None,
    ) -> None:
        self.problem = StudySpace(space, self._description, conditions)
        self._space = SearchSpace(self.problem.distributions)
        self._evaluated, self._added = EvaluatedPoints(self._space), 0
        self._writer = None
        self._handed_out.clear()

    def history(self, trials: Sequence[FrozenTrial]) -> TrialHistory:
        """The finished trials in the order of their numbers."""
        with self._lock:
            self._history.update(trials)
            return self._history.by_number()

    def parameters_seen(self, trials: Sequence[FrozenTrial]) -> dict[str, BaseDistribution]:
        """The distributions of all parameters that the study's trials have asked for."""
        with self._lock:
            self._history.update(trials)
            return dict(self._history.distributions)

    def writer(self, limit: int, make: Callable[[], PromptWriter]) -> PromptWriter:
        """The writer of prompts up to a limit, made once."""
        with self._lock:
            if self._writer is None or self._writer[0] != limit:
                self._writer = limit, make()
            return self._writer[1]

    # Who tries what

    def number_of(self, candidate: Candidate, context: TrialContext) -> int | None:
        """The other trial that tries a candidate, or has tried it; None where there is none."""
        if candidate.key is None:
            return None
        with self._lock:
            trials, this = context.trials, context.trial.number
            handed_out = self._handed_out.get(candidate.key)
            if handed_out is not None and handed_out != this:
                return handed_out
            if self._keys is not None:
                return self._keys.update(trials, this).get(candidate.key)
            self._take_in(trials)
            found = self._evaluated.find(self.problem.project(candidate.text).values)
            return None if found is None else found.number

    def hand_out(self, candidate: Candidate, context: TrialContext) -> bool:
        """Notes that a trial tries a candidate; false where another one does, or did."""
        with self._lock:
            if self.number_of(candidate, context) is not None:
                return False
            if candidate.key is not None:
                self._handed_out[candidate.key] = context.trial.number
            return True

    def leave(self, key: str, number: int) -> None:
        """Notes that a trial of a worker elsewhere tries a candidate."""
        with self._lock:
            self._handed_out[key] = number

    def hand_out_near(
        self, context: TrialContext, values: dict[str, Any], rng: np.random.Generator
    ) -> dict[str, Any]:
        """Notes that a trial tries values near to these, new ones while any are found."""
        with self._lock:
            self._take_in(context.trials)
            point = self._untried(context, values, rng)
            self._handed_out[self.problem.key(point)] = context.trial.number
            return {name: point[name] for name in values}

    def _untried(
        self, context: TrialContext, values: dict[str, Any], rng: np.random.Generator
    ) -> dict[str, Any]:
        fixed, this = context.fixed, context.trial.number

        def is_new(point: Mapping[str, Any]) -> bool:
            handed_out = self._handed_out.get(self.problem.key(point), this)
            return self._evaluated.find(point) is None and handed_out == this

        proposal = {**values, **fixed}
        names = [name for name in values if name not in fixed]
        point = proposal
        for step in range(CHANGES if names else 0):
            if is_new(point):
                return point
            start = proposal if step % STEPS_AWAY == 0 else point
            point = self._space.change(rng, start, [names[int(rng.integers(len(names)))]])
        if not is_new(point) and self._space.size <= LISTED:
            listed = ({**each, **fixed} for each in self._space.all_points())
            point = next((each for each in listed if is_new(each)), proposal)
        return point if is_new(point) else proposal

    def _take_in(self, trials: Sequence[FrozenTrial]) -> None:
        """Learns which points of the space have been evaluated."""
        self._history.update(trials)
        for trial in self._history.trials[self._added :]:
            self._evaluated.add(trial)
            self._added += 1


class _KeysOfTrials:
    """The candidates of a problem that a study's trials have tried, or are trying, by key."""

    def __init__(self, problem: TextProblem) -> None:
        self._problem = problem
        self._finished: dict[str, int] = {}
        self._seen: set[int] = set()

    def update(self, trials: Sequence[FrozenTrial], this: int) -> Mapping[str, int]:
        """The number of a trial by the key of its candidate; trial ``this`` does not count."""
        running: dict[str, int] = {}
        for trial in trials:
            if trial.number in self._seen or trial.number == this:
                continue
            finished = trial.state.is_finished()
            if finished:
                self._seen.add(trial.number)
            if trial.state in (TrialState.FAIL, TrialState.WAITING):
                continue
            key = self._key_of(trial)
            if key is not None:
                (self._finished if finished else running).setdefault(key, trial.number)
        return {**running, **self._finished}

    def _key_of(self, trial: FrozenTrial) -> str | None:
        """The key of a trial's candidate; None where it is not known yet."""
        stored = trial.user_attrs.get(attributes.NORMAL_FORM)
        if isinstance(stored, str):
            return stored
        written = trial.user_attrs.get(attributes.TEXT)
        if isinstance(written, str):
            return self._problem.identity(written)
        try:
            return self._problem.key(trial.params)
        except (MappertuneError, KeyError):  # it has not asked for all of its parameters
            return None
