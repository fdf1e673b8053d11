"""One study as a run of MLflow.

A run has the throughput and the best so far of each trial as step metrics, all mappers with their
outcomes as one table, and the best mapper as a file. Metrics are buffered: a run is written when
its study ends, and now and then in a long one, so that tracking costs the loop nothing.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from studies.records import best_so_far, settled
from studies.trial_table import trial_table
from studies.versions import version_of
from tuners.redaction import redacted_url

if TYPE_CHECKING:
    from studies.records import StudyResult, StudySpec, TrialRecord
    from studies.stored_study import StoredStudy
    from studies.tracking import Tracker
    from tuners import MapperProblem

__all__ = ["TrackedStudy"]

NOTE = "mappertune:mlflow"
SECONDS_BETWEEN_WRITES = 30.0
TABLE = "trials.json"
TAG = 5000  # characters of a tag at most
METRICS_PER_CALL, PARAMETERS_PER_CALL = 1000, 100  # the most that MLflow takes


class TrackedStudy:
    """The MLflow run of one study, which goes on where the study was begun earlier.

    Args:
        tracker: The server or file that the run is written to.
        case: Name of the case, and of the experiment.
        problem: What is tuned.
        spec: With which tuner, seed and budget.
        store: Where the study is kept; a note in it tells which run is its own.
    """

    def __init__(
        self,
        tracker: Tracker,
        case: str,
        problem: MapperProblem,
        spec: StudySpec,
        store: StoredStudy,
    ) -> None:
        self._tracker = tracker
        self._case = case
        self._problem = problem
        self._spec = spec
        self._store = store
        self._run: str | None = None
        self._written = 0
        self._begun = time.time()
        self._last_write = time.monotonic()

    def observe(self, records: Sequence[TrialRecord]) -> None:
        """Takes notice of a trial; writes only when the last write is long ago."""
        if self._tracker.failed or time.monotonic() - self._last_write < SECONDS_BETWEEN_WRITES:
            return
        self._last_write = time.monotonic()
        if not self._store.leads():
            return
        with self._tracker.guarded():
            self._write_metrics(settled(records))

    def finish(self, result: StudyResult) -> None:
        """Writes what is not yet written, the table and the best mapper, and ends the run."""
        if self._tracker.failed:
            return
        if result.stopped_by == signal.SIGINT and not self._tracker.loaded:
            return  # whoever presses Ctrl-C does not wait for MLflow to load; a resume tracks it
        if not self._is_written(result) and self._store.leads():
            with self._tracker.guarded():
                records = result.records
                self._write_metrics(settled(records) if result.interrupted else records)
                self._write_result(result)
                self._leave_note(ended=True)
        self._tracker.used = not self._tracker.failed

    def _is_written(self, result: StudyResult) -> bool:
        """Whether an earlier process has written all of it, so that MLflow need not be loaded."""
        note = self._earlier_note()
        return (
            note is not None and bool(note.get("ended")) and note["written"] == len(result.records)
        )

    def _write_metrics(self, records: Sequence[TrialRecord]) -> None:
        client, run = self._tracker.client(), self._open_run()

        from mlflow.entities import Metric  # which the tracker has loaded

        curve = best_so_far(records)
        metrics = [
            Metric(key, value, _milliseconds(record), record.number)
            for record, best in zip(records[self._written :], curve[self._written :], strict=True)
            for key, value in (
                ("throughput", record.throughput),
                ("best_so_far", best),
                ("setup", record.setup),
                ("whole", record.whole),
            )
            if value is not None
        ]
        for start in range(0, len(metrics), METRICS_PER_CALL):
            client.log_batch(run, metrics=metrics[start : start + METRICS_PER_CALL])
        self._written = len(records)
        self._last_write = time.monotonic()
        self._leave_note()

    def _write_result(self, result: StudyResult) -> None:
        client, run = self._tracker.client(), self._open_run()
        from mlflow.entities import Metric, RunTag

        name = result.reference_key
        tags = {
            "trials": str(len(result.records)),
            "ended_by": result.ended_by or "",
            "reference": result.reference or "none runs",
            "mlflow.loggedArtifacts": json.dumps([{"path": TABLE, "type": "table"}]),
        }
        summary = {
            name: result.expert,
            "invalid_share": result.invalid_share,
            "best": result.throughput,
            f"best_over_{name}": result.normalised,
            f"trials_to_{name}": result.trials_to_reference,
            "floor": result.floor,
            "best_of_floor": result.of_floor,
            **_setup_metrics(result),
        }
        client.log_dict(run, trial_table(result.records, self._problem), TABLE)
        known = {key: value for key, value in summary.items() if value is not None}
        now = int(time.time() * 1000)
        client.log_batch(
            run,
            metrics=[Metric(key, value, now, 0) for key, value in known.items()],
            tags=[RunTag(key, value) for key, value in tags.items()],
        )
        client.log_text(run, self._problem.template.text, "template.mapper")
        if result.mapper is not None:
            client.log_text(run, result.mapper, "best.mapper")
        self._write_model(result, client, run)
        client.set_terminated(run, "KILLED" if result.interrupted else "FINISHED")

    def _write_model(self, result: StudyResult, client: Any, run: str) -> None:
        """What the model has cost, and every exchange with it."""
        use, llm = result.model_use, self._spec.llm
        if use is None or llm is None:
            return
        client.log_metric(run, "model_share", result.model_share)
        for key in ("calls", "repairs", "tokens"):
            client.log_metric(run, f"model_{key}", getattr(use, key))
        if use.known_cost is not None:
            client.log_metric(run, "model_known_cost", use.known_cost)
        client.set_tag(run, "model_cost", "unknown" if use.unknown else f"{use.cost:.6f} USD")
        client.set_tag(run, "model_use", str(use))
        client.set_tag(run, "model_missed", _missed(result))
        mark = f" (model {result.model_share:.0%})" if result.hardly_asked else ""
        client.set_tag(run, "mlflow.runName", f"{self._spec.name}{mark}")
        client.set_tag(run, "hardly_asked", str(result.hardly_asked).lower())
        if llm.transcript is not None and llm.transcript.exists():
            client.log_artifact(run, str(llm.transcript))

    def _open_run(self) -> str:
        if self._run is None:
            self._run = self._earlier_run() or self._new_run()
        return self._run

    def _earlier_run(self) -> str | None:
        from mlflow.exceptions import MlflowException

        note = self._earlier_note()
        if note is None:
            return None
        self._tracker.experiment(self._case)  # where it was deleted, its runs come back with it
        try:
            found = self._tracker.client().get_run(note["run"])
        except MlflowException:
            return None
        if found.info.lifecycle_stage == "deleted":
            return None
        self._tracker.client().update_run(found.info.run_id, status="RUNNING")
        self._written = int(note["written"])
        return str(found.info.run_id)

    def _new_run(self) -> str:
        client = self._tracker.client()
        application, machine = self._problem.application, self._problem.machine
        run = client.create_run(
            self._tracker.experiment(self._case),
            run_name=self._spec.name,
            start_time=int(self._begun * 1000),
            tags={
                "tuner": self._spec.tuner,
                "seed": str(self._spec.seed),
                "unit": application.unit,
                "study": self._store.location,
                **{f"version.{name}": version_of(name) for name in ("mappertune", "optuna")},
            },
        )
        described = {
            "application": application.name,
            "machine": machine.name,
            "nodes": machine.shape.nodes,
            "tuner": self._spec.tuner,
            "seed": self._spec.seed,
            "objective": self._problem.objective,
            "start": self._problem.start.name if self._problem.start else "none",
            "holes": len(self._problem.distributions),
            **{f"application.{key}": value for key, value in application.parameters.items()},
            **{f"llm.{key}": value for key, value in self._model_settings().items()},
        }
        from mlflow.entities import Param

        parameters = [Param(key, str(value)) for key, value in described.items()]
        for start in range(0, len(parameters), PARAMETERS_PER_CALL):
            batch = parameters[start : start + PARAMETERS_PER_CALL]
            client.log_batch(run.info.run_id, params=batch)
        return str(run.info.run_id)

    def _model_settings(self) -> dict[str, Any]:
        return self._spec.llm.identity() if self._spec.llm else {}

    def _earlier_note(self) -> dict[str, Any] | None:
        note = self._store.note(NOTE)
        ours = isinstance(note, dict) and redacted_url(str(note.get("uri"))) == (
            self._tracker.shown_uri
        )
        return note if ours and not self._tracker.lost else None

    def _leave_note(self, *, ended: bool = False) -> None:
        note = {"run": self._run, "written": self._written, "ended": ended}
        self._store.leave_note(NOTE, {"uri": self._tracker.shown_uri, **note})


def _setup_metrics(result: StudyResult) -> dict[str, float | None]:
    """What the program's clock does not show under the best mapper, and under the reference."""
    cost, name = result.setup, result.reference_key
    if cost is None:
        return {}
    return {
        "best_setup": cost.setup,
        "best_whole": cost.whole,
        f"{name}_setup": cost.reference_setup,
        f"{name}_whole": cost.reference_whole,
        "setup_growth": cost.growth,
    }


def _missed(result: StudyResult) -> str:
    """Why the model did not propose trials."""
    return "\n".join(f"{count} x {why}" for count, why in result.reasons)[:TAG] or "never"


def _milliseconds(record: TrialRecord) -> int:
    return int((record.finished.timestamp() if record.finished else time.time()) * 1000)
