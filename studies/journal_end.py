"""How many records a journal had when it was last closed, by which a lost end is noticed.

Each record has a number and a check sum, so that a journal tells by itself what was changed or
lost in its middle. Lines that were lost at the very end, by a restored copy or a disk, leave a
journal that is whole. So its length is kept beside it, in ``NAME.journal.end``, at each orderly
end. After a sudden one the journal is longer than that; a file that is missing says nothing.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from studies.errors import StorageError
from studies.files import write_text

__all__ = ["JournalEnd", "copy_end"]


@dataclass(frozen=True)
class JournalEnd:
    """What a journal holds.

    Attributes:
        records: Its lines.
        trials: Those of them that tell a trial.
    """

    records: int
    trials: int

    def keep(self, journal: Path) -> None:
        """Keeps it beside the journal, which does without where that cannot be."""
        if self != self.kept(journal):
            with contextlib.suppress(StorageError):
                write_text(_file(journal), json.dumps(asdict(self)) + "\n")

    @classmethod
    def kept(cls, journal: Path) -> JournalEnd | None:
        """What was kept beside a journal; None where nothing was, or nobody can read it."""
        try:
            told = json.loads(_file(journal).read_text())
            return cls(int(told["records"]), int(told["trials"]))
        except (OSError, ValueError, TypeError, KeyError, RecursionError, OverflowError):
            return None

    def lost(self, journal: Path) -> str | None:
        """What is missing of what was kept beside the journal, in words; None where nothing is."""
        before = self.kept(journal)
        if before is None or before.records <= self.records:
            return None
        return (
            f"{journal} has lost its end: of {before.records} lines and {before.trials} trials "
            f"that it had when it was last closed, {self.records} and {self.trials} are left"
        )


def copy_end(journal: Path, copy: Path) -> None:
    """Gives the copy of a journal what was kept beside it, if anything was."""
    with contextlib.suppress(OSError):
        shutil.copyfile(_file(journal), _file(copy))


def _file(journal: Path) -> Path:
    return journal.with_name(f"{journal.name}.end")
