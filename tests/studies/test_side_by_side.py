"""Studies in processes side by side: what they find does not depend on it, nor on who dies."""

from __future__ import annotations

import os
import signal

import pytest

from studies import StudyError, StudySpec, UsageError
from studies.side_by_side import SideBySide, default_jobs
from studies.stop_rules import StopRules
from studies.stops import Stopped, stoppable
from studies.suite import Case
from studies.worker import Setting, _News
from studies.workspace import Workspace
from tests.studies.cli.conftest import SPACE

CASE = Case("stencil", template=SPACE)
SPECS = [StudySpec(tuner, seed, 25) for seed in (0, 1) for tuner in ("random", "coordinate")]
SILENT = StopRules()


def setting(folder, case=CASE, **changed):
    usual = {
        "arguments": ["mappertune"],
        "start": None,
        "storage": None,
        "anew": False,
        "repair": False,
        "tracking_uri": None,
        "tracked": False,
    }
    return Setting(case=case, folder=folder, **{**usual, **changed})


def begin(spec):
    return lambda records: None


def found(results):
    return [
        (
            result.spec,
            [(dict(record.values), record.throughput) for record in result.records],
            result.mapper,
        )
        for result in results
    ]


@pytest.fixture(scope="module")
def in_turn(tmp_path_factory):
    """What the studies find one after the other, in this process."""
    workspace, problem = Workspace(tmp_path_factory.mktemp("in turn")), CASE.problem()
    return found(workspace.run(CASE, problem, spec, begin(spec)) for spec in SPECS)


def test_studies_find_what_they_find_alone(tmp_path, in_turn):
    side = SideBySide(setting(tmp_path), SILENT, 2, pytest.fail)
    seen = {}

    def watch(spec):
        return lambda records: seen.update({spec: len(records)})

    results = side.run(SPECS, watch)
    assert found(results) == in_turn
    assert seen == dict.fromkeys(SPECS, 25)
    assert (side.stopped_by, side.tracked) == (None, False)
    assert {result.location for result in results} == {
        str(tmp_path / "stencil-p100x4-template" / f"{spec.name}.journal") for spec in SPECS
    }


@pytest.mark.parametrize("harm", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM])
def test_a_process_that_dies_or_hangs_costs_its_study_nothing(tmp_path, in_turn, harm):
    told, harmed = [], []
    specs = SPECS[:2]
    side = SideBySide(setting(tmp_path), SILENT, 1, told.append)

    def do_harm(spec):
        def observe(records):
            if not harmed:
                (worker,) = side._busy
                os.kill(worker._process.pid, harm)
                harmed.append(worker._process)
                side._hung_after = 1.0 if harm == signal.SIGSTOP else 600.0

        return observe

    def tell(sentence):
        told.append(sentence)
        side._hung_after = 600.0  # the next one takes its time to begin

    side._tell = tell
    assert found(side.run(specs, do_harm)) == in_turn[:2]
    (sentence,) = told
    why = {
        signal.SIGKILL: "was killed by signal 9",
        signal.SIGSTOP: "did not finish a trial within 1 s",
        signal.SIGTERM: "was stopped",
    }[harm]
    assert f"the process of random-seed0 {why}; another one goes on" in sentence
    assert harmed[0].poll() is not None


def test_a_study_whose_processes_die_again_and_again_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("studies.child_process.MAIN", "import sys; sys.exit(3)")
    told = []
    side = SideBySide(setting(tmp_path), SILENT, 1, told.append)
    with pytest.raises(StudyError, match="random-seed0 has ended with code 3, 3 times without"):
        side.run(SPECS[:1], begin)
    assert len(told) == 2


def test_why_a_study_cannot_be_run_is_told_as_it_would_be_alone(tmp_path):
    side = SideBySide(setting(tmp_path, storage="redis://me:s3cr3t@host"), SILENT, 2, pytest.fail)
    with pytest.raises(UsageError, match=r"unknown storage 'redis://\[key\]@host'"):
        side.run(SPECS, begin)
    assert side._workers == [] or all(
        worker._process.poll() is not None for worker in side._workers
    )


@pytest.fixture
def ctrl_c():
    """A shell that runs the tests in the background has told them to ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_a_stop_ends_all_in_order_and_what_there_is_is_kept(tmp_path):
    specs = [StudySpec("random", seed, 100_000) for seed in (0, 1, 2)]
    side = SideBySide(setting(tmp_path), SILENT, 2, pytest.fail)
    begun = set()

    def stop(spec):
        def observe(records):
            if records and spec not in begun:
                begun.add(spec)
                if len(begun) == 2:
                    signal.raise_signal(signal.SIGINT)

        return observe

    results = side.run(specs, stop)
    assert side.stopped_by == signal.SIGINT
    assert [result.spec for result in results] == specs[:2]
    assert all(result.interrupted and result.records for result in results)
    again = Workspace(tmp_path).run(
        CASE, CASE.problem(), StudySpec("random", 0, len(results[0].records)), begin(None)
    )
    assert again.resumed == len(again.records)


def test_a_stop_while_trials_are_told_tells_none_twice():
    told = []

    class Stopping:
        def send(self, message):
            told.extend(message.records)
            if len(told) == 3:
                signal.raise_signal(signal.SIGTERM)

    news = _News(Stopping(), values=True)
    with pytest.raises(Stopped), stoppable():
        news.send("abc")
    news.send("abcd")
    assert told == ["a", "b", "c", "d"]


def test_rules_end_studies_and_no_time_is_left_for_more(tmp_path):
    rules = StopRules(patience=3, seconds=3600.0)
    side = SideBySide(setting(tmp_path), rules, 1, pytest.fail)
    patient = side.run(SPECS[:1], begin)
    assert patient[0].ended_by == "3 trials in a row were no faster than the best"
    late = SideBySide(setting(tmp_path), StopRules(seconds=1e-6), 1, pytest.fail)
    results = late.run(SPECS[:3], begin)
    assert [len(result.records) for result in results] == [len(patient[0].records), 0, 0]
    assert {result.ended_by for result in results} == {"its time of 0 s is over"}


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")  # of MLflow, which is asked here
def test_studies_at_once_are_tracked_in_one_database(tmp_path):
    mlflow = pytest.importorskip("mlflow")
    side = SideBySide(setting(tmp_path, tracked=True), SILENT, 2, pytest.fail)
    assert found(side.run(SPECS, begin))
    assert side.tracked
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    experiment = client.get_experiment_by_name(CASE.name)
    runs = client.search_runs([experiment.experiment_id])
    assert {(run.info.run_name, run.info.status) for run in runs} == {
        (spec.name, "FINISHED") for spec in SPECS
    }
    for run in runs:
        assert len(client.get_metric_history(run.info.run_id, "best")) == 25


def test_processes_are_begun_where_they_are_worth_it(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    assert default_jobs([StudySpec("tpe", 0, 100)] * 3) == 1
    assert default_jobs([StudySpec("tpe", 0, 100)] * 5) == 3
