"""The report on the tools that are here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools_found import Finding, asan_library, findings, report

SCRIPT = Path(__file__).with_name("tools_found.py")


def test_what_is_missing_is_told_with_what_is_skipped() -> None:
    found = [Finding("gcc", "gcc 12"), Finding("dot", "", "graphs"), Finding("g++", "")]
    assert report(found).splitlines() == [
        "gcc  gcc 12",
        "dot  not found",
        "g++  not found",
        "Skipped for want of them:",
        "- graphs (dot)",
    ]
    assert report(found[:1]).endswith("Nothing is skipped for want of them.")


def test_it_needs_nothing_but_python(tmp_path: Path) -> None:
    """Neither packages, nor the project, nor any tool on the path."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(SCRIPT)],
        cwd=tmp_path,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    said = dict(line.split("  ", 1) for line in done.stdout.splitlines() if "  " in line)
    assert said["gcc"].strip() == said["dot"].strip() == "not found"
    assert "- compiled mappers under sanitizers (sanitizers of policies)" in done.stdout
    assert done.stderr == ""


@pytest.mark.skipif(os.name != "posix", reason="the tools are shell scripts")
def test_the_compiler_that_is_chosen_is_the_one_that_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = tmp_path / "mycc"
    compiler.write_text(
        "#!/bin/sh\ncase $1 in --version) echo mycc 7; echo more;; "
        "-print-file-name=libclang_rt.asan.so) echo /lib/asan.so;; "
        "-print-file-name=*) echo ${1#*=};; esac\n"
    )
    compiler.chmod(0o755)
    monkeypatch.setenv("CC", str(compiler))
    said = {each.name: each.found for each in findings()}
    assert said["$CC"] == "mycc 7"
    assert said["sanitizers of policies"] == f"address, undefined ({compiler})"
    assert said["sanitizers of the kernel"] == asan_library([str(compiler)]) == "/lib/asan.so"
