"""The program of ``--command``: its words, what runs it, and what it was captured as."""

from __future__ import annotations

import argparse
import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from studies.cli.arguments import DEFAULT_MACHINE
from studies.cli.console import warn
from studies.errors import UsageError

if TYPE_CHECKING:
    from legion_bridge import Application, Machine
    from legion_bridge.legion import LegionRun
    from legion_bridge.legion.metric import Metric, Reading

__all__ = [
    "captured",
    "command_words",
    "mapper_in_place",
    "program_run",
    "target_machine",
    "tell_matches",
]

_OF_MEMORY = 0.9


def command_words(arguments: argparse.Namespace) -> list[str]:
    """The program and its arguments.

    Raises:
        UsageError: They cannot be read, or there are none, or an option is of simulated runs.
    """
    if arguments.parameters or arguments.nodes is not None:
        raise UsageError("-p and --nodes size built-in applications: say it in --command instead")
    try:
        words = shlex.split(arguments.command)
    except ValueError as error:
        raise UsageError(f"--command cannot be read as a shell would: {error}") from None
    if not words:
        raise UsageError('--command is empty: name a program, as in "./stencil2d -n 2048"')
    return words


def program_run(command: list[str], arguments: argparse.Namespace) -> LegionRun:
    """What runs the program, as the options say.

    Raises:
        legion_bridge.LegionError: There is no Legion, or the metric is none.
    """
    from legion_bridge.legion import LegionRun, Metric, find_legion
    from legion_bridge.simulation.kernel_library import simulator_missing

    missing = simulator_missing()
    if missing:
        warn(f"{missing}; whether memory will do is not told before a run")
    metric = Metric(
        arguments.metric, minimize=arguments.minimize, match=arguments.metric_match or "last"
    )
    run = LegionRun(
        command, metric, repeats=arguments.repeats, timeout=arguments.timeout,
        unit="runs/s" if arguments.minimize else "of the metric",
        memory=arguments.memory or _most_memory(),
        kept_output=arguments.keep_output, most_output=arguments.most_output,
        keep_own=arguments.keep_own,
    )  # fmt: skip
    find_legion()  # its absence is told before anything runs
    return run


def target_machine(command: list[str], arguments: argparse.Namespace) -> Machine:
    """The machine that is named, else that of the command's flags."""
    from legion_bridge import Machine
    from studies.real_run import machine_of

    if arguments.machine != DEFAULT_MACHINE:
        return Machine.load(arguments.machine)
    return machine_of(command, os.environ.get("LEGION_DEFAULT_ARGS", ""))


def captured(
    command: list[str],
    arguments: argparse.Namespace,
    metric: Metric,
    application: str | None,
) -> Application:
    """What the program was captured as: in a file, or by a run of it now.

    Raises:
        UsageError: The program does not print its metric.
        legion_bridge.BridgeError: It cannot be captured.
    """
    from legion_bridge import Application
    from legion_bridge.capture import capture

    if application is not None:
        found_before = Application.load(application)
        _tell_of_mapper(found_before, arguments)
        return found_before
    warn(f"capturing {command[0]}")
    found = capture(command, timeout=max(60.0, 10 * arguments.timeout))
    if metric.pattern:
        reading = metric.read(found.output)
        if reading.value is None:
            raise UsageError(f"{command[0]} ran, but {reading.fault}")
        tell_matches(reading, arguments)
    _tell_of_mapper(found.application, arguments)
    return found.application


def _tell_of_mapper(application: Application, arguments: argparse.Namespace) -> None:
    if application.own_mapper:
        warn(mapper_in_place(application.own_mapper, keep_own=arguments.keep_own))


def mapper_in_place(brought: str, *, keep_own: bool) -> str:
    """What becomes of the mapper that a program brings, in words.

    >>> mapper_in_place("CircuitMapper", keep_own=False)
    'its own mapper CircuitMapper is replaced; --keep-own keeps it'
    >>> mapper_in_place("CircuitMapper", keep_own=True)
    'its own mapper CircuitMapper is kept, but for what the mapper states'
    """
    several = " and " in brought
    subject = f"its own mapper{'s' * several} {brought} {'are' if several else 'is'}"
    if keep_own:
        return f"{subject} kept, but for what the mapper states"
    return f"{subject} replaced; --keep-own keeps {'them' if several else 'it'}"


def tell_matches(reading: Reading, arguments: argparse.Namespace) -> None:
    """Says which number counts, where there are several and nobody has chosen."""
    if reading.count > 1 and arguments.metric_match is None:
        warn(
            f"the metric matches {reading.count} numbers in one run, of which the last counts: "
            "--metric-match first, min, max or sum takes another"
        )


def _most_memory() -> int | None:
    """Bytes that a run may have where nobody says otherwise; None where nothing is known."""
    try:
        text = Path("/proc/meminfo").read_text("ascii")
    except OSError:
        return None
    found = re.search(r"^MemTotal:\s+(\d+) kB", text, re.MULTILINE)
    return int(_OF_MEMORY * 1024 * int(found[1])) if found else None
