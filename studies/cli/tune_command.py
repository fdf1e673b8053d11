"""``mappertune tune --command``: a Legion program tuned by runs of it."""

from __future__ import annotations

import argparse
import json
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from studies.cli.console import first_sentence, is_quiet, print_json, say, warn
from studies.cli.one_study import exit_code, run_one, study_as_json, tell_study
from studies.cli.program_runs import (
    captured,
    command_words,
    program_run,
    target_machine,
    tell_matches,
)
from studies.errors import UsageError
from studies.files import make_folder, read_text, write_text

if TYPE_CHECKING:
    from pathlib import Path

    from legion_bridge.legion import LegionRun
    from legion_bridge.outcome import Outcome
    from studies.cli.study_runner import StudyRunner
    from studies.real_run import MeasuredProblem, PairedComparison, RealCase
    from studies.records import StudyResult, TrialRecord

__all__ = ["tune_program"]

LESSONS = "lessons.json"
"""Beside the studies of a case: what their failures have taught, for further ones."""
WORTH_TELLING = 1.0
"""Percent; smaller differences than those that are told are nobody's concern."""


def tune_program(arguments: argparse.Namespace) -> int:
    """Tunes the program of ``--command``, and compares its best mapper with its own at the end.

    Raises:
        UsageError: The options do not fit together, or the program fails in the comparison.
        legion_bridge.BridgeError: There is no Legion, or the program cannot be captured.
    """
    case = _real_case(arguments)
    comparison: PairedComparison | None = None

    def conclude(runner: StudyRunner, result: StudyResult) -> StudyResult:
        nonlocal comparison
        if result.interrupted:
            return result
        result, comparison = _compared(case, runner, result, arguments.pairs)
        return result

    runner, result = run_one(
        case,
        arguments,
        before=lambda runner: _make_ready(runner, arguments),
        observe=_WarnOfStart(),
        conclude=conclude,
    )
    _keep_lessons(case, runner)
    if arguments.json:
        print_json(study_as_json(runner, result) | {"against_own": _as_json(comparison)})
    else:
        tell_study(runner, result)
        if comparison is not None:
            _tell(case, comparison)
    return exit_code(result)


def _real_case(arguments: argparse.Namespace) -> RealCase:
    """Captures the program and makes a case of it."""
    from studies.program_files import ProgramFiles, kept_files
    from studies.real_run import RealCase

    command = _words(arguments)
    runner = program_run(command, arguments)
    target = target_machine(command, arguments)
    make_folder(arguments.output)  # what cannot be written is told before a run
    files = ProgramFiles.of(command)
    application = captured(command, arguments, runner.metric, arguments.captured)
    case = RealCase(
        command=tuple(command),
        captured=application,
        target=target,
        runner=runner,
        space=arguments.space,
        template=arguments.template and read_text(arguments.template, "template"),
        settings=f"{runner.metric} {target.name} {arguments.space}{' own' * arguments.keep_own}",
        files=files.without_written(command),
    )
    kept, sentence = kept_files(case.files or files, command, arguments.output, case.family)
    if sentence:
        warn(sentence)
    case = case.of_files(kept)
    folder = arguments.output / case.name
    make_folder(folder)
    kept.write(folder, command)
    if arguments.keep_own:
        _leave_to_own(case, runner)
    return case


def _leave_to_own(case: RealCase, runner: LegionRun) -> None:
    """Trials state what differs from where the study starts, which is the program's own mapper."""
    import dsl

    problem = case.problem()
    if problem.start is not None:
        runner.own = dsl.parse(problem.template.render(problem.start.values))


def _words(arguments: argparse.Namespace) -> list[str]:
    from studies.real_run import FEWEST_PAIRS

    if arguments.application is not None:
        raise UsageError("give either an application or --command, not both")
    words = command_words(arguments)
    if arguments.objective != "timed":
        raise UsageError(
            f"--objective {arguments.objective} needs simulated runs: a run of --command is "
            "judged by its own metric alone, which does not tell setup and timed part apart; let "
            "the program print what counts, and name it by --metric"
        )
    if arguments.pairs < FEWEST_PAIRS:
        raise UsageError(
            f"{arguments.pairs} pairs of runs give no 95 % interval: ask for --pairs "
            f"{FEWEST_PAIRS} or more"
        )
    return words


def _make_ready(runner: StudyRunner, arguments: argparse.Namespace) -> None:
    """What is done when the program's own mapper was run, and no trial yet."""
    from studies.real_run import MeasuredProblem

    if isinstance(runner.problem, MeasuredProblem):
        runner.problem.runs.ahead = arguments.trials
        _recall_lessons(arguments.output / runner.case.name / LESSONS, runner.problem)
    _tell_noise(runner, arguments)


def _tell_noise(runner: StudyRunner, arguments: argparse.Namespace) -> None:
    """Says how far the runs of the program's own mapper lie apart, before trials are spent."""
    from legion_bridge.legion.metric import Reading
    from studies.cli.measured import told_samples
    from studies.noise import smallest_seen

    if arguments.captured is not None and arguments.metric:
        tell_matches(Reading(None, runner.case.runner.matched), arguments)  # type: ignore[attr-defined]
    if runner.reference is None or is_quiet():
        return
    outcome: Outcome = runner.reference.outcome
    samples = outcome.measurement.samples if outcome.measurement else (outcome.throughput,)
    warn(f"under its own mapper: {told_samples(samples, outcome.unit)}")
    smallest = smallest_seen(samples, arguments.pairs)
    if smallest is None:
        warn(
            "one run does not tell how far runs lie apart: --repeats 3 or more says, before the "
            "trials, which differences can be seen"
        )
    elif smallest >= WORTH_TELLING:
        warn(
            f"differences under about {smallest:.0f} % may not be seen with --pairs "
            f"{arguments.pairs} on this machine now: more pairs, longer runs or less other load "
            "show smaller ones"
        )


def _recall_lessons(path: Path, problem: MeasuredProblem) -> None:
    """Takes up what other studies of a case have learned from failures.

    Raises:
        UsageError: The file is none of ours.
    """
    if not path.exists():
        return
    try:
        problem.learned.recall(json.loads(read_text(str(path), "lessons")))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UsageError(
            f"{path} is damaged: remove it, and what failures have taught is learned again"
        ) from None


class _WarnOfStart:
    """Warns once where the first trial, the program's own mapper in our language, fails."""

    def __init__(self) -> None:
        self._told = False

    def __call__(self, records: list[TrialRecord]) -> None:
        from studies.failure_counts import cause_of

        if self._told or not records:
            return
        self._told = True
        first = min(records, key=lambda record: record.number)
        if first.proposer == "start" and first.status != "ok":
            warn(
                "the mapper that the study starts from fails, though the program runs under its "
                f"own: {first_sentence(cause_of(first.message))} The trials may all fail alike: "
                "Ctrl-C stops, and the same command goes on"
            )


def _compared(
    case: RealCase, runner: StudyRunner, result: StudyResult, pairs: int
) -> tuple[StudyResult, PairedComparison | None]:
    """How the best mapper does against the program's own; None where none was valid.

    The mapper takes the place of the study's: further runs may have shown another to be best.
    """
    import dsl
    from dsl.unparse import unparse
    from legion_bridge.legion import LegionRun
    from studies.real_run import MeasuredProblem, compare_with_own, confirm_best
    from tuners.problems.essential import essential

    assert isinstance(runner.problem, MeasuredProblem)  # noqa: S101  (a real case's is one)
    mapper = confirm_best(runner.problem, result.records)
    if mapper is None:
        return result, None
    run = case.runner
    if isinstance(run, LegionRun) and run.keep_own:
        mapper = unparse(run.stated(dsl.parse(mapper)))
    else:
        mapper = essential(runner.problem, mapper)
    comparison = compare_with_own(case.runner, mapper, pairs)
    runner.workspace.keep_best(case, result.spec, mapper, comparison.sentence)
    return replace(result, mapper=mapper, paired=comparison.ratio), comparison


def _keep_lessons(case: RealCase, runner: StudyRunner) -> None:
    """Writes the application with what failures have taught, beside the study."""
    from legion_bridge.programs.application_json import write_application
    from studies.real_run import MeasuredProblem

    problem = runner.problem
    if not isinstance(problem, MeasuredProblem) or not problem.learned.known:
        return
    for cause in problem.learned.known:
        warn(f"learned: {cause.sentence}")
    folder = runner.workspace.folder / case.name
    write_text(folder / LESSONS, json.dumps(problem.learned.as_json(), indent=2) + "\n")
    path = folder / "application.json"
    write_application(problem.learned.taught(case.captured), path)
    warn(
        f"wrote {path}, with that as needs of its tasks: further studies take it as --application"
    )


def _as_json(comparison: PairedComparison | None) -> dict[str, Any] | None:
    if comparison is None:
        return None
    return {
        "percent": comparison.percent,
        "interval": list(comparison.interval),
        "ratios": list(comparison.ratios),
        "sentence": comparison.sentence,
    }


def _tell(case: RealCase, comparison: PairedComparison) -> None:
    say(f"{case.application}: {comparison.sentence}")
    flags = shlex.join(case.runner.flags)
    keeps = getattr(case.runner, "keep_own", False)
    kept = " and, under a mapper, MAPPERTUNE_KEEP_OWN=1" if keeps else ""
    say(
        f"all runs had LEGION_DEFAULT_ARGS='{flags}'{kept}: give the same where you use the mapper"
    )
