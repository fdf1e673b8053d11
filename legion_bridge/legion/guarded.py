"""Programs run under a guard: with limits, and with nothing of them left behind."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, Self, TypeAlias

from dsl.plain_text import plain
from legion_bridge.errors import LegionError
from legion_bridge.legion.guard import free_shared, kill_marked, shared_files, state_of

__all__ = ["KEPT_OUTPUT", "MOST_OUTPUT", "Ended", "Guard", "Reason"]

Reason: TypeAlias = Literal["exited", "timeout", "memory", "output", "not started", "disturbed"]

MOST_OUTPUT = 256 << 20
"""Bytes that a program may print, unless somebody says otherwise."""
KEPT_OUTPUT = 1 << 20
"""The last bytes of it that are kept for messages, likewise."""

_SCRIPT = Path(__file__).with_name("guard.py")
_PATIENCE = 60.0  # seconds on a loaded machine; the guard waits 5 for what it has killed
_LOOK = 0.5  # seconds between looks at a guard that says nothing
_PIECE = 1 << 20  # bytes of output that are read at a time
_LONGEST_LINE = 4 << 20  # bytes; a longer one is read in parts


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended.

    Attributes:
        reason: ``"exited"`` (by itself, or by a signal), or why it was stopped; ``"disturbed"``
            where its guard was, so that nothing can be said of its time.
        code: Its exit code, or minus the number of the signal that ended it; for a program that
            was not started, the number of the error.
        seconds: From its start to its end.
        peak: Most resident bytes of all its processes together, as far as was seen.
        output: What it printed last, on standard output and standard error in the order of
            arrival.
        printed: Bytes that it printed in all.
    """

    reason: Reason
    code: int
    seconds: float
    peak: int
    output: str
    printed: int = 0


class Guard:
    """Runs programs one after the other in sessions of their own, as a context manager.

    Attributes:
        folder: A scratch folder, gone after the context. It goes, as do all processes that the
            programs have started and the shared memory that they left, even where this process
            is killed, or the guard itself.
    """

    folder: Path

    def __enter__(self) -> Self:
        """Starts the guard.

        Raises:
            LegionError: It does not start.
        """
        self._heard = b""
        self._mark = secrets.token_hex(8)
        self._session = 0
        self._before: list[str] = []
        self._begun = time.time()
        place, self._output = _temporary_file()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", _SCRIPT, place, str(self._output.fileno()), self._mark],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=[self._output.fileno()],
            start_new_session=True,  # Ctrl-C is for us; we tell the guard by closing its input
        )
        try:
            self.folder = Path(self._answer(_PATIENCE))
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def run(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        timeout: float,
        memory: int | None = None,
        folder: Path | None = None,
        kept_output: int = KEPT_OUTPUT,
        most_output: int = MOST_OUTPUT,
    ) -> Ended:
        """Runs a program to its end, or to a limit.

        Args:
            command: The program and its arguments.
            environment: All its environment variables.
            timeout: Seconds after which it is stopped.
            memory: Resident bytes of all its processes together above which it is stopped, seen
                ten times a second.
            folder: Where it runs; by default where this process does.
            kept_output: The last bytes of what it prints that come back with the result.
            most_output: Bytes of output after which it is stopped, seen ten times a second.

        Raises:
            LegionError: Somebody has killed the guard, or removed its folder.
        """
        self._output.truncate(0)
        self._before, self._begun = shared_files(), time.time()
        self._ask(
            {
                "command": list(command),
                "environment": dict(environment),
                "folder": str(folder or Path.cwd()),
                "timeout": timeout,
                "memory": memory,
                "most_output": most_output,
            }
        )
        self._session = self._answer(_PATIENCE)
        answer = self._answer(timeout + _PATIENCE)
        self.ensure_folder()
        printed = os.fstat(self._output.fileno()).st_size
        start = max(0, printed - kept_output)
        output = os.pread(self._output.fileno(), printed - start, start)
        return Ended(output=plain(output.decode("utf-8", "replace")), printed=printed, **answer)

    def ensure_folder(self) -> None:
        """Sees that the scratch folder is still there.

        Raises:
            LegionError: Somebody has removed it.
        """
        if not self.folder.is_dir():
            raise LegionError(
                f"the folder {self.folder} of this run was removed meanwhile: see what cleans up "
                f"in {self.folder.parent}, or name another place by TMPDIR"
            )

    def pieces(self) -> Iterator[str]:
        """All that the last program printed, in pieces of whole lines."""
        at, rest = 0, b""
        while data := os.pread(self._output.fileno(), _PIECE, at):
            at += len(data)
            whole, newline, rest = (rest + data).rpartition(b"\n")
            if len(rest) > _LONGEST_LINE:
                whole, newline, rest = whole + newline + rest, b"", b""
            if whole or newline:
                yield plain((whole + newline).decode("utf-8", "replace"))
        if rest:
            yield plain(rest.decode("utf-8", "replace"))

    def _ask(self, request: Mapping[str, Any]) -> None:
        requests = self._process.stdin
        assert requests is not None  # noqa: S101  (it was asked for)
        try:
            requests.write(json.dumps(request).encode() + b"\n")
            requests.flush()
        except BrokenPipeError:
            raise self._lost("has ended") from None

    def _answer(self, seconds: float) -> Any:
        """The next line that the guard says."""
        answers = self._process.stdout
        assert answers is not None  # noqa: S101  (it was asked for)
        deadline = time.monotonic() + seconds
        ready = select.poll()
        ready.register(answers, select.POLLIN)
        while b"\n" not in self._heard:
            if ready.poll(1000 * _LOOK):
                data = os.read(answers.fileno(), 1 << 16)
                if not data:
                    raise self._lost("has ended")
                self._heard += data
            elif time.monotonic() > deadline:
                raise self._lost("does not answer")
            else:
                self._wake()
        line, self._heard = self._heard.split(b"\n", 1)
        try:
            return json.loads(line)
        except ValueError:
            raise self._lost("does not answer in its own words") from None

    def _wake(self) -> None:
        """Lets the guard go on, should somebody have stopped it."""
        if state_of(self._process.pid) in "Tt":
            self._process.send_signal(signal.SIGCONT)

    def _close(self) -> None:
        """Ends the guard, and with it what it runs; returns when all is gone."""
        process = self._process
        assert process.stdin is not None  # noqa: S101  (it was asked for)
        assert process.stdout is not None  # noqa: S101
        with contextlib.suppress(BrokenPipeError):  # it is gone already
            process.stdin.close()
        deadline = time.monotonic() + _PATIENCE
        while process.poll() is None:
            if time.monotonic() > deadline:  # a process that the kernel does not let go
                process.kill()
            self._wake()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK)
        process.stdout.close()
        self._output.close()
        if process.returncode:
            self._clean_up()

    def _clean_up(self) -> None:
        """Does what a guard would have done that somebody has killed."""
        pids = kill_marked(self._mark, self._session)
        free_shared(self._before, self._begun, pids | {self._session})
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder, ignore_errors=True)

    def _lost(self, what: str) -> LegionError:
        if self._process.poll() is None:
            self._process.kill()
        return LegionError(
            f"the process that watches over programs {what}: see that there is room in "
            f"{tempfile.gettempdir()}, and that neither the program nor anybody else kills or "
            "stops it"
        )


def _temporary_file() -> tuple[str, IO[bytes]]:
    """The temporary folder, and a file without a name in it, to which all writers append."""
    try:
        place = tempfile.gettempdir()
        file = tempfile.TemporaryFile(dir=place)  # noqa: SIM115  (it is open as long as the guard)
    except OSError as error:
        where = f" {tempfile.tempdir}" if tempfile.tempdir else ""
        raise LegionError(
            f"nothing can be written to the temporary folder{where} ({error.strerror}): make it "
            "again, or name another by TMPDIR"
        ) from error
    fcntl.fcntl(file, fcntl.F_SETFL, fcntl.fcntl(file, fcntl.F_GETFL) | os.O_APPEND)
    return place, file
