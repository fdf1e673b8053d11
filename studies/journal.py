"""Journal files: Optuna's append-only log of a study, made safe against sudden ends."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import IO

import filelock
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from studies.errors import StorageError
from studies.files import why

__all__ = ["FileLock", "open_journal"]


class FileLock(JournalFileOpenLock):
    """A lock that the operating system releases when its holder dies.

    Optuna's own locks are files, which a killed process leaves behind: the next one waits 30 s.
    A thread that holds this one may take it again, so that a study can hold it from its first
    trial to its last.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._lock = filelock.FileLock(path.with_name(path.name + ".lock"))

    def acquire(self) -> bool:
        """Waits until the lock is ours."""
        self._lock.acquire()
        return True

    def try_acquire(self) -> bool:
        """Takes the lock where nobody else holds it, and says whether it is ours."""
        try:
            self._lock.acquire(blocking=False)
        except filelock.Timeout:
            return False
        return True

    def release(self) -> None:
        self._lock.release()


def open_journal(path: Path, lock: FileLock | None = None) -> JournalStorage:
    """A journal, new or old; a line that a sudden end left torn is cut off first.

    Raises:
        StorageError: The file cannot be read or written, or is no journal.
    """
    lock = lock or FileLock(path)
    try:
        lock.acquire()
        try:
            _cut_torn_line(path)
        finally:
            lock.release()
        return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))
    except OSError as error:
        raise StorageError(f"cannot open the journal {path}: {why(error)}") from error
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise StorageError(
            f"{path} is damaged, or no journal of Optuna: remove it, or name another one"
        ) from error


def _cut_torn_line(path: Path) -> None:
    if not path.exists():
        return
    with path.open("rb+") as file:
        head = file.readline(4096)
        if head and not head.startswith(b'{"op_code"'):
            raise StorageError(f"{path} is no journal of Optuna: name another file")
        size = file.seek(0, os.SEEK_END)
        end = _end_of_last_line(file, size)
        if end < size:
            file.truncate(end)


def _end_of_last_line(file: IO[bytes], size: int, block: int = 65536) -> int:
    """The position after the last newline; 0 where there is none."""
    position = size
    while position > 0:
        start = max(0, position - block)
        file.seek(start)
        newline = file.read(position - start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        position = start
    return 0
