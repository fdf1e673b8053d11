"""The command that measures this machine, and the machine ``here`` that comes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _no_runtime(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LEGION_ROOT", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def test_here_is_known_once_it_was_measured(ask: Callable[..., Any], tmp_path: Path) -> None:
    asked = ask("show", "stencil", "--machine", "here", "--template")
    assert asked.code == 2
    assert "run mappertune calibrate" in asked.err
    made = ask("calibrate", "--seconds", "1")
    assert made.code == 0
    path = tmp_path / "config/mappertune/here.toml"
    assert f"wrote {path}" in made.out
    assert "the real runtime was not measured" in made.err
    assert ask("show", path).code == 0
    again = ask("calibrate")
    assert again.code == 2
    assert "--force" in again.err


def test_json_has_every_source(ask: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    found = ask("calibrate", "--seconds", "1", "--write", str(path), "--json").json
    assert found["path"] == str(path)
    assert all(figure["source"] for figure in found["figures"].values())
    assert ask("show", str(path)).code == 0


@pytest.mark.parametrize("name", ["here.txt", "file/here.toml"])
def test_what_cannot_be_written_is_told_before_the_measurement(
    ask: Callable[..., Any], tmp_path: Path, name: str
) -> None:
    (tmp_path / "file").write_text("")
    found = ask("calibrate", "--write", str(tmp_path / name))
    assert found.code == 2
    assert len(found.err.strip().splitlines()) == 1
