"""Where studies are kept: one journal file each, or a database that several processes share.

A journal belongs to one process at a time: the loop of its study runs in memory and each finished
trial is copied into the file (2 ms a trial). Processes on one database share a study: each asks
there for its next trial (`studies.shared_storage`). A process that is killed loses the trial that
it was running, and nothing else.
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dsl.scratch_folder import ScratchFolder
from studies.addresses import (
    PROXY,
    database_file,
    proxy_address,
    refuse_misspelt,
    refuse_secrets_of_file,
)
from studies.errors import StorageError, StudyBusyError, UsageError
from studies.files import make_folder, why
from studies.journal import FileLock, JournalStudy, open_studies, open_study
from studies.journal_end import copy_end
from studies.stored_study import StoredStudy, reported
from tuners.redaction import redacted_url

__all__ = [
    "StudyStore",
    "open_all_studies",
    "open_snapshot",
    "say_nothing",
    "serve_database",
]

# What SQLAlchemy needs beside itself for each scheme; None for nothing.
SCHEMES: dict[str, str | None] = {
    "sqlite": None,
    "grpc": "grpc",
    "postgresql": "psycopg",
    "postgresql+psycopg": "psycopg",
    "postgresql+psycopg2": "psycopg2",
    "mysql+pymysql": "pymysql",
    "mysql": "MySQLdb",
}

# Distributions that are not called as what is imported.
PACKAGES = {"grpc": "grpcio", "MySQLdb": "mysqlclient"}

Tell = Callable[[str], object]


def say_nothing(sentence: str) -> None:
    """Tells nobody of repairs."""


class StudyStore(StoredStudy):
    """Where studies are found: use ``open_study``, which closes what it opened."""

    @classmethod
    @contextmanager
    def open_study(
        cls,
        name: str,
        location: str,
        *,
        repair: bool = False,
        tell: Tell = say_nothing,
    ) -> Iterator[StoredStudy]:
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
        if _is_database(location):
            opened = _open_database(name, location)
        else:
            opened = _open_file(name, Path(location), repair=repair, tell=tell)
        with opened as store:
            yield store


@contextmanager
def open_all_studies(location: str) -> Iterator[Mapping[str, StoredStudy]]:
    """Opens all studies of a storage that exists, by name; none is made or changed.

    Args:
        location: Path of a journal file, or the URL of a database.

    Raises:
        UsageError: The URL names no storage that can be had, or there is none.
        StorageError: The storage cannot be opened, is damaged, or another process runs the study
            of a journal.
    """
    if _is_database(location):
        _require_driver(location)
        from studies.shared_store import open_shared_stores  # noqa: PLC0415  (loads SQLAlchemy)

        file = database_file(location)
        if file is not None and not file.exists():
            raise UsageError(f"there is no database {redacted_url(location)}")
        with open_shared_stores(_with_driver(location), redacted_url(location)) as stores:
            yield stores
        return
    path = Path(location)
    if not path.is_file():
        raise UsageError(f"there is no journal {location}")
    lock = _lock_for_all(path)
    try:
        with reported(location):
            studies = open_studies(path, lock)
        yield {name: StudyStore(study, location) for name, study in studies.items()}
    finally:
        lock.release()


@contextmanager
def open_snapshot(location: str) -> Iterator[Mapping[str, StoredStudy]]:
    """Opens all studies of a storage as they are now, though a process may be running one.

    Of a journal a copy is read, so that the file and its folder need not be writable, and a
    process that writes to it is not in the way. Notes cannot be left.

    Args:
        location: Path of a journal file, or the URL of a database.

    Raises:
        UsageError: The URL names no storage that can be had, or there is none.
        StorageError: The storage cannot be opened, or is damaged.
    """
    path = Path(location)
    if _is_database(location) or not path.is_file():
        with open_all_studies(location) as stores:
            yield stores
        return
    with ScratchFolder("snapshot") as folder:
        copy = Path(folder) / path.name
        try:
            shutil.copyfile(path, copy)
            copy_end(path, copy)
        except OSError as error:
            raise StorageError(f"cannot read {location}: {why(error)}") from error
        try:
            with open_all_studies(str(copy)) as stores:
                yield {name: StudyStore(store.kept, location) for name, store in stores.items()}
        except StorageError as error:
            raise StorageError(str(error).replace(str(copy), location)) from error


def _is_database(location: str) -> bool:
    """Whether a storage is a database; else it is a journal.

    Raises:
        UsageError: It is neither.
    """
    if "://" in location:
        refuse_secrets_of_file(location)
        return True
    refuse_misspelt(location, "a storage", "the path of a journal file")
    return False


@contextmanager
def _open_file(name: str, path: Path, *, repair: bool, tell: Tell) -> Iterator[StoredStudy]:
    make_folder(path.parent)
    lock = _lock_for_all(path)
    try:
        with reported(str(path)):
            study = open_study(name, path, lock, repair=repair, tell=tell)
        try:
            yield StudyStore(study, str(path))
        finally:
            if isinstance(study, JournalStudy):
                study.close()
    finally:
        lock.release()


@contextmanager
def _open_database(name: str, url: str) -> Iterator[StoredStudy]:
    _require_driver(url)
    from studies.shared_store import open_shared_store  # noqa: PLC0415  (loads SQLAlchemy)

    with open_shared_store(name, _with_driver(url), redacted_url(url)) as store:
        yield store


def _lock_for_all(path: Path) -> FileLock:
    lock = FileLock(path)
    try:
        ours = lock.try_acquire()
    except OSError as error:
        raise StorageError(f"cannot write in {path.parent}: {why(error)}") from error
    if not ours:
        raise StudyBusyError(
            f"another process is running a study in {path}: wait for it, or name another "
            "--output folder"
        )
    return lock


def serve_database(
    url: str, host: str, port: int, *, threads: int, ready: Callable[[], object]
) -> None:
    """Passes a database on by gRPC, until a signal ends it.

    Args:
        url: Of the database.
        host: At which the proxy answers.
        port: Likewise.
        threads: How many calls it works on at a time.
        ready: Called when it is about to answer.

    Raises:
        UsageError: It is no database.
        StorageError: It cannot be reached, or the port cannot be had.
    """
    if not _is_database(url) or url.startswith(PROXY):
        raise UsageError(f"{redacted_url(url)!r} is no database: only one can be passed on")
    _require_driver(url)
    _require_driver(f"{PROXY}{host}:{port}")
    from studies.storage_proxy import serve  # noqa: PLC0415  (loads SQLAlchemy and gRPC)

    serve(_with_driver(url), redacted_url(url), host, port, threads=threads, ready=ready)


def _with_driver(url: str) -> str:
    """The address with the driver that was found, where SQLAlchemy has changed its own.

    >>> _with_driver("postgresql://host/db"), _with_driver("sqlite:///x.db")
    ('postgresql+psycopg://host/db', 'sqlite:///x.db')
    """
    scheme, mark, rest = url.partition("://")
    return f"postgresql+psycopg{mark}{rest}" if scheme == "postgresql" else url


def _require_driver(url: str) -> None:
    scheme = url.split("://", 1)[0]
    if scheme not in SCHEMES:
        raise UsageError(
            f"unknown storage {redacted_url(url)!r}; it is the path of a journal file, or a URL "
            f"that starts with one of {', '.join(f'{s}://' for s in SCHEMES)}"
        )
    driver = SCHEMES[scheme]
    if driver is not None and importlib.util.find_spec(driver) is None:
        package = PACKAGES.get(driver, driver)
        raise UsageError(f"storage {scheme}:// needs the Python package {package}: install it")
    if scheme == "grpc":
        proxy_address(url)
