from __future__ import annotations

import contextlib
import json
import logging
import shutil
import signal
import sqlite3
import subprocess
import sys

import pytest

from legion_bridge import Application, Machine
from studies import Case, StudySpec, Tracker, TrialRecord
from studies.races import past_races
from studies.stops import Stopped
from studies.tracking.database import copy_empty, whole_database
from studies.tracking.trial_table import table_names, trial_tables
from studies.workspace import Workspace
from tuners import MapperProblem

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own, of which there are many

CASE = Case("toy", "table")


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """MLflow's tables, which take two seconds to create."""
    folder = tmp_path_factory.mktemp("mlflow")
    Tracker(folder, report=pytest.fail).runs()
    return folder / "mlflow.db"


@pytest.fixture
def complaints():
    return []


@pytest.fixture
def tracked(tmp_path, complaints, empty_database, monkeypatch):
    """Runs a study with a tracker of its own, as a new process would."""
    shutil.copy(empty_database, tmp_path)
    monkeypatch.chdir(tmp_path)  # where MLflow puts the artifacts of a database that it is given

    def run(problem, trials, *, uri=None, observe=lambda records: None, seed=0):
        tracker = Tracker(tmp_path, uri, report=complaints.append)
        workspace = Workspace(tmp_path, tracker=tracker)
        result = workspace.run(CASE, problem, StudySpec("tpe", seed, trials), observe)
        return tracker, result

    return run


def client_of(tracker):
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=tracker.uri)


def runs_of(tracker):
    client = client_of(tracker)
    experiment = client.get_experiment_by_name(CASE.name)
    return client.search_runs([experiment.experiment_id])


def test_a_run_tells_the_floor_and_how_near_the_best_is(tracked, complaints):
    problem = MapperProblem(Application.load("circuit"), Machine.load("p100x4"))
    tracker, result = tracked(problem, 2)
    assert complaints == []
    (run,) = runs_of(tracker)
    assert run.data.metrics["floor"] == result.floor > 0
    assert run.data.metrics["best_of_floor"] == result.of_floor


def test_a_study_is_a_run(tracked, toy_problem, tmp_path, complaints, capfd):
    root_handlers = list(logging.getLogger().handlers)
    tracker, result = tracked(toy_problem, 25)
    assert complaints == []
    (run,) = runs_of(tracker)
    assert run.info.run_name == "tpe-seed0"
    assert run.info.status == "FINISHED"
    assert run.data.params["application"] == "toy"
    assert run.data.params["application.toys"] == "3"
    assert run.data.tags["trials"] == "25"
    assert run.data.metrics["best"] == result.best.throughput
    assert run.data.metrics["best_over_expert"] == result.normalised
    assert "floor" not in run.data.metrics  # nobody knows one of what is not simulated
    assert run.data.params["objective"] == "timed"
    client = client_of(tracker)
    history = client.get_metric_history(run.info.run_id, "throughput")
    assert [(m.step, m.value) for m in sorted(history, key=lambda m: m.step)] == [
        (record.number, record.throughput) for record in result.records
    ]
    best = client.get_metric_history(run.info.run_id, "best")
    assert max(m.value for m in best) == result.best.throughput
    folder = tmp_path / "mlflow-artifacts" / CASE.name
    (mapper,) = folder.rglob("best.mapper.txt")
    assert mapper.read_text() == result.mapper
    (table,) = folder.rglob("trials.json")
    rows = json.loads(table.read_text())
    assert len(rows["data"]) == 25
    assert rows["columns"] == [
        "trial",
        "throughput",
        "valid",
        "status",
        "best",
        "said",
        "normal form",
        "proposer",
        "why",
        "setup",
        "whole",
        "mapper",
    ]
    assert capfd.readouterr() == ("", "")  # no warnings, no progress of migrations
    assert logging.getLogger().handlers == root_handlers


def test_a_resumed_study_continues_its_run(tracked, toy_problem, make_toy_problem, tmp_path):
    tracked(toy_problem, 10)
    tracker, result = tracked(make_toy_problem(), 25)
    (run,) = runs_of(tracker)
    assert run.info.status == "FINISHED"
    assert run.data.tags["trials"] == "25"
    history = client_of(tracker).get_metric_history(run.info.run_id, "throughput")
    assert sorted(m.step for m in history) == list(range(25))
    assert run.data.metrics["best"] == result.best.throughput
    (table,) = tmp_path.rglob("trials.json")
    assert [row[0] for row in json.loads(table.read_text())["data"]] == list(range(25))


def test_a_study_that_is_tracked_to_its_end_is_not_tracked_again(
    tracked, toy_problem, make_toy_problem, tmp_path
):
    tracked(toy_problem, 5)
    tracker, _ = tracked(make_toy_problem(), 5)
    assert tracker.used
    assert not tracker.loaded
    (tmp_path / "mlflow.db").unlink()  # unless the runs are gone
    tracker, _ = tracked(make_toy_problem(), 5)
    assert runs_of(tracker)[0].data.tags["trials"] == "5"


def test_tables_hold_all_trials_and_each_so_many(monkeypatch):
    records = [
        TrialRecord(number, {}, float(number), "ok", "", None, None, None) for number in range(20)
    ]
    monkeypatch.setattr("studies.tracking.trial_table.ROWS", 8)
    assert table_names(20) == ["trials.json", "trials-8.json", "trials-16.json"]
    tables = dict(trial_tables(records, lambda record: f"m{record.number}", "tpe"))
    rows = [row for name in table_names(20) for row in json.loads(tables[name])["data"]]
    assert [row[0] for row in rows] == list(range(20))
    assert [row[-1] for row in rows] == [f"m{number}" for number in range(20)]
    assert [row[4] for row in rows] == [False] * 19 + [True]
    assert {(row[2], row[7]) for row in rows} == {(True, "tpe")}


@pytest.mark.parametrize("quick", [True, False])
def test_an_interrupted_study_is_tracked_at_once_or_when_it_is_resumed(
    tracked, toy_problem, make_toy_problem, tmp_path, quick
):
    def stop(records):
        if len(records) == 6:
            raise KeyboardInterrupt

    uri = None if quick else f"sqlite:///{tmp_path}/mlflow.db"
    tracker, result = tracked(toy_problem, 20, observe=stop, uri=uri)
    assert result.interrupted
    assert tracker.loaded == quick  # who presses Ctrl-C does not wait for MLflow to load
    if quick:
        (run,) = runs_of(tracker)
        assert (run.info.status, run.data.tags["trials"]) == ("KILLED", "6")
    tracker, _ = tracked(make_toy_problem(), 20, uri=uri)
    (run,) = runs_of(tracker)
    assert run.info.status == "FINISHED"
    history = client_of(tracker).get_metric_history(run.info.run_id, "throughput")
    assert sorted(m.step for m in history) == list(range(20))


def test_a_study_that_a_signal_ends_is_tracked_as_stopped(tracked, toy_problem):
    def stop(records):
        if len(records) == 6:
            raise Stopped(signal.SIGTERM)

    tracker, result = tracked(toy_problem, 20, observe=stop)
    assert result.stopped_by == signal.SIGTERM
    (run,) = runs_of(tracker)
    assert (run.info.status, run.data.tags["trials"]) == ("KILLED", "6")


def test_a_long_study_is_written_now_and_then(tracked, toy_problem, monkeypatch):
    monkeypatch.setattr("studies.tracking.study_run.SECONDS_BETWEEN_WRITES", 0.0)
    tracker, _ = tracked(toy_problem, 5)
    (run,) = runs_of(tracker)
    history = client_of(tracker).get_metric_history(run.info.run_id, "best")
    assert sorted(m.step for m in history) == list(range(5))


@pytest.mark.parametrize("what", ["run", "experiment"])
def test_a_deleted_run_or_experiment_is_no_obstacle(tracked, toy_problem, make_toy_problem, what):
    tracker, _ = tracked(toy_problem, 3)
    (run,) = runs_of(tracker)
    if what == "run":
        client_of(tracker).delete_run(run.info.run_id)
    else:
        client_of(tracker).delete_experiment(run.info.experiment_id)
    tracker, _ = tracked(make_toy_problem(), 6)
    (run,) = runs_of(tracker)
    history = client_of(tracker).get_metric_history(run.info.run_id, "throughput")
    assert sorted(m.step for m in history) == list(range(6))


def test_an_unreachable_server_is_told_once_and_loses_nothing(
    tracked, toy_problem, make_toy_problem, complaints
):
    tracker, result = tracked(toy_problem, 8, uri="http://127.0.0.1:9")
    assert len(result.records) == 8
    assert tracker.failed
    assert len(complaints) == 1
    assert "MLflow tracking stopped" in complaints[0]
    assert "\n" not in complaints[0]
    again, _ = tracked(make_toy_problem(), 8)
    (run,) = runs_of(again)
    assert run.data.tags["trials"] == "8"


def test_a_damaged_database_is_told_once(tracked, toy_problem, tmp_path, complaints):
    (tmp_path / "mlflow.db").write_bytes(b"not a database" * 100)
    _, result = tracked(toy_problem, 4)
    assert len(result.records) == 4
    assert len(complaints) == 1


HALF_MADE = """
CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE runs (run_uuid TEXT PRIMARY KEY);
CREATE TABLE alembic_version (version_num TEXT PRIMARY KEY);
INSERT INTO alembic_version VALUES ('451aebb31d03');
"""


def filled(path, script):
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executescript(script)
    return path


@pytest.mark.parametrize(
    ("script", "more", "empty"),
    [
        ("", "", True),
        (HALF_MADE, "", True),
        (HALF_MADE, "INSERT INTO experiments VALUES (0, 'Default');", False),
        (HALF_MADE, "INSERT INTO runs VALUES ('a');", False),
        ("", "CREATE TABLE studies (name TEXT); INSERT INTO studies VALUES ('mine');", False),
    ],
)
def test_a_database_that_was_left_half_made_is_made_anew(tmp_path, script, more, empty):
    path = filled(tmp_path / "mlflow.db", script + more)
    (tmp_path / ".mlflow.db.making-1").write_bytes(b"left by a process that was killed")
    before, made = path.read_bytes(), []

    def make(uri):
        made.append(uri)
        filled(uri.removeprefix("sqlite:///"), "CREATE TABLE whole (name TEXT);")

    with whole_database(path, make):
        pass
    assert bool(made) == empty
    assert (path.read_bytes() == before) != empty
    if empty:
        assert {each.name for each in tmp_path.iterdir()} == {"mlflow.db", "mlflow.db.lock"}


def test_ctrl_c_while_a_database_is_made_leaves_nothing(tmp_path):
    def make(uri):
        filled(uri.removeprefix("sqlite:///"), HALF_MADE)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), whole_database(tmp_path / "mlflow.db", make):
        pass
    assert {each.name for each in tmp_path.iterdir()} == {"mlflow.db.lock"}


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Makes databases from the empty one in a cache of its own; tells what had to be made."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    steps = []

    def make(uri):
        path = uri.removeprefix("sqlite:///")
        with contextlib.closing(sqlite3.connect(path)) as database, database:
            tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if not tables:
                database.executescript(HALF_MADE)
            database.execute("INSERT INTO experiments VALUES (0, ?)", (path,))
        steps.append("filled" if tables else "made")

    def run(name):
        copy_empty(tmp_path / name, make)
        with contextlib.closing(sqlite3.connect(tmp_path / name)) as database:
            rows = database.execute("SELECT * FROM experiments").fetchall()
        assert rows == [(0, str(tmp_path / name))]
        return [steps.pop(0) for _ in range(len(steps))]

    return run


def test_an_empty_database_is_made_once_and_copied(made):
    """What tells where it was made is no part of it."""
    assert made("one.db") == ["made", "filled"]
    assert made("two.db") == ["filled"]


@pytest.mark.parametrize("damage", [b"no database", b"SQLite format 3\0 torn"])
def test_a_damaged_empty_database_is_made_anew(made, tmp_path, damage):
    made("one.db")
    (kept,) = (tmp_path / "cache").rglob("mlflow.db")
    kept.write_bytes(damage)
    assert made("two.db") == ["made"]
    assert made("three.db") == ["made", "filled"]
    assert made("four.db") == ["filled"]


def test_a_database_is_made_where_nothing_can_be_kept(made, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("studies.tracking.database.kept", full)
    assert made("one.db") == ["made"]
    assert list(tmp_path.iterdir()) == [tmp_path / "one.db"]


def test_a_database_left_half_made_is_tracked_to(tracked, toy_problem, tmp_path, complaints):
    (tmp_path / "mlflow.db").unlink()
    filled(tmp_path / "mlflow.db", HALF_MADE)
    tracker, _ = tracked(toy_problem, 3, uri=f"sqlite:///{tmp_path}/mlflow.db")
    assert complaints == []
    assert len(runs_of(tracker)) == 1


def test_whoever_comes_second_to_an_empty_database_tries_again(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    told = iter(["table studies already exists", "Duplicate column name 'x'", "no such host"])

    def connect():
        raise RuntimeError(next(told))

    with pytest.raises(RuntimeError, match="no such host"):
        past_races(connect)


CREATE = """
import sys
from pathlib import Path
from studies.tracking import Tracker
def report(sentence):
    raise SystemExit(sentence)
folder = Path(sys.argv[1])
tracker = Tracker(folder, sys.argv[3] if sys.argv[3:] else None, report=report)
with tracker.guarded():
    tracker.experiment("stencil-p100x4-" + sys.argv[2])
"""


@pytest.mark.parametrize("own", [False, pytest.param(True, marks=pytest.mark.long)])
def test_processes_may_create_the_database_side_by_side(tmp_path, own):
    words = [f"sqlite:///{tmp_path}/own.db"] if own else []
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", CREATE, str(tmp_path), str(number), *words],
            stderr=subprocess.PIPE,
        )
        for number in range(2)
    ]
    complaints = [process.communicate(timeout=120)[1] for process in processes]
    assert complaints == [b"", b""]
    assert [process.returncode for process in processes] == [0, 0]
