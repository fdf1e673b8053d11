from __future__ import annotations

import re

import pytest


@pytest.fixture
def compare(ask, tmp_path, space):
    def run(*words):
        common = ["--template", space, "--output", tmp_path / "runs", "--no-mlflow"]
        return ask("compare", "stencil", "--trials", 12, "--tuners", "tpe,random", *common, *words)

    return run


def test_compare_ends_with_a_table(compare, tmp_path):
    answer = compare("--seeds", 2)
    assert answer.code == 0
    for word in ("expert", "tpe", "random", "after trials (median)", "invalid", "rank tests"):
        assert word in answer.out
    assert "no intervals: of fewer than 4 seeds they would say nothing" in answer.out
    assert "too few seeds" in answer.out
    assert re.search(r"no mapper can beat .* s, the floor; of it the best reach: .* %", answer.out)
    assert answer.err.count("12/12 trials") == 4
    mapper = tmp_path / "runs" / "stencil-p100x4-template" / "best.mapper"
    assert str(mapper) in answer.out
    assert mapper.read_text().startswith("# mapper of stencil: ")


def test_compare_answers_in_json_alone(compare):
    found = compare("--seeds", "3,5", "--json").json
    assert {summary["tuner"] for summary in found["tuners"]} == {"tpe", "random"}
    assert [study["seed"] for study in found["studies"]] == [3, 3, 5, 5]
    assert all(study["trials"] == 12 for study in found["studies"])
    assert found["expert"] > 1e9
    assert found["floor"] > 0
    assert 0 < max(summary["of_floor"] for summary in found["tuners"]) <= 1
    assert all(study["floor"] == found["floor"] for study in found["studies"])
    assert 0 < max(summary["best"] for summary in found["tuners"]) < 2
    assert found["mlflow"] is None


def test_a_comparison_uses_studies_that_are_there(compare, tune):
    tune("--trials", 12, "--tuner", "tpe")
    found = compare("--seeds", 1, "--json").json
    resumed = {study["tuner"]: study["resumed"] for study in found["studies"]}
    assert resumed == {"tpe": 12, "random": 0}


def test_runs_are_tracked_where_mlflow_is_wanted(ask, tmp_path, space):
    pytest.importorskip("mlflow")
    common = ["--template", space, "--output", tmp_path / "runs"]
    answer = ask("compare", "stencil", "--trials", 11, "--seeds", 1, *common)
    assert answer.code == 0
    assert f"mlflow ui --backend-store-uri sqlite:///{tmp_path}/runs/mlflow.db" in answer.out
    assert "mappertune: " not in answer.err


def test_studies_of_databases_and_journals_are_compared_with_those_of_folders(ask, tune, tmp_path):
    database, journal = f"sqlite:///{tmp_path}/studies.db", tmp_path / "some.journal"
    tune("--trials", 3, "--tuner", "random")
    for place in (database, journal):
        tune("--trials", 3, "--tuner", "random", "--storage", place)
        tune("--trials", 3, "--tuner", "guided", "--storage", place)
    options = ("--template", tmp_path / "space.template", "--no-mlflow", "--json")
    before = sorted(tmp_path.rglob("*"))
    found = ask(
        "compare", "stencil", *options, "--from", tmp_path / "runs", journal, "--storage", database
    ).json
    assert {study["tuner"] for study in found["studies"]} == {
        f"random ({tmp_path / 'runs'})", f"random ({journal})", f"random ({database})",
        f"guided ({journal})", f"guided ({database})",
    }  # fmt: skip
    assert {study["trials"] for study in found["studies"]} == {3}
    alone = ask("compare", "--from", database, "--no-mlflow", "--json").json
    assert {study["tuner"]: study["best"] for study in alone["studies"]} == {
        study["tuner"].partition(" ")[0]: study["best"]
        for study in found["studies"]
        if str(database) in study["tuner"]
    }
    told = ask("compare", "--from", database, "--no-mlflow").out
    assert re.search(r"best mapper +trial \d of (random|guided)-seed0 in sqlite:///", told)
    assert sorted(tmp_path.rglob("*")) == before  # nothing is made


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("sqlite:///none.db", "there is no database sqlite:///none.db"),
        ("postgresql://me:p/w@127.0.0.1:1/db", "storage postgresql://[key]@127.0.0.1:1/db failed"),
        ("none", "none is no folder: name output folders of tune or compare, databases"),
    ],
)
def test_places_that_hold_no_studies_are_told(ask, tmp_path, monkeypatch, place, sentence):
    monkeypatch.chdir(tmp_path)
    answer = ask("compare", "--from", place)
    assert answer.code in (1, 2)
    assert sentence in answer.err or "needs the Python package psycopg" in answer.err
    assert list(tmp_path.iterdir()) == []


TOO_LARGE = ("circuit", "-p", "wires=15500000", "-p", "circuit_nodes=500000", "--no-mlflow")


def test_where_no_known_mapper_runs_throughputs_stand_for_themselves(ask, tmp_path):
    common = [*TOO_LARGE, "--trials", 7, "--output", tmp_path]
    answer = ask("compare", *common, "--tuners", "guided", "--seeds", 1)
    assert "ratios to the fastest mapper here" in answer.out
    assert "does not run" in answer.out
    assert "expert, default mapper, no decisions: Default mapper failed allocation" in answer.out
    assert "kwires/s" in answer.err
    found = ask("compare", *common, "--tuners", "guided", "--seeds", 1, "--json").json
    assert (found["expert"], found["reference"]) == (None, "best known")
    assert found["reference_throughput"] == found["studies"][0]["best"] > 0
    one = ask("tune", *common, "--tuner", "guided", "--json").json
    for name in ("reference", "expert", "best_over_expert", "trials_to_expert"):
        assert one[name] is None
    told = ask("tune", *common, "--tuner", "guided").out
    assert "none runs; expert: Default mapper failed allocation" in told
    assert "x None" not in told


def test_tuners_that_have_learnt_nothing_are_told(compare):
    answer = compare("--seeds", 1, "--trials", 10)
    assert "tpe draws its first 10 trials at random and learns from them" in answer.err
    assert "random draws" not in answer.err
    assert "draws its first" not in compare("--seeds", 1, "--trials", 11).err
