"""The folder where compiled files are kept, and how files get into it.

A product's name in the folder tells everything that it depends on, so that a product is never
out of date: it is there or it is not. Processes that want the same one wait for each other, and
none sees a half-made one.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path

__all__ = ["cache_folder", "digest_of", "find_kept", "kept"]


def cache_folder() -> Path:
    """The user's cache folder; one under the system's temporary folder if that is read-only.

    It is ``mappertune`` in ``$XDG_CACHE_HOME``, by default in the platform's folder for caches. A
    `RuntimeWarning` tells of the second choice, because what is there may be gone tomorrow.
    """
    chosen = user_cache_path("mappertune")
    if _writable(chosen):
        return chosen
    fallback = Path(tempfile.gettempdir()) / f"mappertune-{os.getuid()}"
    fallback.mkdir(mode=0o700, exist_ok=True)
    if fallback.is_symlink() or fallback.stat().st_uid != os.getuid():
        # Another user laid it out: what lies there is not ours to run.
        fallback = Path(tempfile.mkdtemp(prefix="mappertune-"))
    warnings.warn(
        f"{chosen} cannot be written, so compiled files are kept in {fallback}; "
        "set XDG_CACHE_HOME to a folder that can",
        RuntimeWarning,
        stacklevel=2,
    )
    return fallback


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def digest_of(*parts: str | bytes) -> str:
    """A short digest of all that a product depends on."""
    whole = sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        whole.update(len(data).to_bytes(8, "big") + data)
    return whole.hexdigest()[:20]


def find_kept(name: str, digest: str) -> Path | None:
    """A product of the cache, if it is there."""
    product = cache_folder() / f"{name}-{digest}" / name
    return product if product.exists() else None


def kept(name: str, digest: str, make: Callable[[Path], None]) -> Path:
    """A product of the cache, made now if it is not there yet.

    Args:
        name: The file's name, such as ``"libcuda.so.1"``.
        digest: Of all that it depends on.
        make: Writes the product to the path that it is given. Whatever it raises is passed on,
            and leaves nothing behind.

    Returns:
        The path of the product, which lies alone in a folder of its own.
    """
    folder = cache_folder() / f"{name}-{digest}"
    product = folder / name
    if product.exists():  # as nearly always: no lock is needed
        return product
    folder.mkdir(exist_ok=True)
    with FileLock(folder / ".lock"):  # it goes with the process, if that is killed
        if not product.exists():
            draft = folder / f".{name}.{os.getpid()}"
            try:
                make(draft)
                draft.replace(product)
            finally:
                draft.unlink(missing_ok=True)
    return product
