"""Programs run under a guard: with limits, and with nothing of them left behind."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

from legion_bridge.errors import LegionError

__all__ = ["Ended", "Guard", "Reason"]

Reason: TypeAlias = Literal["exited", "timeout", "memory", "output", "not started"]

_MOST_OUTPUT = 256 << 20  # bytes that a program may print
_SCRIPT = Path(__file__).with_name("guard.py")
_PATIENCE = 20.0  # seconds; the guard waits 5 for what it has killed


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended.

    Attributes:
        reason: ``"exited"`` (by itself, or by a signal), or why it was stopped.
        code: Its exit code, or minus the number of the signal that ended it; for a program that
            was not started, the number of the error.
        seconds: From its start to its end.
        peak: Most resident bytes of all its processes together, as far as was seen.
        output: What it printed, on standard output and standard error in the order of arrival.
    """

    reason: Reason
    code: int
    seconds: float
    peak: int
    output: str


class Guard:
    """Runs programs one after the other in sessions of their own, as a context manager.

    Attributes:
        folder: A scratch folder, gone after the context. It goes, as do all processes that the
            programs have started and the shared memory that they left, even where this process
            is killed.
    """

    folder: Path

    def __enter__(self) -> Self:
        """Starts the guard.

        Raises:
            LegionError: It does not start.
        """
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", _SCRIPT, tempfile.gettempdir()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for us; we tell the guard by closing its input
        )
        try:
            self.folder = Path(self._answer())
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
    ) -> Ended:
        """Runs a program to its end, or to a limit.

        Args:
            command: The program and its arguments.
            environment: All its environment variables.
            timeout: Seconds after which it is stopped.
            memory: Resident bytes of all its processes together above which it is stopped, seen
                ten times a second.
            folder: Where it runs; by default where this process does.

        Raises:
            LegionError: Somebody has killed the guard.
        """
        output = self.folder / "output"
        request = {
            "command": list(command),
            "environment": dict(environment),
            "folder": str(folder or Path.cwd()),
            "output": str(output),
            "timeout": timeout,
            "memory": memory,
            "most_output": _MOST_OUTPUT,
        }
        output.write_bytes(b"")
        answer = self._ask(request)
        return Ended(output=output.read_text("utf-8", "replace"), **answer)

    def _ask(self, request: Mapping[str, Any]) -> Any:
        requests = self._process.stdin
        assert requests is not None  # noqa: S101  (it was asked for)
        try:
            requests.write(json.dumps(request).encode() + b"\n")
            requests.flush()
        except BrokenPipeError:
            raise _lost() from None
        return self._answer()

    def _answer(self) -> Any:
        answers = self._process.stdout
        assert answers is not None  # noqa: S101  (it was asked for)
        line = answers.readline()
        if not line:
            raise _lost()
        return json.loads(line)

    def _close(self) -> None:
        """Ends the guard, and with it what it runs; returns when all is gone."""
        process = self._process
        assert process.stdin is not None  # noqa: S101  (it was asked for)
        assert process.stdout is not None  # noqa: S101
        with contextlib.suppress(BrokenPipeError):  # it is gone already
            process.stdin.close()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:  # a process that the kernel does not let go
            process.kill()
            process.wait()
        process.stdout.close()


def _lost() -> LegionError:
    return LegionError(
        "the process that watches over programs has ended: see that there is room in "
        f"{tempfile.gettempdir()}, and that nobody kills it"
    )
