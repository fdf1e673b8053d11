"""What every command does alike: errors in JSON, how much is said, what a shell completes."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from legion_bridge import Application
from legion_bridge.programs.application_json import to_json
from studies.cli import arguments as command_line


@pytest.mark.parametrize(
    ("words", "kind", "code"),
    [
        (["tune", "stencl"], "ApplicationError", 2),
        (["tune", "stencil", "--trails", "3"], "UsageError", 2),
        (["show", "stencil", "--mapper", "best"], "UsageError", 2),
        (["show", "p100x4", "--grammar"], "UsageError", 2),
        (["show", "stencil", "--toml"], "UsageError", 2),
        (["show", "stencil", "--dot", "--grammar"], "UsageError", 2),
        (["eval", "nowhere.mapper"], "UsageError", 2),
        (["tune", "stencil", "--no-mlflow", "--output", "/proc/runs"], "StorageError", 1),
        (["nothing"], "UsageError", 2),
    ],
)
def test_errors_are_json_where_json_is_asked_for(ask, words, kind, code):
    answer = ask(*words, "--json")
    error = answer.json["error"]
    assert (answer.code, error["exit_code"], error["kind"]) == (code, code, kind)
    assert answer.err == f"mappertune: {error['message']}\n"
    assert ask(*words).out == ""


def test_a_mapper_that_cannot_be_exported_is_told_in_json(ask, tmp_path):
    (tmp_path / "bad.mapper").write_text("Task * GPU")
    answer = ask("export", tmp_path / "bad.mapper", "--json")
    assert (answer.code, answer.json["error"]["kind"]) == (1, "MapperSyntaxError")


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (["stencil", "--mapper", "expert"], "mapper"),
        (["stencil", "--template"], "template"),
        (["stencil", "--grammar"], "grammar"),
        (["stencil", "--data-flow"], "data_flow"),
        (["stencil", "--dot"], "dot"),
        (["p100x4", "--toml"], "toml"),
    ],
)
def test_what_is_shown_alone_is_a_text_in_json(ask, words, key):
    assert ask("show", *words, "--json").json == {"name": words[0], key: ask("show", *words).out}


def test_quiet_says_nothing_but_results_and_errors(tune):
    answer = tune("--trials", 3, "--tuner", "tpe", "--quiet")  # too few for TPE: a warning
    assert (answer.code, answer.err) == (0, "")
    assert "best" in answer.out
    assert "unknown tuner" in tune("--tuner", "tpee", "--quiet").err


def test_verbose_tells_each_trial_and_where_an_error_arose(tune):
    answer = tune("--trials", 3, "--verbose")
    lines = answer.err.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("guided seed 0: trial 0 (start): ")
    assert lines[0].endswith("points/s")
    assert "Traceback" in tune("--tuner", "tpee", "--verbose").err
    assert "not allowed with argument" in tune("--quiet", "--verbose").err


def test_how_much_is_said_is_forgotten_after_a_command(tune):
    tune("--trials", 1, "--quiet")
    assert "2/2 trials" in tune("--trials", 2).err


def test_a_shell_completes_options(ask):
    pytest.importorskip("shtab")
    script = ask("completion", "bash").out
    assert "--trials" in script
    assert "calibrate" in script
    assert ask("completion", "zsh", "--json").json["shell"] == "zsh"
    assert ask("completion", "fish").code == 2


def test_without_the_package_for_completion_its_name_is_told(ask, monkeypatch):
    monkeypatch.setitem(sys.modules, "shtab", None)
    answer = ask("completion", "bash")
    assert answer.code == 2
    assert "pip install 'mappertune[completion]'" in answer.err


def test_the_whole_parser_has_the_options_of_all_commands():
    parser = command_line.full_parser()
    read = parser.parse_args(["compare", "stencil", "--seeds", "2", "--quiet"])
    assert (read.seeds, read.quiet) == ((0, 1), True)


def test_the_package_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "mappertune", "show", "nothing", "--json"],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["exit_code"] == 2


@pytest.fixture
def without_mappers(tmp_path):
    path = tmp_path / "app.json"
    application = replace(Application.load("stencil"), mappers={})
    path.write_text(to_json(application))
    return path


def test_an_application_without_mappers_is_judged_by_throughput(ask, tmp_path, without_mappers):
    mapper = tmp_path / "mine.mapper"
    mapper.write_text("Task * GPU,CPU;")
    found = ask("eval", mapper, "--app", without_mappers, "--json").json
    assert found["throughput"] > 0
    assert (found["reference"], found["over_reference"], found["expert"]) == (None, None, None)
    common = ["--trials", 2, "--no-mlflow", "--output", tmp_path / "runs"]
    tuned = ask("tune", without_mappers, *common)
    assert "has no mappers of its own" in tuned.err
    assert "none is known" in tuned.out
    words = ["--tuners", "guided", "--seeds", 1]
    assert ask("compare", without_mappers, *common, *words, "--json").json["expert"] is None
    assert "to the fastest mapper here" in ask("compare", without_mappers, *common, *words).out
    refused = ask("tune", without_mappers, *common, "--start", "expert")
    assert "has no expert mapper to start from" in refused.err


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("eval", "--plot"),
        ("eval", "--timeline"),
        ("explain", "--apply"),
        ("export", "--output"),
        ("validate", "--plot"),
        ("capture", "--output"),
    ],
)
def test_what_could_not_be_written_is_told_before_the_work(ask, tmp_path, command, option):
    (tmp_path / "file").write_text("")
    words = ["--log", "nowhere.log"] if command == "capture" else ["nowhere"]
    for place in (tmp_path, tmp_path / "file" / "below"):
        answer = ask(command, option, place, *words, "--json")
        assert (answer.code, answer.json["error"]["kind"]) == (1, "StorageError")
        assert answer.err.startswith(f"mappertune: cannot write {place}: ")
