"""The command line where the simulator was not compiled."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from legion_bridge.applications import reference_mappers
from studies.mapper_header import mapper_header

MISSING = "the simulator is not compiled, so that nothing can be simulated: install mappertune"


@pytest.fixture(autouse=True)
def no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "legion_bridge._kernel", None)


@pytest.fixture
def mapper(tmp_path: Path) -> Path:
    path = tmp_path / "stencil.mapper"
    text = reference_mappers("stencil")["expert"]
    path.write_text(mapper_header("stencil", "the expert's") + text)
    return path


@pytest.mark.parametrize(
    "words",
    [["list"], ["show", "stencil"], ["show", "p100x4"], ["show", "stencil", "--prompt"]],
)
def test_what_needs_no_simulation_works(ask: Callable[..., Any], words: list[str]) -> None:
    answer = ask(*words)
    assert answer.code == 0
    assert answer.out
    assert not answer.err


def test_check_works_and_says_what_it_cannot_tell(ask: Callable[..., Any], mapper: Path) -> None:
    answer = ask("check", mapper)
    assert answer.code == 0
    assert "no error for stencil" in answer.out
    assert answer.err.count("\n") == 1
    assert MISSING in answer.err
    assert "whether memory will do" in answer.err
    assert ask("check", mapper, "--json").json["forecast"] is False
    mapper.write_text("IndexTaskMap stencil nowhere;\n")
    assert ask("check", mapper, "--app", "stencil").code == 1


def test_export_works(ask: Callable[..., Any], mapper: Path) -> None:
    assert ask("export", mapper).code == 0
    assert mapper.with_suffix(".c").exists()


@pytest.mark.parametrize("command", ["eval", "explain"])
def test_a_mapper_is_not_run_and_the_remedy_is_told(
    ask: Callable[..., Any], mapper: Path, command: str
) -> None:
    answer = ask(command, mapper)
    assert answer.code == 2
    assert answer.err.count("\n") == 1
    assert MISSING in answer.err
    answer = ask(command, mapper, "--json")
    assert answer.json["error"]["kind"] == "SimulatorMissingError"


def test_a_study_is_not_begun(ask: Callable[..., Any], tmp_path: Path) -> None:
    answer = ask("tune", "stencil", "--output", tmp_path / "runs", "--no-mlflow")
    assert answer.code == 2
    assert MISSING in answer.err
    assert not (tmp_path / "runs").exists()


def test_the_doctor_tells_it(ask: Callable[..., Any]) -> None:
    answer = ask("doctor")
    assert answer.code == 1
    assert "no  simulator" in answer.out
    assert "nothing can be simulated" in answer.out.splitlines()[-1]
    assert ask("doctor", "--json").json["simulated_runs"] is False
