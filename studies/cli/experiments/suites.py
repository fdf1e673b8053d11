"""What ``study tables`` and ``study figures`` share: a suite, and running what is missing."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from studies.cli.console import fail, warn
from studies.cli.model_options import arms as model_arms
from studies.cli.progress import progress
from studies.errors import UsageError
from studies.stops import exit_code_of

if TYPE_CHECKING:
    from studies.experiments.suite import Suite
    from studies.experiments.suite_run import Arm, SuiteRun

__all__ = ["exit_code", "run_suite"]


def run_suite(arguments: argparse.Namespace, default: str) -> SuiteRun:
    """Runs what is missing of a suite's studies.

    Args:
        arguments: The options.
        default: Name of the suite where they name none.

    Raises:
        UsageError: There is no such suite, case or arm, or an option that does not fit.
    """
    import optuna

    from studies.experiments.suite import load_suite
    from studies.experiments.suite_run import SuiteRun
    from studies.stop_rules import StopRules
    from studies.workspace import Workspace

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    suite = _changed(load_suite(arguments.suite or default), arguments)
    run = SuiteRun(
        suite,
        suite.of_cases(arguments.cases or ()),
        _arms(suite, arguments),
        Workspace(arguments.output / suite.name, anew=arguments.anew, tell=warn),
        StopRules(arguments.time_limit, arguments.stop_after, arguments.patience),
        sys.argv,
    )
    missing = run.missing()
    if arguments.as_is:
        run.read(list(filter(run.is_begun, missing)))
        return run
    jobs = arguments.jobs
    if arguments.transcript is not None and any(arm.llm is not None for arm in run.arms):
        if jobs is not None and jobs > 1:
            raise UsageError(
                f"--transcript {arguments.transcript} is one file, to which one study at a time "
                "writes: leave it out, so that each has its own, or say --jobs 1"
            )
        jobs = 1
    if missing:
        with progress([spec.trials for spec in missing]) as start:
            run.run(missing, jobs, start)
    return run


def exit_code(run: SuiteRun) -> int:
    """What the command ends with."""
    if run.stopped_by is None:
        return 0
    message = "stopped; the same command goes on"
    return fail(message, exit_code_of(run.stopped_by), kind="Interrupted", as_json=False)


def _changed(suite: Suite, arguments: argparse.Namespace) -> Suite:
    """The suite with what the options say in the place of its own."""
    cases = tuple(
        replace(each, case=replace(each.case, objective=arguments.objective))
        for each in suite.cases
    )
    return replace(
        suite,
        cases=cases,
        trials=arguments.trials or suite.trials,
        seeds=tuple(range(arguments.seeds)) if arguments.seeds else suite.seeds,
        arms=tuple(arguments.arms) if arguments.arms else suite.arms,
        start=arguments.start or suite.start,
    )


def _arms(suite: Suite, arguments: argparse.Namespace) -> list[Arm]:
    """The arms that can be run: those that ask a model where one is named."""
    from studies.experiments.suite_run import Arm
    from tuners import tuner_named
    from tuners.llm.settings import LLM_TUNERS

    asking = [name for name in suite.arms if name in LLM_TUNERS]
    wanted = list(suite.arms)
    if asking and not arguments.model:
        if arguments.arms:
            raise UsageError(f"the arm {asking[0]} asks a language model: name one by --model")
        warn(f"without --model the arms {', '.join(asking)} are left out")
        wanted = [name for name in wanted if name not in asking]
    for name in wanted:
        tuner_named(name)
    return [Arm(name, llm) for name, llm in model_arms(arguments, wanted)]
