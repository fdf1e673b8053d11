"""``mappertune tune``: one study, new or continued."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from studies.cli import tune_command
from studies.cli.arguments import DEFAULT_MACHINE
from studies.cli.cases import case_of
from studies.cli.console import columns, print_json, quantity, say, warn
from studies.cli.model_options import model_settings
from studies.cli.progress import progress
from studies.cli.study_runner import StudyRunner
from studies.errors import UsageError

if TYPE_CHECKING:
    from studies.real_run import RealCase
    from studies.records import StudyResult

__all__ = ["run"]

INTERRUPTED = 130


def run(arguments: argparse.Namespace) -> int:
    """Runs a study until it has as many trials as asked for."""
    from studies.records import StudySpec  # noqa: PLC0415  (loads Optuna)

    real = _real_case(arguments)
    bench = StudyRunner(real or case_of(arguments), (arguments.tuner,), arguments)
    llm = model_settings(arguments, arguments.tuner)
    spec = StudySpec(
        arguments.tuner, arguments.seed, arguments.trials, llm and llm.for_tuner(arguments.tuner)
    )
    with progress() as start:
        result = bench.run(spec, start)
    mapper = bench.workspace.best_mapper(bench.case, spec) if result.mapper else None
    faster = None
    if real is not None and not result.interrupted:
        best = tune_command.compared(real, bench.problem, result, arguments.pairs)
        if best is not None:
            text, faster = best
            mapper = bench.workspace.keep_best(bench.case, spec, text, faster.sentence)
    if arguments.json:
        found: dict[str, object] = {"mapper": mapper and str(mapper), "mlflow": bench.tracking_uri}
        if real is not None:
            found["against_own"] = tune_command.as_json(faster)
        print_json(result.as_json() | found)
    else:
        _print(result, bench)
        if real is not None:
            tune_command.tell(real, faster)
    if result.interrupted:
        warn("stopped; the same command continues the study")
    return INTERRUPTED if result.interrupted else 0


def _real_case(arguments: argparse.Namespace) -> RealCase | None:
    """The case of ``--command``; None where an application is tuned."""
    if arguments.command is not None:
        return tune_command.real_case(arguments, DEFAULT_MACHINE)
    if arguments.application is None:
        raise UsageError(
            'name an application, such as stencil, or a program by --command "./stencil2d -n 2048"'
        )
    return None


def _print(result: StudyResult, bench: StudyRunner) -> None:
    spec, best = result.spec, result.best
    earlier = f", {result.resumed} of them from earlier runs" if result.resumed else ""
    say(
        f"{bench.case.name}, {spec.tuner} with seed {spec.seed}: "
        f"{len(result.records)} trials{earlier}"
    )
    rows = [(result.reference, quantity(result.expert, result.unit))]
    if best is not None:
        ratio = f"{result.normalised:.3f} x {result.reference} (trial {best.number})"
        rows.append(("best", f"{quantity(best.throughput, result.unit)}, {ratio}"))
        rows.append(("mapper", str(bench.workspace.best_mapper(bench.case, spec))))
    else:
        rows.append(("best", "no mapper was valid"))
    rows += [
        ("invalid", f"{result.invalid_share:.1%} of the mappers"),
        ("study", result.location),
    ]
    if result.model_use is not None:
        rows.append(("model", f"proposed {result.model_share:.1%} of them; {result.model_use}"))
    if bench.ui_command:
        rows.append(("runs", bench.ui_command))
    columns(rows)
