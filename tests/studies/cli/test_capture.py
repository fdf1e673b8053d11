"""``mappertune capture``: from a program or a log to an application that other commands take."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from legion_bridge import LegionError
from legion_bridge.legion import build_program, find_legion

STENCIL = Path(__file__).parents[3] / "legion_bridge/legion/programs/stencil2d"
LOG = """\
[0 - 7f00] 0.1 {2}{mapper}: Processors on rank 0:
[0 - 7f00] 0.1 {2}{mapper}:   1d00000000000001 (LOC_PROC) can see 1e00000000000000(bw=100)
[0 - 7f00] 0.1 {2}{mapper}: SLICE_TASK for step<10> @ heat.rg:1
[0 - 7f00] 0.1 {2}{mapper}:   <0>..<1> -> 1d00000000000001
[0 - 7f00] 0.1 {2}{mapper}: MAP_TASK for step(index_point=(0))<12> @ heat.rg:1
[0 - 7f00] 0.1 {2}{mapper}:   TARGET PROCS: 1d00000000000001
[0 - 7f00] 0.1 {2}{mapper}:   CHOSEN INSTANCES:
[0 - 7f00] 0.1 {2}{mapper}:     Requirement[0](privilege=READ_WRITE,region=(1,(7,1),1),\
domain=<0>..<9>,fields=heat)
[0 - 7f00] 0.1 {2}{mapper}: MAP_TASK for step(index_point=(1))<13> @ heat.rg:1
[0 - 7f00] 0.1 {2}{mapper}:   TARGET PROCS: 1d00000000000001
[0 - 7f00] 0.1 {2}{mapper}:   CHOSEN INSTANCES:
[0 - 7f00] 0.1 {2}{mapper}:     Requirement[0](privilege=READ_WRITE,region=(1,(8,1),1),\
domain=<10>..<19>,fields=heat)
[0 - 7f00] 0.1 {2}{mapper}: MAP_INLINE for inline<20>
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "heat.log"
    path.write_text(LOG)
    return path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_log_becomes_an_application(ask: Callable[..., Any], log: Path, here: Path) -> None:
    answer = ask("capture", "--log", log)
    assert answer.code == 0
    first, *rest = answer.out.splitlines()
    assert first == (
        "heat.json: 1 tasks, 0 launches before the loop, 1 in each of 1 iterations, 0 after it"
    )
    assert "  1 x  decisions MAP_INLINE" in rest
    assert any(line.startswith("  regions.*.fields") for line in rest)
    shown = ask("show", "heat.json", "--machine", "cpu2")
    assert shown.code == 0
    assert "unknown, and assumed:" in shown.out
    assert "step  CPU" in shown.out
    told = ask("show", "heat.json", "--machine", "cpu2", "--json").json
    assert told["unknown"]["*.after"] == "futures are not logged"
    assert "Unknown, and assumed" in ask("show", "heat.json", "--data-flow").out


def test_the_programs_own_mapper_is_named(ask: Callable[..., Any], log: Path, here: Path) -> None:
    log.write_text("[0 - 7f00] 0.1 {2}{mapper}: MAPPER HeatMapper: heat mapper\n" + LOG)
    told = "its own mapper HeatMapper is replaced; --keep-own keeps it"
    assert told in ask("capture", "--log", log).out.splitlines()
    shown = ask("show", "heat.json", "--machine", "cpu2")
    assert "it brings a mapper of its own, HeatMapper" in shown.out.splitlines()
    assert ask("show", "heat.json", "--json").json["own_mapper"] == "HeatMapper"
    assert "a mapper of its own, HeatMapper" in ask("show", "heat.json", "--data-flow").out
    assert ask("capture", "--json", "--log", log).json["own_mapper"] == "HeatMapper"


def test_the_answer_as_json(ask: Callable[..., Any], log: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    answer = ask("capture", "--json", "--name", "warm", "-o", target, "--log", log).json
    assert answer["name"] == "warm"
    assert answer["tasks"] == ["step"]
    assert (answer["setup"], answer["loop"], answer["finish"]) == (0, 1, 0)
    assert answer["skipped"] == {"decisions MAP_INLINE": 1}
    assert json.loads(target.read_text())["name"] == "warm"


def test_standard_output_is_a_target(ask: Callable[..., Any], log: Path) -> None:
    assert ask("capture", "--log", log, "-o", "-").json["schema"] == 2


@pytest.mark.parametrize(
    "words", [(), ("--log", "x", "--", "true"), ("--timeout", "0", "--", "true")]
)
def test_wrong_use(ask: Callable[..., Any], words: tuple[str, ...]) -> None:
    answer = ask("capture", *words)
    assert answer.code == 2
    assert answer.err.count("\n") == 1


def test_what_cannot_be_captured_is_one_sentence(ask: Callable[..., Any], here: Path) -> None:
    for words in (("--log", "nowhere.log"), ("--log", "/dev/null")):
        answer = ask("capture", *words)
        assert answer.code == 1
        assert answer.err.count("\n") == 1
    assert not list(here.iterdir())


@pytest.mark.parametrize(
    ("command", "said"),
    [(["./nowhere"], "was not found"), (["true"], "true is no Legion program")],
)
def test_a_program_that_cannot_be_captured(
    ask: Callable[..., Any], here: Path, command: list[str], said: str
) -> None:
    try:
        find_legion()
    except LegionError as error:
        pytest.skip(f"no Legion runtime: {error}")
    answer = ask("capture", "--", *command)
    assert answer.code == 1
    assert said in answer.err
    assert answer.err.count("\n") == 1
    assert not list(here.iterdir())


def test_a_program_becomes_an_application_that_can_be_tuned(
    ask: Callable[..., Any], here: Path
) -> None:
    try:
        program = build_program(sorted(STENCIL.glob("*.cc")), "stencil2d", find_legion())
    except LegionError as error:
        pytest.skip(f"no Legion runtime: {error}")
    answer = ask("capture", "--", program, "-n", "256", "-ll:cpu", "2")
    assert answer.code == 0
    assert answer.out.startswith(
        "stencil2d.json: 4 tasks, 1 launches before the loop, 2 in each of 10 iterations, 1 after"
    )
    tuned = ask("tune", "stencil2d.json", "--machine", "cpu2", "--trials", "3", "--no-mlflow")
    assert tuned.code == 0
