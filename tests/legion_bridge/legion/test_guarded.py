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

from legion_bridge import LegionError
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
with open(os.path.join(os.environ["TMPDIR"], "making"), "w") as litter:
    print(os.getpid(), child.pid, name, file=litter)
os.rename(litter.name, os.path.join(os.environ["TMPDIR"], "litter"))
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
    """Whether it runs; one that has ended may wait for whoever has taken it over."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return told.rpartition(")")[2].split()[0] != "Z"


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
    """What a living process holds, or has put its number on, though it was made meanwhile."""
    named = SHARED / f"test_mappertune_other_{os.getpid()}"
    held = SHARED / f"test_mappertune_{os.urandom(4).hex()}_held"
    try:
        # It is held until the end: without a holder, a guard of another test may remove it, too.
        with held.open("w"):
            os.utime(held)
            ended = run("sh", "-c", f"touch {named} {held}")
            assert ended.code == 0
            assert named.exists()
            assert held.exists()
    finally:
        named.unlink(missing_ok=True)
        held.unlink(missing_ok=True)


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


def test_endless_output_is_stopped() -> None:
    with Guard() as guard:
        ended = guard.run(["yes"], environment=os.environ, timeout=20.0, most_output=1 << 20)
    assert ended.reason == "output"
    assert len(ended.output) == 1 << 20


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
        wait_for((folder / "litter").exists)
        said = (folder / "litter").read_text()
        assert alive(int(said.split()[1]))
        parent.send_signal(number)
        parent.wait(10)
    wait_for(lambda: not folder.exists())
    assert_nothing_left(said)


def test_a_killed_guard_leaves_nothing() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, STUBBORN],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        assert parent.stderr is not None
        folder = Path(parent.stdout.readline().strip())
        wait_for((folder / "litter").exists)
        said = (folder / "litter").read_text()
        os.kill(int(folder.name.split("-")[1]), signal.SIGKILL)
        assert "watches over programs has ended" in parent.stderr.read()
        parent.wait(10)
    assert_nothing_left(said)
    assert not folder.exists()


def test_a_program_that_kills_its_guard_leaves_nothing(tmp_path: Path) -> None:
    """A child has a session of its own, and another one nothing in its environment."""
    deed = (
        "bare = subprocess.Popen(['/bin/sleep', '60'], env={}); "
        f"open({str(tmp_path / 'told')!r}, 'w').write(f'{{os.getpid()}} {{child.pid}} {{name}} "
        "{bare.pid}'); os.kill(os.getppid(), 9); time.sleep(60)"
    )
    with Guard() as guard:
        environment = {**os.environ, "TMPDIR": str(guard.folder)}
        with pytest.raises(LegionError, match="watches over programs has ended"):
            guard.run(python(STUBBORN, deed), environment=environment, timeout=20.0)
    said = (tmp_path / "told").read_text()
    assert_nothing_left(said)
    assert not alive(int(said.split()[3]))
    assert not guard.folder.exists()


def test_what_a_program_leaves_in_shared_memory_goes() -> None:
    left = SHARED / f"test_mappertune_{os.urandom(4).hex()}_left"
    try:
        assert run("sh", "-c", f"touch {left}").code == 0
        assert not left.exists()
    finally:
        left.unlink(missing_ok=True)


def test_a_stopped_guard_goes_on_and_its_run_does_not_count() -> None:
    """The program stops the process that watches over it."""
    stop = "kill -STOP $PPID; sleep 0.2"
    assert run("sh", "-c", stop).reason == "disturbed"


def test_a_guard_that_stays_stopped_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("legion_bridge.legion.guarded._PATIENCE", 0.5)
    monkeypatch.setattr(Guard, "_wake", lambda _: None)
    begin = time.monotonic()
    with pytest.raises(LegionError, match="does not answer"):
        run("sh", "-c", "kill -STOP $PPID; sleep 60", timeout=0.5)
    assert time.monotonic() - begin < 10.0


@pytest.mark.parametrize("deed", ["mkfifo $TMPDIR/output", "ln -s /etc/passwd $TMPDIR/output"])
def test_no_other_file_is_taken_for_the_output(deed: str) -> None:
    assert run("sh", "-c", f"rm -f $TMPDIR/output; {deed}; echo mine").output == "mine\n"


def test_a_removed_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(LegionError, match="make it again, or name another by TMPDIR"):
        run("true")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(LegionError, match="of this run was removed meanwhile"):
        run("sh", "-c", "rm -r $TMPDIR")


def test_the_last_of_the_output_is_kept_and_all_of_it_can_be_read() -> None:
    with Guard() as guard:
        ended = guard.run(
            ["sh", "-c", "seq 300000"], environment=os.environ, timeout=20.0, kept_output=14
        )
        pieces = list(guard.pieces())
    assert ended.output == "299999\n300000\n"
    assert ended.printed == sum(map(len, pieces))
    assert len(pieces) > 1
    assert all(piece.endswith("\n") for piece in pieces)
    assert "".join(pieces).split() == [str(number) for number in range(1, 300001)]


def test_memory_that_processes_share_is_counted_once() -> None:
    share = (
        "import mmap, os, time; m = mmap.mmap(-1, 60 << 20); m.write(bytes(60 << 20)); "
        "[os.fork() for _ in range(2)]; x = sum(m[::4096]); time.sleep(0.5)"
    )
    ended = run(*python(share), memory=150 << 20)
    assert ended.reason == "exited"
    assert ended.peak > 150 << 20
