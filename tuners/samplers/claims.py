"""Points that running trials are about to try, for workers of one study in several processes.

Between the moment when a sampler chooses a point and the moment when the storage holds it,
another worker may choose the same point. So each worker first claims what its trial will try, and
then looks at the claims of the others: of two that choose alike at the same time, at least one
sees the other's claim and chooses anew.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import TYPE_CHECKING

from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

__all__ = ["MAX_RETRIES", "claims", "conflicting_trial", "is_shared"]

CLAIM = "mappertune:claim"

# How often a worker chooses anew before it takes a point that another one tries as well.
MAX_RETRIES = 20


def is_shared(study: Study) -> bool:
    """Whether other processes may take part in a study."""
    return not isinstance(study._storage, InMemoryStorage)  # noqa: SLF001  (nothing public tells)


def claims(trials: Iterable[FrozenTrial], this: int) -> set[str]:
    """The points that the running trials have claimed, but for trial ``this``."""
    return {
        trial.system_attrs[CLAIM]
        for trial in trials
        if trial.state == TrialState.RUNNING
        and trial.number != this
        and CLAIM in trial.system_attrs
    }


def conflicting_trial(
    study: Study, trial: FrozenTrial, point: str, finished: Container[int], *, since: int = 0
) -> int | None:
    """Claims a point for a trial; the number of another trial that claims it too, if any.

    Args:
        study: The study.
        trial: The trial, which is running.
        point: The key of the point, equal for equal candidates.
        finished: Numbers of the trials that had finished when the point was chosen: what they
            tried is known.
        since: All trials of lower numbers had finished then as well.
    """
    trial.system_attrs[CLAIM] = point
    study._storage.set_trial_system_attr(trial._trial_id, CLAIM, point)  # noqa: SLF001  (likewise)
    for other in study.get_trials(deepcopy=False)[since:]:
        if (
            other.system_attrs.get(CLAIM) == point
            and other.number != trial.number
            and other.number not in finished
            and other.state not in (TrialState.FAIL, TrialState.WAITING)
        ):
            return other.number
    return None
