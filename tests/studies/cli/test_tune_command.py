"""``mappertune tune --command``: on the real runtime, and with scripts in a program's place."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import legion_bridge.legion
import legion_bridge.legion.run
from legion_bridge import Application, LegionError
from legion_bridge.legion import build_program, find_legion
from legion_bridge.programs.application_json import write_application

STENCIL = Path(__file__).parents[3] / "legion_bridge/legion/programs/stencil2d"
STRIDES = Path(__file__).parents[1] / "programs/strides.cc"
METRIC = r"ELAPSED ([0-9.]+) s"
SPACE = "Task * CPU;\nRegion * * CPU SYSMEM;\nLayout * * * ${layout: AOS | SOA} F_order;\n"
OWN = "Task * CPU;\nRegion * * CPU SYSMEM;\nLayout * * * SOA F_order;\n"

# Faster the more often it was run, slower under a mapper: it tells the mapper's library of ours.
PROGRAM = """\
import os, pathlib, sys, time
said = sys.argv[1]
report = os.environ.get("MAPPERTUNE_REPORT")
if report:
    pathlib.Path(report).write_text("policy script 0\\n")
with open("runs", "a") as runs:
    runs.write("mapped\\n" if report else "own\\n")
if said == "hang":
    time.sleep(60)
if said == "fail":
    sys.exit("it broke")
if said == "fail mapped":
    if report:
        print("ready", flush=True)
        sys.exit(f"prog: a.cc:{len(os.listdir())}: Assertion `n > 0' failed.")
    said = "time"
if said == "lucky":  # once: in the first trial, after a run that warms up and one under its own
    said = "rate 20" if len(open("runs").readlines()) == 3 else "rate 10"
print(said if said != "time" else "ELAPSED 0.5 s")
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def script(here: Path, monkeypatch: pytest.MonkeyPatch, ask: Callable[..., Any]) -> Any:
    """Tunes a script as if it were a captured Legion program; no Legion is needed."""
    legion = SimpleNamespace(environment=lambda: {"PATH": "/usr/bin:/bin"})
    monkeypatch.setattr(legion_bridge.legion, "find_legion", lambda: legion)
    monkeypatch.setattr(legion_bridge.legion.run, "find_legion", lambda: legion)
    monkeypatch.setattr(
        legion_bridge.legion.run,
        "preload_environment",
        lambda _program, _legion, folder, **_: {"MAPPERTUNE_REPORT": str(folder / "report")},
    )

    @contextmanager
    def no_lock() -> Iterator[None]:
        yield

    monkeypatch.setattr(legion_bridge.legion.run, "cores_to_itself", no_lock)
    (here / "program.py").write_text(PROGRAM)
    (here / "space.template").write_text(SPACE)
    application = Application.load("stencil")
    application = replace(application, mappers={"default": OWN, "own": OWN})
    write_application(application, here / "app.json")

    def run(said: str, *words: object, tracked: bool = False) -> Any:
        command = f"{sys.executable} -I -S program.py '{said}'"
        common = ["--application", "app.json", "--template", "space.template"]
        common += [] if tracked else ["--no-mlflow"]
        budget = ["--repeats", 1, "--pairs", 6, "--trials", 2]
        return ask("tune", "--command", command, *common, *budget, *words)

    return run


def stencil() -> Path:
    try:
        return build_program(sorted(STENCIL.glob("*.cc")), "stencil2d", find_legion())
    except LegionError as error:
        pytest.skip(f"no Legion runtime: {error}")


@pytest.mark.timeout(120)
@pytest.mark.usefixtures("here")
def test_an_unmodified_program_is_tuned(ask: Callable[..., Any]) -> None:
    words = ["--command", f"{stencil()} -n 128 -t 2 -ll:cpu 2", "--metric", METRIC, "--minimize"]
    budget = ["--trials", "1", "--repeats", "1", "--pairs", "6", "--no-mlflow", "--json"]
    answer = ask("tune", *words, *budget)
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)
    assert found["own_mapper"] > 0
    assert "expert" not in answer.out + answer.err
    assert found["invalid_share"] == 0  # the first trial is what the program did itself
    assert len(found["against_own"]["ratios"]) == 6
    assert "its own mapper" in found["against_own"]["sentence"]


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_decision_that_fails_in_a_program_is_found_and_kept(
    here: Path, ask: Callable[..., Any]
) -> None:
    """Its task "sweep" asserts on its strides; "scale" does not, and no log tells them apart."""
    try:
        program = build_program([STRIDES], "strides", find_legion())
    except LegionError as error:
        pytest.skip(f"no Legion runtime: {error}")
    (here / "space.template").write_text(
        "Task * CPU;\nRegion * * CPU SYSMEM;\nLayout * * * ${fields: SOA | AOS} F_order;\n"
        "InstanceLimit scale ${limit: 0 | 1 | 2 | 3};\n"
    )
    words = ["--command", f"{program} -ll:cpu 2", "--metric", METRIC, "--tuner", "random"]
    budget = ["--trials", 5, "--repeats", 1, "--pairs", 6, "--no-mlflow", "--json"]
    answer = ask("tune", *words, *budget, "--template", "space.template")
    assert answer.code == 0, answer.err
    (failure,) = answer.json["failures"]
    assert failure["count"] == 1
    assert "more runs: AOS for sweep argument 0 (0) fails: strides: " in failure["message"]
    (path,) = here.glob("mappertune-runs/*/application.json")
    tasks = Application.load(str(path)).tasks
    needs = {name: [r.layout_need for r in task.requirements] for name, task in tasks.items()}
    assert needs["scale"] == [None]
    (need,) = needs["sweep"]
    assert need is not None
    assert need.soa is True
    (here / "a.mapper").write_text("Task * CPU;\nLayout * * * AOS F_order;\n")
    answer = ask("check", "a.mapper", "--app", path, "--machine", "cpu2")
    assert answer.code == 1
    assert "sweep needs SOA in 0: strides: " in answer.out
    run = ["--command", f"{program} -ll:cpu 2", "--metric", METRIC]
    (here / "a.mapper").write_text("Task * CPU;\nLayout * * * SOA F_order;\n")
    answer = ask("explain", "a.mapper", "--app", path, *run)
    assert answer.code == 0, answer.err
    assert "strides, run here: " in answer.out
    assert "CPU 0 of node 0" in answer.out
    assert "What follows is simulated" in answer.out


@pytest.mark.usefixtures("here")
def test_a_program_that_is_not_there_is_told(ask: Callable[..., Any]) -> None:
    stencil()
    answer = ask("tune", "--command", "./missing -n 8")
    assert answer.code == 2
    assert "./missing was not found: see whether the path is right" in answer.err


@pytest.mark.usefixtures("here")
def test_a_program_without_legion_is_told(ask: Callable[..., Any]) -> None:
    stencil()
    answer = ask("tune", "--command", "/bin/echo ELAPSED 1 s")
    assert answer.code == 2
    assert "/bin/echo is no Legion program" in answer.err


def test_neither_and_both_are_told(ask: Callable[..., Any]) -> None:
    assert "name an application, such as stencil, or a program" in ask("tune").err
    assert "either an application or --command" in ask("tune", "stencil", "--command", "x").err


# With a script in the program's place.


def test_the_first_trial_is_the_programs_own_mapper(script: Any, here: Path) -> None:
    answer = script("time", "--metric", METRIC, "--trials", 1, "--json")
    assert answer.code == 0, answer.err
    assert answer.json["trials"] == 1
    mapper = Path(answer.json["mapper"]).read_text()
    assert "SOA F_order" in mapper
    assert "own mapper" in mapper.splitlines()[0]
    order = (here / "runs").read_text().split()
    assert order[:3] == ["own", "own", "mapped"]  # warm-up, reference, first trial
    assert len(order) == 3 + 12


def test_what_is_said_names_the_programs_own_mapper(script: Any) -> None:
    answer = script("time", "--metric", METRIC)
    assert answer.code == 0, answer.err
    assert "own mapper  2 runs/s" in answer.out
    assert "runs/s (one run) (trial 0)" in answer.out
    assert "x own mapper" not in answer.out + answer.err  # of one run nobody knows
    assert "no difference from its own mapper was found: +0.0 %" in answer.out
    assert "all runs had LEGION_DEFAULT_ARGS='-ll:util 0 -lg:safe_mapper 1" in answer.out
    assert "expert" not in answer.out + answer.err


def test_more_is_better_where_that_is_said(script: Any) -> None:
    answer = script("rate 7", "--metric", "rate ([0-9]+)", "--maximize", "--json")
    assert answer.json["own_mapper"] == answer.json["best"] == 7
    assert answer.json["unit"] == "of the metric"


def test_a_study_goes_on_where_it_was_stopped(script: Any, here: Path) -> None:
    assert script("time", "--metric", METRIC, "--trials", 1).code == 0
    answer = script("time", "--metric", METRIC, "--trials", 2, "--json")
    assert (answer.json["trials"], answer.json["resumed"]) == (2, 1)
    assert answer.json["distinct"] == 2


def test_a_study_is_tracked(script: Any, here: Path) -> None:
    mlflow = pytest.importorskip("mlflow")
    uri = f"sqlite:///{here / 'kept.db'}"
    answer = script("time", "--metric", METRIC, "--trials", 1, "--mlflow", uri, tracked=True)
    assert answer.code == 0, answer.err
    client = mlflow.MlflowClient(uri)
    (experiment,) = [e for e in client.search_experiments() if "stencil-real" in e.name]
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.tags["reference"] == "own mapper"
    assert run.data.metrics["own_mapper"] == run.data.metrics["best"] == 2
    assert not [key for key in run.data.metrics if "expert" in key]


def test_how_much_faster_is_told_by_pairs_and_not_by_a_lucky_trial(
    script: Any, here: Path
) -> None:
    mlflow = pytest.importorskip("mlflow")
    uri = f"sqlite:///{here / 'kept.db'}"
    answer = script("lucky", "--metric", "rate ([0-9]+)", "--maximize", "--trials", 1,
                    "--mlflow", uri, "--json", tracked=True)  # fmt: skip
    assert (answer.json["best"], answer.json["own_mapper"]) == (20, 10)
    assert answer.json["best_over_own_mapper"] == 1.0
    assert answer.json["against_own"]["percent"] == 0.0
    (run,) = mlflow.MlflowClient(uri).search_runs(["1"])
    assert run.data.metrics["best_over_own_mapper"] == 1.0
    assert "2.000 times" not in run.data.tags["mlflow.note.content"]


@pytest.mark.parametrize(
    ("said", "words", "sentence"),
    [
        ("nothing", ["--metric", METRIC], "nothing that it printed matches 'ELAPSED"),
        (
            "ELAPSED nan s",
            ["--metric", r"ELAPSED (\S+) s"],
            "it printed 'nan', which is no finite",
        ),
        ("fail", ["--metric", METRIC], "The program ended with exit code 1"),
        ("hang", ["--metric", METRIC, "--timeout", 0.5], "give it more by --timeout"),
        ("time", ["--metric", "ELAPSED"], "put one pair of parentheses around the number"),
        ("time", ["--metric", "("], "is not a regular expression"),
        ("time", ["--pairs", 5], "5 pairs of runs give no 95 % interval: ask for --pairs 6"),
        ("time", ["--objective", "whole"], "needs simulated runs"),
        ("time", ["--trials", 0], "'0' is not a whole number from 1 to 1,000,000,000,000"),
        ("time", ["--machine", "cpu3"], "unknown machine 'cpu3'"),
        ("time", ["-p", "n=8"], "say it in --command instead"),
        ("time", ["--application", "missing.json"], "missing.json"),
        ("ELAPSED 0 s", ["--metric", METRIC], "it printed 0: what is 0 cannot be compared"),
        ("T -2", ["--metric", r"T (\S+)", "--maximize"], "what is negative cannot be compared"),
        ("time", ["--memory", "1M"], "more than the 1 MB that it may have"),
        ("time", ["--most-output", 1, "--keep-output", 1], "MB, more than it may"),
        ("time", ["--memory", "much"], "'much' is not a number of bytes, such as 500000, 1M"),
        ("time", ["--metric-match", "median"], "invalid choice: 'median'"),
    ],
)
def test_what_cannot_be_tuned_is_told(
    script: Any, said: str, words: list[object], sentence: str
) -> None:
    answer = script(said, *words)
    assert answer.code == 2
    assert sentence in " ".join(answer.err.split()), answer.err


def test_another_machine_can_be_named(script: Any) -> None:
    answer = script("time", "--metric", METRIC, "--machine", "cpu2", "--trials", 1, "--json")
    assert answer.code == 0, answer.err


def test_causes_of_failures_are_counted_and_warned_of_early(script: Any) -> None:
    answer = script("fail mapped", "--metric", METRIC)
    assert answer.code == 1
    assert "2 of 2 trials: prog: a.cc:" in answer.out
    assert "trial 0 says:\nready\nprog: a.cc:" in answer.out
    assert "The program ended with exit code 1." in answer.out
    assert answer.err.count("the mapper that the study starts from fails, though") == 1
    assert "Assertion `n > 0' failed." in answer.err


def test_causes_of_failures_are_in_json(script: Any) -> None:
    answer = script("fail mapped", "--metric", METRIC, "--json")
    assert answer.code == 1
    (failure,) = answer.json["failures"]
    assert (failure["count"], failure["trial"]) == (2, 0)


def test_which_of_several_numbers_counts_is_told_unless_chosen(script: Any) -> None:
    words = ["--metric", r"T (\S+)", "--maximize", "--trials", 1, "--json"]
    answer = script("T 3\nT 1\nT 2", *words)
    assert answer.json["best"] == 2
    assert "the metric matches 3 numbers in one run, of which the last counts" in answer.err
    answer = script("T 3\nT 1\nT 2", *words, "--metric-match", "sum")
    assert answer.json["best"] == 6
    assert "matches" not in answer.err


def test_a_space_of_one_point_is_tried_once(script: Any, here: Path) -> None:
    (here / "space.template").write_text(OWN)
    answer = script("time", "--metric", METRIC, "--trials", 5, "--json")
    assert answer.json["trials"] == 1
    assert "the search space holds one mapper: it is tried once" in answer.err


def test_a_changed_program_begins_a_new_study(script: Any, here: Path) -> None:
    words = ["--metric", METRIC, "--trials", 1, "--json"]
    assert script("time", *words).json["resumed"] == 0
    (here / "program.py").write_text(f"{PROGRAM}# rebuilt")
    answer = script("time", *words)
    assert answer.json["resumed"] == 0
    assert "program.py has changed since the last study of this command" in answer.err
    answer = script("time", *words)
    assert answer.json["resumed"] == 1
    assert "changed" not in answer.err
    answer = script("ELAPSED 1 s", *words)
    assert "the studies that are here are of other arguments: a new one begins" in answer.err


def test_damaged_lessons_are_told(script: Any, here: Path) -> None:
    assert script("time", "--trials", 1).code == 0
    (note,) = here.glob("mappertune-runs/*/program.json")
    note.with_name("lessons.json").write_text('{"causes": [1]}')
    answer = script("time", "--trials", 1)
    assert answer.code == 2
    assert "lessons.json is damaged: remove it, and what failures" in " ".join(answer.err.split())


def test_the_noise_is_told_before_the_trials(script: Any) -> None:
    answer = script("time", "--trials", 1, "--repeats", 3)
    said = answer.err.split("under its own mapper: ")[1]
    assert "(median of 3 runs, " in said
    assert "differences under about" in said or "may not be seen" not in said
    assert answer.code == 0, answer.err


def test_a_mapper_is_run_under_a_program(script: Any, here: Path, ask: Callable[..., Any]) -> None:
    (here / "a.mapper").write_text(OWN)
    command = f"{sys.executable} -I -S program.py"
    words = ["--metric", METRIC, "--repeats", 2]
    answer = ask("eval", "a.mapper", "--command", f"{command} time", *words)
    assert answer.code == 0, answer.err
    assert "program, run here: ok" in answer.out
    assert "throughput  2 runs/s (median of 2 runs, 2 to 2)" in answer.out
    assert "own mapper  2 runs/s (median of 2 runs, 2 to 2)" in answer.out
    answer = ask("eval", "a.mapper", "--command", f"{command} 'fail mapped'", *words, "--json")
    assert answer.code == 1
    assert answer.json["own_mapper"] == 2
    assert "Assertion `n > 0' failed." in answer.json["raw"]
    answer = ask("eval", "a.mapper", "--command", command, "--plot", "a.png")
    assert "--timeline and --plot draw simulated runs" in answer.err
