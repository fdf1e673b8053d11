"""``mappertune compare``: several tuners and seeds beside the expert."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from studies.cli.cases import case_of
from studies.cli.console import columns, print_json, quantity, say, table, warn
from studies.cli.model_arms import arms_as_json, marked, tell_models
from studies.cli.model_options import arms
from studies.cli.one_study import tell_setup
from studies.cli.progress import progress
from studies.cli.study_runner import StudyRunner
from studies.errors import UsageError
from studies.stops import exit_code_of

if TYPE_CHECKING:
    from pathlib import Path

    from studies.compare import Comparison, RankTest, TunerSummary
    from studies.records import StudyResult

__all__ = ["run"]

SIGNIFICANT = 0.05


def run(arguments: argparse.Namespace) -> int:
    """Runs every study that is not done yet, then prints the comparison."""
    if arguments.folders:
        from studies.finished import case_of_studies, read_studies, results_of

        studies = read_studies(arguments.folders, arguments.application)
        case = case_of(arguments) if arguments.application else case_of_studies(studies)
        runner = StudyRunner(case, (), arguments)
        results = results_of(studies, runner.problem)
    elif arguments.application is None:
        raise UsageError("name an application, such as stencil, or folders of studies by --from")
    else:
        runner = StudyRunner(case_of(arguments), arguments.tuners, arguments)
        results = _run_studies(runner, arguments)
    if (stopped_by := results[-1].stopped_by) is not None:
        warn("stopped; the same command continues the comparison")
        return exit_code_of(stopped_by)
    from studies.compare import compare_studies

    comparison = compare_studies(results)
    best = None if arguments.folders else runner.workspace.write_best_of(runner.case, results)
    if arguments.json:
        print_json(
            comparison.as_json()
            | {
                "case": runner.case.name,
                "models": arms_as_json(results),
                "studies": [result.as_json() for result in results],
                "mapper": best and str(best),
                "mlflow": runner.tracking_uri,
            }
        )
    else:
        _print(comparison, results, runner, best)
    return 0


def _run_studies(runner: StudyRunner, arguments: argparse.Namespace) -> list[StudyResult]:
    """All studies, seed by seed; the last one is interrupted where Ctrl-C came."""
    from studies.records import StudySpec

    results: list[StudyResult] = []
    compared = arms(arguments, arguments.tuners)
    with progress() as start:
        for seed in arguments.seeds:
            for name, llm in compared:
                spec = StudySpec(name, seed, arguments.trials, llm)
                results.append(runner.run(spec, start))
                if results[-1].interrupted:
                    return results
    return results


def _print(
    comparison: Comparison, results: Sequence[StudyResult], runner: StudyRunner, best: Path | None
) -> None:
    seeds = max(len(summary.seeds) for summary in comparison.tuners)
    say(
        f"\n{runner.case.name}: {results[0].spec.trials} trials a study, {seeds} seed(s)\n"
        "best, mean, sd and worst of the seeds' best throughputs, over the expert's"
    )
    expert = ["expert", quantity(comparison.expert, comparison.unit), "1.000", "", "", "", "", ""]
    rows = [_row(summary, comparison) for summary in comparison.tuners]
    headings = ["", "throughput", "best", "mean", "sd", "worst", "trials to expert", "invalid"]
    table(headings, [expert, *marked(rows, results)])
    if comparison.floor is not None:
        say(_describe_floor(comparison, comparison.floor))
    for summary in comparison.tuners:
        if summary.interval is not None:
            low, high = summary.interval
            say(f"{summary.tuner}: mean over seeds {low:.3f} to {high:.3f} with 95 % confidence")
    tell_models(results)
    for test in comparison.tests:
        say(_describe_test(test))
    _tell_setups(results)
    rows_below = [("best mapper", _place(best, results))]
    if runner.ui_command:
        rows_below.append(("look at runs", runner.ui_command))
    columns(rows_below, indent="")


def _describe_floor(comparison: Comparison, floor: float) -> str:
    from dsl.units import percent

    reached = (
        f"{summary.tuner} {percent(summary.of_floor, decimals=1)}"
        for summary in comparison.tuners
        if summary.of_floor is not None
    )
    said = f"no mapper can beat {quantity(floor, 's')}, the floor"
    return f"{said}; of it the best reach: {', '.join(reached) or 'none'}"


def _tell_setups(results: Sequence[StudyResult]) -> None:
    """What the clock does not show under the best mapper of each study, where anybody knows."""
    from dsl.units import seconds

    rows = []
    for result in results:
        cost = result.setup
        if cost is None or cost.setup is None or cost.whole is None:
            continue
        growth = "" if cost.growth is None else f"{cost.growth:.2f}"
        rows.append([result.spec.name, seconds(cost.setup), seconds(cost.whole), growth])
    if not rows:
        return
    first = results[0].setup
    if first and first.reference_setup is not None and first.reference_whole is not None:
        figures = seconds(first.reference_setup), seconds(first.reference_whole)
        rows.insert(0, [results[0].reference, *figures, "1.00"])
    counted = "counts" if first and first.objective == "whole" else "does not count"
    say(f"the best mapper of each study; its setup {counted} in the throughput")
    table(["", "setup", "whole run", "setup, over the first"], rows)
    for result in results:
        tell_setup(result)


def _place(best: Path | None, results: Sequence[StudyResult]) -> str:
    """Where the best mapper of all lies; those of finished studies lie beside these."""
    if best is not None:
        return str(best)
    fastest = max(results, key=lambda result: result.best.throughput if result.best else 0.0)
    if fastest.best is None:
        return "none was valid"
    return fastest.location.removesuffix(".journal") + ".mapper"


def _row(summary: TunerSummary, comparison: Comparison) -> list[str]:
    return [
        summary.tuner,
        quantity(summary.best * comparison.expert, comparison.unit) if summary.best else "none",
        f"{summary.best:.3f}",
        f"{summary.mean:.3f}",
        "" if summary.deviation is None else f"{summary.deviation:.3f}",
        f"{summary.worst:.3f}",
        _trials_to_expert(summary),
        f"{summary.invalid_share:.1%}",
    ]


def _trials_to_expert(summary: TunerSummary) -> str:
    """The median where every seed got there, and how many did where some did not."""
    counts = [count for count in summary.trials_to_expert if count is not None]
    if not counts:
        return "not reached"
    median = f"{statistics.median(counts):g}"
    missing = len(summary.seeds) - len(counts)
    return f"{median} (by {len(counts)} of {len(summary.seeds)})" if missing else median


def _describe_test(test: RankTest) -> str:
    pair = f"{test.first} against {test.second}: rank test p = {test.p:.3g}"
    if test.smallest_p > SIGNIFICANT:
        return f"{pair} (so few seeds cannot give less than {test.smallest_p:.2g})"
    return pair
