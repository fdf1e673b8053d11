from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from tests.studies.cli.conftest import SCRIPT


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


@pytest.mark.parametrize("jobs", [1, 2])
def test_runs_are_tracked_where_mlflow_is_wanted(ask, tmp_path, space, monkeypatch, jobs):
    pytest.importorskip("mlflow")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    common = ["--template", space, "--output", tmp_path / "runs", "--jobs", jobs]
    common += ["--tuners", "tpe,random"]
    answer = ask("compare", "stencil", "--trials", 11, "--seeds", 1, *common)
    assert len(list((tmp_path / "runs/mlflow-artifacts").rglob("best.mapper.txt"))) == 3
    assert not list((tmp_path / "here").iterdir())
    assert answer.code == 0
    assert f"mlflow ui --backend-store-uri sqlite:///{tmp_path}/runs/mlflow.db" in answer.out
    assert "mappertune: " not in answer.err


def without_places(found):
    places = ("study", "mapper")
    studies = [{k: v for k, v in each.items() if k not in places} for each in found["studies"]]
    return {**{k: v for k, v in found.items() if k != "mapper"}, "studies": studies}


def test_the_table_is_the_same_whatever_runs_at_a_time(compare, tmp_path):
    alone, together = (
        compare("--seeds", 2, "--json", "--jobs", jobs, "--output", tmp_path / str(jobs))
        for jobs in (1, 3)
    )
    assert without_places(together.json) == without_places(alone.json)
    assert sorted(re.findall(r".*12/12.*", together.err)) == sorted(
        re.findall(r".*12/12.*", alone.err)
    )


@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_prints_the_table_of_what_there_is(ask, tmp_path, space, jobs):
    """In a terminal all processes of the command hear of it."""
    words = ["compare", "stencil", "--template", space, "--output", tmp_path / "runs"]
    words += ["--no-mlflow", "--tuners", "random,tpe", "--trials", 100_000, "--jobs", jobs]
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 120
        while sum(each.stat().st_size > 20_000 for each in tmp_path.rglob("*.journal")) < jobs:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=120)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "stopped; the same command continues the comparison" in err
    assert "the seeds' best mappers: throughput" in out
    begun = ["random", "tpe"][:jobs]
    assert all(re.search(rf"^ {tuner} +\S+ \S+/s", out, re.MULTILINE) for tuner in begun)
    assert "not finished: random-seed0, tpe-seed0, random-seed1" in out
    again = ask(*words, "--trials", 3, "--seeds", 1, "--json").json  # all are let go
    assert {each["tuner"]: each["resumed"] > 3 for each in again["studies"]} == {
        tuner: tuner in begun for tuner in ("random", "tpe")
    }


def test_one_file_is_for_one_study_at_a_time(compare, tmp_path):
    journal = tmp_path / "all.journal"
    refused = compare("--seeds", 2, "--storage", journal, "--jobs", 2)
    assert (refused.code, "--jobs 1" in refused.err) == (2, True)
    words = ("--seeds", 1, "--trials", 300, "--patience", 3, "--tuners", "coordinate,random")
    answer = compare(*words, "--storage", journal)
    assert answer.code == 0, answer.err


def test_rules_end_the_studies_of_a_comparison(compare):
    answer = compare("--seeds", 1, "--patience", 2, "--tuners", "random")
    assert (
        "1 of 1 studies ended early: 2 trials in a row were no faster than the best" in answer.out
    )
    assert re.search(r": \d trials a study", answer.out)
    found = compare("--seeds", 2, "--time-limit", "1h", "--json").json
    assert {study["ended_by"] for study in found["studies"]} == {None}
    none = compare("--seeds", "7,8", "--time-limit", "0.001s")
    assert (none.code, "there is nothing to compare: its time of" in none.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--time-limit", "soon"), "'soon' is no time, such as 2h, 1h30m or 90s"),
        (("--time-limit", "0"), "'0' is no time"),
        (("--time-limit", "9" * 30 + "h"), "and at most 10,000,000 s"),
        (("--time-limit", "nan"), "'nan' is no time"),
        (("--stop-after", "1.5"), "'1.5' is not a share above 0 and up to 1"),
        (("--stop-after", "nan"), "'nan' is not a share"),
        (("--patience", "0"), "'0' is not a whole number from 1"),
        (("--jobs", "-1"), "'-1' is not a whole number from 1"),
    ],
)
def test_rules_and_jobs_that_cannot_be_are_told(compare, words, sentence):
    answer = compare(*words)
    assert (answer.code, sentence in answer.err) == (2, True)
    assert answer.err.count("\n") == 1


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
    ids=["file", "server", "folder"],
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
