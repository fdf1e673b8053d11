"""``mappertune explain``: why a mapper is slow or fails, and what to try."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from studies.cli.cases import case_for, case_of
from studies.cli.console import print_json, say
from studies.cli.program_outcome import program_problem, simulated, tell_measured
from studies.errors import StorageError, UsageError
from studies.files import ensure_writable, read_text, why
from studies.mapper_header import application_in
from studies.suite import Case

if TYPE_CHECKING:
    from tuners import MapperProblem
    from tuners.guide import Guidance, Level
    from tuners.problems.problem import Evaluation

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Prints guidance on a mapper; the exit code is 1 where it fails."""
    from tuners.guide import explain

    if arguments.decisions and (arguments.apply is not None or arguments.verify):
        raise UsageError("--decisions tells what is; --apply and --verify go with suggestions")
    ensure_writable(arguments.apply)
    text = read_text(arguments.file)
    if arguments.command is not None:
        problem: MapperProblem = program_problem(arguments)
        case = Case(problem.application.name, problem.machine.name)
    else:
        case = _case(text, arguments)
        problem = case.problem()
    evaluation = problem.evaluate_text(text)
    measured: dict[str, Any] = {}
    if arguments.command is not None and evaluation.outcome.ok:
        measured = tell_measured(case.application, evaluation.outcome, as_json=arguments.json)
        problem = simulated(problem)  # what its profile does not tell
        evaluation = problem.evaluate_text(text)
    if evaluation.outcome.ok and evaluation.outcome.profile is None:
        profiled = problem.simulation.evaluate_text(text, profile=True)
        evaluation = replace(evaluation, outcome=profiled)
    if arguments.decisions:
        from studies.cli.decisions import tell_decisions

        return tell_decisions(case, problem, text, measured, as_json=arguments.json)
    guidance = explain(problem, evaluation, verify=arguments.verify, most=arguments.most)
    if arguments.json:
        print_json(_as_json(case, evaluation, guidance, arguments.level) | measured)
    else:
        say(guidance.text(arguments.level))
    if arguments.apply is not None:
        _apply(guidance, text, arguments)
    return 0 if measured or evaluation.outcome.ok else 1


def _case(text: str, arguments: argparse.Namespace) -> Case:
    """The case that a mapper was written for, though it may not parse.

    Raises:
        UsageError: It does not parse, and does not tell its application either.
    """
    import dsl

    try:
        program = dsl.parse(text, filename=arguments.file)
    except dsl.MapperSyntaxError as error:
        arguments.application = arguments.application or application_in(text)
        if arguments.application is None:
            message = f"{error}\nthe application is unknown as well: say it by --app"
            raise UsageError(message) from error
        return case_of(arguments)
    return case_for(arguments, program)


def _as_json(
    case: Case, evaluation: Evaluation, guidance: Guidance, level: Level
) -> dict[str, Any]:
    from legion_bridge.outcome import floor_as_json

    found: dict[str, Any] = {
        "application": case.application,
        "machine": case.machine,
        "status": evaluation.outcome.status,
        "throughput": evaluation.outcome.throughput,
        "unit": evaluation.outcome.unit,
        "raw": guidance.raw,
    }
    if level != "raw":
        found |= floor_as_json(evaluation.outcome)
        found["explanations"] = list(guidance.explanations)
    if level == "suggested":
        found["suggestions"] = [asdict(each) for each in guidance.suggestions]
    return found


def _apply(guidance: Guidance, text: str, arguments: argparse.Namespace) -> None:
    """Writes the mapper with the first suggestion applied.

    Raises:
        StorageError: The file cannot be written.
        UsageError: There is no suggestion to apply.
    """
    if not guidance.suggestions:
        raise UsageError(f"{arguments.file}: there is no suggestion to apply")
    try:
        arguments.apply.write_text(guidance.suggestions[0].apply(text), encoding="utf-8")
    except OSError as error:
        raise StorageError(f"cannot write {arguments.apply}: {why(error)}") from error
    if not arguments.json:
        say(f"\nwrote {arguments.apply} with the first suggestion applied")
