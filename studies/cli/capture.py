"""``mappertune capture``: a program's tasks, data and times, from a run or a log of its own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studies.cli.console import columns, fail, print_json, say
from studies.cli.program_runs import mapper_in_place
from studies.errors import UsageError
from studies.files import ensure_writable, write_text

if TYPE_CHECKING:
    from legion_bridge.capture import Captured
    from legion_bridge.programs.application import Application

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Captures a program and writes its application; the exit code is 1 where it does not run."""
    from legion_bridge.errors import CaptureError
    from legion_bridge.programs.application_json import to_json

    command = arguments.program[1:] if arguments.program[:1] == ["--"] else arguments.program
    if bool(command) == bool(arguments.log):
        raise UsageError(
            "give either a program to run, as in mappertune capture -- ./stencil2d -n 2048, or "
            "the log of a mapper, as in mappertune capture --log mapper.log"
        )
    ensure_writable(None if arguments.output == "-" else arguments.output)
    try:
        captured = _from_logs(arguments) if arguments.log else _from_run(command, arguments)
    except CaptureError as error:
        return fail(str(error), 1, kind=type(error).__name__, as_json=arguments.json)
    target = arguments.output or f"{captured.application.name}.json"
    document = to_json(captured.application) + "\n"
    if target == "-":
        sys.stdout.write(document)
        return 0
    write_text(Path(target), document)
    if arguments.json:
        print_json(_as_json(captured, target))
    else:
        _tell(captured, target)
    return 0


def _from_run(command: list[str], arguments: argparse.Namespace) -> Captured:
    from legion_bridge.capture import capture

    return capture(command, name=arguments.name, timeout=arguments.timeout)


def _from_logs(arguments: argparse.Namespace) -> Captured:
    from legion_bridge.capture import capture_log

    return capture_log([Path(log) for log in arguments.log], name=arguments.name)


def _as_json(captured: Captured, target: str) -> dict[str, Any]:
    application = captured.application
    return {
        "output": target,
        "name": application.name,
        "tasks": list(application.tasks),
        "setup": len(application.setup),
        "loop": len(application.loop),
        "finish": len(application.finish),
        "iterations": application.warmup + application.timed,
        "own_mapper": application.own_mapper,
        "unknown": dict(application.unknown),
        "skipped": dict(captured.skipped),
    }


def _tell(captured: Captured, target: str) -> None:
    application = captured.application
    say(f"{target}: {len(application.tasks)} tasks, {_phases(application)}")
    if application.own_mapper:
        say(mapper_in_place(application.own_mapper, keep_own=False))
    if captured.skipped:
        say("seen and left out:")
        columns([(f"{times} x", what) for what, times in captured.skipped.items()])
    if application.unknown:
        say("unknown, and assumed:")
        columns(list(application.unknown.items()))
    say(f"mappertune show {target} explains it, mappertune tune {target} searches a mapper")


def _phases(application: Application) -> str:
    iterations = application.warmup + application.timed
    return (
        f"{len(application.setup)} launches before the loop, {len(application.loop)} in each of "
        f"{iterations} iterations, {len(application.finish)} after it"
    )
