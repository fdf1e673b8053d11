"""What is written as rows, read and judged by MLflow's own client."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest

from studies import Tracker
from studies.errors import StorageError
from studies.tracking.client_runs import ClientRuns
from studies.tracking.rows import RowRuns, is_known, schema_version
from studies.tracking.runs import Metric

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own, of which there are many

METRICS = [
    Metric("best", 1.0, 1_000, 0),
    Metric("best", 2.5, 1_000, 2),
    Metric("best", 2.5, 1_001, 1),  # an earlier step, whatever the clock says
    Metric("throughput", 0.0, 1_000, 0),
    Metric("throughput", 2.5, 1_000, 0),  # at once: the larger one is the later one
]


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    Tracker(folder, report=pytest.fail).runs()
    return folder / "mlflow.db"


@pytest.fixture
def both(empty, tmp_path):
    """Our rows and MLflow's client on databases of their own, and a client that reads each."""
    mlflow = pytest.importorskip("mlflow")
    paths = [shutil.copy(empty, tmp_path / f"{name}.db") for name in ("ours", "theirs")]
    clients = [mlflow.MlflowClient(f"sqlite:///{path}") for path in paths]
    return list(
        zip((RowRuns(paths[0]), ClientRuns(clients[1], lambda: None)), clients, strict=True)
    )


def written(runs, artifacts):
    """Writes a run in all the ways that there are."""
    place = (artifacts / "of cases").as_uri()
    experiment = runs.experiment("a case", {"kind": "mine", "other": "x"}, place)
    assert runs.experiment("a case", {"kind": "yours", "more": "y"}, place) == experiment
    params = {"tuner": "tpe", "long": "p" * 7000, "application.n": "3"}
    tags = {
        "mlflow.user": "someone",
        "mlflow.source.type": "LOCAL",
        "own": "it's",
        "long": "t" * 9000,
    }
    run = runs.create(experiment, "tpe-seed0", 5_000, params, tags)
    runs.log(run, metrics=METRICS)
    runs.log(run, metrics=[*METRICS, Metric("best", 3.0, 2_000, 5)], tags={"own": "other"})
    runs.log(run, tags={"mlflow.runName": "renamed"})
    runs.texts(run, [("best.mapper.txt", "Task * GPU;\nμ"), ("b.json", "{}")])
    file = artifacts / "transcript.jsonl"
    file.write_text("{}\n")
    runs.file(run, file)
    runs.end(run, "KILLED", 6_000)
    assert runs.reopen(run)
    runs.end(run, "FINISHED", 7_000)
    assert runs.find(experiment, "own", "other") == run
    assert runs.find(experiment, "own", "none") is None
    assert not runs.reopen("0" * 32)
    return run


def told(client, run, tmp_path):
    """All that MLflow tells of a run, without its id."""
    found = client.get_run(run)
    experiment = client.get_experiment(found.info.experiment_id)
    info = dict(found.info)
    assert info.pop("artifact_uri") == f"{experiment.artifact_location}/{run}/artifacts"
    for key in ("run_id", "run_uuid"):
        info.pop(key, None)
    files = {each.path for each in client.list_artifacts(run)}
    histories = {
        key: sorted((m.step, m.timestamp, m.value) for m in client.get_metric_history(run, key))
        for key in found.data.metrics
    }
    (tmp_path / "got").mkdir(exist_ok=True)
    mapper = client.download_artifacts(run, "best.mapper.txt", str(tmp_path / "got"))
    return {
        "info": info,
        "metrics": found.data.metrics,
        "histories": histories,
        "params": found.data.params,
        "tags": found.data.tags,
        "experiment": (experiment.name, experiment.tags, experiment.lifecycle_stage),
        "place": experiment.artifact_location,
        "files": files,
        "mapper": Path(mapper).read_text(encoding="utf-8"),
    }


def test_mlflow_reads_of_our_rows_what_it_reads_of_its_own(both, tmp_path):
    ours, theirs = (told(client, written(runs, tmp_path), tmp_path) for runs, client in both)
    assert ours == theirs
    assert ours["metrics"] == {"best": 3.0, "throughput": 2.5}
    assert ours["files"] == {"best.mapper.txt", "b.json", "transcript.jsonl"}
    assert ours["info"]["run_name"] == "renamed"


def test_deleted_experiments_come_back_alike(both, tmp_path):
    for runs, client in both:
        run = written(runs, tmp_path)
        client.delete_experiment(client.get_run(run).info.experiment_id)
        runs.experiment("a case", {}, None)
        assert client.get_run(run).info.lifecycle_stage == "active"
        client.delete_run(run)
        assert not runs.reopen(run)
        assert runs.find(client.get_run(run).info.experiment_id, "own", "other") is None


def test_the_tables_are_those_that_the_installed_mlflow_wants(empty):
    """Where a new MLflow has others, its client is used: this says that speed is lost by it."""
    assert is_known(empty)
    assert schema_version(empty)


@pytest.mark.parametrize("change", ["ALTER TABLE runs ADD COLUMN more TEXT", "DROP TABLE tags"])
def test_databases_of_other_tables_are_left_to_mlflow(empty, tmp_path, change):
    path = shutil.copy(empty, tmp_path / "mlflow.db")
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute(change)
    assert not is_known(path)


def test_a_database_of_another_version_is_left_to_mlflow(empty, tmp_path):
    path = shutil.copy(empty, tmp_path / "mlflow.db")
    assert Tracker(tmp_path, report=pytest.fail).quick
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = 'later'")
    said = []
    tracker = Tracker(tmp_path, report=said.append)
    assert not tracker.quick
    with tracker.guarded():
        tracker.experiment("a case")
    assert tracker.failed
    assert "later" in said[0] or "schema" in said[0]


def test_what_somebody_removed_meanwhile_is_told(empty, tmp_path):
    path = shutil.copy(empty, tmp_path / "mlflow.db")
    runs = RowRuns(path)
    experiment = runs.experiment("a case", {}, tmp_path.as_uri())
    run = runs.create(experiment, "a", 0, {}, {})
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.executescript("DELETE FROM runs; DELETE FROM experiments")
    with pytest.raises(StorageError, match=f"the run is no longer in {path}"):
        runs.texts(run, [])
    with pytest.raises(StorageError, match=f"the experiment is no longer in {path}"):
        runs.create(experiment, "a", 0, {}, {})


def test_artifacts_that_lie_elsewhere_are_left_to_mlflow(empty, tmp_path):
    runs = RowRuns(shutil.copy(empty, tmp_path / "mlflow.db"))
    run = runs.create(runs.experiment("a case", {}, "s3://bucket/a"), "a", 0, {}, {})
    with pytest.raises(StorageError, match=r"lie in s3://, .*: name the database by --mlflow"):
        runs.texts(run, [("a.txt", "a")])


def test_a_failed_write_leaves_nothing_half_written(empty, tmp_path):
    path = shutil.copy(empty, tmp_path / "mlflow.db")
    runs = RowRuns(path)
    run = runs.create(runs.experiment("a case", {}, tmp_path.as_uri()), "a", 0, {}, {})
    with pytest.raises(TypeError):
        runs.log(run, metrics=[Metric("best", 1.0, 0, 0)], tags={"a": object()})
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT count(*) FROM metrics").fetchone() == (0,)
