"""One mapper under the program of ``--command``: what ``eval`` and ``explain`` do with it."""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from studies.cli.console import columns, print_json, quantity, say
from studies.cli.measured import told_samples
from studies.cli.profiles import print_profile
from studies.cli.program_runs import (
    captured,
    command_words,
    mapper_in_place,
    program_run,
    target_machine,
    tell_matches,
)
from studies.errors import UsageError

if TYPE_CHECKING:
    import dsl
    from legion_bridge.legion import LegionRun
    from legion_bridge.outcome import Outcome
    from tuners import MapperProblem

__all__ = ["evaluate_program", "program_problem", "simulated", "tell_measured"]


def evaluate_program(program: dsl.Program, arguments: argparse.Namespace) -> int:
    """Runs a program under a mapper and under its own; the exit code is 1 where it fails.

    Raises:
        UsageError: An option is of simulated runs.
        legion_bridge.BridgeError: There is no Legion.
    """
    from legion_bridge.capture.run import program_name
    from legion_bridge.legion.metric import Reading

    if arguments.timeline is not None or arguments.plot is not None:
        raise UsageError("--timeline and --plot draw simulated runs: a run of --command has none")
    command = command_words(arguments)
    run = program_run(command, arguments)
    own = run.evaluate(None)
    outcome = run.evaluate(program, profile=arguments.profile)
    if run.metric.pattern:
        tell_matches(Reading(None, run.matched), arguments)
    name = program_name(command)
    if arguments.json:
        print_json(_as_json(name, outcome, own))
    else:
        _print(name, outcome, own)
        if outcome.brought:
            say(mapper_in_place(outcome.brought, keep_own=arguments.keep_own))
    return 0 if outcome.ok else 1


def program_problem(arguments: argparse.Namespace) -> MapperProblem:
    """The program as a problem of mapping it, whose runs tell where their time went.

    Raises:
        UsageError: The program does not print its metric.
        legion_bridge.BridgeError: There is no Legion, or the program cannot be captured.
    """
    import dsl
    from tuners import MapperProblem

    command = command_words(arguments)
    run = program_run(command, arguments)
    machine = target_machine(command, arguments)
    application = captured(command, arguments, run.metric, arguments.application)
    template = dsl.template_for(application, machine, space=arguments.space)
    return MapperProblem(application, machine, template, _Profiled(run))


def simulated(problem: MapperProblem) -> MapperProblem:
    """The same problem, whose mappers are simulated."""
    from tuners import MapperProblem

    return MapperProblem(problem.application, problem.machine, problem.template)


def tell_measured(name: str, outcome: Outcome, *, as_json: bool) -> dict[str, Any]:
    """Prints what was measured under a mapper that runs, before what is simulated.

    Args:
        name: Of the program.
        outcome: What was measured.
        as_json: Whether nothing is printed, for the values that come back are.
    """
    if not as_json:
        say(f"{name}, run here: {told_samples(_samples(outcome), outcome.unit)}")
        if outcome.profile is not None:
            print_profile(outcome.profile)
        say("\nWhat follows is simulated: how large its parts are tells what to try.\n")
    profile = outcome.profile and asdict(outcome.profile)
    return {"measured": {"runs": list(_samples(outcome)), "profile": profile}}


@dataclass
class _Profiled:
    """Runs of a program of which the last one is profiled."""

    run: LegionRun
    repeatable: bool = False

    def evaluate(self, program: dsl.Program, *, profile: bool = True) -> Outcome:
        del profile
        return self.run.evaluate(program, profile=True)


def _as_json(name: str, outcome: Outcome, own: Outcome) -> dict[str, Any]:
    return {
        "application": name,
        "own_mapper": own.throughput if own.ok else None,
        "own_mapper_runs": list(_samples(own)),
        **{key: value for key, value in asdict(outcome).items() if key != "floor"},
    }


def _print(name: str, outcome: Outcome, own: Outcome) -> None:
    from studies.failure_counts import cause_of

    say(f"{name}, run here: {outcome.status}")
    if not outcome.ok:
        say(outcome.raw)
        return
    rows = [("throughput", told_samples(_samples(outcome), outcome.unit))]
    whose = told_samples(_samples(own), own.unit) if own.ok else f"fails: {cause_of(own.raw)}"
    rows.append(("own mapper", whose))
    if outcome.elapsed is not None:
        rows.append(("elapsed", quantity(outcome.elapsed, "s")))
    columns(rows)
    if outcome.profile is not None:
        print_profile(outcome.profile)


def _samples(outcome: Outcome) -> tuple[float, ...]:
    return outcome.measurement.samples if outcome.measurement else ()
