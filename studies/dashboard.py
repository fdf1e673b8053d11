"""What optuna-dashboard shows of a study that is kept in a database (`tuners.dashboard`)."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from optuna.exceptions import ExperimentalWarning

from studies.records import IDENTITY
from tuners import attributes
from tuners.dashboard import MOST_NOTES, attach, leave_note, note_attributes, trial_note

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from optuna import Study
    from optuna.artifacts import FileSystemArtifactStore
    from optuna.trial import Trial

    from studies.records import StudySpec, TrialRecord
    from studies.stored_study import StoredStudy
    from tuners import MapperProblem

__all__ = [
    "ARTIFACTS",
    "Dashboard",
    "mapper_note",
    "metric_name",
    "study_note",
    "tell_of_study",
    "without_comments",
]

ARTIFACTS = "artifacts"  # the folder beside the cases of an output folder


def metric_name(unit: str) -> str:
    """What a study's values are called.

    >>> metric_name("Gpoints/s"), metric_name("")
    ('throughput in Gpoints/s', 'throughput')
    """
    return f"throughput in {unit}" if unit else "throughput"


def tell_of_study(study: Study, unit: str, identity: Mapping[str, Any]) -> None:
    """Names the values of a study, and says what it is about, where nobody has.

    Args:
        study: The study, in a database.
        unit: Of its values; empty where nobody knows.
        identity: The note in which it says what it is about.
    """
    if study.metric_names is None:
        with warnings.catch_warnings():  # Optuna calls it experimental since 3.2
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names([metric_name(unit)])
    leave_note(study._storage, study._study_id, None, study_note(identity))  # noqa: SLF001  (no other way)


def mapper_note(
    noted: Mapping[str, Any],
    throughput: float,
    mapper: str,
    *,
    tuner: str,
    unit: str,
    improves: bool,
    feedback: str = "",
) -> str:
    """The note of a trial.

    Args:
        noted: Its attributes.
        throughput: What came of it.
        mapper: What it ran; empty where nobody knows.
        tuner: Who proposed it, where its attributes do not say.
        unit: Of the throughput.
        improves: Whether it was the best so far.
        feedback: What the guide says of it; by default what the runtime said.
    """
    status = str(noted.get(attributes.STATUS, "ok"))
    score = f"{throughput:.6g} {unit}".rstrip() if status == "ok" else status.replace("_", " ")
    return trial_note(
        {attributes.PROPOSER: tuner, **noted},
        score=score,
        candidate=mapper,
        feedback=feedback,
        remark="the best so far" if improves else "",
    )


def study_note(identity: Mapping[str, Any]) -> str:
    """What a study is about, as a table in Markdown.

    Args:
        identity: The note in which the study says it.
    """
    sizes = ", ".join(f"{key}={value}" for key, value in identity.get("parameters", {}).items())
    told = {**identity, "parameters": sizes, "template": None}  # of which there is but a digest
    shown = {key: value for key, value in told.items() if value not in (None, "")}
    rows = "".join(f"| {key} | `{value}` |\n" for key, value in shown.items())
    return f"A study of mappertune.\n\n| | |\n| --- | --- |\n{rows}"


class Dashboard:
    """Tells the dashboard of the trials that this process runs; of a journal there is none.

    Each of the first trials has a note with its mapper, its proposer and what came of it, and so
    has each later one that was the best; these have the mapper as a file, too. The notes of
    trials that a language model may propose are left by its sampler, which knows more of them.

    Args:
        problem: What is tuned.
        spec: With which tuner and seed.
        store: Where the trials are kept.
        artifacts: The folder of the files; None for none.
    """

    def __init__(
        self,
        problem: MapperProblem,
        spec: StudySpec,
        store: StoredStudy,
        artifacts: Path | None,
    ) -> None:
        self._problem = problem
        self._spec = spec
        self._store = store
        self._study = store.shared_study
        self._artifacts = artifacts if self._study is not None else None
        self._best = 0.0

    def begin(self, records: Iterable[TrialRecord]) -> None:
        """Names the values of a study, and says what it is about, where nobody has.

        Args:
            records: The trials that there are.
        """
        self.learn(records)
        if self._study is not None:
            tell_of_study(self._study, self._problem.unit, self._store.note(IDENTITY))

    def learn(self, records: Iterable[TrialRecord]) -> None:
        """Notices how good other trials were."""
        self._best = max([self._best, *(each.throughput for each in records)])

    def show(self, trial: Trial, throughput: float) -> None:
        """Leaves what the dashboard shows of a trial that is about to be finished."""
        study = self._study
        improves = throughput > self._best
        self._best = max(self._best, throughput)
        if study is None or not (improves or trial.number < MOST_NOTES):
            return
        noted = trial.user_attrs
        mapper = str(noted.get(attributes.TEXT) or self._problem.render(trial.params))
        if self._spec.llm is None:
            self._leave_note(study, trial, noted, mapper, throughput, improves=improves)
        if improves and self._artifacts is not None:
            attach(self._files, study, trial, f"trial-{trial.number}.mapper", mapper)

    def _leave_note(
        self,
        study: Study,
        trial: Trial,
        noted: Mapping[str, Any],
        mapper: str,
        throughput: float,
        *,
        improves: bool,
    ) -> None:
        problem = self._problem
        note = mapper_note(
            noted,
            throughput,
            problem.shorten(mapper) if improves else without_comments(mapper),
            tuner=self._spec.tuner,
            unit=problem.unit,
            improves=improves,
            feedback=self._feedback(mapper) if improves else "",
        )
        for key, value in note_attributes(trial._trial_id, note).items():  # noqa: SLF001  (likewise)
            study._storage.set_study_system_attr(study._study_id, key, value)  # noqa: SLF001  (likewise)

    def _feedback(self, mapper: str) -> str:
        """What the guide says of a mapper that is the best so far; no program is run for it."""
        if not self._problem.is_simulated:
            return ""
        evaluation = self._problem.evaluate_text(mapper, check=False)
        return self._problem.explain(evaluation).text()

    @property
    def _files(self) -> FileSystemArtifactStore:
        from optuna.artifacts import FileSystemArtifactStore  # noqa: PLC0415  (it takes 0.1 s)

        assert self._artifacts is not None  # noqa: S101  (asked only where there is a folder)
        self._artifacts.mkdir(parents=True, exist_ok=True)
        return FileSystemArtifactStore(self._artifacts)


def without_comments(mapper: str) -> str:
    """A mapper's statements alone; to leave out what changes nothing takes ten times as long."""
    lines = mapper.splitlines()
    return "\n".join(line for line in lines if line.strip() and not line.startswith("#"))
