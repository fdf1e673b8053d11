"""A small process that runs a program for another one, and cleans up whatever happens.

It is started as a script, on Python's standard library alone, by `guarded.Guard`, and stands in a
session of its own, where Ctrl-C does not reach it. It makes a scratch folder and writes its path
on standard output; then it reads one request a line on standard input, a JSON object, and writes
two answers a line each: the number of the process, and how it ended. When its input ends (its
parent is done, or was killed), it kills the program with all that the program has started, removes
the shared memory that these left and the scratch folder, and ends.

What the program prints goes to a file without a name, which the parent has opened: nobody can put
another one in its place.

The program has this process for its *subreaper*: what it starts and abandons stays below it in
the tree of processes, in whatever session or group. Should somebody kill this process, the program
itself is killed by the kernel, and the parent finds the others by their session and by a mark in
their environment (`kill_marked`).
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
import stat
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_IPC_RMID = 0
_POLL = 0.1  # seconds between looks at memory and output
_PATIENCE = 5.0  # seconds for killed processes to be gone
_SHARED = Path("/dev/shm")  # noqa: S108  (it is looked through, not written)
_PAGE = resource.getpagesize()
_libc = ctypes.CDLL(None, use_errno=True)

MARK = "MAPPERTUNE_RUN"
"""The variable by which a process is known to be of a program that a guard runs."""


def main() -> None:
    """Serves requests until standard input ends.

    The arguments are the folder for the scratch folder, the open file for what programs print, and
    the value of their mark.
    """
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    output, mark = int(sys.argv[2]), sys.argv[3]
    os.set_inheritable(output, False)
    scratch = Path(sys.argv[1]) / f"mappertune-{os.getpid()}-{os.urandom(4).hex()}"
    scratch.mkdir(mode=0o700)
    try:
        _say(str(scratch))
        requests = _Requests()
        while (request := requests.next()) is not None:
            _say(_Run(request, requests, output, mark).report())
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

    def __init__(
        self, request: dict[str, Any], requests: _Requests, output: int, mark: str
    ) -> None:
        self._request = request
        self._requests = requests
        self._output = output
        self._mark = mark
        self._disturbed = False
        self._begun = time.time()
        self._before = set(shared_files())
        self._pids: set[int] = set()
        self._mapped: set[str] = set()
        self._peak = 0
        self._largest = 0  # of a single process, as the kernel kept it

    def report(self) -> dict[str, Any]:
        """Runs the program; how it ended, after which nothing of it is left."""
        signal.signal(signal.SIGCONT, self._note_stop)
        begin = time.monotonic()
        pid, failure = self._start()
        _say(pid)
        if failure:
            return {"reason": "not started", "code": failure, "seconds": 0.0, "peak": 0}
        self._pids.add(pid)
        try:
            reason = self._watch(pid, begin + self._request["timeout"])
            seconds = time.monotonic() - begin
        finally:
            code = self._end(pid)
        if reason == "exited":
            reason = self._late_excess() or reason
        if self._disturbed:
            reason = "disturbed"
        return {"reason": reason, "code": code, "seconds": seconds, "peak": self._peak}

    def _note_stop(self, *_: object) -> None:
        """Somebody has stopped this process meanwhile: when the program ended is not known."""
        self._disturbed = True

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
        os.dup2(self._output, 1)
        os.dup2(self._output, 2)
        environment = {**request["environment"], MARK: self._mark}
        os.execvpe(request["command"][0], request["command"], environment)  # noqa: S606  (no shell is meant)

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
        if limit is not None and memory > limit and self._alone(memory) > limit:
            return "memory"
        if self._says_too_much():
            return "output"
        return "timeout" if time.monotonic() >= deadline else None

    def _late_excess(self) -> str | None:
        """What a program had too much of that ended before anybody looked."""
        limit = self._request["memory"]
        if limit is not None and self._largest > limit:
            return "memory"
        return "output" if self._says_too_much() else None

    def _says_too_much(self) -> bool:
        size: int = os.fstat(self._output).st_size
        most: int = self._request["most_output"]
        return size > most

    def _look(self) -> int:
        """Resident bytes of all processes; remembers them, and the memory that they share."""
        resident = 0
        for pid in _descendants():
            self._pids.add(pid)
            try:
                resident += int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * _PAGE
                if set(shared_files()) - self._before:
                    self._mapped |= _mapped_files(pid)
            except (OSError, IndexError):
                continue  # it is gone
        return resident

    def _alone(self, resident: int) -> int:
        """Resident bytes with what several processes share counted once; slow to be had."""
        shares = [_proportional(pid) for pid in _descendants()]
        return resident if None in shares else sum(share or 0 for share in shares)

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
            found, status, resident = _reap()
            self._largest = max(self._largest, resident)
            self._peak = max(self._peak, resident)
            if found == pid:
                code = os.waitstatus_to_exitcode(status)
            if not left and not found:
                break
            if not found:
                time.sleep(0.002)
        free_shared(self._before, self._begun, self._pids, self._mapped)
        return code


def kill_marked(mark: str, session: int) -> set[int]:
    """Kills what a program has left whose guard is dead; returns the numbers of the processes.

    Args:
        mark: The value of the variable ``MARK`` in its environment.
        session: The session that it was started in; 0 where it was not.
    """
    marked = f"{MARK}={mark}".encode()

    def is_of_it(pid: int) -> bool:
        if state_of(pid) in "Z?":  # it has ended, whoever is to take notice of that
            return False
        return _session(pid) == session > 0 or marked in _environment(pid)

    killed: set[int] = set()
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        left = _with_descendants(pid for pid in _processes() if is_of_it(pid))
        if not left:
            break
        for pid in left:
            _kill(pid)
        killed |= left
        time.sleep(0.01)
    return killed


def free_shared(
    before: Collection[str], begun: float, pids: Collection[int], mapped: Collection[str] = ()
) -> None:
    """Removes the shared memory that a run has made and left.

    A new file is the run's if a process of the run had it in its memory, or if its number is in
    the file's name. Of the others those are taken for the run's that are this user's, were made
    meanwhile, are nobody's any more, and have no living process's number in their name.

    Args:
        before: Names that were there before the run.
        begun: When that was, as ``time.time`` says it.
        pids: The processes of the run.
        mapped: Names that they were seen to have in their memory.
    """
    new = set(shared_files()) - set(before)
    ours = {name for name in new if name in mapped or _numbers(name) & set(pids)}
    if others := {name for name in new - ours if _is_recent(name, begun)}:
        living = {str(pid) for pid in _processes()}
        others = {name for name in others if living.isdisjoint(re.split(r"[^0-9A-Za-z]+|_", name))}
        ours |= others - set(_held_files()) if others else set()
    for name in ours:
        (_SHARED / name).unlink(missing_ok=True)
    for number, creator in _system_v_segments():
        if creator in pids:
            _libc.shmctl(number, _IPC_RMID, None)


def _numbers(name: str) -> set[int]:
    return {int(number) for number in re.findall(r"\d{1,9}", name)}


def _is_recent(name: str, begun: float) -> bool:
    """Whether it is a file of this user's that was made since a time."""
    try:
        told = (_SHARED / name).lstat()
    except OSError:
        return False
    # The clock of files is a tick behind the other.
    return (
        stat.S_ISREG(told.st_mode) and told.st_uid == os.getuid() and told.st_ctime > begun - 0.1
    )


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # it is gone, or has become another user's
        return


def _reap() -> tuple[int, int, int]:
    """A process that has ended, how, and its largest resident bytes; 0 where none has."""
    try:
        found, status, used = os.wait4(-1, os.WNOHANG)
    except ChildProcessError:
        return 0, 0, 0
    return found, status, used.ru_maxrss * 1024 if found else 0


def _descendants() -> Iterator[int]:
    """Every process below this one."""
    found = [os.getpid()]
    for pid in found:
        found += _children(pid)
    return iter(found[1:])


def _with_descendants(pids: Iterable[int]) -> set[int]:
    found = list(pids)
    for pid in found:
        found += [child for child in _children(pid) if child not in found]
    return set(found) - {os.getpid()}


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def state_of(pid: int) -> str:
    """The letter of a process's state; ``"?"`` for one that is gone."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return "?"
    return told.rpartition(")")[2].split()[0]


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return 0


def _environment(pid: int) -> list[bytes]:
    """The variables that a process was started with; none of another user's."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _proportional(pid: int) -> int | None:
    """Its own bytes and its share of those that it shares; None where the system does not say."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii", "replace")
    except OSError:
        return None
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) << 10 if found else None


def _children(pid: int) -> list[int]:
    children: list[int] = []
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            children += map(int, (thread / "children").read_text("ascii").split())
    except OSError:  # it is gone
        return children
    return children


def shared_files() -> list[str]:
    """Names of all files of shared memory."""
    try:
        return [entry.name for entry in _SHARED.iterdir()]
    except OSError:
        return []


def _mapped_files(pid: int) -> set[str]:
    text = Path(f"/proc/{pid}/maps").read_text("utf-8", "replace")
    return set(re.findall(rf" {_SHARED}/(\S+)", text))


def _held_files() -> Iterator[str]:
    """Names of the files of shared memory that some process has open or in its memory."""
    for pid in _processes():
        yield from _read(_mapped_files, pid)
        yield from _read(_open_files, pid)


def _read(what: Callable[[int], set[str]], pid: int) -> set[str]:
    try:
        return what(pid)
    except OSError:  # it is gone, or another user's
        return set()


def _open_files(pid: int) -> set[str]:
    names = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = entry.readlink()
        except OSError:  # it is closed again
            continue
        if target.is_relative_to(_SHARED):
            names.add(target.name)
    return names


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
