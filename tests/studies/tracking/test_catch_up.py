"""Servers that are slow or gone, and studies that are tracked later."""

from __future__ import annotations

import shutil
import time

import pytest

from studies import Case, StudySpec, Tracker
from studies.errors import UsageError
from studies.journal_records import read_line, write_line
from studies.model_arm import set_files_aside
from studies.records import IDENTITY
from studies.study_facts import ABOUT
from studies.tracking.catch_up import catch_up
from studies.workspace import Workspace
from tests.studies.tracking.mlflow_server import mlflow_server

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own, of which there are many

CASE = Case("toy", "table")


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    folder = tmp_path_factory.mktemp("empty")
    Tracker(folder, report=pytest.fail).runs()
    return folder / "mlflow.db"


@pytest.fixture
def server(empty, tmp_path, monkeypatch):
    database = tmp_path / "server" / "mlflow.db"
    database.parent.mkdir()
    shutil.copy(empty, database)
    with mlflow_server(database, monkeypatch) as server:
        yield server


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "runs"


@pytest.fixture
def run(folder, make_toy_problem):
    """Runs a study of so many trials; tells what was said of its tracking."""

    def study(trials, uri=None, *, seed=0, tracked=True, **options):
        said = []
        tracker = Tracker(folder, uri, report=said.append, **options) if tracked else None
        workspace = Workspace(folder, tracker=tracker)
        workspace.run(
            CASE, make_toy_problem(), StudySpec("random", seed, trials), lambda records: None
        )
        return said

    return study


def runs_at(uri):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(CASE.name)
    return client, client.search_runs([experiment.experiment_id])


def steps_of(uri, run):
    client, _ = runs_at(uri)
    return sorted(m.step for m in client.get_metric_history(run.info.run_id, "throughput"))


def caught_up(folder, uri=None):
    said = []
    tracker = Tracker(folder, uri, report=said.append, patience=None)
    return catch_up(folder, tracker), said


def test_a_study_is_tracked_by_a_server(run, server):
    assert run(5, server.url) == []
    client, (tracked,) = runs_at(server.url)
    assert tracked.data.params["budget"] == tracked.data.tags["budget"] == "5"
    files = {each.path for each in client.list_artifacts(tracked.info.run_id)}
    assert {"trials.json", "best.mapper.txt"} <= files


@pytest.mark.parametrize("answers", [0, 6])
def test_a_server_that_is_gone_is_caught_up_with_later_and_once(run, server, folder, answers):
    server.answers = answers
    (said,) = run(6, server.url)
    assert said.startswith("MLflow tracking stopped (")
    assert f"mappertune track {folder} --mlflow {server.url} tracks it later" in said
    server.answers = None
    done, said = caught_up(folder, server.url)
    assert (said, done.unread, done.studies) == ([], [], {CASE.name: ["random-seed0"]})
    _, (tracked,) = runs_at(server.url)  # one run, however far the first attempt came
    assert steps_of(server.url, tracked) == list(range(6))
    assert tracked.info.status == "FINISHED"
    before = server.requests
    done, _ = caught_up(folder, server.url)
    assert (done.untouched, server.requests) == (1, before)


def test_a_server_that_is_gone_for_a_while_is_asked_again_at_the_end(run, server, monkeypatch):
    monkeypatch.setattr("studies.tracking.study_run.SECONDS_BETWEEN_WRITES", 0.0)
    server.answers = 4
    write = Tracker.guarded

    def back(tracker, *, ends=True):
        if ends:
            server.answers = None
        return write(tracker, ends=ends)

    monkeypatch.setattr(Tracker, "guarded", back)
    (said,) = run(6, server.url)
    assert said.startswith("MLflow tracking waits (")
    _, (tracked,) = runs_at(server.url)
    assert steps_of(server.url, tracked) == list(range(6))


def test_a_slow_server_holds_nobody_up(run, server, folder):
    server.delay = 0.2
    begun = time.monotonic()
    (said,) = run(6, server.url, patience=0.5)
    assert time.monotonic() - begun < 4
    assert f"{server.url} has taken" in said
    server.delay = 0.0
    caught_up(folder, server.url)
    _, (tracked,) = runs_at(server.url)
    assert steps_of(server.url, tracked) == list(range(6))


def test_studies_are_tracked_that_were_not(run, folder):
    run(4, tracked=False)
    run(5, seed=1, tracked=False)
    done, said = caught_up(folder)
    assert (said, done.unread, done.untouched) == ([], [], 0)
    uri = f"sqlite:///{folder}/mlflow.db"
    _, tracked = runs_at(uri)
    names = {each.info.run_name: each for each in tracked}
    assert set(names) == {"comparison", "random-seed0", "random-seed1"}
    parent = names["comparison"].info.run_id
    for seed, trials in ((0, 4), (1, 5)):
        child = names[f"random-seed{seed}"]
        assert child.data.tags["mlflow.parentRunId"] == parent
        assert child.data.params["machine"] == "table"
        assert steps_of(uri, child) == list(range(trials))
    assert names["comparison"].data.metrics["best"] > 0
    assert caught_up(folder)[0].untouched == 2
    assert len(runs_at(uri)[1]) == 3


def test_a_study_tracked_half_is_completed_and_a_larger_budget_told(run, folder):
    run(4)
    run(7, tracked=False)
    caught_up(folder)
    uri = f"sqlite:///{folder}/mlflow.db"
    _, (tracked,) = runs_at(uri)
    assert steps_of(uri, tracked) == list(range(7))
    assert tracked.data.params["budget"] == tracked.data.tags["budget"] == "7"


def test_a_damaged_journal_is_told_and_the_others_are_tracked(run, folder):
    run(4, tracked=False)
    run(4, seed=1, tracked=False)
    journal = folder / CASE.name / "random-seed1.journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:4], b"damaged\n", *lines[5:]]))
    (folder / CASE.name / "empty.journal").write_bytes(b"")
    done, _ = caught_up(folder)
    assert done.studies == {CASE.name: ["random-seed0"]}
    (sentence,) = [each for each in done.unread if "random-seed1" in each]
    assert "\n" not in sentence


def test_a_study_that_was_set_aside_is_not_tracked(run, folder):
    run(4, tracked=False)
    set_files_aside(folder / CASE.name / "random-seed0.journal")
    run(5, tracked=False)
    done, said = caught_up(folder)
    assert (said, done.unread, done.studies) == ([], [], {CASE.name: ["random-seed0"]})
    uri = f"sqlite:///{folder}/mlflow.db"
    _, (tracked,) = runs_at(uri)
    assert steps_of(uri, tracked) == list(range(5))


@pytest.mark.parametrize("gone", ["seed", "application"])
def test_a_journal_that_does_not_say_what_it_is_about_is_told(run, folder, gone):
    run(4, tracked=False)
    run(4, seed=1, tracked=False)
    journal = folder / CASE.name / "random-seed1.journal"
    records = [read_line(line)[1] for line in journal.read_bytes().splitlines(keepends=True)]
    (identity,) = [each["value"] for each in records if each.get("note") == IDENTITY]
    del identity[gone]
    (about,) = [each for each in records if each.get("note") == ABOUT]
    about["note"] = "unknown"  # as an early version left none
    journal.write_bytes(b"".join(write_line(n, each) for n, each in enumerate(records)))
    done, _ = caught_up(folder)
    assert done.studies == {CASE.name: ["random-seed0"]}
    assert done.unread == [f"{journal} is left out: its notes are impossible"]


def test_what_is_no_output_folder_is_told(tmp_path):
    for place in (tmp_path / "none", tmp_path):
        with pytest.raises(UsageError, match="name the --output"):
            caught_up(place)


def test_secrets_of_an_address_are_shown_by_nobody(run, folder, server):
    secret = server.url.replace("://", "://me:hunter2hunter@")
    server.answers = 0
    (said,) = run(3, secret)
    assert "hunter2" not in said
    server.answers = None
    done, said = caught_up(folder, secret)
    assert (said, done.unread) == ([], [])
    kept = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert b"hunter2" not in kept
    _, (tracked,) = runs_at(server.url)
    assert "hunter2" not in str(tracked.to_dictionary())
