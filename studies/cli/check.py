"""``mappertune check``: what is wrong with a mapper before it is run."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from studies.cli.cases import advised, case_for
from studies.cli.console import print_json, say, warn
from studies.diagnostics import finding_as_json, syntax_error_as_json
from studies.files import read_text

if TYPE_CHECKING:
    from dsl import MapperSyntaxError
    from tuners import Finding

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Prints diagnostics; the exit code is 1 where one of them is an error."""
    import dsl
    from legion_bridge import Evaluator
    from legion_bridge.simulation.kernel_library import simulator_missing

    text = read_text(arguments.file)
    try:
        program = dsl.parse(text, filename=arguments.file)
    except dsl.MapperSyntaxError as error:
        return _refuse(advised(error, text, arguments), arguments)
    missing = simulator_missing()
    if missing:
        warn(f"{missing}; whether memory will do, and limits clash, is not told")
    case = case_for(arguments, program)
    application, machine = case.load()
    forecast = Evaluator(application, machine).forecast
    found = list(dsl.check(program, application, machine, forecast=forecast))
    errors = sum(finding.severity == "error" for finding in found)
    if arguments.json:
        print_json(
            {
                "file": arguments.file,
                "application": case.application,
                "machine": case.machine,
                "ok": not errors,
                "forecast": missing is None,
                "diagnostics": [finding_as_json(finding) for finding in found],
            }
        )
    else:
        for finding in found:
            say(f"{arguments.file}:{describe_finding(finding)}")
        verdict = f"{errors} error{'s'[: errors != 1]}" if errors else "no error"
        say(f"{verdict} for {case.application} on {case.machine}")
    return 1 if errors else 0


def _refuse(error: MapperSyntaxError, arguments: argparse.Namespace) -> int:
    """Prints every syntax error that was found in one pass."""
    errors = (error, *error.others)
    if arguments.json:
        diagnostics = [syntax_error_as_json(each) for each in errors]
        print_json({"file": arguments.file, "ok": False, "diagnostics": diagnostics})
    else:
        for each in errors:
            say(str(each))
    return 1


def describe_finding(finding: Finding) -> str:
    """A diagnostic in the manner of compilers, without the file's name."""
    place = f"{finding.position.line}:{finding.position.column}: " if finding.position else " "
    advice = f"\n    {finding.suggestion}" if finding.suggestion else ""
    return f"{place}{finding.severity}: {finding.sentence} [{finding.code}]{advice}"
