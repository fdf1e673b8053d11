"""Journal files: append-only logs of studies, made safe against sudden ends and damage."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import filelock
from optuna.storages.journal import JournalFileOpenLock

from studies.errors import StorageError
from studies.files import why
from studies.journal_contents import Contents, StudyContents, trial_record
from studies.journal_end import JournalEnd
from studies.journal_records import FORMAT, HEADER, DamagedRecordError, read_line, write_line
from studies.journal_repair import GO_ON, REMEDY, good_records, replace_file
from studies.optuna_journal import (
    OPTUNA,
    Converter,
    is_of_optuna,
    open_optuna_study,
    optuna_studies,
)

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

__all__ = ["FileLock", "Journal", "JournalStudy", "open_studies", "open_study"]

# All trials hang on the parameters: they are written again after the first trial, and then after
# as many as this.
REPEATED = 1000

# Bytes; a trial with everything that a model has said takes some ten thousand.
LONGEST_LINE = 1 << 24


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
        return self.acquire_within(0.0)

    def acquire_within(self, seconds: float) -> bool:
        """Waits for the lock for some seconds, and says whether it is ours."""
        try:
            self._lock.acquire(timeout=seconds)
        except filelock.Timeout:
            return False
        return True

    def release(self) -> None:
        self._lock.release()


Tell = Callable[[str], object]


def open_study(
    name: str, path: Path, lock: FileLock, *, repair: bool, tell: Tell
) -> JournalStudy | optuna.Study:
    """A study of a journal, which begins where it is new.

    A line that a sudden end left torn is cut off. Journals that an earlier version wrote are
    written anew.

    Args:
        name: Of the study.
        path: Of the file.
        lock: Its lock, which is ours.
        repair: Whether what is good of a damaged journal is kept, and the file set aside.
        tell: Called with a sentence where that was done, or the journal was written anew.

    Raises:
        StorageError: The file cannot be read or written, is damaged, or no journal.
    """
    try:
        if is_of_optuna(path) and _is_kept_by_optuna(path, repair=repair, tell=tell):
            _cut_torn_line(path)
            return open_optuna_study(name, path, lock)
        return Journal(path, name, repair=repair, tell=tell).study(name)
    except OSError as error:
        raise StorageError(f"cannot open the journal {path}: {why(error)}") from error


def open_studies(path: Path, lock: FileLock) -> Mapping[str, JournalStudy | optuna.Study]:
    """All studies of a journal that exists, by name.

    Args:
        path: Of the file.
        lock: Its lock, which is ours.

    Raises:
        StorageError: The file cannot be read, is damaged, or no journal.
    """
    try:
        if is_of_optuna(path) and _is_kept_by_optuna(path, repair=False, tell=_tell_nobody):
            return optuna_studies(path, lock)
        return Journal(path, "", repair=False, tell=_tell_nobody).studies
    except OSError as error:
        raise StorageError(f"cannot open the journal {path}: {why(error)}") from error


def _tell_nobody(sentence: str) -> None: ...


class Journal:
    """A journal of this program's own format, new or old; nobody else may write to it meanwhile.

    Args:
        path: Of the file.
        name: Of the study that is wanted, where its beginning was lost.
        repair: Whether what is good of a damaged journal is kept, and the file set aside.
        tell: Called with a sentence where that was done.

    Raises:
        StorageError: It is damaged, or no journal.
        OSError: It cannot be read or written.
    """

    def __init__(self, path: Path, name: str, *, repair: bool, tell: Tell) -> None:
        self._path = path
        self._contents = Contents()
        self._count = 0
        existed = path.exists()
        try:
            self._read(self._lines())
            lost = JournalEnd(self._count, self._contents.trial_count).lost(path)
        except _DamageError as error:
            good = good_records(_whole_lines(path), name)
            if len(good) == 1:
                raise StorageError(f"{path} is no journal: name another file") from error
            if not repair:
                raise
            self._mend(good, error, tell)
            lost = None
        if existed and lost is not None:
            if not repair:
                raise StorageError(f"{lost}; {GO_ON}")
            tell(f"{lost}, and are gone on with")
        _cut_torn_line(path)
        self._end = self._count, path.stat().st_size

    @property
    def studies(self) -> dict[str, JournalStudy]:
        """Those that it holds, by name."""
        return {
            contents.name: JournalStudy(self, number, contents)
            for number, contents in self._contents.studies.items()
        }

    def study(self, name: str) -> JournalStudy:
        """The study of that name, which begins here where it is new."""
        studies = self._contents.studies
        for number, contents in studies.items():
            if contents.name == name:
                return JournalStudy(self, number, contents)
        number = 1 + max(studies, default=-1)
        self.append({"study": number, "name": name})
        return JournalStudy(self, number, studies[number])

    def close(self) -> None:
        """Notes how long it is, so that it is noticed where its end is lost."""
        JournalEnd(self._end[0], self._contents.trial_count).keep(self._path)

    def add_trial(self, study: int, trial: FrozenTrial) -> None:
        """Keeps a finished trial of a study."""
        parameters = list(self._contents.parameters)
        record, new = trial_record(trial, parameters)
        if new:
            self.append({"parameters": new})
        self.append({"study": study, "trial": record})
        if len(self._contents.studies[study].trials) % REPEATED == 1 and parameters:
            self.append({"parameters": self._contents.parameters_told()})

    def append(self, record: dict[str, Any]) -> None:
        """Writes a record; all of it is on the disk, or none.

        Raises:
            OSError: It cannot be written.
        """
        count, size = self._end
        line = write_line(count, record)
        # Without a buffer, which would write what is left of it where its file is closed.
        with self._path.open("ab", buffering=0) as file:
            if file.tell() != size:  # a signal came while the last record was written
                file.truncate(size)
            try:
                written = 0
                while written < len(line):
                    written += file.write(line[written:])
                os.fsync(file.fileno())
            except OSError:
                with contextlib.suppress(OSError):
                    file.truncate(size)
                raise
            except KeyboardInterrupt:
                if file.tell() == size + len(line):  # the disk was waited for: all is written
                    self._take(count, size, line)
                raise
        self._take(count, size, line)

    def _take(self, count: int, size: int, line: bytes) -> None:
        self._end = count + 1, size + len(line)
        self._contents.take(read_line(line)[1])

    def _lines(self) -> Iterator[bytes]:
        """The whole lines of the file, of which a new one has one."""
        self._path.touch()
        with self._path.open("rb") as file:
            head = file.readline(1 << 16)
        if not head.endswith(b"\n"):
            if not (_may_begin_with(head, HEADER) or _may_begin_with(head, OPTUNA)):
                raise StorageError(f"{self._path} is no journal: name another file")
            self._path.write_bytes(write_line(0, {"journal": FORMAT}))  # it was torn at its birth
        return _whole_lines(self._path)

    def _read(self, lines: Iterable[bytes]) -> None:
        self._contents, self._count = Contents(), 0
        for line in lines:
            try:
                number, record = read_line(line)
                self._check_place(number, record)
                self._contents.take(record)
            except DamagedRecordError as error:
                raise _DamageError(self._path, self._count, error) from None
            self._count += 1

    def _check_place(self, number: int, record: dict[str, Any]) -> None:
        if number != self._count:
            raise DamagedRecordError(
                f"it is record {number + 1}: lines were lost, repeated or swapped"
            )
        version = record.get("journal", FORMAT)
        if isinstance(version, int) and version > FORMAT:
            raise StorageError(f"{self._path} was written by a newer mappertune: use that one")

    def _mend(self, records: list[dict[str, Any]], error: _DamageError, tell: Tell) -> None:
        lines = [write_line(number, record) for number, record in enumerate(records)]
        self._read(lines)
        aside = replace_file(self._path, lines, "damaged")
        trials = self._contents.trial_count
        tell(f"{error.what}; {trials} good trials are kept, and the damaged file is {aside}")


class _DamageError(StorageError):
    """A line of a journal is not what was written.

    Attributes:
        what: The damage and its place, without the remedy.
    """

    def __init__(self, path: Path, place: int, damage: DamagedRecordError) -> None:
        self.what = f"{path} is damaged in line {place + 1}: {damage}"
        super().__init__(f"{self.what}; {REMEDY}")


def _is_kept_by_optuna(path: Path, *, repair: bool, tell: Tell) -> bool:
    """Whether a journal of Optuna's holds what ours cannot; else it is written anew."""
    converter, lines, good = Converter(), [write_line(0, {"journal": FORMAT})], 0
    damage: _DamageError | None = None
    bad: set[int] = set()
    for place, line in enumerate(_whole_lines(path)):
        try:
            for record in converter.records(line):
                lines.append(write_line(len(lines), record))
            good += 1
        except DamagedRecordError as error:
            damage = damage or _DamageError(path, place, error)
            bad.add(place)
    if not good:
        raise StorageError(f"{path} is no journal: name another file")
    if damage is not None and not repair:
        raise damage
    if converter.foreign:
        if damage is None:
            return True
        kept = [line for place, line in enumerate(_whole_lines(path)) if place not in bad]
        aside = replace_file(path, kept, "damaged")
    else:
        aside = replace_file(path, lines, "optuna" if damage is None else "damaged")
    if damage is None:
        tell(f"{path} was written by an earlier version, and is written anew; that one is {aside}")
    else:
        tell(f"{damage.what}; the other lines are kept, and the damaged file is {aside}")
    return converter.foreign


class JournalStudy:
    """One study of a journal, with those methods of ``optuna.Study`` that keep it."""

    def __init__(self, journal: Journal, number: int, contents: StudyContents) -> None:
        self._journal = journal
        self._number = number
        self._contents = contents

    @property
    def user_attrs(self) -> dict[str, Any]:
        """Notes that were left with the study."""
        return self._contents.notes

    def close(self) -> None:
        """Ends in order."""
        self._journal.close()

    def set_user_attr(self, key: str, value: Any) -> None:
        """Leaves a note."""
        self._journal.append({"study": self._number, "note": key, "value": value})

    def get_trials(self, deepcopy: bool = True) -> list[FrozenTrial]:  # noqa: ARG002  (Optuna's)
        """The finished trials, which nobody is to change."""
        return list(self._contents.trials)

    def add_trial(self, trial: FrozenTrial) -> None:
        """Keeps a finished trial."""
        self._journal.add_trial(self._number, trial)


def _may_begin_with(data: bytes, start: bytes) -> bool:
    """Whether a torn line may be the first one of a journal."""
    return data.startswith(start) or start.startswith(data)


def _whole_lines(path: Path) -> Iterator[bytes]:
    """The lines of a file but for one that a sudden end left torn; long ones up to a bound."""
    with path.open("rb") as file:
        while line := file.readline(LONGEST_LINE):
            if line.endswith(b"\n"):
                yield line
            elif len(line) == LONGEST_LINE:
                yield line  # which is found damaged
                while (rest := file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                    pass


def _cut_torn_line(path: Path) -> None:
    with path.open("rb+") as file:
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
