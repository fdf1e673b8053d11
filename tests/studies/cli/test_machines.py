"""A user's own machine file is taken wherever a machine is named."""

from __future__ import annotations

import re

import pytest

from legion_bridge import Machine


@pytest.fixture
def here(tmp_path, monkeypatch, ask):
    """A folder with a machine file and a mapper."""
    monkeypatch.chdir(tmp_path)
    text = ask("show", "p100x4", "--toml").out
    (tmp_path / "mine.toml").write_text(
        text.replace('name = "p100x4"', 'name = "mine"').replace("550e9", "275e9")
    )
    (tmp_path / "stencil.map").write_text(ask("show", "stencil", "--mapper", "expert").out)
    return tmp_path


@pytest.mark.parametrize("name", ["mine.toml", "./mine.toml"])
def test_a_machine_file_is_taken_by_its_path(ask, here, name):
    assert ask("show", name).out.startswith("mine: ")
    assert ask("check", "stencil.map", "--machine", name).code == 0
    mine = ask("eval", "stencil.map", "--machine", name, "--json").json
    theirs = ask("eval", "stencil.map", "--json").json
    assert mine["throughput"] < 0.6 * theirs["throughput"]
    assert ask("show", "stencil", "--machine", here / "mine.toml", "--json").code == 0


@pytest.mark.parametrize("command", ["tune", "compare"])
def test_studies_run_on_a_machine_file(ask, here, command):
    answer = ask(command, "stencil", "--machine", "mine.toml", "--trials", 3, "--no-mlflow",
                 *(["--seeds", "1"] if command == "compare" else []))  # fmt: skip
    assert answer.code == 0, answer.err
    assert list((here / "mappertune-runs").rglob("*stencil-mine*"))


@pytest.mark.parametrize(
    "words",
    [
        ["show", "bad.toml"],
        ["show", "stencil", "--machine", "bad.toml"],
        ["check", "stencil.map", "--machine", "bad.toml"],
        ["eval", "stencil.map", "--machine", "bad.toml"],
        ["tune", "stencil", "--machine", "bad.toml"],
        ["compare", "stencil", "--machine", "bad.toml"],
    ],
)
def test_a_wrong_machine_file_is_told_everywhere(ask, here, words):
    text = (here / "mine.toml").read_text()
    (here / "bad.toml").write_text(re.sub("(?m)^nodes = 1", "nodes = 0", text))
    answer = ask(*words)
    assert answer.code == 2
    assert answer.out == ""
    assert answer.err == "mappertune: bad.toml: the file: nodes must be at least 1, not 0\n"


@pytest.mark.parametrize("name", ["cpu2", "h100x8", "lassen", "p100x4", "p100x4-sxm2"])
def test_machines_are_shown_whole(ask, name):
    machine = Machine.load(name)
    text = ask("show", name).out
    for kind, processor in machine.processors.items():
        assert re.search(rf"(?m)^ {kind} +{processor.count} ", text)
    for kind in machine.memories:
        assert re.search(rf"(?m)^ {kind} +\d+ ", text)
    for link in machine.links.values():
        assert link.label in text
    assert max(map(len, text.splitlines())) <= 120
    assert ask("show", name, "--toml").out == machine.source
    shown = ask("show", name, "--nodes", 3, "--json").json
    assert shown["nodes"] == 3
    assert len(shown["routes"]) == len(machine.routes)
    assert shown["runtime"]["point"] == machine.runtime.point


def test_what_a_runtime_does_is_shown_as_such(ask, here):
    text = (here / "mine.toml").read_text()
    (here / "mine.toml").write_text(text.replace("[runtime]", "[runtime]\nrecorded = true"))
    shown = ask("show", "mine.toml").out
    assert re.search(r"^  recorded +yes$", shown, re.MULTILINE)
    assert "shares_cores" not in shown
    (here / "mine.toml").write_text(text.replace("[runtime]", "[runtime]\nrecorded = 1"))
    answer = ask("show", "mine.toml")
    assert answer.code == 2
    assert "recorded must be true or false, not 1" in answer.err
