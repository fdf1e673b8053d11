"""Tracking in MLflow: an experiment per case, a run per study.

A run has the throughput and the best so far of each trial as step metrics, all mappers with their
outcomes as one table, and the best mapper as a file. Metrics are buffered: a run is written when
its study ends, and now and then in a long one, so that tracking costs the loop nothing. MLflow
takes seconds to load; it is loaded at the first write.

Tracking never fails a study: the first failure is reported in one sentence, and ends tracking.
"""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studies.files import make_folder
from studies.records import StudySpec, TrialRecord, best_so_far, fastest, trials_to_reach
from studies.storage import StudyStore
from studies.versions import version_of

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from studies.records import StudyResult
    from tuners import MapperProblem

__all__ = ["TrackedStudy", "Tracker", "embedded_uri"]

NOTE = "mappertune:mlflow"
SECONDS_BETWEEN_WRITES = 30.0
METRICS_PER_CALL = 1000  # the most that MLflow takes
ROWS_OF_TABLE = 10_000
TEXT_OF_TABLE = 4_000_000  # characters of mappers in the table; the slower ones go without

# MLflow calls home, and retries an unreachable server for four minutes; litellm, where it is
# installed, fetches a price list. None of that is wanted here.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
}


def embedded_uri(folder: Path) -> str:
    """The URI of the SQLite file that lies in an output folder."""
    return f"sqlite:///{(folder / 'mlflow.db').resolve()}"


class Tracker:
    """Writes the studies of one output folder to one MLflow server or file.

    Args:
        folder: The output folder.
        uri: MLflow's tracking URI; None for the embedded database in the folder.
        report: Called at most once, with a sentence, when tracking fails.
    """

    def __init__(
        self, folder: Path, uri: str | None = None, *, report: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._embedded = uri is None
        self.uri = uri or embedded_uri(folder)
        self._report = report
        self._client: MlflowClient | None = None
        self.failed = False

    @property
    def loaded(self) -> bool:
        """Whether MLflow has been loaded and reached."""
        return self._client is not None

    def study(
        self, case: str, problem: MapperProblem, spec: StudySpec, store: StudyStore
    ) -> TrackedStudy:
        """The run of one study, which goes on where the study was begun earlier."""
        return TrackedStudy(self, case, problem, spec, store)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Keeps a failure of tracking away from the study."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except Exception as error:  # noqa: BLE001  (a provider's boundary: MLflow raises anything)
            self.failed = True
            reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
            self._report(
                f"MLflow tracking stopped ({reason[:300]}); the study itself is complete, and the "
                "same command tracks it again"
            )

    def client(self) -> MlflowClient:
        """The connection, made at the first use."""
        if self._client is None:
            for name, value in ENVIRONMENT.items():
                os.environ.setdefault(name, value)
            self._client = self._embedded_client() if self._embedded else _connect(self.uri)
        return self._client

    def experiment(self, name: str) -> str:
        """The id of an experiment, which is made where it is new."""
        client = self.client()
        found = client.get_experiment_by_name(name)
        if found is None:
            return client.create_experiment(name, artifact_location=self._artifacts(name))
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)

    def _embedded_client(self) -> MlflowClient:
        # Processes that create the tables side by side all fail: one after the other they do not.
        from studies.journal import FileLock  # noqa: PLC0415  (only here)

        make_folder(self._folder)
        lock = FileLock(self._folder / "mlflow.db")
        lock.acquire()
        try:
            return _connect(self.uri)
        finally:
            lock.release()

    def _artifacts(self, experiment: str) -> str | None:
        if not self._embedded:
            return None
        return (self._folder / "mlflow-artifacts" / experiment).resolve().as_uri()


def _connect(uri: str) -> MlflowClient:
    from mlflow.tracking import MlflowClient  # noqa: PLC0415  (seconds to load)

    for name in ("mlflow", "alembic"):  # after the import, which sets them up
        logging.getLogger(name).setLevel(logging.ERROR)
    client = MlflowClient(tracking_uri=uri)
    client.search_experiments(max_results=1)
    return client


class TrackedStudy:
    """The MLflow run of one study."""

    def __init__(
        self,
        tracker: Tracker,
        case: str,
        problem: MapperProblem,
        spec: StudySpec,
        store: StudyStore,
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
        with self._tracker.guarded():
            self._write_metrics(records)

    def finish(self, result: StudyResult) -> None:
        """Writes what is not yet written, the table and the best mapper, and ends the run."""
        if self._tracker.failed:
            return
        if result.interrupted and not self._tracker.loaded:
            return  # whoever presses Ctrl-C does not wait for MLflow to load; a resume tracks it
        with self._tracker.guarded():
            self._write_metrics(result.records)
            self._write_result(result)

    def _write_metrics(self, records: Sequence[TrialRecord]) -> None:
        from mlflow.entities import Metric  # noqa: PLC0415  (see _connect)

        client, run = self._tracker.client(), self._open_run()
        curve = best_so_far(records)
        metrics = [
            Metric(key, value, _milliseconds(record), record.number)
            for record, best in zip(records[self._written :], curve[self._written :], strict=True)
            for key, value in (("throughput", record.throughput), ("best_so_far", best))
        ]
        for start in range(0, len(metrics), METRICS_PER_CALL):
            client.log_batch(run, metrics=metrics[start : start + METRICS_PER_CALL])
        self._written = len(records)
        self._last_write = time.monotonic()
        self._leave_note()

    def _write_result(self, result: StudyResult) -> None:
        client, run = self._tracker.client(), self._open_run()
        client.set_tag(run, "trials", str(len(result.records)))
        best = result.best
        summary = {
            "expert": result.expert,
            "invalid_share": result.invalid_share,
            "best": best.throughput if best else 0.0,
            "best_over_expert": result.normalised,
            "trials_to_expert": trials_to_reach(result.records, result.expert),
        }
        for key, value in summary.items():
            if value is not None:
                client.log_metric(run, key, value)
        client.log_table(run, _table(result.records, self._problem), "trials.json")
        client.log_text(run, self._problem.template.text, "template.mapper")
        if result.mapper is not None:
            client.log_text(run, result.mapper, "best.mapper")
        client.set_terminated(run, "KILLED" if result.interrupted else "FINISHED")

    def _open_run(self) -> str:
        if self._run is None:
            self._run = self._earlier_run() or self._new_run()
        return self._run

    def _earlier_run(self) -> str | None:
        from mlflow.exceptions import MlflowException  # noqa: PLC0415  (see _connect)

        note = self._store.note(NOTE)
        if not isinstance(note, dict) or note.get("uri") != self._tracker.uri:
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
            "holes": len(self._problem.distributions),
            **{f"application.{key}": value for key, value in application.parameters.items()},
        }
        for key, value in described.items():
            client.log_param(run.info.run_id, key, value)
        return str(run.info.run_id)

    def _leave_note(self) -> None:
        note = {"uri": self._tracker.uri, "run": self._run, "written": self._written}
        self._store.leave_note(NOTE, note)


def _milliseconds(record: TrialRecord) -> int:
    return int((record.finished.timestamp() if record.finished else time.time()) * 1000)


def _table(records: Sequence[TrialRecord], problem: MapperProblem) -> dict[str, list[Any]]:
    """Every trial as a row; mappers from the fastest on, until the table is large enough."""
    kept = list(records[-ROWS_OF_TABLE:])
    texts: dict[int, str] = {}
    room = TEXT_OF_TABLE
    for record in sorted(kept, key=lambda record: -record.throughput):
        text = problem.render(record.values)
        room -= len(text)
        if room < 0:
            break
        texts[record.number] = text
    best = fastest(kept)
    return {
        "trial": [record.number for record in kept],
        "throughput": [record.throughput for record in kept],
        "status": [record.status for record in kept],
        "best": [record is best for record in kept],
        "said": [record.raw for record in kept],
        "normal form": [record.normal_form or "" for record in kept],
        "mapper": [texts.get(record.number, "") for record in kept],
    }
