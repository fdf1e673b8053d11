from __future__ import annotations

import pytest

from studies import Case, StudySpec
from studies.workspace import Workspace


@pytest.fixture
def case():
    return Case("toy", "table")


def silent(records):
    pass


def test_a_study_leaves_its_journal_and_its_best_mapper(toy_problem, tmp_path, case):
    spec = StudySpec("tpe", 0, 20)
    result = Workspace(tmp_path / "runs").run(case, toy_problem, spec, silent)
    folder = tmp_path / "runs" / "toy-table"
    assert (folder / "tpe-seed0.journal").exists()
    text = (folder / "tpe-seed0.mapper").read_text()
    assert text.startswith("# mapper of toy: ")
    assert f"trial {result.best.number}" in text.splitlines()[0]
    evaluation = toy_problem.evaluate_text(text, check=False)
    assert evaluation.cached
    assert evaluation.outcome.throughput == result.best.throughput


def test_the_best_of_several_studies_is_written(toy_problem, tmp_path, case):
    workspace = Workspace(tmp_path)
    results = [
        workspace.run(case, toy_problem, StudySpec(tuner, 0, 15), silent)
        for tuner in ("random", "tpe")
    ]
    path = workspace.write_best_of(case, results)
    assert path == tmp_path / "toy-table" / "best.mapper"
    best = toy_problem.evaluate_text(path.read_text(), check=False).outcome.throughput
    assert best == max(result.best.throughput for result in results)


def test_studies_may_share_a_storage(toy_problem, tmp_path, case):
    workspace = Workspace(tmp_path / "runs", storage=f"sqlite:///{tmp_path}/all.db")
    for seed in (0, 1):
        result = workspace.run(case, toy_problem, StudySpec("random", seed, 4), silent)
        assert len(result.records) == 4
    assert not list((tmp_path / "runs").rglob("*.journal"))


@pytest.mark.parametrize(
    ("case", "name"),
    [
        (Case("stencil"), "stencil-p100x4"),
        (Case("cannon", "lassen", {"n": 28284}, nodes=2), "cannon-n=28284-lassen-2nodes"),
        (Case("cannon", "my/own machine.toml"), "cannon-own_machine"),
        (Case("stencil", space="rich"), "stencil-p100x4-rich"),
        (Case("stencil", template="Task a GPU;"), "stencil-p100x4-template"),
    ],
)
def test_cases_have_names_fit_for_files(case, name):
    assert case.name == name
