"""The output folder: studies, best mappers and tracked runs of any number of cases.

FOLDER/stencil-p100x4/tpe-seed0.journal     the study
FOLDER/stencil-p100x4/tpe-seed0.mapper      its best mapper
FOLDER/stencil-p100x4/llm-seed0.transcript.jsonl  what was said to and by a model
FOLDER/stencil-p100x4/llm-seed0.ledger.jsonl  what each call of a model has cost
FOLDER/stencil-p100x4/llm-seed0.aside1.*    a study that was set aside to begin again
FOLDER/stencil-p100x4/best.mapper           the best mapper of a comparison
FOLDER/artifacts                            files of the trials of studies in databases
FOLDER/mlflow.db, FOLDER/mlflow-artifacts   tracked runs
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from studies.dashboard import ARTIFACTS
from studies.files import make_folder, write_text
from studies.mapper_header import mapper_header
from studies.model_arm import is_of_fallback, ledger_file, set_files_aside
from studies.records import TrialRecord
from studies.run import NO_RULES, Observer, run_study
from studies.storage import StudyStore, say_nothing
from studies.study_facts import StudyFacts
from studies.tracking.study_run import TrackedStudy

if TYPE_CHECKING:
    from studies.records import StudyResult, StudySpec
    from studies.stop_rules import StopRules
    from studies.suite import Tunable
    from studies.tracking import Tracker
    from tuners import MapperProblem

__all__ = ["Workspace"]


@dataclass(frozen=True)
class Workspace:
    """Where studies are run.

    Attributes:
        folder: The output folder.
        storage: Storage that takes the place of one journal a study; None for those journals.
        tracker: Tracks the studies; None for no tracking.
        anew: Whether studies in which a model's failures left most trials to the fallback are set
            aside, and begin again.
        repair: Whether what is good of damaged journals is kept, and the files set aside.
        tell: Called with a sentence where that was done.
    """

    folder: Path
    storage: str | None = None
    tracker: Tracker | None = None
    anew: bool = False
    repair: bool = False
    tell: Callable[[str], object] = say_nothing

    def run(
        self,
        case: Tunable,
        problem: MapperProblem,
        spec: StudySpec,
        observe: Observer,
        rules: StopRules = NO_RULES,
        *,
        conclude: Callable[[StudyResult], StudyResult] | None = None,
    ) -> StudyResult:
        """Runs a study or continues it, tracks it, and writes its best mapper.

        Args:
            case: What is tuned.
            problem: The problem of mapping it.
            spec: With which tuner, seed and budget.
            observe: Called at the start and after each trial.
            rules: What ends the study before it has all its trials.
            conclude: What further runs say of the result, before it is tracked.

        Raises:
            StudyError: It is another study's place, or something cannot be written.
        """
        make_folder(self.folder / case.name)
        spec = self._with_transcript(case, spec)
        name = f"{case.name}-{spec.name}"
        location = self.storage or str(self.folder / case.name / f"{spec.name}.journal")
        if self.anew and spec.llm is not None:
            self._set_aside(name, location, spec)
        with StudyStore.open_study(name, location, repair=self.repair, tell=self.tell) as store:
            tracked: TrackedStudy | None = None

            def observe_all(records: list[TrialRecord]) -> None:
                nonlocal tracked
                observe(records)
                if self.tracker is None:
                    return
                if tracked is None:  # the study has found itself to be of this problem
                    facts = StudyFacts.of(problem, spec)
                    tracked = TrackedStudy(self.tracker, case.name, facts, spec, store)
                tracked.observe(records)

            result = run_study(
                problem,
                spec,
                store,
                observe=observe_all,
                rules=rules,
                artifacts=self.folder / ARTIFACTS,
            )
            self._write_best(case, result, self.best_mapper(case, spec))
            try:
                result = result if conclude is None else conclude(result)
            finally:
                if tracked:
                    tracked.finish(result)
        return result

    def _with_transcript(self, case: Tunable, spec: StudySpec) -> StudySpec:
        """A study that asks a model keeps what was said beside itself, and what that has cost.

        A transcript is written elsewhere where the settings say so, and not where one is played
        back. The account of a study in a database is there too, for all processes of the study.
        """
        if spec.llm is None:
            return spec
        llm, beside = spec.llm, self.folder / case.name
        if llm.ledger is None and self.storage is None:
            llm = replace(llm, ledger=ledger_file(beside / f"{spec.name}.journal"))
        if llm.transcript is None and not llm.replays:
            llm = replace(llm, transcript=beside / f"{spec.name}.transcript.jsonl")
        return replace(spec, llm=llm)

    def _set_aside(self, name: str, location: str, spec: StudySpec) -> None:
        """Sets a study aside that the fallback has made in a model's place."""
        with StudyStore.open_study(name, location, repair=self.repair, tell=self.tell) as store:
            records = [TrialRecord.of(trial) for trial in store.trials]
            if not is_of_fallback(spec, store, records):
                return
            if store.shared_study is not None:
                store.move_to_free_name()
                return
        set_files_aside(Path(location))

    def best_mapper(self, case: Tunable, spec: StudySpec | None = None) -> Path:
        """Where the best mapper of a study lies; without a study, that of a comparison."""
        return self.folder / case.name / f"{spec.name if spec else 'best'}.mapper"

    def keep_best(self, case: Tunable, spec: StudySpec, mapper: str, remark: str) -> Path:
        """Writes the mapper that further runs have shown to be a study's best."""
        path = self.best_mapper(case, spec)
        write_text(path, mapper_header(case.application, remark) + mapper)
        return path

    def write_best(self, case: Tunable, result: StudyResult) -> None:
        """Writes the best mapper of a study that was run on another machine."""
        self._write_best(case, result, self.best_mapper(case, result.spec))

    def write_best_of(self, case: Tunable, results: list[StudyResult]) -> Path | None:
        """Writes the best mapper of several studies; None where no mapper was valid."""
        best = max(results, key=lambda result: result.throughput)
        path = self.best_mapper(case)
        return path if self._write_best(case, best, path) else None

    def _write_best(self, case: Tunable, result: StudyResult, path: Path) -> bool:
        if result.best is None or result.mapper is None:
            return False
        ratio = (
            f", median of runs: {len(result.best.samples)}"
            if result.best.samples
            else ""
            if result.normalised is None
            else f", {result.normalised:.3f} x {result.reference}"
        )
        remark = (
            f"{result.best.throughput:.5g} {result.unit}{ratio} ({case.name}, {result.spec.name}, "
            f"trial {result.best.number})"
        )
        write_text(path, mapper_header(case.application, remark) + result.mapper)
        return True
