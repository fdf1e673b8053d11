"""A shared study behind Optuna's gRPC proxy: one process alone is connected to the database.

Optuna's proxy passes on the calls of a storage one by one: a trial of forty parameters is fifty
calls, each with a commit, and who shall run which trial cannot be asked at all. So what a process
of a shared study asks of its database (`studies.shared_trials`) goes in calls that Optuna has:

    create_new_trial       with ASKS among its attributes: a trial to run; its id, or NONE
                           with ENDS: all of a trial that was run; its id, or NONE where it was lost
    set_trial_system_attr  GIVES_BACK, BEATS: a trial that is not finished, and one that runs
    set_study_user_attr    FIRST, EXCHANGES: a note unless there is one, or in another's place
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import optuna
from optuna.storages import GrpcStorageProxy, run_grpc_proxy_server
from optuna.trial import FrozenTrial, TrialState

from studies.errors import StorageError
from studies.shared_storage import RunningTrials
from studies.shared_trials import OWNER, SharedTrials, TrialLostError
from tuners.samplers.claims import CLAIM

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

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
            limit, owner, running = asked["limit"], asked["owner"], asked["running"]
            return self.claim(study_id, limit, owner, running) or NONE
        if template_trial is not None and (ended := noted.pop(ENDS, None)) is not None:
            return self._take(study_id, template_trial, ended["trial"], ended["owner"])
        return super().create_new_trial(study_id, template_trial)

    def _take(self, study_id: int, trial: FrozenTrial, trial_id: int, owner: str) -> int:
        self.get_study_name_from_id(study_id)  # which makes room for what is known of it
        try:
            self.end(study_id, trial_id, trial, owner, trial.state, trial.values)
        except TrialLostError:
            return NONE
        return trial_id

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
        self.begin_running(self._beat, lambda: None)
        try:
            self.wait_server_ready(SECONDS_TO_CONNECT)
        except Exception as error:
            self.close()
            raise StorageError(
                f"no gRPC proxy answers at {host}:{port} within {SECONDS_TO_CONNECT:g} s: see "
                "that `mappertune proxy` runs there, and that this machine reaches it"
            ) from error
        try:
            version = self.get_study_id_from_name(WHO)
        except KeyError:
            version = 0
        if version != VERSION:
            self.close()
            raise StorageError(
                f"the gRPC proxy at {host}:{port} is another one, which knows no shared studies: "
                "start it by `mappertune proxy` of the same version"
            )

    def close(self) -> None:
        """Gives back the trials that are not finished, and hangs up."""
        self.end_running()
        GrpcStorageProxy.close(self)

    def _claim(self, study_id: int, limit: int) -> int | None:
        asked = {"limit": limit, "owner": self._owner, "running": list(self._running)}
        template = _template(TrialState.RUNNING, {ASKS: asked})
        return self.create_new_trial(study_id, template) or None

    def _release(self, trial_id: int) -> None:
        GrpcStorageProxy.set_trial_system_attr(self, trial_id, GIVES_BACK, self._owner)

    def _beat(self, trial_id: int) -> None:
        GrpcStorageProxy.set_trial_system_attr(self, trial_id, BEATS, self._owner)

    def _end(
        self, trial_id: int, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        noted = {
            key: each for key, each in trial.system_attrs.items() if key not in (OWNER, CLAIM)
        }
        whole = _template(
            state,
            {**noted, ENDS: {"trial": trial_id, "owner": self._owner}},
            number=trial.number,
            values=values,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs=trial.user_attrs,
        )
        if self.create_new_trial(self._study_of[trial_id], whole) == NONE:
            raise TrialLostError(f"trial {trial.number} was taken over")

    def begin(self, study_id: int, limit: int) -> int | None:
        trial_id = super().begin(study_id, limit)
        if trial_id is not None:
            self._study_of = {trial_id: study_id, **getattr(self, "_study_of", {})}
        return trial_id

    def _read(self, study_id: int, *, anew: bool) -> dict[int, FrozenTrial]:
        if anew:
            self._cache.get_all_trials(study_id, None)
        return self._cache.studies[study_id].trials

    # Notes of the study

    def leave_first_note(self, study_id: int, key: str, value: Any) -> None:
        """Leaves a note with a study unless there is one: the first of two processes wins."""
        self.set_study_user_attr(study_id, FIRST, [key, value])

    def exchange_note(self, study_id: int, key: str, before: Any, after: Any) -> bool:
        """Replaces a note, unless another process has replaced it meanwhile."""
        self.set_study_user_attr(study_id, EXCHANGES, [key, before, after])
        return bool(self.get_study_user_attrs(study_id).get(key) == after)


def serve(url: str, host: str, port: int, threads: int) -> None:
    """Runs a proxy until a signal ends it.

    Args:
        url: Of the database, as SQLAlchemy takes it.
        host: At which it answers.
        port: Likewise.
        threads: How many calls it works on at a time; each has a connection to the database.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: The database cannot be reached.
        RuntimeError: The port cannot be had.
    """
    storage = ServedStorage(url)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        run_grpc_proxy_server(
            storage, host=host, port=port, thread_pool=ThreadPoolExecutor(max_workers=threads)
        )


def _template(
    state: TrialState,
    system_attrs: dict[str, Any],
    *,
    number: int = -1,
    values: Sequence[float] | None = None,
    params: dict[str, Any] | None = None,
    distributions: dict[str, BaseDistribution] | None = None,
    user_attrs: dict[str, Any] | None = None,
) -> FrozenTrial:
    now = datetime.now(UTC).replace(tzinfo=None)
    return FrozenTrial(
        number=number,
        state=state,
        value=None,
        values=values,
        datetime_start=now,
        datetime_complete=now if state.is_finished() else None,
        params=params or {},
        distributions=distributions or {},
        user_attrs=user_attrs or {},
        system_attrs=system_attrs,
        intermediate_values={},
        trial_id=-1,
    )
