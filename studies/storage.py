"""Where studies are kept: one journal file each, or a database that several processes share.

A journal belongs to one process at a time: the loop of its study runs in memory and each finished
trial is copied into the file (2 ms a trial). Processes on one database share a study: each asks
there for its next trial (`studies.shared_storage`). A process that is killed loses the trial that
it was running, and nothing else.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial, Trial, TrialState

from studies.errors import StorageError, UsageError
from studies.files import make_folder, why
from studies.journal import FileLock, JournalStudy, open_study

__all__ = ["StudyStore", "reported", "say_nothing"]

# What SQLAlchemy needs beside itself for each scheme; None for nothing.
SCHEMES: dict[str, str | None] = {
    "sqlite": None,
    "postgresql": "psycopg",
    "postgresql+psycopg": "psycopg",
    "postgresql+psycopg2": "psycopg2",
    "mysql+pymysql": "pymysql",
    "mysql": "MySQLdb",
}


Tell = Callable[[str], object]


def say_nothing(sentence: str) -> None:
    """Tells nobody of repairs."""


class StudyStore:
    """One stored study, which this process runs alone.

    Use ``open_study``; it closes what it opened.

    Attributes:
        location: Where it is kept, without passwords.
    """

    def __init__(self, study: optuna.Study | JournalStudy, location: str) -> None:
        self._study = study
        self._running: optuna.Study | None = None
        self.location = location

    @classmethod
    @contextmanager
    def open_study(
        cls,
        name: str,
        location: str,
        *,
        repair: bool = False,
        tell: Tell = say_nothing,
    ) -> Iterator[StudyStore]:
        """Opens a study, which is made where it is new.

        Args:
            name: Name of the study.
            location: Path of a journal file, or the URL of a database.
            repair: Whether what is good of a damaged journal is kept, and the file set aside.
            tell: Called with a sentence where that was done.

        Raises:
            UsageError: The URL names no storage that can be had.
            StorageError: The storage cannot be opened, is damaged, or another process runs the
                study of a journal.
        """
        if "://" in location:
            opened = _open_database(name, location)
        else:
            opened = _open_file(name, Path(location), repair=repair, tell=tell)
        with opened as store:
            yield store

    @property
    def trials(self) -> list[FrozenTrial]:
        """The finished trials, in their order."""
        with reported(self.location):
            trials = self._study.get_trials(deepcopy=False)
        return [trial for trial in trials if trial.state == TrialState.COMPLETE]

    def add(self, trial: FrozenTrial) -> None:
        """Keeps a finished trial.

        Raises:
            StorageError: It cannot be written; the trials before it are safe.
        """
        with reported(self.location):
            self._study.add_trial(trial)

    def note(self, key: str) -> Any:
        """A note that was left with the study; None where there is none."""
        with reported(self.location):
            return self._study.user_attrs.get(key)

    def leave_note(self, key: str, value: Any) -> None:
        """Leaves a note, any JSON value, with the study.

        Raises:
            StorageError: It cannot be written.
        """
        with reported(self.location):
            self._study.set_user_attr(key, value)

    def settle_note(self, key: str, value: Any) -> Any:
        """Leaves a note unless there is one, and returns the one that is there then."""
        if self.note(key) is None:
            self.leave_note(key, value)
        return self.note(key)

    # Running trials

    def begin(self, sampler: BaseSampler) -> None:
        """Makes ready for trials that a sampler proposes."""
        self._running = optuna.create_study(direction="maximize", sampler=sampler)
        storage, study_id = self._running._storage, self._running._study_id  # noqa: SLF001
        for trial in self.trials:  # `Study.add_trials` looks through all their parameters
            storage.create_new_trial(study_id, template_trial=trial)

    def next_trial(
        self,
        limit: int,
        start: Mapping[str, Any] | None = None,
        start_key: str = "",  # noqa: ARG002  (for the processes that share a study)
    ) -> Trial | None:
        """A trial that is to be run now; None where no process may begin one.

        Args:
            limit: How many trials the study shall have in all.
            start: Values that the first trial of the study tries; None where the sampler chooses.
            start_key: The key of the candidate that they make.
        """
        study = self._begun
        count = len(study.get_trials(deepcopy=False))
        if count >= limit:
            return None
        if count == 0 and start is not None:
            # No sampler has a say in it, nor hears of it before it is finished.
            study = optuna.create_study(direction="maximize", sampler=RandomSampler())
            study.enqueue_trial(dict(start))
        return study.ask()

    def finish(self, trial: Trial, value: float) -> FrozenTrial | None:
        """Keeps a trial that has been run; None where another process has run it meanwhile.

        Raises:
            StorageError: It cannot be written; the trials before it are safe.
        """
        finished = trial.study.tell(trial, value)
        if trial.study is not self._begun:
            self._begun.add_trial(finished)
        self.add(finished)
        return finished

    def is_done(self, limit: int) -> bool:  # noqa: ARG002  (a shared one waits for others)
        """Whether all trials are finished once none is left to begin."""
        return True

    def finished_elsewhere(self) -> list[FrozenTrial]:
        """Trials that other processes have finished since this was asked last."""
        return []

    def leads(self) -> bool:
        """Whether this process is the one that tells others of the study, and stays it."""
        return True

    @property
    def _begun(self) -> optuna.Study:
        if self._running is None:
            raise RuntimeError("a study runs trials once it has begun")
        return self._running


@contextmanager
def _open_file(name: str, path: Path, *, repair: bool, tell: Tell) -> Iterator[StudyStore]:
    make_folder(path.parent)
    lock = _lock_for_all(path)
    try:
        with reported(str(path)):
            study = open_study(name, path, lock, repair=repair, tell=tell)
        yield StudyStore(study, str(path))
    finally:
        lock.release()


@contextmanager
def _open_database(name: str, url: str) -> Iterator[StudyStore]:
    _require_driver(url)
    from studies.shared_store import open_shared_store  # noqa: PLC0415  (loads SQLAlchemy)

    with open_shared_store(name, url, _without_password(url)) as store:
        yield store


def _lock_for_all(path: Path) -> FileLock:
    lock = FileLock(path)
    try:
        ours = lock.try_acquire()
    except OSError as error:
        raise StorageError(f"cannot write in {path.parent}: {why(error)}") from error
    if not ours:
        raise StorageError(
            f"another process is running a study in {path}: wait for it, or name another "
            "--output folder"
        )
    return lock


def _require_driver(url: str) -> None:
    scheme = url.split("://", 1)[0]
    if scheme not in SCHEMES:
        raise UsageError(
            f"unknown storage {url!r}; it is the path of a journal file, or a URL that starts "
            f"with one of {', '.join(f'{s}://' for s in SCHEMES)}"
        )
    driver = SCHEMES[scheme]
    if driver is not None and importlib.util.find_spec(driver) is None:
        raise UsageError(f"storage {scheme}:// needs the Python package {driver}: install it")


def _without_password(url: str) -> str:
    scheme, rest = url.split("://", 1)
    return f"{scheme}://{rest.rsplit('@', 1)[-1]}"


@contextmanager
def reported(location: str) -> Iterator[None]:
    """Turns what a storage may raise into one sentence."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"cannot write to {location}: {why(error)}") from error
    except (StorageError, UsageError, KeyboardInterrupt):
        raise
    except Exception as error:
        if not _is_of_storage(error):
            raise
        first_line = str(error.__cause__ or error).strip().splitlines()[0]
        raise StorageError(f"storage {location} failed: {first_line}") from error


def _is_of_storage(error: Exception) -> bool:
    """Whether an exception is the database's: its classes are known only where it is loaded."""
    kinds = (optuna.exceptions.StorageInternalError, optuna.exceptions.OptunaError)
    return isinstance(error, kinds) or type(error).__module__.startswith("sqlalchemy.")
