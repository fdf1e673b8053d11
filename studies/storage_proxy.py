"""A shared study behind Optuna's gRPC proxy: one process alone is connected to the database.

Optuna's proxy passes on the calls of a storage one by one: a trial of forty parameters is fifty
calls, each with a commit, and who shall run which trial cannot be asked at all. So what a process
of a shared study asks of its database (`studies.shared_trials`) goes in calls that Optuna has:

    create_new_trial       with ASKS among its attributes: a trial to run; its id, or NONE
                           with ENDS: all of a trial that was run; its id, or NONE if it was lost
    set_trial_system_attr  GIVES_BACK, BEATS: a trial that is not finished, and one that runs
    set_study_user_attr    FIRST, EXCHANGES: a note unless there is one, or in another's place
"""

from __future__ import annotations

import socket
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import optuna
from optuna.storages import GrpcStorageProxy, run_grpc_proxy_server
from optuna.trial import FrozenTrial, TrialState

from studies.errors import StorageError
from studies.shared_storage import RunningTrials
from studies.shared_trials import OWNER, SharedTrials, TrialLostError
from studies.stored_study import reported
from tuners.dashboard import note_attributes
from tuners.samplers.claims import CLAIM

__all__ = ["ProxyStorage", "ServedStorage", "serve"]

ASKS, ENDS = "mappertune:asks", "mappertune:ends"
GIVES_BACK, BEATS = "mappertune:gives_back", "mappertune:beats"
FIRST, EXCHANGES = "mappertune:first", "mappertune:exchanges"
NONE = 0  # no trial has this id

# A name that no study has: what Optuna's own proxy does not know, ours answers with its version.
WHO = "mappertune:proxy"
VERSION = 1

SECONDS_TO_CONNECT = 10.0


class ServedStorage(SharedTrials):
    """A database that a proxy has for the processes of shared studies."""

    def get_study_id_from_name(self, study_name: str) -> int:
        return VERSION if study_name == WHO else super().get_study_id_from_name(study_name)

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        noted = {} if template_trial is None else template_trial.system_attrs
        if (asked := noted.get(ASKS)) is not None:
            return self.claim(study_id, asked["limit"], asked["owner"], asked["running"]) or NONE
        if template_trial is not None and (ended := noted.pop(ENDS, None)) is not None:
            return self._take(study_id, template_trial, ended)
        return super().create_new_trial(study_id, template_trial)

    def _take(self, study_id: int, trial: FrozenTrial, ended: dict[str, Any]) -> int:
        self.get_study_name_from_id(study_id)  # which makes room for what is known of it
        try:
            self.end(
                study_id,
                ended["trial"],
                trial,
                owner=ended["owner"],
                state=trial.state,
                values=trial.values,
                note=ended["note"],
            )
        except TrialLostError:
            return NONE
        return int(ended["trial"])

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        if key == GIVES_BACK:
            self.release(trial_id, value)
        elif key == BEATS:
            self.record_heartbeat(trial_id)
        else:
            super().set_trial_system_attr(trial_id, key, value)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        if key == FIRST:
            self.leave_first_note(study_id, *value)
        elif key == EXCHANGES:
            self.exchange_note(study_id, *value)
        else:
            super().set_study_user_attr(study_id, key, value)


class ProxyStorage(RunningTrials, GrpcStorageProxy):
    """A proxy as the processes of one study use it.

    Args:
        host: Of the proxy.
        port: Of the proxy.

    Raises:
        StorageError: Nobody answers there, or it is another proxy.
    """

    def __init__(self, host: str, port: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            GrpcStorageProxy.__init__(self, host=host, port=port)
        self._study_of: dict[int, int] = {}
        self.begin_running(self._beat, lambda: None)
        try:
            self.wait_server_ready(SECONDS_TO_CONNECT)
        except Exception as error:
            self.close()
            raise StorageError(
                f"no gRPC proxy answers at {host}:{port} within {SECONDS_TO_CONNECT:g} s: see "
                "that `mappertune proxy` runs there, and that this machine reaches it"
            ) from error
        if self._version() != VERSION:
            self.close()
            raise StorageError(
                f"the gRPC proxy at {host}:{port} is another one, which knows no shared studies: "
                "start it by `mappertune proxy` of the same version"
            )

    def _version(self) -> int | None:
        try:
            return self.get_study_id_from_name(WHO)
        except KeyError:
            return None

    def close(self) -> None:
        """Gives back the trials that are not finished, and hangs up."""
        self.end_running()
        GrpcStorageProxy.close(self)

    def begin(self, study_id: int, limit: int) -> int | None:
        trial_id = super().begin(study_id, limit)
        if trial_id is not None:
            self._study_of[trial_id] = study_id
        return trial_id

    def _claim(self, study_id: int, limit: int) -> int | None:
        asked = {"limit": limit, "owner": self._owner, "running": list(self._running)}
        return self.create_new_trial(study_id, _message(TrialState.RUNNING, {ASKS: asked})) or None

    def _release(self, trial_id: int) -> None:
        GrpcStorageProxy.set_trial_system_attr(self, trial_id, GIVES_BACK, self._owner)

    def _beat(self, trial_id: int) -> None:
        GrpcStorageProxy.set_trial_system_attr(self, trial_id, BEATS, self._owner)

    def _end(
        self, trial_id: int, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        ours = {OWNER, CLAIM}
        noted = {key: each for key, each in trial.system_attrs.items() if key not in ours}
        note = self._notes.get(trial_id, {})
        noted[ENDS] = {"trial": trial_id, "owner": self._owner, "note": note}
        whole = _message(state, noted)
        whole.number, whole.values = trial.number, values
        whole.params, whole.distributions = trial.params, trial.distributions
        whole.user_attrs = trial.user_attrs
        if self.create_new_trial(self._study_of.pop(trial_id), whole) == NONE:
            raise TrialLostError(f"trial {trial.number} was taken over")

    def _read(self, study_id: int, *, anew: bool) -> dict[int, FrozenTrial]:
        if anew or study_id not in self._cache.studies:
            self._cache.get_all_trials(study_id, None)
        return self._cache.studies[study_id].trials

    def add_finished(
        self, study_id: int, trials: Sequence[FrozenTrial], notes: Sequence[str]
    ) -> None:
        """Keeps finished trials of another storage, as ``SharedTrials.add_finished`` does."""
        for trial, note in zip(trials, notes, strict=True):
            trial_id = self.create_new_trial(study_id, trial)
            for key, value in note_attributes(trial_id, note).items() if note else ():
                self.set_study_system_attr(study_id, key, value)
        self._fresh = False

    # Notes of the study

    def leave_first_note(self, study_id: int, key: str, value: Any) -> None:
        """Leaves a note with a study unless there is one: the first of two processes wins."""
        self.set_study_user_attr(study_id, FIRST, [key, value])

    def exchange_note(self, study_id: int, key: str, before: Any, after: Any) -> bool:
        """Replaces a note, unless another process has replaced it meanwhile."""
        self.set_study_user_attr(study_id, EXCHANGES, [key, before, after])
        return bool(self.get_study_user_attrs(study_id).get(key) == after)


def serve(
    url: str, location: str, host: str, port: int, *, threads: int, ready: Callable[[], object]
) -> None:
    """Runs a proxy until a signal ends it.

    Args:
        url: Of the database, as SQLAlchemy takes it.
        location: The same as it may be shown.
        host: At which it answers.
        port: Likewise.
        threads: How many calls it works on at a time; each has a connection to the database.
        ready: Called when it is about to answer.

    Raises:
        StorageError: The database cannot be reached, or the port cannot be had.
    """
    if _is_taken(host, port):  # gRPC would share it, and so answer every other call
        raise StorageError(f"{host}:{port} is in use: name another --port")
    with reported(location):
        storage = ServedStorage(url)
    ready()
    calls = ThreadPoolExecutor(max_workers=threads)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        try:
            run_grpc_proxy_server(storage, host=host, port=port, thread_pool=calls)
        except RuntimeError as error:  # of gRPC, where it cannot bind
            raise StorageError(f"cannot answer at {host}:{port}: {error}") from error


def _is_taken(host: str, port: int) -> bool:
    """Whether somebody answers there."""
    try:
        socket.create_connection((host, port), timeout=2.0).close()
    except OSError:
        return False
    return True


def _message(state: TrialState, system_attrs: dict[str, Any]) -> FrozenTrial:
    """A trial that tells something to the proxy."""
    now = datetime.now(UTC).replace(tzinfo=None)
    return FrozenTrial(
        number=0,
        state=state,
        value=None,
        datetime_start=now,
        datetime_complete=now if state.is_finished() else None,
        params={},
        distributions={},
        user_attrs={},
        system_attrs=system_attrs,
        intermediate_values={},
        trial_id=NONE,
    )
