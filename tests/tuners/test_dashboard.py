"""The notes that trials have for optuna-dashboard, in plain studies of Optuna as well."""

from __future__ import annotations

import itertools
import json
import logging
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from tests.tuners.llm.scripted import Scripted, fenced, forever
from tuners import LLMSampler, MapperProblem, attributes
from tuners.dashboard import LONGEST_NOTE, MOST_NOTES, leave_note, note_attributes, trial_note

RENDERED = """\
Task a GPU;
Task b CPU;
Task c OMP;
Region a 0 GPU FBMEM;
InstanceLimit a 9;
InstanceLimit c {limit};
"""


def mappers() -> Any:
    return (fenced(RENDERED.format(limit=limit)) for limit in itertools.cycle(range(1, 7)))


def notes(study: optuna.Study) -> list[str]:
    """The note of each trial, put together as the dashboard does it."""
    kept = study._storage.get_study_system_attrs(study._study_id)
    found = []
    for trial in study.get_trials(deepcopy=False):
        prefix = f"dashboard:{trial._trial_id}:note_str:"
        pieces = [key for key in kept if key.startswith(prefix)]
        found.append("".join(kept[f"{prefix}{number}"] for number in range(len(pieces))))
    return found


@pytest.fixture
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A storage that other processes may read: a journal by default."""
    if getattr(request, "param", "journal") == "journal":
        yield JournalStorage(JournalFileBackend(str(tmp_path / "journal")))
        return
    made = RDBStorage(f"sqlite:///{tmp_path}/study.db")
    yield made
    made.remove_session()
    made.engine.dispose()


def run(
    problem: MapperProblem, storage: Any, model: Scripted, trials: int, **more: Any
) -> optuna.Study:
    sampler = LLMSampler(problem, model=model, seed=0, **more)
    study = optuna.create_study(direction="maximize", storage=storage, sampler=sampler)
    study.optimize(problem, n_trials=trials)
    return study


@pytest.mark.parametrize("storage", ["journal", "sqlite"], indirect=True)
def test_a_plain_study_shows_mapper_proposer_and_feedback(
    toy_problem: MapperProblem, storage: Any
) -> None:
    study = run(toy_problem, storage, Scripted(mappers()), 3)
    first, *_, last = notes(study)
    assert first.startswith(f"**{study.trials[0].value:.6g} toys/s** (the best so far)\n")
    assert "proposed by model" in first
    assert "InstanceLimit c 1;" in first
    assert "InstanceLimit c 3;" in last
    assert "1 call, 0 for repairs, 110 tokens, $0.0100" in last


def test_what_fails_shows_what_was_said(toy_problem: MapperProblem, storage: Any) -> None:
    study = run(toy_problem, storage, Scripted(forever(fenced("Task nowhere GPU"))), 1, repairs=0)
    (note,) = notes(study)
    assert note.startswith("**not feasible**\n")
    assert "a revision" not in note
    assert study.trials[0].user_attrs[attributes.RAW].split("\n")[0][:60] in note


def test_a_study_in_memory_has_no_notes(toy_problem: MapperProblem) -> None:
    assert notes(run(toy_problem, None, Scripted(mappers()), 2)) == ["", ""]


def test_a_note_that_somebody_wrote_stays(toy_problem: MapperProblem, storage: Any) -> None:
    def objective(trial: optuna.Trial) -> float:
        leave_note(trial.storage, trial.study._study_id, trial._trial_id, "mine")
        return toy_problem(trial)

    sampler = LLMSampler(toy_problem, model=Scripted(mappers()), seed=0)
    study = optuna.create_study(direction="maximize", storage=storage, sampler=sampler)
    study.optimize(objective, n_trials=1)
    assert notes(study) == ["mine"]


def test_values_of_any_objective_show_who_proposed_them_and_why(storage: Any) -> None:
    def objective(trial: optuna.Trial) -> float:
        return trial.suggest_int("x", 0, 9) ** 2

    sampler = LLMSampler(model=Scripted(forever('{"x": 3}')), seed=0)
    study = optuna.create_study(storage=storage, sampler=sampler)
    study.optimize(objective, n_trials=2)
    first, second = notes(study)
    assert "proposed by tpe; the search space is not known yet" in first
    assert "proposed by model" in second
    assert "**9**" in second


def test_later_trials_have_notes_where_they_are_the_best(
    toy_problem: MapperProblem, storage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuners.llm.sampler.MOST_NOTES", 2)
    study = run(toy_problem, storage, Scripted(mappers()), 6)
    best, wanted = -1.0, []
    for trial in study.trials:
        wanted.append(trial.number < 2 or trial.values[0] > best)
        best = max(best, trial.values[0])
    assert [bool(note) for note in notes(study)] == wanted
    assert not all(wanted)
    assert MOST_NOTES >= 100


def test_mappers_are_files_of_their_trials_where_there_is_a_place(
    toy_problem: MapperProblem, storage: Any, tmp_path: Path
) -> None:
    (tmp_path / "files").mkdir()
    artifacts = FileSystemArtifactStore(tmp_path / "files")
    study = run(toy_problem, storage, Scripted(mappers()), 2, artifacts=artifacts)
    for trial in study.trials:
        (meta,) = get_all_artifact_meta(trial, storage=study._storage)
        assert (meta.filename, meta.mimetype) == (f"trial-{trial.number}.mapper", "text/plain")
        with artifacts.open_reader(meta.artifact_id) as file:
            assert f"InstanceLimit c {trial.number + 1};" in file.read().decode()


def test_a_place_for_files_that_is_gone_costs_no_trial(
    toy_problem: MapperProblem, storage: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    artifacts = FileSystemArtifactStore(tmp_path / "nowhere")
    with caplog.at_level(logging.ERROR):
        study = run(toy_problem, storage, Scripted(mappers()), 2, artifacts=artifacts)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 2
    assert "trial 0 has no note" in caplog.text


# Notes themselves


def test_texts_of_others_are_data_in_a_note() -> None:
    hostile = "![x](http://evil/x.png)\n````\n# not a heading\n\x1b[31m"
    note = trial_note(
        {
            attributes.PROPOSER: "model",
            attributes.WHY: "<b>bold</b> [link](http://evil)",
            attributes.MENDED: ["*all* of it"],
        },
        score="1 s",
        candidate=hostile,
        feedback=hostile,
    )
    assert note.count("`````text\n![x]") == 2
    assert "\x1b" not in note
    assert r"\<b\>bold" in note
    assert r"\[link\]" in note
    assert r"- \*all\*" in note


def test_notes_are_bounded() -> None:
    long = "x" * 100_000
    noted = {attributes.WHY: long, attributes.MENDED: [long] * 5, attributes.RAW: long}
    note = trial_note(noted, score=long, candidate=long)
    assert len(note) <= LONGEST_NOTE
    kept = note_attributes(7, note)
    assert all(len(json.dumps(value)) <= 2048 for value in kept.values())
    assert "characters more" in trial_note({}, score="1", candidate=long)


def test_what_a_provider_says_of_a_failure_is_kept_in_part(
    toy_problem: MapperProblem, storage: Any
) -> None:
    from tuners.llm.model import BadResponse

    study = run(toy_problem, storage, Scripted([BadResponse("y" * 50_000)]), 1)
    assert 900 < len(study.trials[0].user_attrs[attributes.WHY]) < 1_100
