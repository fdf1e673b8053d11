"""The compiled kernel: what it refuses, and that it neither leaks nor touches foreign memory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import legion_bridge
from legion_bridge import _kernel
from legion_bridge.simulation.kernel_arrays import SimulationInput
from tests.legion_bridge.tiny import Run, application, launch, mapper, reads, region, run, writes

KERNEL = Path(legion_bridge.__file__).parent / "kernel"
SCRIPT = Path(__file__).parent / "sample_runs.py"
ROOT = Path(__file__).parents[3]
INTEGERS = [name for name, kind in SimulationInput.__annotations__.items() if "Ints" in str(kind)]


@pytest.fixture(scope="module")
def small() -> Run:
    line = region("line", 100)
    loop = [launch("put", writes("line")), launch("get", reads("line"))]
    return run(application([line], loop), mapper(put=(0, 0), get=(0, 1)))


@pytest.fixture(scope="module")
def given(small: Run) -> SimulationInput:
    return small.simulator._input(small.decisions, small.trace.times)


class TestInput:
    def test_what_is_right_runs(self, given: SimulationInput) -> None:
        assert _kernel.simulate(given, False)[0] == 0

    @pytest.mark.parametrize("wrong", [(), [], None, 3])
    def test_no_tuple_of_arrays(self, wrong: Any) -> None:
        with pytest.raises(TypeError, match="tuple of"):
            _kernel.simulate(wrong, False)

    def test_a_tuple_that_is_too_short_or_too_long(self, given: SimulationInput) -> None:
        for wrong in (tuple(given)[:-1], (*given, given[-1])):
            with pytest.raises(TypeError, match="tuple of"):
                _kernel.simulate(wrong, False)

    @pytest.mark.parametrize("name", SimulationInput._fields)
    def test_an_array_of_another_type(self, given: SimulationInput, name: str) -> None:
        number = SimulationInput._fields.index(name)
        other = np.float64 if name in INTEGERS else np.int64
        for wrong in (other, np.float32, np.int32, np.uint64, bool):
            changed = given._replace(**{name: getattr(given, name).astype(wrong)})
            with pytest.raises(TypeError, match=f"array {number} must be"):
                _kernel.simulate(changed, False)

    def test_an_array_with_gaps(self, given: SimulationInput) -> None:
        gaps = np.zeros(2 * len(given.seconds))[::2]
        with pytest.raises((TypeError, ValueError, BufferError)):
            _kernel.simulate(given._replace(seconds=gaps), False)

    @pytest.mark.parametrize("wrong", [[1, 2], "text", None, 1.5])
    def test_no_array(self, given: SimulationInput, wrong: Any) -> None:
        with pytest.raises(TypeError):
            _kernel.simulate(given._replace(processor=wrong), False)

    def test_refused_arrays_are_let_go(self, given: SimulationInput) -> None:
        last = given.settings.astype(np.float64)
        with pytest.raises(TypeError):
            _kernel.simulate(given._replace(settings=last), False)
        counts = [sys.getrefcount(array) for array in given]
        for _ in range(5):
            with pytest.raises(TypeError):
                _kernel.simulate(given._replace(settings=last), False)
        assert [sys.getrefcount(array) for array in given] == counts


def test_equal_input_gives_equal_output_from_many_threads(given: SimulationInput) -> None:
    """The kernel keeps nothing between calls, and lets other threads run meanwhile."""
    alone = _kernel.simulate(given, True)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: _kernel.simulate(given, True), range(64)))
    assert all(each == alone for each in found)


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
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        pytest.skip("no C compiler")
    path = tmp_path_factory.mktemp("kernel") / f"_kernel{sysconfig.get_config_var('EXT_SUFFIX')}"
    flags = ["-std=c11", "-O1", "-g", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror",
             "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]  # fmt: skip
    include = sysconfig.get_path("include")
    sources = [str(source) for source in sorted(KERNEL.glob("*.c"))]
    done = subprocess.run(
        [compiler, *flags, f"-I{include}", *sources, "-lm", "-o", str(path)],
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
    compiler = os.environ.get("CC", "cc")
    library = subprocess.run(
        [compiler, "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    ).stdout.strip()
    if not Path(library).is_absolute():
        pytest.skip("the C compiler has no shared address sanitizer")
    found = sample(sanitized, LD_PRELOAD=library, ASAN_OPTIONS="detect_leaks=0")
    assert found["kernel"] == str(sanitized)
    statuses = {outcome[1] for outcome in found["outcomes"]}
    assert statuses == {"ok", "execution_error"}
    assert found["outcomes"] == sample("installed")["outcomes"]
