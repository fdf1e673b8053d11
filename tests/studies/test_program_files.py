"""The files that a command names: what they were, and what has changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from studies.program_files import ProgramFiles, kept_files

COMMAND = ["./prog", "-in", "input.dat", "-out", "result.dat", "-n", "8"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prog").write_text("#!/bin/sh\n")
    (tmp_path / "prog").chmod(0o755)
    (tmp_path / "input.dat").write_text("1 2 3")
    return tmp_path


def begin(folder: Path, command: list[str] = COMMAND) -> tuple[str, str]:
    """As a study begins: the digest of its files, and what is told."""
    before = ProgramFiles.of(command)
    (folder / "result.dat").write_text(str(len(list(folder.iterdir()))))  # by a run
    kept, sentence = kept_files(before.without_written(command), command, folder, "prog-real")
    case = folder / f"prog-real-x-{kept.digest}"
    case.mkdir(exist_ok=True)
    kept.write(case, command)
    return kept.digest, sentence


def test_program_and_inputs_are_known_by_their_content(here: Path) -> None:
    found = ProgramFiles.of(COMMAND)
    assert list(found.digests) == ["./prog", "input.dat"]
    (here / "input.dat").write_text("1 2 4")
    assert ProgramFiles.of(COMMAND).changed_since(found) == ["input.dat"]


def test_large_files_are_known_by_when_they_were_written(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studies.program_files.LARGE", 3)
    before = ProgramFiles.of(COMMAND)
    assert ProgramFiles.of(COMMAND) == before
    os.utime(here / "input.dat", (1, 1))
    assert ProgramFiles.of(COMMAND).changed_since(before) == ["input.dat"]


def test_the_same_files_go_on_with_their_study(here: Path) -> None:
    first = begin(here)
    assert first[1] == ""
    assert begin(here) == first  # though the runs have written a file that the command names


@pytest.mark.parametrize("name", ["prog", "input.dat"])
def test_what_has_changed_is_told_once(here: Path, name: str) -> None:
    first, _ = begin(here)
    (here / name).write_text("other")
    second, sentence = begin(here)
    assert second != first
    assert sentence.endswith("has changed since the last study of this command: a new one begins")
    assert name in sentence
    assert begin(here) == (second, "")


def test_what_is_gone_has_changed(here: Path) -> None:
    begin(here)
    (here / "input.dat").unlink()
    assert begin(here)[1].startswith("input.dat has changed")


def test_another_command_is_told(here: Path) -> None:
    begin(here)
    assert "of other arguments" in begin(here, [*COMMAND[:-1], "9"])[1]


def test_a_note_that_is_none_does_no_harm(here: Path) -> None:
    digest, _ = begin(here)
    (here / f"prog-real-x-{digest}" / "program.json").write_text("[1]")
    assert begin(here) == (digest, "")
