"""Captures a program from a run of its own, with Legion's logs switched on."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import dsl
from legion_bridge.capture.assemble import assemble
from legion_bridge.capture.captured import Captured
from legion_bridge.capture.decisions import Decisions, decisions_of
from legion_bridge.capture.mapper_log import read_mapper_log
from legion_bridge.capture.own_mapper import own_mapper
from legion_bridge.capture.spy_log import read_spy_log
from legion_bridge.capture.spy_program import program_of
from legion_bridge.capture.times import Times, read_times
from legion_bridge.errors import CaptureError, LegionError
from legion_bridge.legion.build import build_recorder
from legion_bridge.legion.guarded import Guard
from legion_bridge.legion.installation import LegionInstallation, find_legion
from legion_bridge.legion.preload_environment import preload_environment
from legion_bridge.legion.verdict import failure_of
from legion_bridge.programs.application import Application

__all__ = ["capture", "program_name", "recorded"]

_FLAGS = (
    "-ll:util 0 -lg:spy 1 -lg:prof 1 -lg:prof_logfile {folder}/times_% "
    "-logfile {folder}/spy_% -level legion_spy=2,taskreg=2,mapper=2"
)
_RECORDING = "-ll:util 0 -logfile {folder}/decisions_% -level mapper=2"
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

    The run is slower than usual: Legion waits five seconds before a run with both logs. What the
    program's mapper decided becomes the mapper ``"own"`` of the application.

    Args:
        command: The program and its arguments.
        name: What to call the application; by default it is named after the program.
        timeout: Seconds that the run may take.
        memory: Resident bytes that its processes may have together; None for no limit.
        variables: Environment variables in addition to those of this process.

    Raises:
        CaptureError: The program does not run to its end, is no Legion program, or launches
            nothing.
        LegionError: There is no Legion runtime here.
    """
    if not command:
        raise CaptureError("there is no program to capture: name one, such as ./stencil2d")
    legion = find_legion()
    recorder, unseen = _recorder(legion)
    environment = legion.environment() | dict(variables or {}) | recorder
    with Guard() as guard:
        output = _run(guard, command, environment, _FLAGS, timeout=timeout, memory=memory)
        found = _captured(guard.folder, command, name or program_name(command), output)
        if unseen is None:
            return _with_own_mapper(found, sorted(guard.folder.glob("spy_*")))
        return replace(found, application=_unknown_mapper(found.application, unseen))


def recorded(
    command: Sequence[str],
    program: dsl.Program | None,
    *,
    timeout: float = 600.0,
    memory: int | None = None,
    variables: Mapping[str, str] | None = None,
) -> Decisions:
    """The decisions of a mapper in a run of a program.

    Args:
        command: The program and its arguments.
        program: The mapper; None for the one that the program has itself.
        timeout: Seconds that the run may take.
        memory: Resident bytes that its processes may have together; None for no limit.
        variables: Environment variables in addition to those of this process.

    Raises:
        CaptureError: The program does not run to its end, or asks no mapper.
        LegionError: There is no Legion runtime here, or no C++ compiler.
    """
    legion = find_legion()
    environment = legion.environment() | dict(variables or {})
    preloaded = [str(build_recorder(legion))]
    with Guard() as guard:
        if program is not None:
            mapper = preload_environment(program, legion, guard.folder)
            preloaded.insert(0, mapper["LD_PRELOAD"])  # it asks the next for Legion's functions
            environment |= mapper
        environment["LD_PRELOAD"] = ":".join(preloaded)
        _run(guard, command, environment, _RECORDING, timeout=timeout, memory=memory)
        return decisions_of(read_mapper_log(sorted(guard.folder.glob("decisions_*"))))


def _recorder(legion: LegionInstallation) -> tuple[dict[str, str], str | None]:
    """The variables that make the program's mapper log its decisions, or why there are none."""
    try:
        return {"LD_PRELOAD": str(build_recorder(legion))}, None
    except LegionError as error:
        return {}, str(error)


def _run(
    guard: Guard,
    command: Sequence[str],
    environment: Mapping[str, str],
    flags: str,
    *,
    timeout: float,
    memory: int | None,
) -> str:
    """Runs a program with further flags of the runtime; gives back what it printed."""
    wanted = flags.format(folder=shlex.quote(str(guard.folder)))
    given = environment.get("LEGION_DEFAULT_ARGS", "")
    variables = {
        "LEGION_DEFAULT_ARGS": f"{given} {wanted}".strip(),
        "TMPDIR": str(guard.folder),
    }
    ended = guard.run(
        command, environment={**environment, **variables}, timeout=timeout, memory=memory
    )
    failure = failure_of(ended, command[0], timeout, memory)
    if failure is not None:
        raise CaptureError(failure[1])
    return ended.output


def _with_own_mapper(found: Captured, logs: Sequence[Path]) -> Captured:
    """The application with what its mapper decided."""
    application = found.application
    try:
        decisions = decisions_of(read_mapper_log(logs))
    except CaptureError:
        decisions = {}
    if not decisions:
        sentence = "no decision of its mapper was logged: Legion is linked into the program"
        return replace(found, application=_unknown_mapper(application, sentence))
    own = own_mapper(decisions, application)
    mappers = MappingProxyType({**application.mappers, "own": own.text})
    application = replace(application, mappers=mappers)
    if own.unknown:
        application = _unknown_mapper(application, "; ".join(own.unknown))
    return replace(found, application=application)


def _unknown_mapper(application: Application, why: str) -> Application:
    return replace(application, unknown={**application.unknown, "mappers.own": why})


def _captured(folder: Path, command: Sequence[str], name: str, output: str) -> Captured:
    logs = sorted(folder.glob("spy_*"))
    if not logs:
        raise CaptureError(
            f"{command[0]} is no Legion program, or one whose Legion takes no flags from "
            "LEGION_DEFAULT_ARGS: nothing was logged"
        )
    profiles = sorted(folder.glob("times_*"))
    observed = program_of(read_spy_log(logs), read_times(profiles) if profiles else Times())
    here = ", ".join(sorted({k for task in observed.tasks.values() for k in task.variants}))
    observed.unknown["tasks.*.variants"] = (
        f"variants for kinds of processors that the run did not have are not seen; it had {here}"
    )
    observed.unknown["*.requirements.*.layout"] = (
        "the layouts that tasks were compiled for are not logged"
    )
    observed.unknown["*.blocking"] = (
        "whether the program waits for a launch is seen by when it makes the next one"
    )
    words = " ".join(shlex.quote(word) for word in command)
    summary = f"Captured from a run of {words} on {os.uname().nodename}"
    return Captured(assemble(observed, name, summary), dict(observed.skipped), output)


def program_name(command: Sequence[str]) -> str:
    """What to call a program: its file's name, or that of the script that it interprets.

    >>> program_name(["./build/stencil2d", "-n", "8"]), program_name(["python3", "app/gemm.py"])
    ('stencil2d', 'gemm')
    """
    words = [word for word in command if not word.startswith("-")] or list(command)
    known = Path(words[0]).name in _INTERPRETERS and len(words) > 1
    return Path(words[1] if known else words[0]).stem
