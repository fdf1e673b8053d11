"""A study in a database, which several processes run together."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, Trial

from dsl.owners import has_died, this_process
from studies.addresses import PROXY, proxy_address
from studies.shared_storage import SharedStorage, TrialLostError
from studies.stored_study import StoredStudy, reported
from tuners.problems.start import Start
from tuners.samplers.claims import CLAIM

if TYPE_CHECKING:
    from studies.storage_proxy import ProxyStorage

__all__ = ["SharedStudyStore", "open_shared_store", "open_shared_stores"]

LEADER = "mappertune:leader"
LEADS_FOR = 120.0  # seconds, unless it says so again; one of this host that died leads no more


@contextmanager
def open_shared_store(name: str, url: str, location: str) -> Iterator[SharedStudyStore]:
    """Opens a study of a database, which is made where it is new.

    Args:
        name: Name of the study.
        url: Of the database.
        location: The same as it may be shown.

    Raises:
        StorageError: The database cannot be opened.
    """
    with reported(location):
        storage = _connected(url, made=False)
    try:
        with reported(location):
            study = optuna.create_study(
                study_name=name, storage=storage, direction="maximize", load_if_exists=True
            )
        yield SharedStudyStore(study, location, storage)
    finally:
        storage.close()


@contextmanager
def open_shared_stores(url: str, location: str) -> Iterator[dict[str, StoredStudy]]:
    """Opens all studies of a database that exists, by name.

    Args:
        url: Of the database.
        location: The same as it may be shown.

    Raises:
        StorageError: The database cannot be opened.
    """
    with reported(location):
        storage = _connected(url, made=True)
    try:
        with reported(location):
            studies = {
                each.study_name: optuna.load_study(study_name=each.study_name, storage=storage)
                for each in storage.get_all_studies()
            }
        yield {name: SharedStudyStore(study, location, storage) for name, study in studies.items()}
    finally:
        storage.close()


def _connected(url: str, *, made: bool) -> SharedStorage | ProxyStorage:
    """The database, or the proxy that is connected to it."""
    if not url.startswith(PROXY):
        return SharedStorage(url, made=made)
    from studies.storage_proxy import ProxyStorage  # noqa: PLC0415  (gRPC is an extra)

    return ProxyStorage(*proxy_address(url))


class SharedStudyStore(StoredStudy):
    """One study, of which this process runs some trials.

    Use ``StudyStore.open_study``.
    """

    def __init__(
        self, study: optuna.Study, location: str, storage: SharedStorage | ProxyStorage
    ) -> None:
        super().__init__(study, location)
        self._shared = study
        self._storage = storage
        self._seen: set[int] = set()

    @property
    def _id(self) -> int:
        return self._shared._study_id  # noqa: SLF001  (nothing public tells)

    @property
    def shared_study(self) -> optuna.Study:
        return self._shared

    def move_to_free_name(self) -> None:
        """Gives the study another name in its database, so that its own is free.

        Raises:
            StorageError: It cannot be written.
        """
        name = self._shared.study_name
        with reported(self.location):
            taken = {study.study_name for study in self._storage.get_all_studies()}
            numbered = (f"{name}.aside{number}" for number in itertools.count(1))
            free = next(each for each in numbered if each not in taken)
            optuna.copy_study(
                from_study_name=name,
                from_storage=self._storage,
                to_storage=self._storage,
                to_study_name=free,
            )
            optuna.delete_study(study_name=name, storage=self._storage)

    def settle_note(self, key: str, value: Any) -> Any:
        with reported(self.location):
            self._storage.leave_first_note(self._id, key, value)
        return self.note(key)

    def begin(self, sampler: BaseSampler, trials: Sequence[FrozenTrial]) -> None:
        self._seen = {trial.number for trial in trials}  # others may have finished more meanwhile
        self._running = optuna.load_study(
            study_name=self._shared.study_name, storage=self._storage, sampler=sampler
        )

    def next_trial(
        self, limit: int, start: Start | None = None, start_key: str = ""
    ) -> Trial | None:
        study = self._begun
        with reported(self.location):
            trial_id = self._storage.begin(self._id, limit)
            if trial_id is None:
                return None
            if start is not None and self._storage.get_trial(trial_id).number == 0:
                self._storage.set_trial_system_attr(trial_id, "fixed_params", dict(start.values))
                for name, value in start.attributes().items():
                    self._storage.set_trial_user_attr(trial_id, name, value)
                self._storage.set_trial_system_attr(trial_id, CLAIM, start_key)
        study._thread_local.cached_all_trials = None  # noqa: SLF001  (as `Study.ask` does)
        return Trial(study, trial_id)

    def finish(self, trial: Trial, value: float) -> FrozenTrial | None:
        try:
            with reported(self.location):
                finished = self._begun.tell(trial, value)
        except TrialLostError:
            return None
        self._seen.add(finished.number)
        return finished

    def add_with_notes(self, trials: Sequence[FrozenTrial], notes: Sequence[str]) -> None:
        """Keeps finished trials of another storage, each with a note for the dashboard.

        Raises:
            StorageError: They cannot be written; none of them is.
        """
        with reported(self.location):
            self._storage.add_finished(self._id, trials, notes)

    def is_done(self, limit: int) -> bool:
        return len(self.trials) >= limit

    def finished_elsewhere(self) -> list[FrozenTrial]:
        news = [trial for trial in self.trials if trial.number not in self._seen]
        self._seen.update(trial.number for trial in news)
        return news

    def leads(self) -> bool:
        ours = {"process": this_process(), "until": time.time() + LEADS_FOR}
        now = self.settle_note(LEADER, ours)
        if now["process"] == ours["process"]:
            if now != ours:
                self.leave_note(LEADER, ours)
            return True
        if time.time() < now["until"] and not has_died(now["process"]):
            return False
        with reported(self.location):
            return self._storage.exchange_note(self._id, LEADER, now, ours)
