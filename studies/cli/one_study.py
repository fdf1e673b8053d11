"""What both kinds of ``tune`` share: one study, new or continued, and what is said of it."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from studies.cli.console import columns, first_sentence, quantity, say, warn
from studies.cli.measured import told_samples
from studies.cli.model_options import model_settings
from studies.cli.progress import progress
from studies.cli.study_runner import StudyRunner
from studies.stops import exit_code_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from studies.records import StudyResult
    from studies.run import Observer
    from studies.suite import Tunable
    from tuners import MapperProblem

__all__ = ["exit_code", "run_one", "study_as_json", "tell_failures", "tell_setup", "tell_study"]


def run_one(
    case: Tunable,
    arguments: argparse.Namespace,
    *,
    before: Callable[[StudyRunner], object] | None = None,
    observe: Observer | None = None,
    conclude: Callable[[StudyRunner, StudyResult], StudyResult] | None = None,
) -> tuple[StudyRunner, StudyResult]:
    """Runs a study until it has as many trials as asked for, or until Ctrl-C.

    Args:
        case: What is tuned.
        arguments: The options of the study.
        before: Called when the reference has been run, and no trial yet.
        observe: Called with the trials, at the start and after each one.
        conclude: What further runs say of the result.
    """
    from studies.records import StudySpec

    runner = StudyRunner(case, (arguments.tuner,), arguments)
    llm = model_settings(arguments, arguments.tuner)
    trials = arguments.trials
    if runner.problem.template.size == 1 and llm is None and trials > 1:
        warn("the search space holds one mapper: it is tried once")
        trials = 1
    spec = StudySpec(arguments.tuner, arguments.seed, trials, llm)
    if before is not None:
        before(runner)
    with progress() as start:
        last = None if conclude is None else partial(conclude, runner)
        return runner, runner.run(spec, start, observe, conclude=last)


def study_as_json(runner: StudyRunner, result: StudyResult) -> dict[str, Any]:
    """A study with its files, as JSON values."""
    from studies.failure_counts import counted

    mapper = runner.workspace.best_mapper(runner.case, result.spec) if result.mapper else None
    start = runner.problem.start
    failures = [asdict(each) for each in counted(result.records)]
    return result.as_json() | {
        "failures": failures,
        "start": start.name if start else None,
        "mapper": mapper and str(mapper),
        "mlflow": runner.tracking_uri,
    }


def tell_study(runner: StudyRunner, result: StudyResult) -> None:
    """Says what a study found, and where it lies."""
    spec, best = result.spec, result.best
    say(f"{runner.case.name}, {spec.tuner} with seed {spec.seed}: {_trials(result)}")
    if result.reference is not None and result.expert is not None:
        rows = [(result.reference, quantity(result.expert, result.unit))]
    else:
        rows = [("reference", _why_none(runner.problem))]
    if best is not None:
        found = quantity(best.throughput, result.unit)
        if best.samples:  # how it compares, one of many noisy trials does not tell
            found = told_samples(best.samples, result.unit)
        elif result.normalised is not None:
            found += f", {result.normalised:.3f} x {result.reference}"
        rows.append(("best", f"{found} (trial {best.number})"))
        cost = result.setup.described(str(result.reference)) if result.setup else ""
        if cost:
            rows.append(("beside it", cost))
        rows.append(("mapper", str(runner.workspace.best_mapper(runner.case, spec))))
        if result.of_floor is not None:
            rows.append(("floor", floor_reached(result)))
    else:
        rows.append(("best", "no mapper was valid"))
    rows += [
        ("invalid", f"{result.invalid_share:.1%} of the mappers{_most_frequent(result)}"),
        ("study", result.location),
    ]
    if result.model_use is not None:
        rows.append(("model", f"proposed {result.model_share:.1%} of them; {result.model_use}"))
        rows += [("not the model", f"{count} x {why}") for count, why in result.reasons]
        if result.hardly_asked:
            rows.append(("note", _told_hardly_asked(result)))
    if "://" in result.location:
        from studies.dashboard import ARTIFACTS

        files = shlex.quote(str(runner.workspace.folder / ARTIFACTS))
        where = shlex.quote(result.location)
        rows.append(("trials", f"optuna-dashboard {where} --artifact-dir {files}"))
    rows += runner.tracking_rows
    columns(rows)
    tell_failures(result)
    tell_setup(result)


def _trials(result: StudyResult) -> str:
    """How many trials a study has, by whom, and why not as many as it might have."""
    said = f"{len(result.records)} trials"
    if result.resumed:
        said += f", {result.resumed} of them from earlier runs"
    if result.elsewhere:
        said += f", {result.elsewhere} by other processes meanwhile"
    if result.ended_by is not None:
        said += f", not {result.spec.trials}: {result.ended_by}"
    return said


def _most_frequent(result: StudyResult) -> str:
    """Why most of the mappers fail that do, of a program that is measured."""
    from studies.failure_counts import counted

    if result.best is None or not result.best.samples or not result.invalid_share:
        return ""
    first = counted(result.records)[0]
    return f"; {first.count} of them: {first.cause}"


def tell_failures(result: StudyResult) -> None:
    """Says why the mappers fail where all of them do."""
    from studies.failure_counts import counted

    if result.best is not None:
        return
    failures = counted(result.records)
    for failure in failures:
        say(f"{failure.count} of {len(result.records)} trials: {failure.cause}")
    if failures:
        say(f"trial {failures[0].trial} says:\n{failures[0].message}")


def tell_setup(result: StudyResult) -> None:
    """Warns of a best mapper whose setup takes much longer than the reference's."""
    warning = result.setup.warning(str(result.reference)) if result.setup else ""
    if warning:
        say(f"mind the best mapper of {result.spec.name}: {warning}")


def floor_reached(result: StudyResult) -> str:
    """How near the best mapper is to what none can beat."""
    from dsl.units import percent

    return (
        f"{quantity(result.floor or 0.0, 's')}, which no mapper can beat; "
        f"the best is at {percent(result.of_floor or 0.0, decimals=1)}"
    )


def _told_hardly_asked(result: StudyResult) -> str:
    """What is to be known of a study in which the model proposed little."""
    return (
        f"the model proposed under half of the trials: this is no study of {result.spec.tuner}, "
        "but of its fallback"
    )


def _why_none(problem: MapperProblem) -> str:
    """Why there is nothing that the best mapper could be held against."""
    from studies.references import references

    if not problem.application.mappers:
        return "none is known"
    first = next(iter(references(problem)))
    return f"none runs; {first.name}: {first_sentence(first.outcome.raw)}"


def exit_code(result: StudyResult) -> int:
    """The command's exit code, 1 where no mapper was valid; says how a stopped study goes on."""
    if result.stopped_by is None:
        return 0 if result.best is not None else 1
    warn("stopped; the same command continues the study")
    return exit_code_of(result.stopped_by)
