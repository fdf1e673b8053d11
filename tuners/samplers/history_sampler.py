"""Samplers that know nothing but the study's finished trials.

What such a sampler has learnt is a fold over the finished trials, in order. A study that was
stopped and resumed, or that got trials from elsewhere, is therefore like any other. Its random
numbers are drawn from the seed and the trial's number.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from tuners.finished_trial import FinishedTrial, TrialHistory
from tuners.problems.parameter_values import random_value
from tuners.problems.problem import Problem
from tuners.problems.search_space import SearchSpace
from tuners.samplers.claims import MAX_RETRIES, claims, conflicting_trial, is_shared
from tuners.samplers.evaluated_points import EvaluatedPoints
from tuners.samplers.wrappers import derived_seed

__all__ = ["HistorySampler", "Search"]

log = logging.getLogger(__name__)

# How often a search is asked again where its proposal was tried before, how many random changes
# follow, after how many of them they start again from the proposal, and how large a space is
# looked through from end to end after that.
REDRAWS = 3
CHANGES = 200
STEPS_AWAY = 10
LISTED = 20_000


class Search(ABC):
    """What a sampler has learnt of one study and proposes next.

    Attributes:
        space: The search space.
        evaluated: The points whose trials it has taken in.
        best: The best trial, the earliest of equals; None before the first.
    """

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        self.evaluated = EvaluatedPoints(space)
        self.best: FinishedTrial | None = None
        self._running: set[str] = set()

    def absorb(self, trial: FinishedTrial) -> None:
        """Takes in one finished trial."""
        if not self.space.contains(trial.params):
            return
        self.learn(trial)
        self.evaluated.add(trial)
        if self.best is None or trial.rank < self.best.rank:
            self.best = trial

    def learn(self, trial: FinishedTrial) -> None:  # noqa: B027  (most need nothing more)
        """Takes in a trial of this space; ``evaluated`` and ``best`` do not hold it yet."""

    def expect(self, running: Iterable[Mapping[str, Any]], claimed: Iterable[str]) -> None:
        """Takes note of the points that are being tried, here or by other workers."""
        self._running = {*map(self.evaluated.identity, running), *claimed}

    def avoid(self, identity: str) -> None:
        """Takes note of one more point that is being tried."""
        self._running.add(identity)

    def is_new(self, point: Mapping[str, Any]) -> bool:
        """Whether a point was not tried and is not being tried."""
        if self._running and self.evaluated.identity(point) in self._running:
            return False
        return self.evaluated.find(point) is None

    @abstractmethod
    def propose(self, rng: np.random.Generator) -> dict[str, Any]:
        """A point to try; called again where it was tried before."""

    def close(self) -> None:  # noqa: B027  (most hold nothing)
        """Lets go of processes and files that it holds."""


class _Memory:
    """What a sampler remembers of one study."""

    def __init__(self, study: Study) -> None:
        self.process = os.getpid()
        self.history = TrialHistory(study.direction)
        self.search: Search | None = None
        self.absorbed = 0
        self.handed_out: dict[int, Mapping[str, Any]] = {}  # by the number of a running trial


class HistorySampler(BaseSampler, ABC):
    """A sampler for one objective whose state is a fold over the finished trials.

    With a problem it searches the problem's space from the first trial on. Without one the space
    is all that earlier trials have asked for, and the first trial is random. A point that was
    tried, or that is being tried, is not proposed again while another one is found.

    Args:
        problem: What is tuned; None for any Optuna objective.
        seed: Equal seeds propose equal trials; None for a random one.
    """

    def __init__(self, problem: Problem | None = None, *, seed: int | None = None) -> None:
        self._problem = problem
        self._seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
        self._memories: weakref.WeakKeyDictionary[Study, _Memory] = weakref.WeakKeyDictionary()
        self._lock = threading.RLock()
        self._failed = False  # a traceback is logged once

    @abstractmethod
    def begin(self, space: SearchSpace) -> Search:
        """A search that has seen nothing yet."""

    def __str__(self) -> str:
        return f"{type(self).__name__}()"

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_memories", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _memories=weakref.WeakKeyDictionary(), _lock=threading.RLock())

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Refuses a study of several objectives, and leaves no running trial behind.

        Raises:
            ValueError: The study has several objectives.
        """
        if len(study.directions) > 1:
            study.tell(trial.number, state=TrialState.FAIL)
            _refuse_several_objectives(self, study)

    def infer_relative_search_space(
        self,
        study: Study,
        trial: FrozenTrial,  # noqa: ARG002  (Optuna's signature)
    ) -> dict[str, BaseDistribution]:
        if self._problem is not None:
            return dict(self._problem.distributions)
        _refuse_several_objectives(self, study)
        with self._lock:
            history = self._memory_of(study).history
            history.update(study.get_trials(deepcopy=False))
            return {k: d for k, d in history.distributions.items() if not d.single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        _refuse_several_objectives(self, study)
        if not search_space:
            return {}
        rng = np.random.default_rng(derived_seed(self._seed, trial.number))
        try:
            with self._lock:
                point = self._propose(study, trial, search_space, rng)
        except Exception as error:  # here it would leave a trial that runs for ever
            again, self._failed = self._failed, True
            message = "%s proposes at random for trial %d, for it failed: %s"
            log.error(message, self, trial.number, error, exc_info=not again)  # noqa: TRY400  (once)
            return SearchSpace(search_space).random(rng)
        return {name: point[name] for name in search_space}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        _refuse_several_objectives(self, study)
        seed = derived_seed(self._seed, trial.number, zlib.crc32(param_name.encode()))
        rng = np.random.default_rng(seed)
        value = random_value(rng, param_distribution)
        if self._problem is None and is_shared(study) and not self._has_proposed(study, trial):
            space = {**trial.distributions, param_name: param_distribution}
            known = EvaluatedPoints(SearchSpace(space))
            for _ in range(MAX_RETRIES):
                point = known.identity({**trial.params, param_name: value})
                if conflicting_trial(study, trial, point, finished=()) is None:
                    break
                value = random_value(rng, param_distribution)
        return value

    def _has_proposed(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether the trial's point is a proposal, and claimed: not where it was first of all."""
        with self._lock:
            return trial.number in self._memory_of(study).handed_out

    def _propose(
        self,
        study: Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],
        rng: np.random.Generator,
    ) -> dict[str, Any]:
        memory, trials = self._memory_of(study), study.get_trials(deepcopy=False)
        memory.history.update(trials)
        search = self._search(memory, search_space)
        since = memory.history.unfinished_from
        trials = trials[since:]
        running = {t.number: t.params for t in trials if t.state == TrialState.RUNNING}
        running.pop(trial.number, None)
        memory.handed_out = {n: point for n, point in memory.handed_out.items() if n in running}
        fixed = trial.system_attrs.get("fixed_params", {})
        asked_for = {name: v for name, v in fixed.items() if name in search_space}
        search.expect((running | memory.handed_out).values(), claims(trials, trial.number))
        finished = {each.number for each in trials if each.state.is_finished()}
        for _ in range(MAX_RETRIES):
            point = memory.handed_out[trial.number] = _untried(search, rng, asked_for)
            identity = search.evaluated.identity(point)
            if not is_shared(study):
                break
            if conflicting_trial(study, trial, identity, finished, since=since) is None:
                break
            search.avoid(identity)
        return point

    def _memory_of(self, study: Study) -> _Memory:
        memory = self._memories.get(study)
        if memory is None or memory.process != os.getpid():
            memory = self._memories[study] = _Memory(study)
        return memory

    def _search(self, memory: _Memory, search_space: dict[str, BaseDistribution]) -> Search:
        """The search of a space, which has seen all trials; a new one for another space."""
        search = memory.search
        if search is None or search.space.distributions != search_space:
            if search is not None:
                search.close()
            search = memory.search = self.begin(SearchSpace(search_space, self._problem))
            memory.absorbed = 0
        for trial in memory.history.trials[memory.absorbed :]:
            search.absorb(trial)
            memory.absorbed += 1
        return search


def _refuse_several_objectives(sampler: BaseSampler, study: Study) -> None:
    if len(study.directions) > 1:
        raise ValueError(
            f"{type(sampler).__name__} optimises one objective, and this study has "
            f"{len(study.directions)}: use optuna.samplers.NSGAIISampler"
        )


def _untried(
    search: Search,
    rng: np.random.Generator,
    fixed: Mapping[str, Any],
) -> dict[str, Any]:
    """A point that was not tried, and is not being tried, while one is found.

    The search is asked first; then its proposal is changed at random, near it first and further
    away where its surroundings are exhausted; then a small space is looked through.
    """
    proposal: dict[str, Any] = {}
    for _ in range(1 + REDRAWS):
        proposal = {**search.propose(rng), **fixed}
        if search.is_new(proposal):
            return proposal
    names = [name for name in search.space.active(proposal) if name not in fixed]
    point = proposal
    for step in range(CHANGES if names else 0):
        if step % STEPS_AWAY == 0:
            point = proposal
        point = search.space.change(rng, point, [names[int(rng.integers(len(names)))]])
        if search.is_new(point):
            return point
    if search.space.size <= LISTED:
        for listed in search.space.all_points():
            if search.is_new(point := {**listed, **fixed}):
                return point
    return proposal
