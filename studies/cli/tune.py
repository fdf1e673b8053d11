"""``mappertune tune``: one study, new or continued."""

from __future__ import annotations

import argparse

from studies.cli.cases import case_of
from studies.cli.console import print_json
from studies.cli.one_study import exit_code, run_one, study_as_json, tell_study
from studies.errors import UsageError

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Tunes an application, or the program of ``--command``."""
    if arguments.command is not None:
        from studies.cli.tune_command import tune_program
        from studies.stop_rules import NO_FLOOR

        if arguments.stop_after is not None:  # told before anything runs
            raise UsageError(NO_FLOOR)

        return tune_program(arguments)
    if arguments.application is None:
        raise UsageError(
            'name an application, such as stencil, or a program by --command "./stencil2d -n 2048"'
        )
    return tune_application(arguments)


def tune_application(arguments: argparse.Namespace) -> int:
    """Tunes an application by simulated runs."""
    runner, result = run_one(case_of(arguments), arguments)
    if arguments.json:
        print_json(study_as_json(runner, result))
    else:
        tell_study(runner, result)
    return exit_code(result)
