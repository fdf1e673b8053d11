from __future__ import annotations

import json

import pytest

from studies import Case, StudySpec, Tracker, compare_studies
from studies.study_facts import StudyFacts
from studies.tracking.comparison_run import ComparisonRun
from studies.tracking.curves import curves_as_svg
from studies.tracking.experiment import experiment_page
from studies.workspace import Workspace

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own, of which there are many

CASE = Case("toy", "table")
SPECS = [StudySpec(tuner, seed, 12) for tuner in ("random", "tpe") for seed in (0, 1)]


@pytest.fixture
def compared(tmp_path, make_toy_problem):
    """Tracks a comparison as a command does; may be asked again."""

    def run(*, interrupted=False):
        tracker = Tracker(tmp_path, report=pytest.fail)
        problem = make_toy_problem()
        facts = StudyFacts.of(problem, SPECS[0])
        comparison = ComparisonRun(tracker, tmp_path / CASE.name, facts)
        comparison.begin()
        workspace = Workspace(tmp_path, tracker=tracker)
        results = [workspace.run(CASE, problem, spec, lambda _: None) for spec in SPECS]
        statistics = compare_studies(results)
        comparison.finish(statistics, results, interrupted=interrupted)
        page = tmp_path / "report.html"
        page.write_text("<p>Report</p>")
        comparison.add(page)
        return tracker, statistics, results

    return run


def test_a_comparison_is_the_parent_of_its_studies(compared, monkeypatch):
    compared(interrupted=True)
    tracker, statistics, _ = compared()
    mlflow = pytest.importorskip("mlflow")
    client = mlflow.MlflowClient(tracker.uri)
    experiment = client.get_experiment_by_name(CASE.name)
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    view = json.loads(experiment.tags["mlflow.sharedViewState.mappertune"])
    assert view["groupBy"]["groupByKeys"] == [{"mode": "param", "groupByData": "tuner"}]
    assert tracker.page(CASE.name) == experiment_page(
        "http://127.0.0.1:5000", experiment.experiment_id
    )
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {"comparison", *(spec.name for spec in SPECS)}
    parent = runs.pop("comparison")
    assert {run.data.tags["mlflow.parentRunId"] for run in runs.values()} == {parent.info.run_id}
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["best"] == max(run.data.metrics["best"] for run in runs.values())
    means = {summary.tuner: summary.mean for summary in statistics.tuners}
    for tuner, mean in means.items():
        assert parent.data.metrics[f"tuner.{tuner}.mean_over_expert"] == mean
    note = parent.data.tags["mlflow.note.content"]
    assert all(tuner in note for tuner in means)
    assert min(parent.data.metrics) == "best"  # the first column, and the first chart
    files = {each.path for each in client.list_artifacts(parent.info.run_id)}
    assert files == {"best.mapper.txt", "best.svg", "comparison.json", "report.html"}
    service = "mlflow.tracking._tracking_service.utils._tracking_uri"
    monkeypatch.setattr(service, tracker.uri)  # as `set_tracking_uri`, for this test
    place = experiment.experiment_id
    table = client.load_table(place, "comparison.json", run_ids=[parent.info.run_id])
    assert set(means) <= set(table["name"])
    trials = client.load_table(place, "trials.json", run_ids=[runs["tpe-seed0"].info.run_id])
    assert len(trials) == 12
    assert trials.mapper.str.len().min() > 0


def test_a_study_alone_does_not_leave_its_comparison(compared, tmp_path, make_toy_problem):
    compared()
    tracker = Tracker(tmp_path, report=pytest.fail)
    Workspace(tmp_path, tracker=tracker).run(CASE, make_toy_problem(), SPECS[0], lambda _: None)
    assert not tracker.loaded


def test_the_curves_are_a_picture_with_every_tuner(compared):
    _, statistics, results = compared()
    picture = curves_as_svg(results, statistics.reference, statistics.reference_throughput)
    assert picture.startswith("<svg")
    for text in ("random (2)", "tpe (2)", "expert", "trials"):
        assert f">{text}</text>" in picture
