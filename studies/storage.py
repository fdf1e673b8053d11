"""Where studies are kept: one journal file each, or any storage that Optuna knows.

The loop of a study runs in memory and each finished trial is copied here (2 ms a trial, where a
database would take 30 to 130 for its forty suggestions). A process that is killed loses the
trial that it was running, and nothing else.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from studies.errors import StorageError, UsageError
from studies.files import make_folder, why
from studies.journal import FileLock, open_journal

__all__ = ["StudyStore"]

# What SQLAlchemy needs beside itself for each scheme; None for nothing.
SCHEMES: dict[str, str | None] = {
    "sqlite": None,
    "postgresql": "psycopg",
    "postgresql+psycopg": "psycopg",
    "postgresql+psycopg2": "psycopg2",
    "mysql+pymysql": "pymysql",
    "mysql": "MySQLdb",
}


class StudyStore:
    """One stored study: the trials that are finished, and what the study was about.

    Use ``open_study``; it closes what it opened.
    """

    def __init__(self, study: optuna.Study, location: str) -> None:
        self._study = study
        self.location = location

    @classmethod
    @contextmanager
    def open_study(cls, name: str, location: str) -> Iterator[StudyStore]:
        """Opens a study, which is made where it is new.

        Args:
            name: Name of the study.
            location: Path of a journal file, or the URL of a database.

        Raises:
            UsageError: The URL names no storage that can be had.
            StorageError: The storage cannot be opened, or another process runs the study.
        """
        lock: FileLock | None = None
        try:
            if "://" in location:
                storage = _open_database(location)
            else:
                path = Path(location)
                make_folder(path.parent)
                lock = _lock_for_all(path)
                storage = open_journal(path, lock)
            with _reported(location):
                study = optuna.create_study(
                    study_name=name, storage=storage, direction="maximize", load_if_exists=True
                )
            yield cls(study, location)
        finally:
            if lock is not None:
                lock.release()

    @property
    def trials(self) -> list[FrozenTrial]:
        """The finished trials, in their order."""
        with _reported(self.location):
            trials = self._study.get_trials(deepcopy=False)
        return [trial for trial in trials if trial.state == TrialState.COMPLETE]

    def add(self, trial: FrozenTrial) -> None:
        """Keeps a finished trial.

        Raises:
            StorageError: It cannot be written; the trials before it are safe.
        """
        with _reported(self.location):
            self._study.add_trial(trial)

    def note(self, key: str) -> Any:
        """A note that was left with the study; None where there is none."""
        with _reported(self.location):
            return self._study.user_attrs.get(key)

    def leave_note(self, key: str, value: Any) -> None:
        """Leaves a note, any JSON value, with the study.

        Raises:
            StorageError: It cannot be written.
        """
        with _reported(self.location):
            self._study.set_user_attr(key, value)


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


def _open_database(url: str) -> BaseStorage:
    scheme = url.split("://", 1)[0]
    if scheme not in SCHEMES:
        raise UsageError(
            f"unknown storage {url!r}; it is the path of a journal file, or a URL that starts "
            f"with one of {', '.join(f'{s}://' for s in SCHEMES)}"
        )
    driver = SCHEMES[scheme]
    if driver is not None and importlib.util.find_spec(driver) is None:
        raise UsageError(f"storage {scheme}:// needs the Python package {driver}: install it")
    with _reported(_without_password(url)):
        return optuna.storages.RDBStorage(url)


def _without_password(url: str) -> str:
    scheme, rest = url.split("://", 1)
    return f"{scheme}://{rest.rsplit('@', 1)[-1]}"


@contextmanager
def _reported(location: str) -> Iterator[None]:
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
