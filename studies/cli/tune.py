"""``mappertune tune``: one study, new or continued."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from studies.cli.cases import case_of
from studies.cli.console import columns, print_json, quantity, say, warn
from studies.cli.model_options import model_settings
from studies.cli.progress import progress
from studies.cli.workbench import Workbench

if TYPE_CHECKING:
    from studies.records import StudyResult

__all__ = ["run"]

INTERRUPTED = 130


def run(arguments: argparse.Namespace) -> int:
    """Runs a study until it has as many trials as asked for."""
    from studies.records import StudySpec  # noqa: PLC0415  (loads Optuna)

    bench = Workbench(case_of(arguments), (arguments.tuner,), arguments)
    llm = model_settings(arguments, arguments.tuner)
    spec = StudySpec(
        arguments.tuner, arguments.seed, arguments.trials, llm and llm.for_tuner(arguments.tuner)
    )
    with progress() as start:
        result = bench.run(spec, start)
    mapper = bench.workspace.best_mapper(bench.case, spec) if result.mapper else None
    if arguments.json:
        print_json(
            result.as_json() | {"mapper": mapper and str(mapper), "mlflow": bench.tracking_uri}
        )
    else:
        _print(result, bench)
    if result.interrupted:
        warn("stopped; the same command continues the study")
    return INTERRUPTED if result.interrupted else 0


def _print(result: StudyResult, bench: Workbench) -> None:
    spec, best = result.spec, result.best
    earlier = f", {result.resumed} of them from earlier runs" if result.resumed else ""
    say(
        f"{bench.case.name}, {spec.tuner} with seed {spec.seed}: "
        f"{len(result.records)} trials{earlier}"
    )
    rows = [("expert", quantity(result.expert, result.unit))]
    if best is not None:
        ratio = f"{result.normalised:.3f} x expert (trial {best.number})"
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
