"""``mappertune compare``: several tuners and seeds beside the mappers that are known."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from studies.cli.cases import case_of
from studies.cli.console import (
    columns,
    fail,
    first_sentence,
    print_json,
    quantity,
    say,
    table,
    warn,
)
from studies.cli.model_arms import arms_as_json, marked, tell_models
from studies.cli.model_options import arms
from studies.cli.one_study import tell_setup
from studies.cli.studies_at_once import refuse_shared_file, run_studies
from studies.cli.study_runner import StudyRunner
from studies.errors import UsageError
from studies.stops import exit_code_of

if TYPE_CHECKING:
    from studies.compare import Comparison, ReferenceSummary, TunerSummary
    from studies.records import StudyResult, StudySpec

__all__ = ["run"]

GO_ON = "stopped; the same command continues the comparison"


def run(arguments: argparse.Namespace) -> int:
    """Runs every study that is not done yet, then prints the comparison."""
    if arguments.folders:
        from studies.finished import case_of_studies, read_studies, results_of

        storage = [] if arguments.storage is None else [arguments.storage]
        wanted = case_of(arguments) if arguments.application else None
        studies = read_studies([*arguments.folders, *storage], wanted)
        case = wanted or case_of_studies(studies)
        runner = StudyRunner(case, (), arguments)
        results, stopped_by = results_of(studies, runner.problem), None
        specs = [result.spec for result in results]
    elif arguments.application is None:
        raise UsageError("name an application, such as stencil, or folders of studies by --from")
    else:
        runner = StudyRunner(case_of(arguments), arguments.tuners, arguments)
        specs = _specs(arguments)
        runner.begin_comparison(specs)
        results, stopped_by = _run(runner, specs, arguments)
    begun = [result for result in results if result.records]
    if not begun:
        return _tell_nothing(results, stopped_by, as_json=arguments.json)
    _show(runner, begun, specs, stopped_by, arguments)
    if stopped_by is None:
        return 0
    warn(GO_ON)
    return exit_code_of(stopped_by)


def _run(
    runner: StudyRunner, specs: Sequence[StudySpec], arguments: argparse.Namespace
) -> tuple[list[StudyResult], int | None]:
    if arguments.dask is None:
        if arguments.workers_per_study is not None:
            raise UsageError("--workers-per-study is for studies on a cluster: add --dask")
        return run_studies(runner, specs, arguments.jobs)
    from studies.cli.studies_on_cluster import run_on_cluster

    refuse_shared_file(runner, specs, "that each has its own, or leave --dask out")
    jobs, sharing = arguments.jobs, arguments.workers_per_study
    return run_on_cluster(runner, specs, arguments.dask, jobs=jobs, sharing=sharing)


def _specs(arguments: argparse.Namespace) -> list[StudySpec]:
    """All studies, seed by seed, so that every tuner has some wherever the command ends."""
    from studies.records import StudySpec

    compared = arms(arguments, arguments.tuners)
    return [
        StudySpec(name, seed, arguments.trials, llm)
        for seed in arguments.seeds
        for name, llm in compared
    ]


def _tell_nothing(results: Sequence[StudyResult], stopped_by: int | None, *, as_json: bool) -> int:
    if stopped_by is not None:
        code = exit_code_of(stopped_by)
        return fail(GO_ON, code, kind="Interrupted", as_json=as_json)
    raise UsageError(
        f"no study has a trial, so there is nothing to compare: {results[0].ended_by}"
    )


def _show(
    runner: StudyRunner,
    results: list[StudyResult],
    specs: Sequence[StudySpec],
    stopped_by: int | None,
    arguments: argparse.Namespace,
) -> None:
    """Prints what the studies come to, those that are not whole among them."""
    from studies.compare import compare_studies
    from studies.references import references

    comparison = compare_studies(results, references(runner.problem))
    best = None if arguments.folders else runner.workspace.write_best_of(runner.case, results)
    whole = [each.spec.name for each in results if not each.interrupted]
    unfinished = [spec.name for spec in specs if spec.name not in whole]
    runner.finish_comparison(comparison, results, interrupted=bool(unfinished))
    if arguments.json:
        print_json(
            comparison.as_json()
            | {
                "case": runner.case.name,
                "models": arms_as_json(results),
                "interrupted": stopped_by is not None,
                "unfinished": unfinished,
                "start": runner.problem.start.name if runner.problem.start else None,
                "studies": [result.as_json() for result in results],
                "mapper": best and str(best),
                "mlflow": runner.tracking_uri,
            }
        )
    else:
        _print(comparison, results, runner, best)
        if unfinished:
            say(f"not finished: {', '.join(unfinished)}")


def _print(
    comparison: Comparison, results: Sequence[StudyResult], runner: StudyRunner, best: Path | None
) -> None:
    seeds = max(len(summary.seeds) for summary in comparison.tuners)
    trials = _range_of({len(result.records) for result in results})
    say(f"\n{runner.case.name}: {trials} trials a study, {seeds} seed(s), {runner.start}")
    for why, count in Counter(each.ended_by for each in results if each.ended_by).most_common():
        say(f"{count} of {len(results)} studies ended early: {why}")
    say(f"the seeds' best mappers: throughput, and ratios {_to_what(comparison)}")
    _table_of_speeds(comparison, results)
    _table_of_successes(comparison)
    if comparison.floor is not None:
        say(_describe_floor(comparison, comparison.floor))
    _tell_what_is_missing(comparison)
    tell_models(results)
    _tell_setups(results)
    rows_below = [("best mapper", _place(best, results))]
    if runner.ui_command:
        rows_below.append(("look at runs", runner.ui_command))
    columns(rows_below, indent="")


def _range_of(counts: set[int]) -> str:
    return str(*counts) if len(counts) == 1 else f"{min(counts)} to {max(counts)}"


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
    """What the clock does not show under the best mapper of each tuner, where anybody knows."""
    from dsl.units import seconds

    fastest: dict[str, StudyResult] = {}
    for result in sorted(results, key=lambda each: -each.throughput):
        fastest.setdefault(result.spec.tuner, result)
    rows = []
    for tuner in dict.fromkeys(result.spec.tuner for result in results):
        cost = fastest[tuner].setup
        if cost is None or cost.setup is None or cost.whole is None:
            continue
        growth = "" if cost.growth is None else f"{cost.growth:.2f}"
        rows.append([tuner, seconds(cost.setup), seconds(cost.whole), growth])
    if not rows:
        return
    first = results[0].setup
    if first and first.reference_setup is not None and first.reference_whole is not None:
        figures = seconds(first.reference_setup), seconds(first.reference_whole)
        rows.insert(0, [str(results[0].reference), *figures, "1.00"])
    counted = "counts" if first and first.objective == "whole" else "does not count"
    say(f"the best mapper of each tuner; its setup {counted} in the throughput")
    table(["", "setup", "whole run", "setup, over the first"], rows)
    for result in results:
        tell_setup(result)


def _place(best: Path | None, results: Sequence[StudyResult]) -> str:
    """Where the best mapper of all lies; those of finished studies lie beside their journals."""
    if best is not None:
        return str(best)
    fastest = max(results, key=lambda result: result.throughput)
    if fastest.best is None:
        return "none was valid"
    beside = Path(fastest.location.removesuffix(".journal") + ".mapper")
    if beside.exists():
        return str(beside)
    return f"trial {fastest.best.number} of {fastest.spec.name} in {fastest.location}"


def _to_what(comparison: Comparison) -> str:
    if comparison.reference is None:
        return "to nothing, for no mapper ran"
    if comparison.reference == "expert":
        return "to the expert's"
    whose = "the fastest mapper here" if comparison.reference == "best known" else "the default"
    return f"to {whose}"


def _table_of_speeds(comparison: Comparison, results: Sequence[StudyResult]) -> None:
    """How fast the references are, and what each tuner's seeds ended with."""
    first = comparison.tuners[0].tuner
    headings = ["", "throughput", "best", "mean", "95 % interval", "worst", "invalid"]
    rows = [_reference_row(each, comparison.unit) for each in comparison.references]
    rows += [_speed_row(summary, comparison.unit) for summary in comparison.tuners]
    if comparison.tests:
        headings.append(f"beside {first}")
        rows = [[*row, *_beside(comparison, row[0], first)] for row in rows]
    table(headings, marked(rows, results))


def _reference_row(reference: ReferenceSummary, unit: str) -> list[str]:
    if reference.throughput is None:
        return [reference.name, "does not run", "", "", "", "", ""]
    over = _ratio(reference.over_reference)
    return [reference.name, quantity(reference.throughput, unit), over, "", "", "", ""]


def _speed_row(summary: TunerSummary, unit: str) -> list[str]:
    fastest = max(summary.throughputs)
    interval = " to ".join(map(_ratio, summary.interval)) if summary.interval else ""
    return [
        summary.tuner,
        quantity(fastest, unit) if fastest else "none valid",
        _ratio(summary.best),
        _ratio(summary.mean),
        interval,
        _ratio(summary.worst),
        f"{summary.invalid_share:.1%}",
    ]


def _beside(comparison: Comparison, tuner: str, first: str) -> list[str]:
    test = comparison.test_of(first, tuner)
    return [test.beside(first) if test else ""]


def _table_of_successes(comparison: Comparison) -> None:
    """How many seeds got how far, and how soon."""
    if comparison.reference is None:
        return
    near = any(summary.reach_floor is not None for summary in comparison.tuners)
    name = comparison.reference
    headings = ["seeds that reach", f"1.00 x {name}", "after trials (median)"]
    rows = [_success_row(summary) for summary in comparison.tuners]
    if near:
        headings.append("0.95 of the floor")
        rows = [
            [*row, _of_seeds(summary.reach_floor, summary)]
            for row, summary in zip(rows, comparison.tuners, strict=True)
        ]
    table(headings, rows)


def _success_row(summary: TunerSummary) -> list[str]:
    return [
        summary.tuner,
        _of_seeds(summary.reach_reference, summary),
        _median_trials(summary),
    ]


def _of_seeds(share: float | None, summary: TunerSummary) -> str:
    if share is None:
        return ""
    return f"{round(share * len(summary.seeds))} of {len(summary.seeds)}"


def _median_trials(summary: TunerSummary) -> str:
    """With the number of those that did not get there, which count as more than any."""
    if not summary.reached:
        return "not reached"
    censored = len(summary.seeds) - summary.reached
    median = summary.median_trials
    most = summary.trials // len(summary.seeds)
    told = f"over {most}" if median is None else f"{median:g}"
    return f"{told} ({censored} never)" if censored else told


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _tell_what_is_missing(comparison: Comparison) -> None:
    """Why numbers are missing, and what pairs of tuners come to that no table shows."""
    from studies.compare import FEWEST_SEEDS

    reasons: dict[str, list[str]] = {}
    for reference in comparison.references:
        if reference.throughput is None:
            reasons.setdefault(first_sentence(reference.said), []).append(reference.name)
    for said, names in reasons.items():
        say(f"{', '.join(names)}: {said}")
    seeds = min(len(summary.seeds) for summary in comparison.tuners)
    if seeds < FEWEST_SEEDS:
        say(f"no intervals: of fewer than {FEWEST_SEEDS} seeds they would say nothing")
    first = comparison.tuners[0].tuner
    others = [test for test in comparison.tests if first not in (test.first, test.second)]
    if others:
        say("; ".join(test.sentence for test in others))
    if comparison.tests:
        pairs = "one pair" if len(comparison.tests) == 1 else f"{len(comparison.tests)} pairs"
        say(f"rank tests at 5 % over {pairs}, with Holm's correction")
