"""The Legion programs of our own compute what they should, under any mapper."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from legion_bridge.legion import build_mapper
from tests.legion_bridge.real_legion import RUNTIME, legion_or_skip, our_program

from .probe_runs import compiled

pytestmark = pytest.mark.long  # builds programs, and runs them many times

MEMORY = ["-ll:cpu", "2", "-ll:csize", "64"]
SIZES = {"stencil2d": "-n 67 -t 3 -p 3x2 -f 2", "summa": "-n 61 -p 3 -t 2"}
MAPPERS = {
    "own": None,
    "one processor": "Task * CPU; m = Machine(CPU); def f(Task t) { return m[0, 0]; }\n"
    "IndexTaskMap CPU f;",
    "layout": "Task * CPU; Layout * * * AOS C_order Align==64;",
}


def run(name: str, arguments: str, mapper: str | None, folder: Path) -> tuple[int, str]:
    legion = legion_or_skip()
    environment = legion.environment()
    if mapper is not None:
        environment |= {
            "LD_PRELOAD": str(build_mapper(legion)),
            "MAPPERTUNE_POLICY": str(compiled(mapper, folder)),
        }
    done = subprocess.run(
        [our_program(name, gpu=True), *arguments.split(), *MEMORY, *RUNTIME],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout or done.stderr


@pytest.mark.parametrize("mapper", MAPPERS)
@pytest.mark.parametrize("name", SIZES)
def test_results_are_verified(name: str, mapper: str, tmp_path: Path) -> None:
    code, said = run(name, SIZES[name], MAPPERS[mapper], tmp_path)
    assert code == 0, said
    assert "ELAPSED" in said
    assert said.splitlines()[-1] == "VERIFIED"


@pytest.mark.parametrize("name", SIZES)
def test_sizes_that_make_no_sense_are_refused(name: str, tmp_path: Path) -> None:
    code, said = run(name, "-n 1", None, tmp_path)
    assert code == 2
    assert f"{name}: error: use {name}" in said
