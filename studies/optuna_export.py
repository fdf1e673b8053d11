"""Finished studies, copied from their journals into a database that Optuna's own tools read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dsl
from studies.dashboard import mapper_note, tell_of_study, without_comments
from studies.errors import UsageError
from studies.finished import journals_in
from studies.records import IDENTITY, TrialRecord, best_so_far, fastest
from studies.run import SHORT_MAPPER, short_mapper
from studies.shared_store import SharedStudyStore
from studies.storage import StudyStore, open_all_studies
from studies.study_facts import StudyFacts
from studies.tracking.study_run import NOTE, STUDY
from tuners.dashboard import MOST_NOTES
from tuners.redaction import redacted_url

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from studies.stored_study import StoredStudy

__all__ = ["ExportedStudy", "export_studies"]

AT_ONCE = 200  # trials that are written together


@dataclass(frozen=True)
class ExportedStudy:
    """A study that is in the database now.

    Attributes:
        name: Its name there.
        trials: How many trials it has.
        added: How many of them are new there.
    """

    name: str
    trials: int
    added: int


def export_studies(place: Path, url: str) -> Iterator[ExportedStudy]:
    """Copies the studies of an output folder, or of a journal, into a database.

    Trials that are there already stay; the same call adds those that are new. Each of the first
    trials, and of the later ones each that was the best, has a note for optuna-dashboard.

    Args:
        place: An output folder, the folder of a case in it, or a journal.
        url: Of the database, which is made where it is new.

    Raises:
        UsageError: There are no studies, or the database has others of these names.
        StorageError: A journal cannot be read, or the database cannot be written.
    """
    if "://" not in url:
        raise UsageError(f"{url} is no address of a database: say sqlite:///FILE, for example")
    journals = [place] if place.is_file() else journals_in(place, "**")
    found = False
    for journal in journals:
        with open_all_studies(str(journal)) as stores:
            for name, store in stores.items():
                if store.trials:
                    found = True
                    yield _export(name, store, url)
    if not found:
        raise UsageError(f"{place} has no study with a trial: name an output folder or a journal")


def _export(name: str, source: StoredStudy, url: str) -> ExportedStudy:
    identity, trials = source.note(IDENTITY), source.trials
    with StudyStore.open_study(name, url) as target:
        assert isinstance(target, SharedStudyStore)  # noqa: S101  (a database's is one)
        there = target.trials
        if there and target.note(IDENTITY) != identity:
            raise UsageError(
                f"{redacted_url(url)} has another study called {name}: name another database"
            )
        for key, value in source.notes.items():
            if key not in (NOTE, STUDY):  # the run of MLflow stays that of the journal
                target.leave_note(key, value)
        new = trials[len(there) :]
        _add(target, new, len(there), _Notes(identity or {}, source, trials))
        return ExportedStudy(name, len(trials), len(new))


def _add(target: SharedStudyStore, new: Sequence[FrozenTrial], first: int, notes: _Notes) -> None:
    """Adds trials with their notes, and that of the study."""
    for start in range(0, len(new), AT_ONCE):
        batch = new[start : start + AT_ONCE]
        numbers = range(first + start, first + start + len(batch))
        target.add_with_notes(batch, [notes.of(number) for number in numbers])
    tell_of_study(target.shared_study, notes.unit, notes.identity)


class _Notes:
    """The notes of a study's trials.

    Attributes:
        identity: What the study is about.
        unit: Of its throughputs; empty where nobody knows.
    """

    def __init__(
        self, identity: Mapping[str, Any], source: StoredStudy, trials: Sequence[FrozenTrial]
    ) -> None:
        self.identity = identity
        facts = StudyFacts.kept_in(source)  # None where it is from before it kept them
        self._template = None if facts is None else dsl.Template(facts.template)
        self.unit = "" if facts is None else facts.unit
        self._records = [TrialRecord.of(trial) for trial in trials]
        self._noted = [trial.user_attrs for trial in trials]
        best = fastest(self._records)
        short = short_mapper(source.note(SHORT_MAPPER), best)
        self._short = {} if best is None or short is None else {best.number: short}
        curve = [0.0, *best_so_far(self._records)]
        self._improves = [now > then for then, now in pairwise(curve)]

    def of(self, number: int) -> str:
        """The note of a trial; empty where it has none."""
        improves = self._improves[number]
        if number >= MOST_NOTES and not improves:
            return ""
        return mapper_note(
            self._noted[number],
            self._records[number].throughput,
            self._short.get(number) or self._mapper(self._records[number]),
            tuner=str(self.identity.get("tuner", "")),
            unit=self.unit,
            improves=improves,
        )

    def _mapper(self, record: TrialRecord) -> str:
        """Empty where only the template could tell, and nobody has kept that."""
        if record.text is not None or self._template is None:
            return record.text or ""
        return without_comments(self._template.render(record.values))
