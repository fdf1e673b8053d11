"""``study``: the paper's experiments as commands."""

from __future__ import annotations

import csv
import io
import json

import pytest

from legion_bridge import Application
from studies.experiments.codegen import exercise
from studies.storage import StudyStore
from tests.model_server.answers import Say
from tests.model_server.server import ModelServer
from tests.model_server.wire import Usage

SUITE = """\
summary = "Two small cases."
arms = ["random", "llm-trace"]
seeds = 2
trials = 3

[[case]]
application = "circuit"
best_known = "fast.mapper"

[[case]]
application = "cannon"

[reported.circuit]
mean = 1.33
"""


@pytest.fixture
def suite(tmp_path):
    (tmp_path / "fast.mapper").write_text("Task * GPU,CPU;\n")
    path = tmp_path / "small.toml"
    path.write_text(SUITE)
    return path


@pytest.fixture
def tables(ask, suite, tmp_path):
    def run(*words):
        return ask("study", "tables", "--suite", suite, "--output", tmp_path / "out", *words)

    return run


def test_tables_hold_every_arm_beside_the_mappers_that_are_known(tables):
    shown = tables()
    assert shown.code == 0
    assert "without --model the arms llm-trace are left out" in shown.err
    found = tables("--json").json
    circuit, cannon = found["cases"]
    assert circuit["known"]["best known"] == pytest.approx(1.311, abs=0.001)
    assert cannon["known"]["default mapper"] == pytest.approx(0.307, abs=0.001)
    assert len(circuit["arms"]["random"]["ratios"]) == 2
    mean = circuit["arms"]["random"]["mean"]
    assert f"{mean:.2f} ± " in shown.out
    assert "1.33" in shown.out  # what is reported


def test_tables_go_on_in_any_order_and_run_nothing_twice(tables, tmp_path):
    tables("--cases", "cannon", "--quiet")
    journals = {each: each.read_bytes() for each in (tmp_path / "out").rglob("*.journal")}
    assert len(journals) == 2
    tables("--cases", "circuit,cannon", "--quiet")
    assert all(each.read_bytes() == kept for each, kept in journals.items())
    assert len(list((tmp_path / "out").rglob("*.journal"))) == 4


def test_tables_are_the_same_however_many_studies_run_at_a_time(tables, ask, suite, tmp_path):
    alone = tables("--jobs", 1, "--json").json
    other = ("study", "tables", "--suite", suite, "--output", tmp_path / "side by side", "--json")
    side = ask(*other, "--jobs", 2)
    assert side.json == alone
    names = {each.name for each in (tmp_path / "side by side").rglob("*.mapper")}
    assert names == {each.name for each in (tmp_path / "out").rglob("*.mapper")} != set()
    assert ask(*other, "--jobs", 2).json == alone  # known, and not run again


def test_the_rules_and_the_objective_of_a_study_hold_in_tables(tables):
    arms = ("--arms", "random", "--cases", "circuit", "--json")
    ended = tables(*arms, "--trials", 30, "--patience", 1).json["cases"][0]["arms"]["random"]
    assert max(ended["trials"]) < 30
    (whole,) = tables(*arms, "--objective", "whole").json["cases"]
    assert whole["case"] == "circuit-p100x4-whole"


def test_an_interrupted_suite_shows_the_seeds_that_it_has(tables, monkeypatch):
    from studies.workspace import Workspace

    run = Workspace.run

    def stop(self, case, problem, spec, *rest):
        if spec.seed == 1 and case.application == "cannon":
            raise KeyboardInterrupt
        return run(self, case, problem, spec, *rest)

    monkeypatch.setattr(Workspace, "run", stop)
    shown = tables("--json", "--jobs", 1)
    assert shown.code == 130
    assert "the same command goes on" in shown.err
    circuit, cannon = shown.json["cases"]
    assert circuit["arms"]["random"]["seeds"] == [0, 1]
    assert cannon["arms"]["random"]["seeds"] == [0]
    monkeypatch.undo()
    assert tables("--json").json["cases"][1]["arms"]["random"]["seeds"] == [0, 1]


# Figures


@pytest.fixture
def figures(ask, suite, tmp_path):
    def run(*words):
        common = ("--suite", suite, "--output", tmp_path / "out", "--arms", "random,coordinate")
        return ask("study", "figures", *common, "--trials", 12, *words)

    return run


def test_figures_tell_what_was_reached_after_how_many_trials(figures, tmp_path):
    shown = figures("--seeds", 2, "--write", tmp_path / "docs")
    assert shown.code == 0
    page = (tmp_path / "docs" / "figures.md").read_text()
    assert "8 studies of 12 trials; seeds of each arm on each case: 2." in page
    assert page.count("## Means after ") == 2
    for title in ("Where they start", "Means after 10 trials", "Means after 12 trials"):
        assert f"## {title}\n" in page
    row = page.partition("## Means after 12 trials")[2].partition("| cannon |")[2].splitlines()[0]
    found = figures("--seeds", 2, "--json").json
    ratios = found["ratios_after"]["12"]["cannon-p100x4"]["coordinate"]
    assert f"| {sum(ratios) / 2:.2f} (2) |" in row
    assert found["ratios_after"]["10"]["cannon-p100x4"]["coordinate"] <= ratios
    picture = (tmp_path / "docs" / "figures.svg").read_bytes()
    assert picture.startswith(b"<?xml")
    figures("--seeds", 2, "--write", tmp_path / "docs")
    assert (tmp_path / "docs" / "figures.svg").read_bytes() == picture


def test_figures_as_is_run_nothing_and_count_the_seeds_of_each_cell(figures, tmp_path):
    figures("--cases", "circuit", "--seeds", 1, "--quiet")
    shown = figures("--seeds", 2, "--as-is", "--format", "csv")
    rows = list(csv.reader(io.StringIO(shown.out)))
    after = [row for row in rows if row[0] in ("circuit", "cannon") and "(" in row[1]]
    assert {row[0] for row in after} == {"circuit"}
    assert all(cell.endswith(" (1)") for row in after for cell in row[1:])
    (curve,) = (tmp_path / "out").rglob("random-seed0.curve.json")
    curve.unlink()
    with StudyStore.open_study(
        "circuit-p100x4-random-seed0", str(curve).replace("curve.json", "journal")
    ):
        shown = figures("--seeds", 1, "--as-is", "--format", "csv")
    assert "another process is running a study in" in shown.err
    assert "coordinate" in shown.out
    assert "random" not in shown.out
    assert figures("--seeds", 1, "--json").json["cases"][1]["arms"]["random"]["trials"] == [12]


def test_what_is_kept_of_a_study_is_not_believed_once_it_has_changed(figures, tmp_path):
    words = ("--cases", "circuit", "--seeds", 1, "--json")
    before = figures(*words).json
    (curve,) = (tmp_path / "out").rglob("random-seed0.curve.json")
    kept = json.loads(curve.read_text())
    kept["curve"]["steps"] = [[1, 1e9]]
    curve.write_text(json.dumps(kept))
    assert figures(*words).json != before  # it is what tables are made of
    kept["judged"]["known"]["expert"] = 1.0  # another simulator's
    curve.write_text(json.dumps(kept))
    assert figures(*words).json == before
    curve.write_text("{")
    assert figures(*words).json == before
    assert figures("--cases", "circuit", "--seeds", 1, "--trials", 14, "--json").json != before


def test_tables_come_as_csv_and_markdown_too(tables):
    rows = list(csv.reader(io.StringIO(tables("--format", "csv", "--cases", "cannon").out)))
    assert rows[0][:2] == ["case", "over"]
    assert rows[1][0] == "cannon-p100x4"
    assert len(rows[0]) == len(rows[1])
    lines = tables("--format", "markdown", "--cases", "cannon").out.splitlines()
    assert lines[1].startswith("| --- | --- | ---: |")
    assert len(lines) == 3


def test_an_arm_that_asks_a_model_needs_one_and_unknown_names_are_told(tables):
    assert "name one by --model" in tables("--arms", "llm-trace").err
    assert "no case 'pennant'" in tables("--cases", "pennant").err
    assert tables("--arms", "tpee").code == 2


def test_a_model_is_an_arm_like_others(tables):
    expert = Application.load("circuit").mappers["expert"]
    with ModelServer(lambda _: Say(f"```mapper\n{expert}\n```")) as server:
        words = ("--model", "openai/any", "--base-url", server.url, "--cases", "circuit")
        found = tables(*words, "--arms", "llm-trace", "--trials", 2, "--seeds", 1, "--json").json
    assert found["cases"][0]["arms"]["llm-trace"]["trials"] == [2]


def test_feedback_compares_the_levels(ask, tmp_path):
    expert = Application.load("circuit").mappers["expert"]

    def answer(call):
        prompt = sum(len(message["content"]) for message in call.messages) // 4
        return Say(f"```mapper\n{expert}\n```", Usage(prompt, 10))

    with ModelServer(answer) as server:
        words = ("study", "feedback", "circuit", "--model", "openai/any", "--trials", 2)
        words += ("--base-url", server.url, "--seeds", 1, "--output", tmp_path / "out")
        found = ask(*words, "--start", "none", "--json").json
        shown = ask(*words, "--start", "none", "--format", "csv")
        ended = ask(*words, "--start", "none", "--trials", 9, "--patience", 1, "--json").json
    assert max(each["studies"][0]["trials"] for each in ended["levels"]) < 9
    levels = {each["level"]: each for each in found["levels"]}
    assert list(levels) == ["none", "raw", "explained", "suggested"]
    assert levels["none"]["mean_best_after"]["1"] == pytest.approx(1.0)
    assert levels["suggested"]["tokens"] > levels["none"]["tokens"]
    assert shown.out.splitlines()[0] == "feedback,after 1,after 2,invalid,went back,tokens"
    assert "name one by --model" in ask("study", "feedback", "circuit").err
    assert "name an application" in ask("study", "feedback", "--model", "openai/any").err


def test_codegen_has_a_model_write_each_strategy(ask, tmp_path):
    task = exercise()
    answers = {each.words: each.mapper for each in task.strategies}

    def answer(call):
        words = next(w for w in answers if w in call.messages[1]["content"])
        right = words != task.strategies[0].words or len(call.messages) > 2
        return Say(f"```mapper\n{answers[words] if right else task.start}```")

    with ModelServer(answer) as server:
        words = ("study", "codegen", "--model", "openai/any", "--base-url", server.url)
        words += ("--output", tmp_path / "out")
        found = ask(*words, "--json").json
        shown = ask(*words)
    passed = [each["passed_after"] for each in found["strategies"]]
    assert passed == [2, *[1] * 9]
    assert "by the first reply 9 of 10, within 10 10" in shown.out


def test_codegen_says_when_nobody_answers(ask, tmp_path):
    words = ("study", "codegen", "--model", "openai/any", "--base-url", "http://127.0.0.1:9/v1")
    told = ask(*words, "--output", tmp_path / "out", "--budget-calls", 0, "--trials", 1)
    assert told.code == 1


def test_failures_are_counted_by_kind_and_arm_with_examples(tables, ask, tmp_path):
    tables("--cases", "cannon", "--quiet")
    found = ask("study", "failures", "--output", tmp_path / "out", "--json").json
    assert found["trials"] == {"random": 6}
    (kind,) = found["failures"]
    assert kind["kind"] == "a layout that the task cannot use"
    assert kind["examples"][0]["said"].startswith("DGEMM")
    shown = ask("study", "failures", "--output", tmp_path / "out")
    assert "a layout that the task cannot use, such as trial" in shown.out
    (tmp_path / "empty").mkdir()
    assert "holds no studies" in ask("study", "failures", "--output", tmp_path / "empty").err
