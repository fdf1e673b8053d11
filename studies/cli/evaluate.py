"""``mappertune eval``: how fast one mapper is."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from studies.cli.cases import case_for
from studies.cli.console import columns, print_json, quantity, say, table
from studies.files import read_text

if TYPE_CHECKING:
    from legion_bridge.outcome import Outcome, Profile, Usage
    from studies.suite import Case

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Prints the outcome of a mapper; the exit code is 1 where it is invalid."""
    import dsl  # noqa: PLC0415  (loads the parser)
    from studies.suite import reference  # noqa: PLC0415

    text = read_text(arguments.file)
    try:
        program = dsl.parse(text, filename=arguments.file)
    except dsl.MapperSyntaxError as error:
        return _refuse(str(error), arguments)
    case = case_for(arguments, program)
    problem = case.problem()
    outcome = problem.evaluator.evaluate(program, profile=arguments.profile)
    expert = reference(problem).outcome.throughput
    if arguments.json:
        print_json(_as_json(case, outcome, expert))
    else:
        _print(case, outcome, expert)
    return 0 if outcome.ok else 1


def _refuse(message: str, arguments: argparse.Namespace) -> int:
    if arguments.json:
        print_json({"status": "syntax_error", "throughput": 0.0, "raw": message})
    else:
        say(message)
    return 1


def _as_json(case: Case, outcome: Outcome, expert: float) -> dict[str, Any]:
    return {
        "application": case.application,
        "machine": case.machine,
        "expert": expert,
        "over_expert": outcome.throughput / expert if expert else None,
        **asdict(outcome),
    }


def _print(case: Case, outcome: Outcome, expert: float) -> None:
    say(f"{case.application} on {case.machine}: {outcome.status}")
    if not outcome.ok:
        say(outcome.raw)
        return
    rows = [("throughput", quantity(outcome.throughput, outcome.unit))]
    if expert:
        rows.append(("over expert", f"{outcome.throughput / expert:.3f}"))
    if outcome.elapsed is not None:
        rows.append(("elapsed", quantity(outcome.elapsed, "s")))
    columns(rows)
    if outcome.profile is not None:
        _print_profile(outcome.profile)


def _print_profile(profile: Profile) -> None:
    say(f"\none iteration takes {quantity(profile.iteration * 1e3, 'ms')}")
    _print_shares(profile)
    _print_usage("processor", profile.processors)
    _print_usage("link", profile.links)
    if profile.memories:
        table(
            ["memory", "peak", "capacity"],
            [[m.name, quantity(m.peak, "B"), quantity(m.capacity, "B")] for m in profile.memories],
        )
    for title, sizes in (("copied", profile.copies), ("through zero-copy", profile.zero_copy)):
        if sizes:
            rows = [[name, quantity(size, "B")] for name, size in sizes.items()]
            table([title, "bytes an iteration"], rows)


def _print_shares(profile: Profile) -> None:
    if profile.critical_path:
        table(
            ["critical path", "kind", "ms", "share"],
            [
                [share.name, share.kind, f"{share.seconds * 1e3:.3f}", f"{share.fraction:.1%}"]
                for share in profile.critical_path
            ],
            words=2,
        )


def _print_usage(kind: str, usages: tuple[Usage, ...]) -> None:
    if not usages:
        return
    rows = [[usage.name, f"{usage.busy * 1e3:.3f}", f"{usage.fraction:.1%}"] for usage in usages]
    if any(usage.bytes for usage in usages):
        for row, usage in zip(rows, usages, strict=True):
            row.append(quantity(usage.bytes, "B"))
    table([kind, "busy ms", "share", "bytes"][: len(rows[0])], rows)
