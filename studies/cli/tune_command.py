"""``mappertune tune --command``: a Legion program tuned by runs of it."""

from __future__ import annotations

import argparse
import os
import shlex
from typing import TYPE_CHECKING, Any

from studies.cli.console import say, warn
from studies.errors import UsageError
from studies.files import read_text

if TYPE_CHECKING:
    from legion_bridge import Application
    from legion_bridge.legion import LegionRun
    from studies.real_run import PairedComparison, RealCase
    from studies.records import StudyResult
    from tuners import MapperProblem

__all__ = ["as_json", "compared", "real_case", "tell"]


def real_case(arguments: argparse.Namespace, default_machine: str) -> RealCase:
    """Captures the program of ``--command`` and makes a case of it.

    Raises:
        UsageError: The options do not fit together.
        legion_bridge.BridgeError: There is no Legion, or the program cannot be captured.
    """
    from legion_bridge import Machine  # noqa: PLC0415  (loads numpy)
    from legion_bridge.legion import LegionRun, Metric, find_legion  # noqa: PLC0415
    from studies.real_run import RealCase, machine_of  # noqa: PLC0415

    command = _words(arguments)
    metric = Metric(arguments.metric, minimize=arguments.minimize)
    runner = LegionRun(
        command, metric, repeats=arguments.repeats, timeout=arguments.timeout,
        unit="runs/s" if arguments.minimize else "of the metric",
    )  # fmt: skip
    find_legion()  # its absence is told before anything runs
    if arguments.machine == default_machine:
        target = machine_of(command, os.environ.get("LEGION_DEFAULT_ARGS", ""))
    else:
        target = Machine.load(arguments.machine)
    application = _application(command, arguments, runner)
    return RealCase(
        application=application.name,
        machine=target.name,
        space=arguments.space,
        template=arguments.template and read_text(arguments.template, "template"),
        command=tuple(command),
        captured=application,
        target=target,
        runner=runner,
        settings=f"{metric} {target.name} {arguments.space}",
    )


def _words(arguments: argparse.Namespace) -> list[str]:
    from studies.real_run import FEWEST_PAIRS  # noqa: PLC0415  (loads scipy)

    if arguments.application is not None:
        raise UsageError("give either an application or --command, not both")
    if arguments.parameters or arguments.nodes is not None:
        raise UsageError("-p and --nodes size built-in applications: say it in --command instead")
    if arguments.pairs < FEWEST_PAIRS:
        raise UsageError(
            f"{arguments.pairs} pairs of runs give no 95 % interval: ask for --pairs "
            f"{FEWEST_PAIRS} or more"
        )
    try:
        words = shlex.split(arguments.command)
    except ValueError as error:
        raise UsageError(f"--command cannot be read as a shell would: {error}") from None
    if not words:
        raise UsageError('--command is empty: name a program, as in "./stencil2d -n 2048"')
    return words


def _application(
    command: list[str], arguments: argparse.Namespace, runner: LegionRun
) -> Application:
    from legion_bridge import Application  # noqa: PLC0415  (loads numpy)
    from legion_bridge.capture import capture  # noqa: PLC0415

    if arguments.captured is not None:
        return Application.load(arguments.captured)
    warn(f"capturing {command[0]}")
    captured = capture(command, timeout=max(60.0, 10 * arguments.timeout))
    if runner.metric.pattern and runner.metric.read(captured.output) is None:
        raise UsageError(f"{command[0]} ran, but {runner.metric.why_not(captured.output)}")
    return captured.application


def compared(
    case: RealCase, problem: MapperProblem, result: StudyResult, pairs: int
) -> tuple[str, PairedComparison] | None:
    """The best mapper, and how it does against the program's own; None where none was valid."""
    from studies.real_run import compare_with_own, confirm_best  # noqa: PLC0415  (loads scipy)

    if case.runner is None:
        return None
    mapper = confirm_best(case.runner, result, problem)
    return None if mapper is None else (mapper, compare_with_own(case.runner, mapper, pairs))


def as_json(faster: PairedComparison | None) -> dict[str, Any] | None:
    """What the comparison found, for ``--json``."""
    if faster is None:
        return None
    return {
        "percent": faster.percent,
        "interval": list(faster.interval),
        "ratios": list(faster.ratios),
        "sentence": faster.sentence,
    }


def tell(case: RealCase, faster: PairedComparison | None) -> None:
    """Says what the comparison found."""
    if faster is not None:
        say(f"{case.application}: {faster.sentence}")
        flags = shlex.join(getattr(case.runner, "flags", ()))
        say(f"all runs had LEGION_DEFAULT_ARGS='{flags}': give the same where you use the mapper")
