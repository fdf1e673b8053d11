"""``mappertune compare``: several tuners and seeds beside the mappers that are known."""

from __future__ import annotations

import argparse
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from studies.cli.cases import case_of
from studies.cli.console import columns, fail, print_json, say, table, warn
from studies.cli.model_arms import arms_as_json, marked, tell_models
from studies.cli.model_options import arms
from studies.cli.one_study import tell_setup
from studies.cli.studies_at_once import refuse_shared_file, run_studies
from studies.cli.study_runner import StudyRunner
from studies.errors import StorageError, UsageError
from studies.stops import exit_code_of
from tuners.redaction import redacted_url

if TYPE_CHECKING:
    from studies.compare import Comparison
    from studies.records import StudyResult, StudySpec

__all__ = ["run"]

GO_ON = "stopped; the same command continues the comparison"


def run(arguments: argparse.Namespace) -> int:
    """Runs every study that is not done yet, then prints the comparison."""
    if arguments.report is not None:
        from studies.cli.report import ensure_report

        ensure_report(arguments.report)
    if arguments.folders:
        from studies.finished import case_of_studies, read_studies, results_of

        wanted = case_of(arguments) if arguments.application else None
        studies = read_studies(_places(arguments), wanted)
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
    page, fault = _write_report(runner, arguments)
    _show(runner, begun, specs, stopped_by, arguments, page=page)
    if fault is not None:
        raise fault
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


def _places(arguments: argparse.Namespace, runner: StudyRunner | None = None) -> list[str]:
    """Where the studies lie."""
    storage = [] if arguments.storage is None else [arguments.storage]
    if arguments.folders:
        return [*arguments.folders, *storage]
    return storage or [str(arguments.output / runner.case.name)] if runner else storage


def _write_report(
    runner: StudyRunner, arguments: argparse.Namespace
) -> tuple[Path | None, StorageError | None]:
    """Writes the page that was asked for; what prevents it comes back, for the table is first."""
    if arguments.report is None:
        return None, None
    from studies.report import read_contents, write_page

    try:
        write_page(read_contents(_places(arguments, runner)), arguments.report)
    except StorageError as error:
        return None, error
    return arguments.report, None


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
    *,
    page: Path | None,
) -> None:
    """Prints what the studies come to, those that are not whole among them."""
    from studies.compare import compare_studies
    from studies.references import references

    comparison = compare_studies(results, references(runner.problem))
    best = None if arguments.folders else runner.workspace.write_best_of(runner.case, results)
    whole = [each.spec.name for each in results if not each.interrupted]
    unfinished = [spec.name for spec in specs if spec.name not in whole]
    runner.finish_comparison(comparison, results, interrupted=bool(unfinished), page=page)
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
                "report": page and str(page),
            }
        )
    else:
        _print(comparison, results, runner, best)
        if page is not None:
            say(f"report       {page}")
        else:
            places = " ".join(shlex.quote(redacted_url(p)) for p in _places(arguments, runner))
            say(f"as one page  mappertune report {places}")
        if unfinished:
            say(f"not finished: {', '.join(unfinished)}")


def _print(
    comparison: Comparison, results: Sequence[StudyResult], runner: StudyRunner, best: Path | None
) -> None:
    from studies.comparison_tables import (
        closing_sentences,
        floor_sentence,
        ratios_to,
        speeds,
        successes,
    )

    seeds = max(len(summary.seeds) for summary in comparison.tuners)
    trials = _range_of({len(result.records) for result in results})
    say(f"\n{runner.case.name}: {trials} trials a study, {seeds} seed(s), {runner.start}")
    for why, count in Counter(each.ended_by for each in results if each.ended_by).most_common():
        say(f"{count} of {len(results)} studies ended early: {why}")
    say(f"the seeds' best mappers: throughput, and ratios {ratios_to(comparison)}")
    fast, reached = speeds(comparison), successes(comparison)
    table(fast.headings, marked(fast.rows, results))
    if reached is not None:
        table(*reached)
    for sentence in (floor_sentence(comparison), *closing_sentences(comparison)):
        if sentence:
            say(sentence)
    tell_models(results)
    _tell_setups(results)
    rows_below = [("best mapper", _place(best, results))]
    rows_below += runner.tracking_rows
    columns(rows_below, indent="")


def _range_of(counts: set[int]) -> str:
    return str(*counts) if len(counts) == 1 else f"{min(counts)} to {max(counts)}"


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
