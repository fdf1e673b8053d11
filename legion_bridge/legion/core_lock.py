"""One measured run at a time on a host: two that share its cores would both be slow."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from legion_bridge.errors import LegionError

__all__ = ["cores_to_itself"]

_NAME = "mappertune-cores.lock"


@contextmanager
def cores_to_itself() -> Iterator[None]:
    """Waits until no other process on this host measures, whichever user runs it.

    The lock goes with the process that holds it, however that ends.

    Raises:
        LegionError: The lock's file cannot be made.
    """
    path = Path(tempfile.gettempdir()) / _NAME
    if not path.parent.is_dir():
        raise LegionError(
            f"the temporary folder {path.parent} is gone: make it again, or name another by TMPDIR"
        )
    try:
        file = _opened(path)
    except OSError as error:
        raise LegionError(
            f"{path}: the lock of the cores cannot be opened ({error.strerror}): remove what is "
            "there, or share the cores"
        ) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _opened(path: Path) -> int:
    """Opened for reading: that will do for a lock, and is open to every user."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        # Without O_CREAT: Linux refuses that for another user's file in a shared folder.
        return os.open(path, flags)
    except FileNotFoundError:
        return os.open(path, flags | os.O_CREAT, 0o644)
