"""Texts that people hand in, and files that studies leave behind."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from studies.errors import StorageError, UsageError

__all__ = ["ensure_writable", "make_folder", "read_text", "why", "write_text"]

# What the language accepts at most; dsl has the same bound.
MAX_BYTES = 1_000_000


def why(error: OSError) -> str:
    """The reason of an operating system error in words, such as ``"no space left on device"``."""
    reason = error.strerror or str(error)
    return reason[:1].lower() + reason[1:]


def read_text(path: str, kind: str = "mapper") -> str:
    """The text of a file, or of standard input where the path is ``"-"``.

    Args:
        path: Where it lies.
        kind: What it should hold, for messages.

    Raises:
        UsageError: It is missing, no file, empty, binary, or too large.
    """
    try:
        data = _read_bytes(path)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {why(error)}") from error
    if len(data) > MAX_BYTES:
        raise UsageError(f"{path} is larger than 1 MB: that is no {kind}")
    if not data.strip():
        raise UsageError(f"{path} is empty: a {kind} has at least one statement")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise UsageError(f"{path} is a binary file: a {kind} is text in UTF-8")
    return text


def _read_bytes(path: str) -> bytes:
    if path == "-":
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    with Path(path).open("rb") as file:
        return file.read(MAX_BYTES + 1)


def ensure_writable(*paths: Path | str | None) -> None:
    """Tells at once of a file that could not be written when the work is done.

    Args:
        paths: The files; None for one that nobody asked for. Folders above them may be missing.

    Raises:
        StorageError: One is a folder, or its place cannot be written to.
        UsageError: One would have a password in its name.
    """
    for path in (Path(each) for each in paths if each is not None):
        _refuse_secret_name(path)
        if path.is_dir():
            raise StorageError(f"cannot write {path}: it is a folder; name a file")
        if path.exists():
            if not os.access(path, os.W_OK):
                raise StorageError(f"cannot write {path}: permission denied")
            continue
        above = next(folder for folder in path.absolute().parents if folder.exists())
        if not above.is_dir():
            raise StorageError(f"cannot write {path}: {above} is no folder")
        if not os.access(above, os.W_OK | os.X_OK):
            raise StorageError(f"cannot write {path}: permission denied in {above}")


def _refuse_secret_name(path: Path) -> None:
    from studies.addresses import refuse_secret_name  # noqa: PLC0415  (help answers without)

    refuse_secret_name(path)


def make_folder(path: Path) -> None:
    """Makes a folder and those above it.

    Raises:
        StorageError: It cannot be made.
        UsageError: It would have a password in its name.
    """
    _refuse_secret_name(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"cannot make the folder {path}: {why(error)}; name another one by --output"
        ) from error


def write_text(path: Path, text: str) -> None:
    """Writes a whole file or none: a reader never sees a half-written one.

    Raises:
        StorageError: It cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise StorageError(f"cannot write {path}: {why(error)}") from error
