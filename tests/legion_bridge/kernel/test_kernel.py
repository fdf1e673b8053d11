"""The compiled kernel: it neither leaks nor touches foreign memory, and exports one symbol."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

import legion_bridge
from tests.tools_found import asan_library

KERNEL = Path(legion_bridge.__file__).parent / "kernel"
SCRIPT = Path(__file__).parent / "sample_runs.py"
ROOT = Path(__file__).parents[3]


def sample(kernel: str | Path, *arguments: str, **environment: str) -> dict[str, Any]:
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(kernel), *arguments],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_many_runs_do_not_grow_the_process() -> None:
    """2,000 runs with a trace and 2,000 that fail: a leak of one array each would show."""
    assert sample("installed", "2000")["growth"] < 300  # kB


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = os.environ.get("CC", "cc").split()
    if not shutil.which(compiler[0]):
        pytest.skip("no C compiler")
    path = tmp_path_factory.mktemp("kernel") / f"_kernel{sysconfig.get_config_var('EXT_SUFFIX')}"
    flags = ["-std=c11", "-O1", "-g", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror",
             "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]  # fmt: skip
    include = sysconfig.get_path("include")
    sources = [str(source) for source in sorted(KERNEL.glob("*.c"))]
    done = subprocess.run(
        [*compiler, *flags, f"-I{include}", *sources, "-lm", "-o", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    if "cannot find" in done.stderr or "unrecognized" in done.stderr:
        pytest.skip("the C compiler has no sanitizers")
    assert done.returncode == 0, done.stderr
    return path


def test_the_kernel_runs_under_sanitizers(sanitized: Path) -> None:
    """A sample that visits every part: no foreign memory, no undefined behaviour, same times."""
    library = asan_library(os.environ.get("CC", "cc").split())
    if not library:
        pytest.skip("the C compiler has no shared address sanitizer")
    found = sample(sanitized, "0", "1000", LD_PRELOAD=library, ASAN_OPTIONS="detect_leaks=0")
    assert found["kernel"] == str(sanitized)
    statuses = {outcome[1] for outcome in found["outcomes"]}
    assert statuses == {"ok", "execution_error"}
    assert found["outcomes"] == sample("installed")["outcomes"]
    assert found["survived"] > 100  # broken inputs that are not refused


def test_only_the_initialisation_is_exported() -> None:
    """``nm`` reads the library's table of dynamic symbols."""
    tool = shutil.which("nm")
    if tool is None:
        pytest.skip("no nm, which lists the symbols of a library")
    path = importlib.util.find_spec("legion_bridge._kernel")
    assert path is not None
    assert path.origin is not None
    listed = subprocess.run(
        [tool, "--dynamic", "--defined-only", path.origin],
        capture_output=True,
        text=True,
        check=True,
    )
    symbols = {line.split()[-1] for line in listed.stdout.splitlines()}
    assert symbols - {"_init", "_fini"} == {"PyInit__kernel"}
