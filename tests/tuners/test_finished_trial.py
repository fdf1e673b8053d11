from __future__ import annotations

import math

import pytest
from optuna.distributions import IntDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from tuners import attributes
from tuners.finished_trial import FinishedTrial, TrialHistory


def trial(
    number: int, value: float | None, violation: float = 0.0, state=TrialState.COMPLETE, **attrs
) -> FrozenTrial:
    found = create_trial(
        state=state,
        value=value,
        params={"n": number},
        distributions={"n": IntDistribution(0, 99)},
        user_attrs=attrs,
        constraints={"valid": violation},
    )
    found.number = number
    return found


def record(*args, direction=StudyDirection.MAXIMIZE, **kwargs) -> FinishedTrial:
    return FinishedTrial.of(trial(0, *args, **kwargs), direction)


def test_the_loss_is_the_smaller_the_better_the_value():
    assert record(3.0).loss == -3.0
    assert record(3.0, direction=StudyDirection.MINIMIZE).loss == 3.0
    assert record(3.0).score == 3.0


def test_a_trial_that_breaks_a_constraint_has_a_loss_and_no_score():
    broken = record(3.0, violation=2.0)
    assert not broken.feasible
    assert (broken.score, broken.rank, broken.feasible_loss) == (None, (2.0, -3.0), math.inf)
    assert broken.failure == "it broke a constraint"


@pytest.mark.parametrize("state", [TrialState.FAIL, TrialState.PRUNED])
def test_a_trial_without_a_value_says_so(state):
    found = record(None, state=state)
    assert (found.value, found.loss, found.failure) == (None, math.inf, "it gave no value")
    assert found.failed == (state == TrialState.FAIL)
    assert found.violation == (math.inf if found.failed else 0.0)


def test_failures_are_alike_whatever_their_numbers():
    said = [{attributes.RAW: f"GPU {number} is out of memory"} for number in (3, 12)]
    first, second = (record(0.0, violation=1.0, **each) for each in said)
    assert first.failure == second.failure.replace("00", "0") == "GPU 0 is out of memory"
    assert record(1.0, **said[0]).failure == ""


def test_a_history_notices_each_trial_once_however_they_finish():
    history = TrialHistory(StudyDirection.MAXIMIZE)
    running = trial(0, None, state=TrialState.RUNNING)
    history.update([running, trial(1, 5.0)])
    history.update([trial(0, 7.0), trial(1, 5.0), trial(2, 6.0)])
    history.update([trial(0, 7.0), trial(1, 5.0), trial(2, 6.0)])
    assert [each.number for each in history.trials] == [1, 0, 2]
    told = history.by_number()
    assert [each.number for each in told.trials] == [0, 1, 2]
    assert (told.best.number, told.last.number, told.since_best()) == (0, 2, 2)


def test_the_most_useful_trials_come_first():
    history = TrialHistory(StudyDirection.MAXIMIZE)
    values = [(1.0, 0.0), (4.0, 0.0), (0.0, 1.0), (2.0, 0.0), (0.0, 1.0), (3.0, 0.0)]
    history.update([trial(n, value, broken) for n, (value, broken) in enumerate(values)])
    numbers = [each.number for each in history.by_usefulness()]
    assert numbers == [1, 5, 0, 4, 3, 2]  # best, last, worst, latest failure; then the others
