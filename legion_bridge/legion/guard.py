"""A small process that runs a program for another one, and cleans up whatever happens.

It is started as a script, on Python's standard library alone, by `guarded.Guard`, and stands in a
session of its own, where Ctrl-C does not reach it. It makes a scratch folder and writes its path
on standard output; then it reads one request a line on standard input, a JSON object, and writes
one report a line. When its input ends (its parent is done, or was killed), it kills the program
with all that the program has started, removes the shared memory that these left and the scratch
folder, and ends.

The program has this process for its *subreaper*: what it starts and abandons stays below it in
the tree of processes, in whatever session or group. Should somebody kill this process, the program
itself is killed by the kernel.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import resource
import select
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_IPC_RMID = 0
_POLL = 0.1  # seconds between looks at memory and output
_PATIENCE = 5.0  # seconds for killed processes to be gone
_SHARED = Path("/dev/shm")  # noqa: S108  (it is looked through, not written)
_PAGE = resource.getpagesize()
_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Serves requests until standard input ends."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    scratch = Path(sys.argv[1]) / f"mappertune-{os.getpid()}-{os.urandom(4).hex()}"
    scratch.mkdir(mode=0o700)
    try:
        _say(str(scratch))
        requests = _Requests()
        while (request := requests.next()) is not None:
            _say(_Run(request, requests).report())
    except BrokenPipeError:
        pass  # nobody reads any more
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _say(what: object) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


class _Requests:
    """The lines of standard input, with a way to see that it has ended."""

    def __init__(self) -> None:
        self.ended = False
        self._read = b""

    def next(self) -> dict[str, Any] | None:
        while b"\n" not in self._read:
            if self.ended:
                return None
            self.take()
        line, self._read = self._read.split(b"\n", 1)
        request: dict[str, Any] = json.loads(line)
        return request

    def take(self) -> None:
        """Reads what is there; waits if nothing is."""
        data = os.read(0, 1 << 16)
        self._read += data
        self.ended = not data


class _Run:
    """One run of a program."""

    def __init__(self, request: dict[str, Any], requests: _Requests) -> None:
        self._request = request
        self._requests = requests
        self._before = set(_shared_files())
        self._pids: set[int] = set()
        self._mapped: set[str] = set()
        self._peak = 0

    def report(self) -> dict[str, Any]:
        """Runs the program; how it ended, after which nothing of it is left."""
        begin = time.monotonic()
        pid, failure = self._start()
        if failure:
            return {"reason": "not started", "code": failure, "seconds": 0.0, "peak": 0}
        self._pids.add(pid)
        try:
            reason = self._watch(pid, begin + self._request["timeout"])
            seconds = time.monotonic() - begin
        finally:
            code = self._end(pid)
        return {"reason": reason, "code": code, "seconds": seconds, "peak": self._peak}

    def _start(self) -> tuple[int, int]:
        """The process, and the number of the error if the program cannot be started."""
        told, tell = os.pipe()
        guard = os.getpid()
        pid = os.fork()
        if pid == 0:
            os.close(told)
            try:
                self._become_program(guard)
            except OSError as error:
                os.write(tell, str(error.errno).encode())
            os._exit(127)
        os.close(tell)
        with os.fdopen(told) as pipe:
            said = pipe.read()
        if said:
            os.waitpid(pid, 0)
        return pid, int(said or 0)

    def _become_program(self, guard: int) -> None:
        request = self._request
        os.setsid()
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != guard:
            os._exit(127)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # Where memory runs out, the kernel shall take the program and not who tunes it.
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")
        os.chdir(request["folder"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.execvpe(request["command"][0], request["command"], request["environment"])  # noqa: S606  (no shell is meant)

    def _watch(self, pid: int, deadline: float) -> str:
        """Waits for the end of the program, or for a reason to end it."""
        ended = os.pidfd_open(pid)
        try:
            while True:
                wait = max(0.0, min(_POLL, deadline - time.monotonic()))
                ready, _, _ = select.select([ended, 0], [], [], wait)
                if ended in ready:
                    return "exited"
                if 0 in ready:
                    self._requests.take()
                    if self._requests.ended:
                        return "abandoned"
                if reason := self._excess(deadline):
                    return reason
        finally:
            os.close(ended)

    def _excess(self, deadline: float) -> str | None:
        """What the program has too much of."""
        memory = self._look()
        self._peak = max(self._peak, memory)
        limit = self._request["memory"]
        if limit is not None and memory > limit:
            return "memory"
        if Path(self._request["output"]).stat().st_size > self._request["most_output"]:
            return "output"
        return "timeout" if time.monotonic() >= deadline else None

    def _look(self) -> int:
        """Resident bytes of all processes; remembers them, and the memory that they share."""
        resident = 0
        for pid in _descendants():
            self._pids.add(pid)
            try:
                resident += int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * _PAGE
                if set(_shared_files()) - self._before:
                    self._mapped |= _mapped_files(pid)
            except (OSError, IndexError):
                continue  # it is gone
        return resident

    def _end(self, pid: int) -> int:
        """Kills what is left, and returns the exit code of the program, or minus its signal."""
        self._look()
        code = 0
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            left = list(_descendants())
            for other in left:
                self._pids.add(other)
                _kill(other)  # does nothing to one that has ended and keeps its code for us
            found, status = _reap()
            if found == pid:
                code = os.waitstatus_to_exitcode(status)
            if not left and not found:
                break
            if not found:
                time.sleep(0.002)
        self._free_shared()
        return code

    def _free_shared(self) -> None:
        for name in set(_shared_files()) - self._before:
            numbers = {int(number) for number in re.findall(r"\d+", name)}
            if name in self._mapped or numbers & self._pids:
                (_SHARED / name).unlink(missing_ok=True)
        for number, creator in _system_v_segments():
            if creator in self._pids:
                _libc.shmctl(number, _IPC_RMID, None)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _reap() -> tuple[int, int]:
    """A process that has ended, and how; 0 where none has."""
    try:
        return os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return 0, 0


def _descendants() -> Iterator[int]:
    """Every process below this one."""
    found = [os.getpid()]
    for pid in found:
        found += _children(pid)
    return iter(found[1:])


def _children(pid: int) -> list[int]:
    children: list[int] = []
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            children += map(int, (thread / "children").read_text("ascii").split())
    except OSError:  # it is gone
        return children
    return children


def _shared_files() -> list[str]:
    try:
        return [entry.name for entry in _SHARED.iterdir()]
    except OSError:
        return []


def _mapped_files(pid: int) -> set[str]:
    text = Path(f"/proc/{pid}/maps").read_text("utf-8", "replace")
    return set(re.findall(rf" {_SHARED}/(\S+)", text))


def _system_v_segments() -> Iterator[tuple[int, int]]:
    """Number and creator of each shared segment of the older kind."""
    try:
        lines = Path("/proc/sysvipc/shm").read_text("ascii").splitlines()[1:]
    except OSError:
        return
    for line in lines:
        columns = line.split()
        yield int(columns[1]), int(columns[4])


if __name__ == "__main__":
    main()
