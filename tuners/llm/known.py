"""Which candidates a study has tried, or is trying."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optuna.trial import TrialState

from dsl.errors import MappertuneError
from tuners import attributes
from tuners.problems.search_space import SearchSpace
from tuners.samplers.evaluated_points import EvaluatedPoints
from tuners.samplers.observation import History

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

    from tuners.problems.problem import TextProblem

__all__ = ["KnownCandidates", "KnownPoints", "key_of"]


def key_of(trial: FrozenTrial, problem: TextProblem) -> str | None:
    """What tells a trial's candidate from others; None where it is not known yet."""
    stored = trial.user_attrs.get(attributes.NORMAL_FORM)
    if isinstance(stored, str):
        return stored
    written = trial.user_attrs.get(attributes.TEXT)
    if isinstance(written, str):
        return problem.identity(written)
    try:
        return problem.key(trial.params)
    except (MappertuneError, KeyError):  # it has not asked for all of its parameters
        return None


class KnownCandidates:
    """The candidates of a problem by their keys."""

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
            key = key_of(trial, self._problem)
            if key is not None:
                (self._finished if finished else running).setdefault(key, trial.number)
        return {**running, **self._finished}


class KnownPoints:
    """The points that a study without a problem has tried.

    Attributes:
        history: Its finished trials, with the distributions of all that they asked for.
    """

    def __init__(self, study: Study) -> None:
        self.history = History(study.direction)
        self._tried: EvaluatedPoints | None = None
        self._space: SearchSpace | None = None
        self._added = 0

    def tried_in(self, space: SearchSpace) -> EvaluatedPoints:
        """Finds tried points of a space."""
        if (
            self._tried is None
            or self._space is None
            or self._space.distributions != (space.distributions)
        ):
            self._tried, self._space, self._added = EvaluatedPoints(space), space, 0
        for observation in self.history.observations[self._added :]:
            self._tried.add(observation)
            self._added += 1
        return self._tried


def number_of(found: Any) -> int | None:
    """The number of an observation, if any."""
    return None if found is None else int(found.number)
