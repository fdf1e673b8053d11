"""The trials of a study as rows of a database, of which several processes own some each.

A trial is a row from its beginning on, with the process that owns it. Which trial is next is
decided while the study's row is locked, so that a budget is counted once. A process that dies
leaves a running trial, which another one takes over under its number: it then proposes what the
dead one would have proposed.

Optuna has no public way to do any of this in one transaction; this module alone knows its tables.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Container, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy
from optuna.distributions import check_distribution_compatibility, distribution_to_json
from optuna.storages import RDBStorage, _CachedStorage
from optuna.storages._rdb import models
from optuna.trial import TrialState
from sqlalchemy.exc import IntegrityError

from dsl.owners import has_died
from studies.races import past_races
from tuners.dashboard import note_attributes
from tuners.samplers.claims import CLAIM

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial
    from sqlalchemy.orm import Session

__all__ = ["HEARTBEAT", "OWNER", "SharedTrials", "TrialLostError", "connect"]

OWNER = "mappertune:owner"  # of a running trial; null once it has been given back

# Seconds between two signs of life of a running trial, and after how many without one its
# process is taken for dead. One of this host is known to be dead at once.
HEARTBEAT = 10
GRACE = 60


class TrialLostError(Exception):
    """A trial was taken over by another process: this one had given no sign of life for long."""


class SharedTrials(_CachedStorage):
    """A database, with what processes that share its studies ask of it.

    Args:
        url: As SQLAlchemy takes it.
        made: Whether it has its tables, so that none are to be made.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: It cannot be reached.
    """

    def __init__(self, url: str, *, made: bool = False) -> None:
        super().__init__(connect(url, made=made))

    def claim(
        self, study_id: int, limit: int, owner: str, running: Container[int] = ()
    ) -> int | None:
        """The id of a trial that is now a process's own; None where there is none to begin.

        Args:
            study_id: Of the study.
            limit: How many trials it shall have, finished and running ones together.
            owner: Name of the process.
            running: Ids of trials that it runs already.
        """
        stale = set(self._backend._get_stale_trial_ids(study_id))
        with self._session() as session:
            self._lock_study(session, study_id)
            left = self._left_behind(session, study_id, stale, owner, running)
            if left is not None:
                return left
            if self._count(session, study_id) >= limit:
                return None
            row = self._backend._get_prepared_new_trial(study_id, None, session)
            session.add_all(
                [
                    models.TrialSystemAttributeModel(
                        trial_id=row.trial_id, key=OWNER, value_json=json.dumps(owner)
                    ),
                    models.TrialHeartbeatModel(trial_id=row.trial_id),
                ]
            )
            return int(row.trial_id)

    def _lock_study(self, session: Session, study_id: int) -> None:
        """Changes nothing, and locks a study for all processes, whatever the database."""
        session.execute(
            sqlalchemy.update(models.StudyModel)
            .where(models.StudyModel.study_id == study_id)
            .values(study_name=models.StudyModel.study_name)
        )

    def release(self, trial_id: int, owner: str) -> None:
        """Lets another process run a trial, or the same one later."""
        with self._session() as session:
            self._change_owner(session, trial_id, owner, None)

    def end(
        self,
        study_id: int,
        trial_id: int,
        trial: FrozenTrial,
        *,
        owner: str,
        state: TrialState,
        values: Sequence[float] | None,
        note: Mapping[str, Any],
    ) -> None:
        """Writes all of a trial at once: a commit for each of a hundred parameters takes long.

        Args:
            study_id: Of the study.
            trial_id: Of its row.
            trial: What it has suggested and noted.
            owner: Who has run it.
            state: How it ended.
            values: Its values.
            note: Attributes of the study that are a note on the trial.

        Raises:
            TrialLostError: Another process has taken it over.
        """
        known = self._studies[study_id].param_distribution
        with self._session() as session:
            ours = self._change_owner(session, trial_id, owner, owner)
            row = models.TrialModel.find_or_raise_by_id(trial_id, session)
            if not ours or row.state.is_finished():
                raise TrialLostError(f"trial {trial.number} was taken over")
            self._write(session, row, trial, values, known)
            self._write_note(session, study_id, note)
            row.state = state
            row.datetime_complete = datetime.now(UTC)
        known.update(trial.distributions)

    def _left_behind(
        self,
        session: Session,
        study_id: int,
        stale: set[int],
        owner: str,
        running: Container[int],
    ) -> int | None:
        """The first running trial whose process is gone, which has another owner from here on."""
        for trial_id, before in self._owners(session, study_id):
            if trial_id in running:
                continue
            abandoned = before is None or trial_id in stale or has_died(before)
            if abandoned and self._change_owner(session, trial_id, before, owner):
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
        """How many are finished or under way: asked at once, for one may finish meanwhile."""
        trial, attribute = models.TrialModel, models.TrialSystemAttributeModel
        owned = sqlalchemy.exists().where(
            attribute.trial_id == trial.trial_id, attribute.key == OWNER
        )
        running = sqlalchemy.and_(trial.state == TrialState.RUNNING, owned)
        found = session.execute(
            sqlalchemy.select(sqlalchemy.func.count()).where(
                trial.study_id == study_id,
                sqlalchemy.or_(trial.state == TrialState.COMPLETE, running),
            )
        )
        return int(found.scalar_one())

    def _change_owner(
        self, session: Session, trial_id: int, before: str | None, after: str | None
    ) -> bool:
        """Whether the trial was still owned by who we thought, and is no more."""
        attribute = models.TrialSystemAttributeModel
        where = attribute.trial_id == trial_id, attribute.key == OWNER
        return _exchange(session, attribute, where, before, after)

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
        rows: list[dict[str, Any]] = []
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
            rows.append(
                {
                    "trial_id": trial_id,
                    "param_name": name,
                    "param_value": internal,
                    "distribution_json": distribution_to_json(distribution),
                }
            )
        attributes = [
            {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)}
            for key, value in trial.user_attrs.items()
        ]
        for model, values_of in (
            (models.TrialParamModel, rows),
            (models.TrialUserAttributeModel, attributes),
        ):
            if values_of:  # as plain rows, which objects of Python would cost several times
                session.execute(sqlalchemy.insert(model), values_of)
        for key, value in trial.system_attrs.items():
            if key not in (OWNER, CLAIM):
                backend._set_trial_attr_without_commit(
                    session, models.TrialSystemAttributeModel, trial_id, key, value
                )

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

    def _write_note(self, session: Session, study_id: int, note: Mapping[str, Any]) -> None:
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

    @contextlib.contextmanager
    def _session(self) -> Iterator[Session]:
        session = self._backend.scoped_session()
        try:
            yield session
            session.commit()
        except BaseException:
            session.rollback()
            raise


def connect(url: str, *, made: bool) -> RDBStorage:
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
