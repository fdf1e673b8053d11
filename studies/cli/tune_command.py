"""``mappertune tune --command``: a Legion program tuned by runs of it."""

from __future__ import annotations

import argparse
import os
import shlex
from typing import TYPE_CHECKING, Any

from studies.cli.arguments import DEFAULT_MACHINE
from studies.cli.console import print_json, say, warn
from studies.cli.one_study import exit_code, run_one, study_as_json, tell_study
from studies.errors import UsageError
from studies.files import make_folder, read_text

if TYPE_CHECKING:
    from legion_bridge import Application
    from legion_bridge.legion import LegionRun
    from studies.cli.study_runner import StudyRunner
    from studies.real_run import PairedComparison, RealCase
    from studies.records import StudyResult

__all__ = ["tune_program"]


def tune_program(arguments: argparse.Namespace) -> int:
    """Tunes the program of ``--command``, and compares its best mapper with its own at the end.

    Raises:
        UsageError: The options do not fit together, or the program fails in the comparison.
        legion_bridge.BridgeError: There is no Legion, or the program cannot be captured.
    """
    case = _real_case(arguments)
    runner, result = run_one(case, arguments)
    comparison = None if result.interrupted else _compared(case, runner, result, arguments.pairs)
    if arguments.json:
        print_json(study_as_json(runner, result) | {"against_own": _as_json(comparison)})
    else:
        tell_study(runner, result)
        if comparison is not None:
            _tell(case, comparison)
    return exit_code(result)


def _real_case(arguments: argparse.Namespace) -> RealCase:
    """Captures the program and makes a case of it."""
    from legion_bridge import Machine
    from legion_bridge.legion import LegionRun, Metric, find_legion
    from studies.real_run import RealCase, machine_of

    command = _words(arguments)
    metric = Metric(arguments.metric, minimize=arguments.minimize)
    runner = LegionRun(
        command, metric, repeats=arguments.repeats, timeout=arguments.timeout,
        unit="runs/s" if arguments.minimize else "of the metric",
    )  # fmt: skip
    find_legion()  # its absence is told before anything runs
    if arguments.machine == DEFAULT_MACHINE:
        target = machine_of(command, os.environ.get("LEGION_DEFAULT_ARGS", ""))
    else:
        target = Machine.load(arguments.machine)
    application = _application(command, arguments, runner)
    return RealCase(
        command=tuple(command),
        captured=application,
        target=target,
        runner=runner,
        space=arguments.space,
        template=arguments.template and read_text(arguments.template, "template"),
        settings=f"{metric} {target.name} {arguments.space}",
    )


def _words(arguments: argparse.Namespace) -> list[str]:
    from studies.real_run import FEWEST_PAIRS

    if arguments.application is not None:
        raise UsageError("give either an application or --command, not both")
    if arguments.parameters or arguments.nodes is not None:
        raise UsageError("-p and --nodes size built-in applications: say it in --command instead")
    if arguments.objective != "timed":
        raise UsageError(
            f"--objective {arguments.objective} needs simulated runs: a run of --command is "
            "judged by its own metric alone, which does not tell setup and timed part apart; let "
            "the program print what counts, and name it by --metric"
        )
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
    from legion_bridge import Application
    from legion_bridge.capture import capture

    if arguments.captured is not None:
        return Application.load(arguments.captured)
    make_folder(arguments.output)  # what cannot be written is told before a run
    warn(f"capturing {command[0]}")
    captured = capture(command, timeout=max(60.0, 10 * arguments.timeout))
    if runner.metric.pattern:
        reading = runner.metric.read(captured.output)
        if reading.value is None:
            raise UsageError(f"{command[0]} ran, but {reading.fault}")
    return captured.application


def _compared(
    case: RealCase, runner: StudyRunner, result: StudyResult, pairs: int
) -> PairedComparison | None:
    """How the best mapper does against the program's own; None where none was valid.

    The mapper is written in place of the study's: further runs may have shown another to be best.
    """
    from studies.real_run import compare_with_own, confirm_best
    from tuners.problems.essential import essential

    mapper = confirm_best(case.runner, result, runner.problem)
    if mapper is None:
        return None
    mapper = essential(runner.problem, mapper)
    comparison = compare_with_own(case.runner, mapper, pairs)
    runner.workspace.keep_best(case, result.spec, mapper, comparison.sentence)
    return comparison


def _as_json(comparison: PairedComparison | None) -> dict[str, Any] | None:
    if comparison is None:
        return None
    return {
        "percent": comparison.percent,
        "interval": list(comparison.interval),
        "ratios": list(comparison.ratios),
        "sentence": comparison.sentence,
    }


def _tell(case: RealCase, comparison: PairedComparison) -> None:
    say(f"{case.application}: {comparison.sentence}")
    flags = shlex.join(case.runner.flags)
    say(f"all runs had LEGION_DEFAULT_ARGS='{flags}': give the same where you use the mapper")
