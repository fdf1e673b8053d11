"""The files that a command runs and names: a study goes on only with the same ones."""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from studies.files import write_text

__all__ = ["ProgramFiles", "kept_files"]

NOTE = "program.json"
"""Beside the studies of a case: which files they are of."""
LARGE = 1 << 30
_PIECE = 1 << 20


@dataclass(frozen=True)
class ProgramFiles:
    """The program's file and the files that its command names, as they were.

    What the runs themselves write, such as a file of results, tells nothing of the program and is
    left out.

    Attributes:
        digests: A digest of the content of each, by its name in the command.
    """

    digests: Mapping[str, str]

    @classmethod
    def of(cls, command: Sequence[str]) -> ProgramFiles:
        """The files of a command as they are now."""
        program = shutil.which(command[0])
        named = {word: Path(word) for word in command[1:]}
        if program is not None:
            named[command[0]] = Path(program)
        found = ((word, _digest(path)) for word, path in named.items())
        return cls({word: digest for word, digest in sorted(found) if digest is not None})

    @property
    def digest(self) -> str:
        """Short, and another one for other contents."""
        told = json.dumps(sorted(self.digests.items())).encode()
        return hashlib.blake2b(told, digest_size=4).hexdigest()

    def without_written(self, command: Sequence[str]) -> ProgramFiles:
        """Those that the command has not changed since, but for the program itself."""
        now = ProgramFiles.of(command).digests
        kept = {
            word: digest
            for word, digest in self.digests.items()
            if word == command[0] or now.get(word) == digest
        }
        return ProgramFiles(kept)

    def changed_since(self, earlier: ProgramFiles) -> list[str]:
        """The names of those that differ from what they were; of what is new nothing is known."""
        return [
            word
            for word, digest in earlier.digests.items()
            if self.digests.get(word, digest) != digest
        ]

    def write(self, folder: Path, command: Sequence[str]) -> None:
        """Notes beside a case's studies what they are of."""
        note = {"command": list(command), "files": dict(self.digests)}
        write_text(folder / NOTE, json.dumps(note, indent=2) + "\n")


def kept_files(
    files: ProgramFiles, command: Sequence[str], folder: Path, family: str
) -> tuple[ProgramFiles, str]:
    """The files of the earlier studies that go on with a command, and what has changed.

    Args:
        files: As they are now.
        command: The program and its arguments.
        folder: Where studies are.
        family: What the names of the cases of this program begin with.

    Returns:
        Those of an earlier study where all of them are as they were: what is named besides is
        what its runs have written. Else the given ones, with a sentence where there are studies
        of others; empty where there are none.
    """
    earlier = [note for path in _notes(folder, family) if (note := _read(path))]
    same = [told for words, told in earlier if words == list(command)]
    for told in same:
        if told.digests.keys() <= files.digests.keys() and not files.changed_since(told):
            return told, ""
    if same:
        changed = files.changed_since(same[0]) or sorted(same[0].digests.keys() - files.digests)
        what = ", ".join(changed)
        return files, f"{what} has changed since the last study of this command: a new one begins"
    if earlier:
        return files, "the studies that are here are of other arguments: a new one begins"
    return files, ""


def _notes(folder: Path, family: str) -> list[Path]:
    """The notes of the cases of a program, the last one first."""
    paths = folder.glob(f"{family}-*/{NOTE}")
    return sorted(paths, key=lambda path: -path.stat().st_mtime)


def _read(path: Path) -> tuple[list[str], ProgramFiles] | None:
    """What a note says; None for one that is none."""
    try:
        note = json.loads(path.read_text("utf-8"))
        files = {str(word): str(digest) for word, digest in note["files"].items()}
        return [str(word) for word in note["command"]], ProgramFiles(files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _digest(path: Path) -> str | None:
    """A digest of a file's content; None for what is no file that can be read.

    A large one is known by its size and when it was written: reading it would take minutes.
    """
    found = hashlib.blake2b(digest_size=8)
    try:
        told = path.stat()
        if not stat.S_ISREG(told.st_mode):
            return None
        if told.st_size > LARGE:
            return f"{told.st_size} bytes of {told.st_mtime_ns}"
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                found.update(piece)
    except OSError:
        return None
    return found.hexdigest()
