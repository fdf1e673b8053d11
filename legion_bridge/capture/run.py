"""Captures a program from a run of its own, with Legion's logs switched on."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import dsl
from legion_bridge.capture.assemble import assemble
from legion_bridge.capture.captured import Captured
from legion_bridge.capture.damaged import damage_told
from legion_bridge.capture.decisions import Decisions, decisions_of
from legion_bridge.capture.mapper_log import MapperLog, read_mapper_log
from legion_bridge.capture.observed import ObservedProgram
from legion_bridge.capture.own_mapper import with_own_mapper
from legion_bridge.capture.profile_runs import timed_program
from legion_bridge.capture.spy_log import SpyLog, read_spy_log
from legion_bridge.errors import CaptureError, LegionError
from legion_bridge.legion.build import build_recorder
from legion_bridge.legion.guarded import Guard
from legion_bridge.legion.installation import LegionInstallation, find_legion
from legion_bridge.legion.preload_environment import preload_environment
from legion_bridge.legion.verdict import failure_of
from legion_bridge.programs.application import Application

__all__ = ["capture", "last_words", "program_name", "recorded"]

# Not with Legion's profile: together they make some programs crash, and all sleep for 5 seconds.
_SPY = "-ll:util 0 -lg:spy 1 -logfile {folder}/spy_% -level legion_spy=2,taskreg=2,mapper=2"
_RECORDING = "-ll:util 0 -logfile {folder}/decisions_% -level mapper=2"
_LAST_LINES = 12  # of a program that failed
_UNTELLING = re.compile(
    r"\s*$|!.*!$|SLEEPING FOR 5 SECONDS|-{5,}$|Backtrace:|stack trace: \d+ frames|"
    r"(?:\x1b\[\d*m)*\s*0x[0-9a-f]+\S* (?:\x1b\[\d*m)*at |Task Tree Trace:|\[depth\]|\[\d+\]<"
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
    """Runs a Legion program with its own mapper, and makes an application of its logs.

    It runs twice, a little slower than usual: once to log what it asks of the runtime, and once
    for its times; a short program whose loop a disturbance may hide runs up to twice more for
    those. What its mapper decided becomes the mapper ``"own"`` of the application.

    Args:
        command: The program and its arguments.
        name: What to call the application; by default it is named after the program.
        timeout: Seconds that each run may take.
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
    environment = legion.environment() | dict(variables or {})
    with Guard() as guard:
        run = partial(_run, command, guard, timeout=timeout, memory=memory)
        output = run(environment | recorder, _SPY)
        logs = _logs_of(guard.folder, command)
        spy = read_spy_log(logs)
        observed = timed_program(partial(run, environment), guard.folder, spy)
        with damage_told():
            found = _captured(observed, command, name or program_name(command), output)
            if unseen is not None:
                return replace(found, application=_unknown_mapper(found.application, unseen))
            return _with_own_mapper(found, read_mapper_log(logs, silent=True), spy)


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
        _run(command, guard, environment, _RECORDING, timeout=timeout, memory=memory)
        return decisions_of(read_mapper_log(sorted(guard.folder.glob("decisions_*"))))


def _recorder(legion: LegionInstallation) -> tuple[dict[str, str], str | None]:
    """The variables that make the program's mapper log its decisions, or why there are none."""
    try:
        return {"LD_PRELOAD": str(build_recorder(legion))}, None
    except LegionError as error:
        return {}, str(error)


def _run(
    command: Sequence[str],
    guard: Guard,
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
        raise CaptureError(last_words(failure[1]))
    return ended.output


def last_words(said: str) -> str:
    r"""The end of what a failed program said, without frames of the stack and drawn boxes.

    >>> last_words("!!!!\n!! A !!\nno piece 7\nstack trace: 8 frames\n0x7f at /lib/libc.so.6")
    'no piece 7'
    """
    lines = [line for line in said.splitlines() if not _UNTELLING.match(line)]
    return "\n".join(lines[-_LAST_LINES:])


def _with_own_mapper(found: Captured, log: MapperLog, spy: SpyLog) -> Captured:
    """The application with what its mapper decided, and which mapper that was."""
    application = replace(found.application, own_mapper=log.brought)
    if not log.mappers:
        sentence = "its mapper was not seen: Legion is linked into the program statically"
        return replace(found, application=_unknown_mapper(application, sentence))
    decisions = decisions_of(log, spy.task_names(), spy.compact())
    if not decisions:
        sentence = "its mapper was asked where no task but the first one runs"
        if any(decision.inlined for decision in log.decisions):
            sentence += ": the tasks that launch others run them themselves, inlined"
        return replace(found, application=_unknown_mapper(application, sentence))
    return replace(found, application=with_own_mapper(application, decisions))


def _unknown_mapper(application: Application, why: str) -> Application:
    return replace(application, unknown={**application.unknown, "mappers.own": why})


def _logs_of(folder: Path, command: Sequence[str]) -> list[Path]:
    logs = sorted(folder.glob("spy_*"))
    if not logs:
        raise CaptureError(
            f"{command[0]} is no Legion program, or one whose Legion takes no flags from "
            "LEGION_DEFAULT_ARGS: nothing was logged"
        )
    return logs


def _captured(
    observed: ObservedProgram, command: Sequence[str], name: str, output: str
) -> Captured:
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
    """What to call a program: its file's name, or that of the one that an interpreter runs.

    >>> program_name(["./build/stencil2d", "-n", "8"]), program_name(["python3", "app/gemm.py"])
    ('stencil2d', 'gemm')
    """
    first, *rest = [word for word in command if not word.startswith("-")] or command
    if Path(first).name in _INTERPRETERS:
        # Before it there may be numbers of processes, names of hosts and variables.
        words = [word for word in rest if "=" not in word and not word.isdigit()]
        first = next(filter(_is_runnable, words), words[0] if words else first)
    return Path(first).stem


def _is_runnable(word: str) -> bool:
    path = Path(word)
    return path.is_file() and (path.suffix == ".py" or os.access(path, os.X_OK))
