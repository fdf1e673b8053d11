"""A program captured from a run of its own, with Legion's logs switched on."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from legion_bridge.capture.assemble import assemble
from legion_bridge.capture.captured import Captured
from legion_bridge.capture.spy_log import read_spy_log
from legion_bridge.capture.spy_program import program_of
from legion_bridge.capture.times import Times, read_times
from legion_bridge.errors import CaptureError
from legion_bridge.legion.guarded import Guard
from legion_bridge.legion.installation import find_legion
from legion_bridge.legion.verdict import failure_of

__all__ = ["capture", "program_name"]

_FLAGS = (
    "-ll:util 0 -lg:spy 1 -lg:prof 1 -lg:prof_logfile {folder}/times_% "
    "-logfile {folder}/spy_% -level legion_spy=2,taskreg=2"
)
_INTERPRETERS = ("python", "python3", "legate", "mpirun", "srun", "env", "sh", "bash")


def capture(
    command: Sequence[str],
    *,
    name: str | None = None,
    timeout: float = 600.0,
    memory: int | None = None,
    variables: Mapping[str, str] | None = None,
) -> Captured:
    """Runs a Legion program once, with its own mapper, and makes an application of its logs.

    The run is slower than others: Legion waits five seconds before a run with both logs.

    Args:
        command: The program and its arguments.
        name: What to call the application; by default as the program.
        timeout: Seconds that the run may take.
        memory: Resident bytes that its processes may have together; None for no limit.
        variables: Environment variables besides those of this process.

    Raises:
        CaptureError: The program does not run to its end, is no Legion program, or launches
            nothing.
        LegionError: There is no Legion runtime here.
    """
    if not command:
        raise CaptureError("there is no program to capture: name one, such as ./stencil2d")
    legion = find_legion()
    environment = legion.environment() | dict(variables or {})
    with Guard() as guard:
        flags = _FLAGS.format(folder=shlex.quote(str(guard.folder)))
        given = environment.get("LEGION_DEFAULT_ARGS", "")
        environment |= {
            "LEGION_DEFAULT_ARGS": f"{given} {flags}".strip(),
            "TMPDIR": str(guard.folder),
        }
        ended = guard.run(command, environment=environment, timeout=timeout, memory=memory)
        failure = failure_of(ended, command[0], timeout, memory)
        if failure is not None:
            raise CaptureError(failure[1])
        return _captured(guard.folder, command, name or program_name(command), ended.output)


def _captured(folder: Path, command: Sequence[str], name: str, output: str) -> Captured:
    logs = sorted(folder.glob("spy_*"))
    if not logs:
        raise CaptureError(
            f"{command[0]} is no Legion program, or one whose Legion takes no flags from "
            "LEGION_DEFAULT_ARGS: nothing was logged"
        )
    profiles = sorted(folder.glob("times_*"))
    seen = program_of(read_spy_log(logs), read_times(profiles) if profiles else Times())
    here = ", ".join(sorted({k for task in seen.tasks.values() for k in task.variants}))
    seen.unknown["tasks.*.variants"] = (
        f"variants for kinds of processors that the run did not have are not seen; it had {here}"
    )
    seen.unknown["*.requirements.*.layout"] = (
        "the layouts that tasks were compiled for are not logged"
    )
    seen.unknown["*.blocking"] = (
        "whether the program waits for a launch is seen by when it makes the next one"
    )
    words = " ".join(shlex.quote(word) for word in command)
    summary = f"Captured from a run of {words} on {os.uname().nodename}"
    return Captured(assemble(seen, name, summary), dict(seen.skipped), output)


def program_name(command: Sequence[str]) -> str:
    """What to call a program: its file's name, or that of the script that it interprets.

    >>> program_name(["./build/stencil2d", "-n", "8"]), program_name(["python3", "app/gemm.py"])
    ('stencil2d', 'gemm')
    """
    words = [word for word in command if not word.startswith("-")] or list(command)
    known = Path(words[0]).name in _INTERPRETERS and len(words) > 1
    return Path(words[1] if known else words[0]).stem
