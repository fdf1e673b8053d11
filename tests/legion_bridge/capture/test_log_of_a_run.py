"""Logs of Legion's logging wrapper: what the replays of the applications leave in them."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

import pytest

from legion_bridge.cache import digest_of, kept
from legion_bridge.capture import capture_log
from legion_bridge.legion.compilers import compile_with, find_cxx
from legion_bridge.legion.replay_plan import plan_text
from legion_bridge.legion.scaled import scalable_names, scaled
from tests.legion_bridge.real_legion import legion_or_skip, our_program

SOURCE = Path(__file__).with_name("programs") / "log_mapper.cc"
ITERATIONS = 3


@cache
def log_mapper() -> Path:
    legion = legion_or_skip()
    flags = [*legion.compile_flags, "-shared", "-fPIC", str(SOURCE)]

    def make(target: Path) -> None:
        compile_with([*find_cxx(), *flags, *legion.link_flags, "-o", str(target)])

    return kept("liblog_mapper.so", digest_of(*flags, SOURCE.read_bytes(), legion.version), make)


@pytest.mark.parametrize("name", scalable_names())
def test_the_log_of_a_replay_tells_its_launches(name: str, tmp_path: Path) -> None:
    legion = legion_or_skip()
    application = scaled(name, 1e-4)
    plan, log = tmp_path / "plan", tmp_path / f"{name}.log"
    plan.write_text(plan_text(application))
    subprocess.run(
        [our_program("replay"), plan, "-iterations", str(ITERATIONS), "-no-trace", "-ll:cpu", "2",
         "-ll:util", "0", "-lg:inorder", "1", "-level", "mapper=2", "-logfile", log],
        env=legion.environment() | {"LD_PRELOAD": str(log_mapper())},
        timeout=120,
        check=True,
        capture_output=True,
    )  # fmt: skip
    captured = capture_log([log]).application
    assert captured.name == name
    for phase in ("setup", "loop", "finish"):
        assert [
            (launch.task, launch.domain, launch.parent,
             [(r.privilege, set(r.fields)) for r in launch.requirements])
            for launch in getattr(application, phase)
        ] == [
            (launch.task, launch.domain, launch.parent,
             [(r.privilege, set(r.fields)) for r in launch.requirements])
            for launch in getattr(captured, phase)
        ]  # fmt: skip
    assert captured.warmup + captured.timed == ITERATIONS + 1
    inner = {name for name, kind in application.task_kinds.items() if kind.inner}
    assert inner == {name for name, kind in captured.task_kinds.items() if kind.inner}
