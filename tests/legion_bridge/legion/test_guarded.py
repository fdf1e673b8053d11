"""Programs under a guard: every way to end, and nothing left of any of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from legion_bridge.legion.guarded import Ended, Guard

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="guards need Linux's /proc")

SHARED = Path("/dev/shm")  # noqa: S108  (that is where shared memory is)

# A program that starts a grandchild in a session of its own, which outlives its parent, and leaves
# shared memory; it prints their names. Its argument is what the program does then.
STUBBORN = """
import os, subprocess, sys, time
child = subprocess.Popen(
    [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); "
     "time.sleep(60)"], start_new_session=True)
name = f"/dev/shm/test_mappertune.{os.getpid()}.x"
open(name, "w").close()
open(os.path.join(os.environ["TMPDIR"], "litter"), "w").close()
print(os.getpid(), child.pid, name, flush=True)
exec(sys.argv[1])
"""


def run(*command: str, timeout: float = 20.0, memory: int | None = None) -> Ended:
    with Guard() as guard:
        environment = {**os.environ, "TMPDIR": str(guard.folder)}
        return guard.run(command, environment=environment, timeout=timeout, memory=memory)


def python(code: str, *arguments: str) -> tuple[str, ...]:
    return sys.executable, "-c", code, *arguments


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


def assert_nothing_left(output: str) -> None:
    parent, child, shared = output.split()[:3]
    assert not alive(int(parent))
    assert not alive(int(child))
    assert not Path(shared).exists()


def test_an_exit_code_and_the_output_come_back() -> None:
    ended = run("sh", "-c", "echo out; echo err >&2; exit 3")
    assert (ended.reason, ended.code, ended.output) == ("exited", 3, "out\nerr\n")


def test_a_signal_comes_back_as_a_negative_code() -> None:
    assert run("sh", "-c", "kill -ABRT $$").code == -signal.SIGABRT


@pytest.mark.parametrize("command", ["/nowhere/program", "/etc", "no-such-program"])
def test_a_program_that_cannot_be_started_is_told(command: str) -> None:
    assert run(command).reason == "not started"


@pytest.mark.parametrize(
    ("deed", "reason"),
    [
        ("sys.exit(0)", "exited"),
        ("sys.exit(5)", "exited"),
        ("os.abort()", "exited"),
        ("time.sleep(60)", "timeout"),
        ("x = bytearray(400 << 20); time.sleep(60)", "memory"),
    ],
)
def test_nothing_is_left(deed: str, reason: str) -> None:
    with Guard() as guard:
        folder = guard.folder
        ended = guard.run(
            python(STUBBORN, deed),
            environment={**os.environ, "TMPDIR": str(folder)},
            timeout=1.0 if reason == "timeout" else 20.0,
            memory=200 << 20,
        )
        assert (folder / "litter").exists()
    assert ended.reason == reason
    assert_nothing_left(ended.output)
    assert not folder.exists()


def test_shared_memory_of_others_stays() -> None:
    other = SHARED / f"test_mappertune_other_{os.getpid()}"
    try:
        ended = run("sh", "-c", f"touch {other}")
        assert ended.code == 0
        assert other.exists()
    finally:
        other.unlink(missing_ok=True)


def test_a_run_is_stopped_when_its_time_is_up() -> None:
    begin = time.monotonic()
    ended = run("sleep", "60", timeout=0.3)
    assert ended.reason == "timeout"
    assert ended.code == -signal.SIGKILL
    assert time.monotonic() - begin < 5.0


def test_the_memory_of_all_processes_counts() -> None:
    half = "import time; x = bytearray(150 << 20); time.sleep(30)"
    both = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {half!r}]); {half}"
    ended = run(*python(both), memory=250 << 20)
    assert ended.reason == "memory"
    assert ended.peak > 250 << 20


def test_endless_output_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("legion_bridge.legion.guarded._MOST_OUTPUT", 1 << 20)
    assert run("yes").reason == "output"


def test_no_core_is_dumped_and_no_input_is_read() -> None:
    assert run("sh", "-c", "ulimit -c; cat").output == "0\n"


# A shell that runs the tests in the background has told them to ignore Ctrl-C.
PARENT = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from legion_bridge.legion.guarded import Guard
with Guard() as guard:
    print(guard.folder, flush=True)
    guard.run([sys.executable, "-c", sys.argv[1], "time.sleep(60)"],
              environment={**os.environ, "TMPDIR": str(guard.folder)}, timeout=60)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_where_the_parent_is_killed(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, STUBBORN],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        folder = Path(parent.stdout.readline().strip())
        output = folder / "output"
        wait_for(lambda: output.exists() and output.read_text().count("\n") == 1)
        said = output.read_text()
        assert alive(int(said.split()[1]))
        parent.send_signal(number)
        parent.wait(10)
    wait_for(lambda: not folder.exists())
    assert_nothing_left(said)


def test_a_killed_guard_takes_its_program_along() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, STUBBORN],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        assert parent.stderr is not None
        folder = Path(parent.stdout.readline().strip())
        output = folder / "output"
        wait_for(lambda: output.exists() and output.read_text().count("\n") == 1)
        program, child, shared = output.read_text().split()
        guard = int(folder.name.split("-")[1])
        os.kill(guard, signal.SIGKILL)
        assert "watches over programs has ended" in parent.stderr.read()
        parent.wait(10)
    wait_for(lambda: not alive(int(program)))
    # What nobody is there to clean up any more.
    os.kill(int(child), signal.SIGKILL)
    Path(shared).unlink()
    subprocess.run(["rm", "-r", folder], check=True)
