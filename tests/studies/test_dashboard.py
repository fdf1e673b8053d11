"""What optuna-dashboard shows of a study that the command line keeps in a database."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from studies import StudySpec, StudyStore, run_study
from studies.dashboard import study_note
from tuners import MapperProblem

UNIT = "toys/s"


def run(problem: MapperProblem, url: str, trials: int, **more: Any) -> None:
    with StudyStore.open_study("toy", url) as store:
        run_study(problem, StudySpec("random", 0, trials), store, **more)


def opened(url: str) -> optuna.Study:
    return optuna.load_study(study_name="toy", storage=url)


def note_of(study: optuna.Study, trial_id: int | None) -> str:
    kept = study._storage.get_study_system_attrs(study._study_id)
    prefix = "dashboard:" if trial_id is None else f"dashboard:{trial_id}:"
    return "".join(value for key, value in kept.items() if key.startswith(f"{prefix}note_str:"))


def test_each_trial_shows_its_mapper_proposer_and_feedback(
    toy_problem: MapperProblem, url: str, tmp_path: Path
) -> None:
    run(toy_problem, url, 4, artifacts=tmp_path / "artifacts")
    study = opened(url)
    assert study.metric_names == [f"throughput in {UNIT}"]
    assert "| application | `toy` |" in note_of(study, None)
    best = 0.0
    for trial in study.trials:
        note = note_of(study, trial._trial_id)
        improves = trial.values[0] > best
        best = max(best, trial.values[0])
        assert ("the best so far" in note) is improves
        assert "proposed by random" in note
        assert "Task a " in note
        files = [key for key in trial.system_attrs if key.startswith("artifacts:")]
        assert len(files) == improves
    assert len(list((tmp_path / "artifacts").iterdir())) >= 1


def test_a_note_of_a_trial_comes_with_the_trial(
    toy_problem: MapperProblem, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not before: a process that is killed leaves no note of what it did not finish."""
    with StudyStore.open_study("toy", url) as store:

        def finish(trial: Any, value: float) -> None:
            assert not note_of(opened(url), trial._trial_id)
            raise KeyboardInterrupt

        monkeypatch.setattr(store, "finish", finish)
        run_study(toy_problem, StudySpec("random", 0, 2), store)
    run(toy_problem, url, 2)
    assert all(note_of(opened(url), trial._trial_id) for trial in opened(url).trials)


def test_what_somebody_wrote_stays(toy_problem: MapperProblem, url: str) -> None:
    run(toy_problem, url, 1)
    study = opened(url)
    study._storage.set_study_system_attr(study._study_id, "study:metric_names", ["speed"])
    study._storage.set_study_system_attr(study._study_id, "dashboard:note_str:0", "ours")
    study._storage.set_study_system_attr(study._study_id, "dashboard:2:note_ver", 3)
    study._storage.set_study_system_attr(study._study_id, "dashboard:2:note_str:0", "of two")
    run(toy_problem, url, 2)
    study = opened(url)
    assert study.metric_names == ["speed"]
    assert note_of(study, None) == "ours"
    assert note_of(study, 2) == "of two"


def test_a_journal_has_neither_notes_nor_files(toy_problem: MapperProblem, tmp_path: Path) -> None:
    run(toy_problem, str(tmp_path / "toy.journal"), 2, artifacts=tmp_path / "artifacts")
    assert not (tmp_path / "artifacts").exists()
    assert b"dashboard" not in (tmp_path / "toy.journal").read_bytes()


def test_sizes_are_told_and_digests_are_not() -> None:
    told = study_note(
        {"application": "a", "parameters": {"n": 3}, "template": "f00", "model": None}
    )
    assert "| parameters | `n=3` |" in told
    assert "template" not in told
    assert "model" not in told


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")  # of the dashboard's own
def test_the_dashboard_itself_tells_it(
    toy_problem: MapperProblem, url: str, tmp_path: Path
) -> None:
    dashboard = pytest.importorskip(
        "optuna_dashboard", reason="the package optuna-dashboard is not installed"
    )
    run(toy_problem, url, 2, artifacts=tmp_path)
    answer: Callable[..., Any] = dashboard.wsgi(optuna.storages.RDBStorage(url))
    environment = {
        "REQUEST_METHOD": "GET", "PATH_INFO": "/api/studies/1", "QUERY_STRING": "after=0",
        "SERVER_NAME": "localhost", "SERVER_PORT": "80", "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO(),
    }  # fmt: skip
    body = b"".join(answer(environment, lambda *_: None))
    told = json.loads(body)
    assert told["objective_names"] == [f"throughput in {UNIT}"]
    assert "`toy`" in told["note"]["body"]
    first, second = told["trials"]
    assert "proposed by random" in first["note"]["body"]
    assert "proposed by random" in second["note"]["body"]
    assert first["artifacts"][0]["filename"] == "trial-0.mapper"
