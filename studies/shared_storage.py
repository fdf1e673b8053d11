"""A storage that several processes share one study in, as one of them uses it.

Who owns which trial is in the database (`studies.shared_trials`). What a running trial suggests
and notes stays in memory until it is finished, and is written at once. What others must know
before, the point that it tries, is written immediately.
"""

from __future__ import annotations

import contextlib
import copy
import threading
from collections.abc import Callable, Container, Sequence
from typing import TYPE_CHECKING, Any

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from dsl.owners import this_process
from studies.shared_trials import HEARTBEAT, SharedTrials, TrialLostError
from tuners.dashboard import noted_trial
from tuners.samplers.claims import CLAIM

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

__all__ = ["RunningTrials", "SharedStorage", "TrialLostError"]


class RunningTrials(BaseStorage):
    """What is running stays in memory: goes before the class of a storage, which ``super()`` is.

    That says, in four methods, how trials are claimed, given back, and ended, and where those are
    that it knows.
    """

    def begin_running(self, beat: Callable[[int], None], after: Callable[[], None]) -> None:
        """Makes ready.

        Args:
            beat: Gives a sign of life of a trial.
            after: Called after some of them, in their thread.
        """
        self._owner = this_process()
        self._running: dict[int, FrozenTrial] = {}
        self._notes: dict[int, dict[str, Any]] = {}  # for the dashboard, of running trials
        self._fresh = False
        self._beating = _Heart(beat, after)

    def _claim(self, study_id: int, limit: int) -> int | None:
        raise NotImplementedError

    def _release(self, trial_id: int) -> None:
        raise NotImplementedError

    def _end(
        self, trial_id: int, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        raise NotImplementedError

    def _read(self, study_id: int, *, anew: bool) -> dict[int, FrozenTrial]:
        raise NotImplementedError

    def end_running(self) -> None:
        """Gives back the trials that are not finished."""
        with contextlib.suppress(Exception):  # whoever comes next finds out that we are gone
            for trial_id in list(self._running):
                self.give_back(trial_id)
        self._beating.stop()

    def begin(self, study_id: int, limit: int) -> int | None:
        """The id of a trial that is now this process's own; None where there is none to begin.

        Args:
            study_id: Of the study.
            limit: How many trials it shall have, finished and running ones together.
        """
        self._fresh = False
        trial_id = self._claim(study_id, limit)
        if trial_id is not None:
            trial = copy.deepcopy(super().get_trial(trial_id))  # type: ignore[safe-super]
            self._running[trial_id] = trial
            self._read(study_id, anew=True)
            self._fresh = True
            self._beating.begin(trial_id)
        return trial_id

    def give_back(self, trial_id: int) -> None:
        """Lets another process run a trial, or this one later."""
        self._forget(trial_id)
        self._release(trial_id)

    def _forget(self, trial_id: int) -> None:
        self._running.pop(trial_id, None)
        self._notes.pop(trial_id, None)
        self._beating.forget(trial_id)

    # Optuna's storage

    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        if (trial := self._running.get(trial_id)) is None:
            super().set_trial_param(trial_id, param_name, param_value_internal, distribution)  # type: ignore[safe-super]
            return
        trial.params[param_name] = distribution.to_external_repr(param_value_internal)
        trial.distributions[param_name] = distribution

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        if (trial := self._running.get(trial_id)) is None:
            super().set_trial_user_attr(trial_id, key, value)  # type: ignore[safe-super]
            return
        trial.user_attrs[key] = value

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        trial = self._running.get(trial_id)
        if trial is not None:
            trial.system_attrs[key] = value
        if trial is None or key == CLAIM:
            super().set_trial_system_attr(trial_id, key, value)  # type: ignore[safe-super]
            self._fresh = False  # who claims a point looks at the others next

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        trial_id = noted_trial(key)
        if trial_id is not None and trial_id in self._running:
            self._notes.setdefault(trial_id, {})[key] = value
        else:
            super().set_study_system_attr(study_id, key, value)  # type: ignore[safe-super]

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Ends a trial.

        Raises:
            TrialLostError: Another process has taken it over.
        """
        trial = self._running.get(trial_id)
        if trial is None:
            return super().set_trial_state_values(trial_id, state, values)  # type: ignore[safe-super]
        try:
            self._end(trial_id, trial, state, values)
        except TrialLostError:
            self._forget(trial_id)
            raise
        self._forget(trial_id)
        self._fresh = False
        return True

    def get_trial(self, trial_id: int) -> FrozenTrial:
        return self._running.get(trial_id) or super().get_trial(trial_id)  # type: ignore[safe-super]

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        known = self._read(study_id, anew=not self._fresh)
        self._fresh = bool(self._running)
        for trial in self._running.values():
            known[trial.number] = trial
        found = [known[number] for number in sorted(known)]
        if states is not None:
            found = [trial for trial in found if trial.state in states]
        return copy.deepcopy(found) if deepcopy else found


class SharedStorage(RunningTrials, SharedTrials):
    """A database as the processes of one study use it.

    Args:
        url: As SQLAlchemy takes it.
        made: Whether it has its tables, so that none are to be made.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: It cannot be reached.
    """

    def __init__(self, url: str, *, made: bool = False) -> None:
        SharedTrials.__init__(self, url, made=made)
        self.begin_running(self._backend.record_heartbeat, self._backend.remove_session)

    def close(self) -> None:
        """Gives back the trials that are not finished, and lets go of the database."""
        self.end_running()
        self._backend.remove_session()
        self._backend.engine.dispose()

    def _claim(self, study_id: int, limit: int) -> int | None:
        return self.claim(study_id, limit, self._owner, self._running)

    def _release(self, trial_id: int) -> None:
        self.release(trial_id, self._owner)

    def _end(
        self, trial_id: int, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        study_id, _ = self._trial_id_to_study_id_and_number[trial_id]
        self.end(
            study_id,
            trial_id,
            trial,
            owner=self._owner,
            state=state,
            values=values,
            note=self._notes.get(trial_id, {}),
        )

    def _read(self, study_id: int, *, anew: bool) -> dict[int, FrozenTrial]:
        if anew:
            self._read_trials_from_remote_storage(study_id)
        study = self._studies[study_id]
        if not study.param_distribution:
            for finished in study.trials.values():
                study.param_distribution.update(finished.distributions)
        return study.trials

    def add_finished(
        self, study_id: int, trials: Sequence[FrozenTrial], notes: Sequence[str]
    ) -> None:
        super().add_finished(study_id, trials, notes)
        self._fresh = False

    def get_heartbeat_interval(self) -> int | None:
        return None  # Optuna's own heartbeats are for `Study.optimize`


class _Heart:
    """Gives signs of life of the trials that run, from a thread of its own."""

    def __init__(self, beat: Callable[[int], None], after: Callable[[], None]) -> None:
        self._beat_once = beat
        self._after = after
        self._trials: set[int] = set()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, trial_id: int) -> None:
        self._trials.add(trial_id)
        if self._thread is None:
            self._thread = threading.Thread(target=self._beat, daemon=True)
            self._thread.start()

    def forget(self, trial_id: int) -> None:
        self._trials.discard(trial_id)

    def stop(self) -> None:
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _beat(self) -> None:
        while not self._stopped.wait(HEARTBEAT):
            with contextlib.suppress(Exception):  # the trial itself will say what is wrong
                for trial_id in tuple(self._trials):
                    self._beat_once(trial_id)
            self._after()
