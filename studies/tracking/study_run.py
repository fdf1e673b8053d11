"""One study as a run of MLflow.

A run has the throughput and the best so far of each trial as step metrics, all mappers with their
outcomes as tables, and the best mapper as a file. Metrics are buffered: a run is written when its
study ends, and now and then in a long one, so that tracking costs the loop nothing.

A study has a name of its own, which its run has as a tag. By it a run is found again whose making
nobody could confirm, so that a study is tracked once however often that is tried.
"""

from __future__ import annotations

import json
import signal
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import dsl
from studies.records import best_so_far, settled
from studies.tracking.described import described_study
from studies.tracking.rows import user
from studies.tracking.runs import Metric
from studies.tracking.trial_table import table_names, trial_tables
from studies.versions import version_of
from tuners.redaction import redacted_url

if TYPE_CHECKING:
    from studies.records import StudyResult, StudySpec, TrialRecord
    from studies.stored_study import StoredStudy
    from studies.study_facts import StudyFacts
    from studies.tracking.tracker import Tracker

__all__ = ["NOTE", "STUDY", "TrackedStudy", "source_tags"]

NOTE = "mappertune:mlflow"
STUDY = "mappertune.study"
"""The tag with the study's own name, and the note that keeps it."""
SECONDS_BETWEEN_WRITES = 30.0


def source_tags() -> dict[str, str]:
    """Who has made a run, and with what."""
    return {
        "mlflow.user": user(),
        "mlflow.source.name": "mappertune",
        "mlflow.source.type": "LOCAL",
        **{f"version.{name}": version_of(name) for name in ("mappertune", "optuna")},
    }


class TrackedStudy:
    """The MLflow run of one study, which goes on where the study was begun earlier.

    Args:
        tracker: The server or file that the run is written to.
        case: Name of the case, and of the experiment.
        facts: What the study is about.
        spec: With which tuner, seed and budget.
        store: Where the study is kept; a note in it tells which run is its own.
    """

    def __init__(
        self,
        tracker: Tracker,
        case: str,
        facts: StudyFacts,
        spec: StudySpec,
        store: StoredStudy,
    ) -> None:
        self._tracker = tracker
        self._case = case
        self._facts = facts
        self._spec = spec
        self._store = store
        self._run: str | None = None
        self._written = 0
        self._begun = time.time()
        self._last_write = time.monotonic()

    def observe(self, records: Sequence[TrialRecord]) -> None:
        """Takes notice of a trial; writes only when the last write is long ago."""
        tracker = self._tracker
        if tracker.failed or time.monotonic() - self._last_write < SECONDS_BETWEEN_WRITES:
            return
        self._last_write = time.monotonic()
        if tracker.waits or not self._store.leads():
            return
        with tracker.guarded(ends=False):
            self._write_metrics(settled(records))
        self._last_write = time.monotonic()

    def finish(self, result: StudyResult) -> bool:
        """Writes what is not yet written, the tables and the best mapper, and ends the run.

        Returns:
            Whether anything was missing.
        """
        if self._tracker.failed:
            return True
        if result.stopped_by == signal.SIGINT and not self._tracker.quick:
            return True  # whoever presses Ctrl-C does not wait for MLflow; a resume tracks it
        missing = not self._is_written(result) and self._store.leads()
        if missing:
            with self._tracker.guarded():
                records = result.records
                self._write_metrics(settled(records) if result.interrupted else records)
                self._write_result(result)
                self._leave_note(ended=len(result.records))
        self._tracker.used = not self._tracker.failed
        return missing

    def _is_written(self, result: StudyResult) -> bool:
        """Whether an earlier process has written all of it, so that nothing need be opened."""
        note = self._earlier_note()
        return (
            note is not None
            and note.get("ended") == len(result.records) == note["written"]
            and self._tracker.parent in (None, note.get("parent"))
            and note.get("budget") == self._facts.budget
            and (bool(note.get("traced")) or not self._traces)
        )

    @property
    def _traces(self) -> bool:
        return self._tracker.trace_model and self._spec.llm is not None

    def _write_metrics(self, records: Sequence[TrialRecord]) -> None:
        runs, run = self._tracker.runs(), self._open_run()
        curve = best_so_far(records)
        new = zip(records[self._written :], curve[self._written :], strict=True)
        runs.log(
            run,
            metrics=[
                Metric(key, value, _milliseconds(record), record.number)
                for record, best in new
                for key, value in (
                    ("best", best),
                    ("throughput", record.throughput),
                    ("setup", record.setup),
                    ("whole", record.whole),
                )
                if value is not None
            ],
        )
        self._written = len(records)
        self._leave_note()

    def _write_result(self, result: StudyResult) -> None:
        runs, run = self._tracker.runs(), self._open_run()
        last = max(result.records, key=lambda record: record.number, default=None)
        now = int(time.time() * 1000) if last is None else _milliseconds(last)
        step = 0 if last is None else last.number
        runs.texts(run, self._texts(result))
        runs.log(
            run,
            metrics=[
                Metric(key, value, now, step)
                for key, value in _summary(result).items()
                if value is not None
            ],
            tags=self._result_tags(result),
        )
        llm = self._spec.llm
        if llm is not None and llm.transcript is not None and llm.transcript.exists():
            runs.file(run, llm.transcript)
            if self._tracker.trace_model:
                self._tracker.trace(self._case, run, llm.transcript)
        runs.end(run, "KILLED" if result.interrupted else "FINISHED", now)

    def _result_tags(self, result: StudyResult) -> dict[str, str]:
        tables = table_names(len(result.records))
        return {
            **self._tags,
            "trials": str(len(result.records)),
            "ended_by": result.ended_by or ("a signal" if result.interrupted else "its budget"),
            "reference": result.reference or "none runs",
            "mlflow.loggedArtifacts": json.dumps([{"path": t, "type": "table"} for t in tables]),
            "mlflow.note.content": described_study(self._facts, self._case, result),
            **_model_tags(result),
        }

    def _texts(self, result: StudyResult) -> Iterator[tuple[str, str]]:
        """The artifacts; those of mappers end so that a page shows them as text."""
        if self._facts.template:
            yield "template.mapper.txt", self._facts.template
        if result.mapper is not None:
            yield "best.mapper.txt", result.mapper
        template = dsl.Template(self._facts.template) if self._facts.template else None

        def text(record: TrialRecord) -> str:
            if record.text is not None or template is None:
                return record.text or ""
            return template.render(record.values)

        yield from trial_tables(result.records, text, self._spec.tuner)

    def _open_run(self) -> str:
        if self._run is None:
            self._run = self._earlier_run() or self._new_run()
            self._leave_note()
        return self._run

    def _earlier_run(self) -> str | None:
        runs, note = self._tracker.runs(), self._earlier_note() or {}
        experiment = self._tracker.experiment(self._case)  # if deleted, its runs come back with it
        run = note.get("run")
        if run is None or not runs.reopen(run):
            note = {}
            run = runs.find(experiment, STUDY, self._name)
            if run is None:
                return None
            runs.reopen(run)
        self._written = int(note["written"]) if "budget" in note else 0  # else by an old version
        if note.get("budget") != self._facts.budget:
            runs.budget(run, self._facts.budget)
        runs.log(run, tags=self._tags)
        return run

    @property
    def _name(self) -> str:
        """The study's own name, which is no other's."""
        return str(self._store.settle_note(STUDY, uuid.uuid4().hex))

    @property
    def _tags(self) -> dict[str, str]:
        parent = self._tracker.parent
        return {
            **self._plain,
            "unit": self._facts.unit,
            "study": self._store.location,
            **source_tags(),
            STUDY: self._name,
            **({} if parent is None else {"mlflow.parentRunId": parent}),
        }

    @property
    def _plain(self) -> dict[str, str]:
        """What studies are grouped by."""
        llm = self._spec.llm
        return {
            "application": self._facts.application,
            "machine": self._facts.machine,
            "tuner": self._spec.tuner,
            "seed": str(self._spec.seed),
            "model": "none" if llm is None else str(llm.model),
            "budget": str(self._facts.budget),
        }

    def _new_run(self) -> str:
        facts, llm = self._facts, self._spec.llm
        identity: dict[str, Any] = {} if llm is None else llm.identity()
        return self._tracker.runs().create(
            self._tracker.experiment(self._case),
            self._spec.name,
            int(self._begun * 1000),
            {
                **self._plain,
                "nodes": str(facts.nodes),
                "objective": facts.objective,
                "start": facts.start,
                "holes": str(facts.holes),
                **{f"application.{key}": str(value) for key, value in facts.parameters.items()},
                **{f"llm.{key}": str(value) for key, value in identity.items() if key != "model"},
            },
            self._tags,
        )

    def _earlier_note(self) -> dict[str, Any] | None:
        note = self._store.note(NOTE)
        ours = isinstance(note, dict) and redacted_url(str(note.get("uri"))) == (
            self._tracker.shown_uri
        )
        return note if ours and not self._tracker.lost else None

    def _leave_note(self, *, ended: int | None = None) -> None:
        note = {
            "uri": self._tracker.shown_uri,
            "run": self._run,
            "written": self._written,
            "ended": ended,
            "parent": self._tracker.parent,
            "budget": self._facts.budget,
            "traced": ended is not None and self._traces,
        }
        self._store.leave_note(NOTE, note)


def _summary(result: StudyResult) -> dict[str, float | None]:
    """What a study comes to, by the names of its metrics."""
    name, cost, use = result.reference_key, result.setup, result.model_use
    summary: dict[str, float | None] = {
        name: result.expert,
        "invalid_share": result.invalid_share,
        f"best_over_{name}": result.normalised,
        f"trials_to_{name}": result.trials_to_reference,
        "floor": result.floor,
        "best_of_floor": result.of_floor,
    }
    if cost is not None:  # what the program's clock does not show
        summary |= {
            "best_setup": cost.setup,
            "best_whole": cost.whole,
            f"{name}_setup": cost.reference_setup,
            f"{name}_whole": cost.reference_whole,
            "setup_growth": cost.growth,
        }
    if use is not None:
        summary |= {
            "model_share": result.model_share,
            "model_calls": use.calls,
            "model_repairs": use.repairs,
            "model_tokens": use.tokens,
            "model_known_cost": use.known_cost,
        }
    return summary


def _model_tags(result: StudyResult) -> dict[str, str]:
    """What the model has cost, and why it did not propose trials."""
    use = result.model_use
    if use is None:
        return {}
    mark = f" (model {result.model_share:.0%})" if result.hardly_asked else ""
    missed = "\n".join(f"{count} x {why}" for count, why in result.reasons)
    return {
        "model_cost": "unknown" if use.unknown else f"{use.cost:.6f} USD",
        "model_use": str(use),
        "model_missed": missed or "never",
        "mlflow.runName": f"{result.spec.name}{mark}",
        "hardly_asked": str(result.hardly_asked).lower(),
    }


def _milliseconds(record: TrialRecord) -> int:
    return int((record.finished.timestamp() if record.finished else time.time()) * 1000)
