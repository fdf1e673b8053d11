"""Folders in the temporary directory that do not outlive their process for long.

A folder is removed when it is no longer needed, and one whose process was killed when the next
process of this program makes or looks for some: a lock says whether its process lives.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import time
from functools import cache
from pathlib import Path

import filelock

__all__ = ["ScratchFolder", "remove_abandoned"]

PREFIX = "mappertune-"
LOCK = ".in-use"

# What earlier versions left.
EARLIER = re.compile(r"mappertune-opentuner-[a-z0-9_]{8}")

# Seconds after which a folder that nobody holds is taken for abandoned: it is made before it is
# locked, and earlier versions did not lock theirs.
LOCKED_WITHIN = 60.0
UNLOCKED_FOR = 7 * 24 * 3600.0


class ScratchFolder(tempfile.TemporaryDirectory[str]):
    """A folder in the temporary directory; it goes with this object, or at the next start.

    Args:
        kind: What it is for, a part of its name.
    """

    def __init__(self, kind: str) -> None:
        _remove_abandoned_once()
        super().__init__(prefix=f"{PREFIX}{kind}-", ignore_cleanup_errors=True)
        self._lock = filelock.FileLock(Path(self.name) / LOCK, thread_local=False)
        with contextlib.suppress(OSError):  # a file system without locks
            self._lock.acquire(blocking=False)

    def cleanup(self) -> None:
        """Removes it."""
        self._lock.release()
        super().cleanup()


def remove_abandoned() -> None:
    """Removes the folders that killed processes have left."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        with contextlib.suppress(OSError, filelock.Timeout):  # others may remove it as well
            if _is_abandoned(folder):
                shutil.rmtree(folder)


@cache
def _remove_abandoned_once() -> None:
    remove_abandoned()


def _is_abandoned(folder: Path) -> bool:
    told = folder.lstat()
    if not folder.is_dir() or folder.is_symlink() or told.st_uid != os.getuid():
        return False
    age = time.time() - told.st_mtime
    if not (folder / LOCK).exists():
        return age > UNLOCKED_FOR and EARLIER.fullmatch(folder.name) is not None
    if age < LOCKED_WITHIN:
        return False
    lock = filelock.FileLock(folder / LOCK)
    lock.acquire(blocking=False)
    lock.release()
    return True
