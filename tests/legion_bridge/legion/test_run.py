"""Mappers measured as runs of a program: every way to end is an outcome."""

from __future__ import annotations

import os
import pickle
import re
import stat
import sys
from pathlib import Path

import pytest

import dsl
from legion_bridge import LegionError
from legion_bridge.legion.metric import Metric
from legion_bridge.legion.run import LegionRun
from tests.legion_bridge.real_legion import legion_or_skip
from tuners import Evaluator

from .probe_runs import CHECKSUM, built

MAPPER = dsl.parse("Task * CPU; Region * * CPU SYSMEM;")
# Without a map a point runs wherever a processor is free: on a busy machine all may run on one.
SPREAD = dsl.parse(
    "Task * CPU; Region * * CPU SYSMEM; m = Machine(CPU);"
    "def turns(Task t) { return m[0, t.ipoint[0] % 2]; } IndexTaskMap sum turns;"
)
CHECKED = Metric(r"^CHECKSUM (\d+)$", minimize=False)


@pytest.fixture(autouse=True)
def legion() -> None:
    legion_or_skip()


@pytest.fixture(autouse=True)
def other_measurements_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def run(*command: str | Path, **settings: object) -> LegionRun:
    options: dict[str, object] = {"repeats": 1, "warmup": 0, **settings}
    return LegionRun([str(word) for word in command], **options)  # type: ignore[arg-type]  # of many types


def probe_run(*arguments: str, **settings: object) -> LegionRun:
    return run(built("probe"), "-n", "8", "-p", "2", "-ll:cpu", "2", *arguments, **settings)


def script(folder: Path, text: str) -> str:
    path = folder / "program"
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_a_mapper_is_measured() -> None:
    evaluator: Evaluator = probe_run(metric=CHECKED, repeats=2, unit="sums")
    outcome = evaluator.evaluate(MAPPER)
    assert (outcome.status, outcome.unit) == ("ok", "sums")
    assert outcome.throughput == float(CHECKSUM)
    assert outcome.measurement is not None
    assert outcome.measurement.samples == (float(CHECKSUM),) * 2
    assert outcome.measurement.spread == 0.0
    assert not getattr(evaluator, "repeatable")  # noqa: B009  (as tuners ask)


def test_the_mapper_is_in_force() -> None:
    everything_to = "m = Machine(CPU); def f(Task t) { return m[0, 1]; } "
    where = Metric(r"^RAN sum \(0,0\) CPU (\d)$", minimize=False)
    outcome = probe_run(metric=where).evaluate(
        dsl.parse(f"Task * CPU; {everything_to} IndexTaskMap sum f;")
    )
    assert outcome.throughput == 1.0


def test_a_program_runs_without_a_mapper_of_ours() -> None:
    assert probe_run(metric=CHECKED).evaluate(None).throughput == float(CHECKSUM)


def test_seconds_are_taken_where_no_metric_is_given() -> None:
    outcome = probe_run(work=10.0).evaluate(MAPPER)
    assert outcome.elapsed is not None
    assert outcome.throughput == pytest.approx(10.0 / outcome.elapsed)


def test_warm_up_runs_do_not_count(tmp_path: Path) -> None:
    count = tmp_path / "count"
    program = script(
        tmp_path,
        f"open({str(count)!r}, 'a').write('x'); print('T', len(open({str(count)!r}).read()))",
    )
    evaluator = run(program, metric=Metric(r"T (\d+)"), warmup=1, repeats=3)
    outcome = evaluator.evaluate(None)
    assert outcome.measurement is not None
    assert outcome.measurement.samples == (1 / 2, 1 / 3, 1 / 4)
    assert outcome.throughput == 1 / 3
    assert outcome.elapsed == 3.0
    evaluator.evaluate(None)
    assert len(count.read_text()) == 7  # warm already


FAILURES = {
    "exit 3": ("import sys; print('no luck'); sys.exit(3)", r"no luck\n.*exit code 3\."),
    "abort": ("import os; print('why', flush=True); os.abort()", r"why\n.*signal 6 \(SIGABRT\)"),
    "killed": ("import os; os.kill(os.getpid(), 9)", "killed .* if its memory ran out"),
    "metric": ("print('ELAPSED none')", r"ELAPSED none\n.*nothing that it printed matches 'T"),
    "noise": (
        (
            "print('[0 - 7f] 0.0 {4}{gpu}: cuInit(0) returned 100 (CUDA_ERROR_NO_DEVICE)'); "
            "print('[0 - 7f] 0.0 {4}{threads}: reservation (x) cannot be satisfied'); print('oh')"
        ),
        r"\Aoh\nThe program ended well",
    ),
    "memory": ("x = bytearray(300 << 20); import time; time.sleep(9)", "more than the 200 MB"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_says_what_happened(failure: str, tmp_path: Path) -> None:
    code, said = FAILURES[failure]
    evaluator = run(script(tmp_path, code), metric=Metric(r"T (\d+)"), memory=200_000_000)
    outcome = evaluator.evaluate(None)
    assert (outcome.status, outcome.throughput) == ("execution_error", 0.0)
    assert re.search(said, outcome.raw, re.DOTALL)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("stencil2d", r"stencil2d was not found: give its path, such as \./stencil2d"),
        ("./stencil2d", "was not found: see whether the path is right"),
        ("/etc/passwd", "cannot be started: Permission denied"),
    ],
)
def test_a_program_that_cannot_be_started_is_told(command: str, said: str) -> None:
    outcome = run(command).evaluate(None)
    assert outcome.status == "execution_error"
    assert re.search(said, outcome.raw)


def test_a_program_that_does_not_end_is_stopped() -> None:
    outcome = run("sleep", "60", timeout=0.3).evaluate(None)
    assert outcome.status == "timeout"
    assert outcome.raw == "The program still ran after 0.3 seconds, and was stopped."


def test_a_program_without_legion_is_told() -> None:
    outcome = run("true").evaluate(MAPPER)
    assert outcome.status == "execution_error"
    assert "true is no Legion program" in outcome.raw


@pytest.mark.parametrize(
    ("mapper", "said"),
    [
        ("Region fill * * VIRTUAL;", "mappertune: error: virtual-leaf: task fill region 0: "),
        ("x = 1 / 0;", "mappertune: error: division-by-zero: policy: "),
    ],
)
def test_a_refusal_of_our_mapper_is_its_one_line(mapper: str, said: str) -> None:
    outcome = probe_run().evaluate(dsl.parse(f"Task * CPU; {mapper}"))
    assert outcome.status == "execution_error"
    assert outcome.raw.startswith(said)
    assert "\n" not in outcome.raw


def test_aborts_that_come_and_go_are_tried_again(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    program = script(
        tmp_path,
        "import os, sys\n"
        f"tries = open({str(mark)!r}, 'a+'); tries.write('x'); tries.seek(0)\n"
        "if len(tries.read()) < 3:\n"
        "    tries.close()\n"
        '    print("Assertion `read_pointer == max_entries\' failed.", flush=True)\n'
        "    os.abort()\n"
        "print('T 1')",
    )
    metric = Metric(r"T (\d+)")
    assert run(program, metric=metric, retries=2).evaluate(None).ok
    mark.unlink()
    assert run(program, metric=metric, retries=1).evaluate(None).status == "execution_error"


def test_flags_of_the_command_win(tmp_path: Path) -> None:
    # -ll:io 1 of ours is overruled; the environment's own flags stay.
    evaluator = probe_run(
        "-ll:io", "0", flags=("-ll:io", "1"), variables={"LEGION_DEFAULT_ARGS": "-level legion=5"}
    )
    assert evaluator.evaluate(None).ok


def test_a_profile_tells_where_the_time_went() -> None:
    outcome = probe_run(metric=CHECKED).evaluate(SPREAD, profile=True)
    profile = outcome.profile
    assert profile is not None
    assert profile.iteration > 0.0
    assert [usage.name for usage in profile.processors] == ["CPU 0 of node 0", "CPU 1 of node 0"]
    assert profile.tasks["sum"].points == 4
    assert profile.tasks["fill"].points == 5
    assert "top" not in profile.tasks
    assert any(peak.name == "SYSMEM 0 of node 0" and peak.peak > 0 for peak in profile.memories)


def test_the_profile_may_be_the_metric() -> None:
    outcome = probe_run(metric=Metric(profiled=True)).evaluate(MAPPER)
    assert outcome.ok
    assert outcome.elapsed is not None
    assert 0.0 < outcome.elapsed < 10.0


def test_it_can_be_pickled() -> None:
    evaluator = pickle.loads(pickle.dumps(probe_run(metric=CHECKED)))  # noqa: S301  (our own)
    assert evaluator.evaluate(MAPPER).ok


def test_settings_without_sense_are_refused() -> None:
    with pytest.raises(LegionError, match="name one"):
        LegionRun([])
    with pytest.raises(LegionError, match="0 repeats"):
        run("true", repeats=0)


def test_nothing_is_left_in_the_temporary_folder(tmp_path: Path) -> None:
    probe_run().evaluate(MAPPER, profile=True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["mappertune-cores.lock"]
    assert not [name for name in os.listdir("/dev/shm") if "realm" in name]  # noqa: PTH208, S108  (as a user would look)
