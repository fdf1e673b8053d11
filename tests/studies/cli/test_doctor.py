"""What the doctor finds, and what it says of what is missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studies.cli.doctor import Finding, examine


def test_every_finding_that_is_missing_says_what_it_costs_and_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LEGION_ROOT", str(tmp_path))
    monkeypatch.setenv("CXX", "/nowhere/c++")
    monkeypatch.setenv("CC", "/nowhere/cc")
    findings = {finding.name: finding for finding in examine()}
    for name in ("Legion runtime", "C compiler", "C++ compiler", "mapper library"):
        assert not findings[name].found
        assert findings[name].mark == "no"
    for finding in findings.values():
        assert finding.detail
        assert "\n" not in finding.detail
        if not finding.found:
            assert finding.cost
            assert finding.remedy


def test_it_answers_no_where_there_is_no_legion(
    ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LEGION_ROOT", str(tmp_path))
    answer = ask("doctor")
    assert answer.code == 1
    assert "no  Legion runtime" in answer.out
    assert "unset it to use the wheel" in answer.out
    assert "everything else works" in answer.out
    answer = ask("doctor", "--json")
    assert answer.code == 1
    assert answer.json["real_runs"] is False
    runtime = next(f for f in answer.json["findings"] if f["name"] == "Legion runtime")
    assert runtime["remedy"]


def test_it_answers_yes_where_all_that_is_needed_is_there(
    ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    things = [Finding("one", found=True, detail="1", needed=True), Finding("two", False, "none")]
    monkeypatch.setattr("studies.cli.doctor.examine", lambda **_: iter(things))
    answer = ask("doctor")
    assert answer.code == 0
    assert "ok  one" in answer.out
    assert "--  two" in answer.out


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # it is what is told
def test_a_cache_that_cannot_be_written_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("LEGION_ROOT", str(tmp_path))
    findings = {finding.name: finding for finding in examine()}
    assert not findings["cache folder"].found
    assert "cannot be written" in findings["cache folder"].detail
