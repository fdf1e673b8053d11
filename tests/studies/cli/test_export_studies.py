"""Finished studies, copied where Optuna's own tools read them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from studies.model_arm import set_files_aside
from tests.studies.test_dashboard import note_of

Ask = Callable[..., Any]
NAME = "stencil-p100x4-random-seed0"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def copied(url: str, name: str) -> optuna.Study:
    return optuna.load_study(study_name=name, storage=url)


def test_a_folder_of_studies_becomes_a_database(
    ask: Ask, runs: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studies.optuna_export.MOST_NOTES", 2)
    monkeypatch.setattr("studies.optuna_export.AT_ONCE", 2)
    words = ["tune", "stencil", "--output", runs, "--no-mlflow", "--tuner", "random", "--trials"]
    assert ask(*words, 5).code == 0
    answer = ask("export", runs, "--storage", url)
    assert answer.code == 0
    assert f"{NAME}: 5 trials, 5 of them new" in answer.out
    assert "optuna-dashboard sqlite:///" in answer.out
    study = copied(url, NAME)
    assert [each.number for each in study.trials] == list(range(5))
    assert study.metric_names == ["throughput in points/s"]
    assert "| seed | `0` |" in note_of(study, None)
    first, second, *later = (note_of(study, each._trial_id) for each in study.trials)
    assert "the best so far" in first
    assert "what the study begins with" in first
    assert "Task " in first
    assert "proposed by random" in second
    assert not any(later)  # none of them was better
    before = study.trials
    assert ask(*words, 6).code == 0  # goes on, and so does the copy
    answer = ask("export", runs / "stencil-p100x4" / "random-seed0.journal", "--storage", url,
                 "--json")  # fmt: skip
    assert answer.json["studies"] == [{"name": NAME, "trials": 6, "added": 1}]
    after = copied(url, NAME).trials
    assert after[:5] == before
    assert ask(*words, 6, "--storage", url, "--json").json["resumed"] == 6


def test_a_study_that_was_set_aside_is_no_part_of_its_successor(
    ask: Ask, runs: Path, url: str
) -> None:
    words = ["tune", "stencil", "--output", runs, "--no-mlflow", "--tuner", "random", "--trials"]
    assert ask(*words, 2).code == 0
    set_files_aside(runs / "stencil-p100x4" / "random-seed0.journal")
    assert ask(*words, 3).code == 0
    answer = ask("export", runs, "--storage", url, "--json")
    assert answer.json["studies"] == [{"name": NAME, "trials": 3, "added": 3}]


def test_studies_from_before_they_kept_their_template_keep_what_they_tell(
    ask: Ask, runs: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["tune", "stencil", "--output", runs, "--no-mlflow", "--tuner", "random"]
    assert ask(*words, "--trials", 2).code == 0
    monkeypatch.setattr("studies.study_facts.StudyFacts.kept_in", lambda _: None)
    assert ask("export", runs, "--storage", url).code == 0
    study = copied(url, NAME)
    assert study.metric_names == ["throughput"]
    first, second = (note_of(study, each._trial_id) for each in study.trials)
    assert "Task " in first  # the best one is kept with its study
    assert "proposed by random" in second


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["runs"], "holds studies: say by --storage"),
        (["runs", "--storage", "x.db"], "no address of a database: say sqlite:///FILE"),
        (["runs", "--storage", "sqlite:///x.db"], "no study with a trial"),
        (["runs", "--storage", "sqlite:///x.db", "--output", "x.c"], "--output is where"),
        (["nowhere", "--storage", "sqlite:///x.db"], "no folder and no journal nowhere"),
    ],
)
def test_what_is_wrong_is_told(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    answer = ask("export", *words)
    assert answer.code == 2
    assert answer.err.count("\n") == 1
    assert said in answer.err
    assert not (tmp_path / "x.db").exists()


def test_another_study_of_the_name_is_left_alone(ask: Ask, tmp_path: Path, url: str) -> None:
    words = ["--no-mlflow", "--tuner", "random", "--trials", 1, "--output"]
    assert ask("tune", "stencil", *words, tmp_path / "a").code == 0
    assert ask("tune", "stencil", "--start", "expert", *words, tmp_path / "b").code == 0
    assert ask("export", tmp_path / "a", "--storage", url).code == 0
    answer = ask("export", tmp_path / "b", "--storage", url)
    assert answer.code == 2
    assert f"has another study called {NAME}: name another database" in answer.err
    assert len(copied(url, NAME).trials) == 1


def test_a_study_in_a_database_ends_with_how_to_look_at_it(
    ask: Ask, tmp_path: Path, url: str
) -> None:
    answer = ask("tune", "stencil", "--output", tmp_path / "a b", "--no-mlflow", "--tuner",
                 "random", "--trials", 1, "--storage", url)  # fmt: skip
    assert f"optuna-dashboard {url} --artifact-dir '{tmp_path}/a b/artifacts'" in " ".join(
        answer.out.split()
    )
    (file,) = (tmp_path / "a b" / "artifacts").iterdir()
    assert "Task " in file.read_text()
