"""``mappertune tune --command`` on the real runtime."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from legion_bridge import LegionError
from legion_bridge.legion import build_program, find_legion

STENCIL = Path(__file__).parents[3] / "legion_bridge/legion/programs/stencil2d"
METRIC = r"ELAPSED ([0-9.]+) s"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def stencil() -> Path:
    try:
        return build_program(sorted(STENCIL.glob("*.cc")), "stencil2d", find_legion())
    except LegionError as error:
        pytest.skip(f"no Legion runtime: {error}")


@pytest.mark.timeout(120)
@pytest.mark.usefixtures("here")
def test_an_unmodified_program_is_tuned(ask: Callable[..., Any]) -> None:
    words = ["--command", f"{stencil()} -n 128 -t 2 -ll:cpu 2", "--metric", METRIC, "--minimize"]
    budget = ["--trials", "2", "--repeats", "1", "--pairs", "6", "--no-mlflow", "--json"]
    answer = ask("tune", *words, *budget)
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)
    assert found["expert"] > 0
    if found["mapper"] is not None:
        assert len(found["against_own"]["ratios"]) == 6
        assert "its own mapper" in found["against_own"]["sentence"]


@pytest.mark.usefixtures("here")
def test_a_metric_that_never_matches_is_told(ask: Callable[..., Any]) -> None:
    answer = ask("tune", "--command", f"{stencil()} -n 128 -t 2", "--metric", "NEVER ([0-9]+)")
    assert answer.code == 2
    assert "matches the metric 'NEVER ([0-9]+)'" in answer.err


def test_neither_and_both_are_told(ask: Callable[..., Any]) -> None:
    assert "name an application, such as stencil, or a program" in ask("tune").err
    assert "either an application or --command" in ask("tune", "stencil", "--command", "x").err
