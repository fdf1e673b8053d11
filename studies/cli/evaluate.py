"""``mappertune eval``: how fast one mapper is."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from studies.cli.cases import advised, case_for
from studies.cli.console import columns, print_json, quantity, say
from studies.cli.profiles import print_profile
from studies.errors import StorageError
from studies.files import ensure_writable, read_text, why

if TYPE_CHECKING:
    from dsl import Program
    from legion_bridge import Evaluator
    from legion_bridge.outcome import Outcome
    from legion_bridge.simulation.simulator import Trace
    from studies.references import Reference
    from studies.suite import Case

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Prints the outcome of a mapper; the exit code is 1 where it is invalid."""
    import dsl
    from legion_bridge import Evaluator
    from studies.references import reference_mappers

    ensure_writable(arguments.timeline, arguments.plot)
    text = read_text(arguments.file)
    try:
        program = dsl.parse(text, filename=arguments.file)
    except dsl.MapperSyntaxError as error:
        return _refuse(str(advised(error, text, arguments)), arguments)
    if arguments.command is not None:
        from studies.cli.program_outcome import evaluate_program

        return evaluate_program(program, arguments)
    case = case_for(arguments, program)
    application, machine = case.load()
    evaluator = Evaluator(application, machine)
    outcome, trace = _evaluated(evaluator, program, arguments)
    known = reference_mappers(application, lambda text: _outcome(evaluator, text))
    reference = next((each for each in known if each.outcome.ok), None)
    if arguments.json:
        print_json(_as_json(case, outcome, reference, profile=arguments.profile))
    else:
        _print(case, outcome, reference, profile=arguments.profile)
    if trace is not None:
        _draw(arguments, trace)
    return 0 if outcome.ok else 1


def _evaluated(
    evaluator: Evaluator, program: Program, arguments: argparse.Namespace
) -> tuple[Outcome, Trace | None]:
    """The outcome with its profile, and the whole run where it is to be drawn."""
    if arguments.timeline is None and arguments.plot is None:
        return evaluator.evaluate(program, profile=True), None
    return evaluator.trace(program)


def _outcome(evaluator: Evaluator, mapper: str) -> Outcome:
    """What comes of a mapper, which may not parse."""
    import dsl

    try:
        return evaluator.evaluate(dsl.parse(mapper))
    except dsl.MapperSyntaxError as error:
        return evaluator.simulator.failure(str(error))


def _refuse(message: str, arguments: argparse.Namespace) -> int:
    if arguments.json:
        print_json({"status": "syntax_error", "throughput": 0.0, "raw": message})
    else:
        say(message)
    return 1


def _as_json(
    case: Case, outcome: Outcome, reference: Reference | None, *, profile: bool
) -> dict[str, Any]:
    from legion_bridge.outcome import floor_as_json

    over = None
    if reference is not None and reference.throughput:
        over = outcome.throughput / reference.throughput
    is_expert = reference is not None and reference.name == "expert"
    return {
        "application": case.application,
        "machine": case.machine,
        "reference": reference and reference.name,
        "reference_throughput": reference and reference.throughput,
        "over_reference": over,
        "expert": reference.throughput if reference and is_expert else None,
        "over_expert": over if is_expert else None,
        **asdict(replace(outcome, floor=None, profile=outcome.profile if profile else None)),
        **floor_as_json(outcome),
    }


def _print(case: Case, outcome: Outcome, reference: Reference | None, *, profile: bool) -> None:
    from legion_bridge.outcome import floor_sentence

    say(f"{case.application} on {case.machine}: {outcome.status}")
    if not outcome.ok:
        say(outcome.raw)
        return
    rows = [("throughput", quantity(outcome.throughput, outcome.unit))]
    if reference is not None and reference.throughput:
        ratio = outcome.throughput / reference.throughput
        rows.append((f"over {reference.name}", f"{ratio:.3f}"))
    if outcome.elapsed is not None:
        rows.append(("elapsed", quantity(outcome.elapsed, "s")))
    if outcome.setup is not None and outcome.whole is not None:
        rows.append(("setup", f"{quantity(outcome.setup, 's')}{_grown(outcome, reference)}"))
        rows.append(("whole run", quantity(outcome.whole, "s")))
    if outcome.collective == "nccl":
        rows.append(("collectives", "as NCCL runs them"))
    columns(rows)
    say(floor_sentence(outcome))
    if profile and outcome.profile is not None:
        print_profile(outcome.profile)


def _grown(outcome: Outcome, reference: Reference | None) -> str:
    """A remark where what the clock does not show takes much longer than under the reference."""
    from legion_bridge.outcome import SETUP_GROWTH

    growth = None if reference is None else outcome.setup_growth(reference.outcome)
    if reference is None or growth is None or growth <= SETUP_GROWTH:
        return ""
    whose = "the expert's" if reference.name == "expert" else f"that of the {reference.name}"
    return f", {growth:.2f} times {whose}, and not in the metric"


def _draw(arguments: argparse.Namespace, trace: Trace) -> None:
    """Writes the pictures that were asked for.

    Raises:
        StorageError: One cannot be written.
    """
    from legion_bridge.traces.gantt import plot_gantt
    from legion_bridge.traces.timeline import write_timeline

    for path, write in ((arguments.timeline, write_timeline), (arguments.plot, plot_gantt)):
        if path is None:
            continue
        try:
            write(trace, path)
        except OSError as error:
            raise StorageError(f"cannot write {path}: {why(error)}") from error
        if not arguments.json:
            say(f"wrote {path}")
