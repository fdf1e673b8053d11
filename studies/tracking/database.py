"""MLflow's database where it is a file: made whole or not at all, by one process.

MLflow makes its tables step by step, for seconds. Processes that begin side by side get in each
other's way, and a process that is killed meanwhile leaves a file that no later one can use. So a
new database is made beside its place and renamed, and one that was left half-made is made anew.

An empty one is kept in the user's cache, of which later ones are copies: one for each version.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from legion_bridge.cache import digest_of, kept
from studies.files import make_folder
from studies.journal import FileLock
from studies.tracking.rows import schema_version
from studies.versions import version_of

__all__ = ["copy_empty", "empty_version", "whole_database"]

# Tables that have rows before anybody has tracked anything.
_FILLED_BY_MIGRATIONS = {"alembic_version", "workspaces"}
_SIDES = ("-journal", "-wal", "-shm")


@contextlib.contextmanager
def whole_database(path: Path, make: Callable[[str], None]) -> Iterator[None]:
    """Sees to it that a file is a whole database, and keeps others from making one meanwhile.

    Args:
        path: Of the file.
        make: Makes a database, given its URI, and lets go of it.

    Raises:
        StorageError: The folder cannot be made.
        OSError: The file cannot be written.
    """
    make_folder(path.parent)
    lock = FileLock(path)
    lock.acquire()
    try:
        if _has_nothing(path):
            _make_beside(path, make)
        yield
    finally:
        lock.release()


def copy_empty(
    path: Path, make: Callable[[str], None], fill: Callable[[Path], None] | None = None
) -> None:
    """Makes a database at a path where there is none: by a copy of the empty one that is kept.

    Args:
        path: Of the file.
        make: Makes a database where there is none, given its URI, or what an empty one lacks, and
            lets go of it.
        fill: Adds what an empty one lacks; None to leave that to ``make``.
    """
    empty: Path | None = None
    try:
        empty = _empty(make)
        shutil.copyfile(empty, path)
        if fill is None:
            make(f"sqlite:///{path}")
        else:
            fill(path)
    except Exception:  # noqa: BLE001  (no cache, or a damaged file in it, of which MLflow says anything)
        if empty is not None:
            empty.unlink(missing_ok=True)
        for side in ("", *_SIDES):
            path.with_name(path.name + side).unlink(missing_ok=True)
        make(f"sqlite:///{path}")


def empty_version(make: Callable[[str], None]) -> str | None:
    """The version of the tables that the installed MLflow wants; None where nobody can tell.

    Args:
        make: As for ``copy_empty``.
    """
    try:
        return schema_version(_empty(make))
    except Exception:  # noqa: BLE001  (no cache; or whatever MLflow says where it cannot make one)
        return None


def _empty(make: Callable[[str], None]) -> Path:
    """The empty database of the installed version, which is made where there is none yet."""

    def make_empty(empty: Path) -> None:
        make(f"sqlite:///{empty}")
        _forget_place(empty)

    digest = digest_of("empty", version_of("mlflow"), sqlite3.sqlite_version)
    return kept("mlflow.db", digest, make_empty)


def _forget_place(path: Path) -> None:
    """Takes the first experiment out of an empty database: it tells where that was made."""
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        for table in _filled_tables(database):
            database.execute(f'DELETE FROM "{table}"')  # noqa: S608


def _filled_tables(database: sqlite3.Connection) -> list[str]:
    """The tables with rows that no migration has written."""
    names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    tables = sorted({str(name) for (name,) in names} - _FILLED_BY_MIGRATIONS)
    rows = (database.execute(f'SELECT 1 FROM "{table}" LIMIT 1') for table in tables)  # noqa: S608
    return [table for table, found in zip(tables, rows, strict=True) if found.fetchone()]


def _has_nothing(path: Path) -> bool:
    """Whether a file is missing, or a database in which nothing was tracked yet.

    MLflow writes its first experiment when all tables are there: where there is one, the database
    is whole, of whatever version. A file that is no database is not for us to judge.
    """
    if not path.exists() or path.stat().st_size == 0:
        return True
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=60)) as database:
            return not _filled_tables(database)
    except sqlite3.Error:
        return False


def _make_beside(path: Path, make: Callable[[str], None]) -> None:
    prefix = f".{path.name}.making-"
    for left in path.parent.glob(f"{prefix}*"):  # by a process that was killed: we have the lock
        left.unlink(missing_ok=True)
    draft = path.with_name(f"{prefix}{os.getpid()}")
    try:
        make(f"sqlite:///{draft.resolve()}")
        for side in _SIDES:  # of the half-made one, which would be taken for the new one's
            path.with_name(path.name + side).unlink(missing_ok=True)
        draft.replace(path)
    finally:
        for name in (draft.name, *(draft.name + side for side in _SIDES)):
            draft.with_name(name).unlink(missing_ok=True)
