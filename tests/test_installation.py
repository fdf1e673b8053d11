"""The package is installed without a C compiler, too, and says then what is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SETUPTOOLS = 77  # that the build asks for


def setuptools_version() -> int:
    try:
        return int(metadata.version("setuptools").split(".")[0])
    except metadata.PackageNotFoundError:
        return 0


@pytest.mark.skipif(
    setuptools_version() < SETUPTOOLS, reason=f"setuptools {SETUPTOOLS} or later is not installed"
)
def test_the_package_is_built_without_a_compiler_and_lacks_the_kernel_alone(
    tmp_path: Path,
) -> None:
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    for folder in ("legion_bridge/kernel", "legion_bridge/simulation", "mappertune"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / "legion_bridge/__init__.py").write_text("")
    built = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "from setuptools import setup; setup()",
         "build", "--build-base", "work", "--build-lib", "built"],
        cwd=tmp_path,
        env={**os.environ, "CC": "/bin/false"},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    assert (tmp_path / "built/legion_bridge/simulation/kernel_library.py").exists()
    assert not list((tmp_path / "built").rglob("_kernel*.so"))


@pytest.mark.parametrize("compiled", [True, False])
def test_make_stops_where_the_simulator_could_not_be_compiled(
    tmp_path: Path, compiled: bool
) -> None:
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "legion_bridge").mkdir()
    old = tmp_path / "legion_bridge/_kernel.so"  # of an earlier compiler
    old.touch()
    python = tmp_path / "venv/bin/python"  # installs nothing, and finds what it is told to
    python.parent.mkdir(parents=True)
    code = int(not compiled)
    python.write_text(
        f'#!/bin/sh\ncase "$2" in *sysconfig*) echo .so;; *_kernel*) exit {code};; esac\n'
    )
    python.chmod(0o755)
    done = subprocess.run(
        ["make", "VENV=venv", "venv/.installed"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) is compiled, done.stderr
    assert ("the simulator could not be compiled" in done.stderr) is not compiled
    assert (tmp_path / "venv/.installed").exists() is compiled
    assert not old.exists()
