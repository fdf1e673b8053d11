"""A database that several processes share one study in: who runs which trial, and what it found.

A trial is a row from its beginning on, with the process that owns it. Which trial is next is
decided while the study's row is locked, so that a budget is counted once. A process that dies
leaves a running trial, which another one takes over under its number: it then proposes what the
dead one would have proposed. What a running trial suggests and notes stays in memory until it is
finished, and is written at once: a commit for each of a hundred parameters would take longer than
the trial. What others must know before, the point that it tries, is written immediately.

Optuna has no public way to do any of this in one transaction; this module alone knows its tables.
"""

from __future__ import annotations

import contextlib
import copy
import json
import threading
from collections.abc import Container, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy
from optuna.distributions import check_distribution_compatibility, distribution_to_json
from optuna.storages import RDBStorage, _CachedStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import IntegrityError

from dsl.owners import has_died, this_process
from studies.races import past_races
from tuners.dashboard import note_attributes, noted_trial
from tuners.samplers.claims import CLAIM

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from sqlalchemy.orm import Session

__all__ = ["SharedStorage", "TrialLostError"]

OWNER = "mappertune:owner"  # of a running trial; null once it has been given back

# Seconds between two signs of life of a running trial, and after how many without one its
# process is taken for dead. One of this host is known to be dead at once.
HEARTBEAT = 10
GRACE = 60


class TrialLostError(Exception):
    """A trial was taken over by another process: this one had given no sign of life for long."""


class SharedStorage(_CachedStorage):
    """A database as the processes of one study use it.

    Args:
        url: As SQLAlchemy takes it.
        made: Whether it has its tables, so that none are to be made.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: It cannot be reached.
    """

    def __init__(self, url: str, *, made: bool = False) -> None:
        super().__init__(_connect(url, made=made))
        self._owner = this_process()
        self._running: dict[int, FrozenTrial] = {}
        self._notes: dict[int, dict[str, Any]] = {}  # for the dashboard, of running trials
        self._fresh = False
        self._beating = _Heart(self._backend)

    def close(self) -> None:
        """Gives back the trials that are not finished, and lets go of the database."""
        with contextlib.suppress(Exception):  # whoever comes next finds out that we are gone
            for trial_id in list(self._running):
                self.give_back(trial_id)
        self._beating.stop()
        self._backend.remove_session()
        self._backend.engine.dispose()

    # Which trial is next

    def begin(self, study_id: int, limit: int) -> int | None:
        """The id of a trial that is now this process's own; None where there is none to begin.

        Args:
            study_id: Of the study.
            limit: How many trials it shall have, finished and running ones together.
        """
        self._fresh = False
        stale = set(self._backend._get_stale_trial_ids(study_id))
        with self._session() as session:
            self._lock_study(session, study_id)
            left = self._left_behind(session, study_id, stale)
            if left is not None:
                trial_id: int | None = left
            elif self._count(session, study_id) < limit:
                row = self._backend._get_prepared_new_trial(study_id, None, session)
                session.add_all(
                    [
                        models.TrialSystemAttributeModel(
                            trial_id=row.trial_id, key=OWNER, value_json=json.dumps(self._owner)
                        ),
                        models.TrialHeartbeatModel(trial_id=row.trial_id),
                    ]
                )
                trial_id = int(row.trial_id)
            else:
                trial_id = None
        if trial_id is not None:
            self._own(study_id, trial_id)
        return trial_id

    def _lock_study(self, session: Session, study_id: int) -> None:
        """Changes nothing, and locks a study for all processes, whatever the database."""
        session.execute(
            sqlalchemy.update(models.StudyModel)
            .where(models.StudyModel.study_id == study_id)
            .values(study_name=models.StudyModel.study_name)
        )

    def give_back(self, trial_id: int) -> None:
        """Lets another process run a trial, or this one later."""
        self._forget(trial_id)
        with self._session() as session:
            self._change_owner(session, trial_id, self._owner, None)

    def _forget(self, trial_id: int) -> None:
        self._running.pop(trial_id, None)
        self._notes.pop(trial_id, None)
        self._beating.forget(trial_id)

    def _left_behind(self, session: Session, study_id: int, stale: set[int]) -> int | None:
        """The first running trial whose process is gone, which is ours from here on."""
        for trial_id, owner in self._owners(session, study_id):
            if trial_id in self._running:
                continue
            abandoned = owner is None or trial_id in stale or has_died(owner)
            if abandoned and self._change_owner(session, trial_id, owner, self._owner):
                session.execute(
                    sqlalchemy.update(models.TrialHeartbeatModel)
                    .where(models.TrialHeartbeatModel.trial_id == trial_id)
                    .values(heartbeat=sqlalchemy.func.current_timestamp())
                )
                session.execute(
                    sqlalchemy.delete(models.TrialSystemAttributeModel).where(
                        models.TrialSystemAttributeModel.trial_id == trial_id,
                        models.TrialSystemAttributeModel.key == CLAIM,
                    )
                )
                return trial_id
        return None

    def _owners(self, session: Session, study_id: int) -> list[tuple[int, str | None]]:
        """Running trials of this program's processes, with the name of each one's."""
        rows = session.execute(
            sqlalchemy.select(
                models.TrialModel.trial_id, models.TrialSystemAttributeModel.value_json
            )
            .join(
                models.TrialSystemAttributeModel,
                models.TrialSystemAttributeModel.trial_id == models.TrialModel.trial_id,
            )
            .where(
                models.TrialModel.study_id == study_id,
                models.TrialModel.state == TrialState.RUNNING,
                models.TrialSystemAttributeModel.key == OWNER,
            )
            .order_by(models.TrialModel.trial_id)
        )
        return [(trial_id, json.loads(owner)) for trial_id, owner in rows]

    def _count(self, session: Session, study_id: int) -> int:
        finished = session.execute(
            sqlalchemy.select(sqlalchemy.func.count()).where(
                models.TrialModel.study_id == study_id,
                models.TrialModel.state == TrialState.COMPLETE,
            )
        ).scalar_one()
        return int(finished) + len(self._owners(session, study_id))

    def _change_owner(
        self, session: Session, trial_id: int, before: str | None, after: str | None
    ) -> bool:
        """Whether the trial was still owned by who we thought, and is no more."""
        attribute = models.TrialSystemAttributeModel
        where = attribute.trial_id == trial_id, attribute.key == OWNER
        return _exchange(session, attribute, where, before, after)

    def _own(self, study_id: int, trial_id: int) -> None:
        trial = copy.deepcopy(self._backend.get_trial(trial_id))
        with self._lock:
            self._running[trial_id] = trial
        self._read_trials_from_remote_storage(study_id)
        study = self._studies[study_id]
        if not study.param_distribution:
            for finished in study.trials.values():
                study.param_distribution.update(finished.distributions)
        self._fresh = True
        self._beating.begin(trial_id)

    # Notes of the study

    def leave_first_note(self, study_id: int, key: str, value: Any) -> None:
        """Leaves a note with a study unless there is one: the first of two processes wins."""
        model = models.StudyUserAttributeModel
        with contextlib.suppress(IntegrityError), self._session() as session:
            session.add(model(study_id=study_id, key=key, value_json=json.dumps(value)))

    def exchange_note(self, study_id: int, key: str, before: Any, after: Any) -> bool:
        """Replaces a note, unless another process has replaced it meanwhile."""
        model = models.StudyUserAttributeModel
        with self._session() as session:
            where = model.study_id == study_id, model.key == key
            return _exchange(session, model, where, before, after)

    # Optuna's storage: what is running stays in memory

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        trial_id = noted_trial(key)
        if trial_id is not None and trial_id in self._running:
            self._notes.setdefault(trial_id, {})[key] = value
        else:
            super().set_study_system_attr(study_id, key, value)

    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        if (trial := self._running.get(trial_id)) is None:
            super().set_trial_param(trial_id, param_name, param_value_internal, distribution)
            return
        trial.params[param_name] = distribution.to_external_repr(param_value_internal)
        trial.distributions[param_name] = distribution

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        if (trial := self._running.get(trial_id)) is None:
            super().set_trial_user_attr(trial_id, key, value)
            return
        trial.user_attrs[key] = value

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        trial = self._running.get(trial_id)
        if trial is not None:
            trial.system_attrs[key] = value
        if trial is None or key == CLAIM:
            super().set_trial_system_attr(trial_id, key, value)
            self._fresh = False  # who claims a point looks at the others next

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Ends a trial.

        Raises:
            TrialLostError: Another process has taken it over.
        """
        trial = self._running.get(trial_id)
        if trial is None:
            return super().set_trial_state_values(trial_id, state, values)
        study_id, _ = self._trial_id_to_study_id_and_number[trial_id]
        known = self._studies[study_id].param_distribution
        with self._session() as session:
            ours = self._change_owner(session, trial_id, self._owner, self._owner)
            row = models.TrialModel.find_or_raise_by_id(trial_id, session)
            if not ours or row.state.is_finished():
                self._forget(trial_id)
                raise TrialLostError(f"trial {trial.number} was taken over")
            self._write(session, row, trial, values, known)
            row.state = state
            row.datetime_complete = datetime.now(UTC)
        self._forget(trial_id)
        known.update(trial.distributions)
        self._fresh = False
        return True

    def _write(
        self,
        session: Session,
        row: Any,
        trial: FrozenTrial,
        values: Sequence[float] | None,
        known: dict[str, BaseDistribution],
    ) -> None:
        """All of a trial at once."""
        backend, trial_id = self._backend, row.trial_id
        for objective, value in enumerate(values or ()):
            backend._set_trial_value_without_commit(session, row, objective, value)
        for name, distribution in trial.distributions.items():
            internal = distribution.to_internal_repr(trial.params[name])
            if name not in known:  # which looks for it in the database
                backend._set_trial_param_without_commit(
                    session, trial_id, name, internal, distribution
                )
                continue
            check_distribution_compatibility(known[name], distribution)
            session.add(
                models.TrialParamModel(
                    trial_id=trial_id,
                    param_name=name,
                    param_value=internal,
                    distribution_json=distribution_to_json(distribution),
                )
            )
        session.add_all(
            models.TrialUserAttributeModel(
                trial_id=trial_id, key=key, value_json=json.dumps(value)
            )
            for key, value in trial.user_attrs.items()
        )
        for key, value in trial.system_attrs.items():
            if key not in (OWNER, CLAIM):
                backend._set_trial_attr_without_commit(
                    session, models.TrialSystemAttributeModel, trial_id, key, value
                )

        self._write_note(session, row.study_id, self._notes.get(trial_id, {}))

    def add_finished(
        self, study_id: int, trials: Sequence[FrozenTrial], notes: Sequence[str]
    ) -> None:
        """Keeps finished trials of another storage, all at once.

        Args:
            study_id: Of the study here.
            trials: The trials, which take the next numbers.
            notes: For each a note for the dashboard; an empty one for none.
        """
        self._read_trials_from_remote_storage(study_id)
        known = self._studies[study_id].param_distribution
        with self._session() as session:
            self._lock_study(session, study_id)
            for trial, note in zip(trials, notes, strict=True):
                row = self._backend._get_prepared_new_trial(study_id, None, session)
                row.datetime_start = trial.datetime_start
                row.datetime_complete = trial.datetime_complete
                self._write(session, row, trial, trial.values, known)
                row.state = trial.state
                known.update(trial.distributions)
                if note:
                    self._write_note(session, study_id, note_attributes(int(row.trial_id), note))
        self._fresh = False

    def _write_note(self, session: Session, study_id: int, note: dict[str, Any]) -> None:
        """A trial's note for the dashboard, unless somebody has written one there."""
        model = models.StudySystemAttributeModel
        there = sqlalchemy.select(model.key).where(
            model.study_id == study_id, model.key.in_(list(note))
        )
        if note and session.execute(there).first() is None:
            session.add_all(
                model(study_id=study_id, key=key, value_json=json.dumps(value))
                for key, value in note.items()
            )

    def get_trial(self, trial_id: int) -> FrozenTrial:
        return self._running.get(trial_id) or super().get_trial(trial_id)

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        if not self._fresh:
            self._read_trials_from_remote_storage(study_id)
            self._fresh = bool(self._running)
        with self._lock:
            for trial in self._running.values():
                self._studies[study_id].trials[trial.number] = trial
            known = self._studies[study_id].trials
            found = [known[number] for number in sorted(known)]
        if states is not None:
            found = [trial for trial in found if trial.state in states]
        return copy.deepcopy(found) if deepcopy else found

    def get_heartbeat_interval(self) -> int | None:
        return None  # Optuna's own heartbeats are for `Study.optimize`

    @contextlib.contextmanager
    def _session(self) -> Iterator[Session]:
        session = self._backend.scoped_session()
        try:
            yield session
            session.commit()
        except BaseException:
            session.rollback()
            raise


class _Heart:
    """Gives signs of life of the trials that run, from a thread of its own."""

    def __init__(self, backend: RDBStorage) -> None:
        self._backend = backend
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
                    self._backend.record_heartbeat(trial_id)
            self._backend.remove_session()


def _connect(url: str, *, made: bool) -> RDBStorage:
    """A database with its tables, which several processes may make at the same time."""
    settings: dict[str, Any] = {}
    if url.startswith("sqlite"):
        settings["connect_args"] = {"timeout": 60}  # others write, too
    storage = past_races(
        lambda: RDBStorage(url, engine_kwargs=dict(settings), skip_table_creation=made)
    )
    storage.heartbeat_interval, storage.grace_period = HEARTBEAT, GRACE
    return storage


def _exchange(session: Session, model: Any, where: Sequence[Any], before: Any, after: Any) -> bool:
    """Replaces a row's value where it is still the one from before, and says whether it was."""
    result = session.execute(
        sqlalchemy.update(model)
        .where(*where, model.value_json == json.dumps(before))
        .values(value_json=json.dumps(after))
    )
    return bool(getattr(result, "rowcount", 0))
