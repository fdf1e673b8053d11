"""``mappertune study feedback``: what each level of feedback is worth to a model."""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from studies.cli.cases import case_of
from studies.cli.console import fail, print_json, say, warn
from studies.cli.experiments.output import print_table
from studies.cli.model_options import model_settings
from studies.cli.progress import progress
from studies.errors import UsageError
from studies.stops import exit_code_of

if TYPE_CHECKING:
    from studies.experiments.feedback import LevelResult
    from studies.records import StudyResult

__all__ = ["run"]

TUNER = "llm"


def run(arguments: argparse.Namespace) -> int:
    """Runs a study for each level and seed, then prints what they came to."""
    import optuna

    from studies.experiments.feedback import LEVELS, LevelResult, arm_name
    from studies.records import StudySpec
    from studies.references import best_reference
    from studies.starts import start_of
    from studies.stop_rules import StopRules, fair_share
    from studies.workspace import Workspace

    if arguments.application is None:
        raise UsageError("name an application, such as circuit")
    llm = model_settings(arguments, TUNER)
    assert llm is not None  # noqa: S101  (the tuner asks one)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    case = case_of(arguments)
    problem = case.problem()
    problem.start = start_of(problem, arguments.start or "default")
    reference = best_reference(problem)
    trials, seeds = arguments.trials or 10, arguments.seeds or 5
    found: list[LevelResult] = []
    stopped_by: int | None = None
    rules = StopRules(arguments.time_limit, arguments.stop_after, arguments.patience)
    until = None if rules.seconds is None else time.monotonic() + rules.seconds
    with progress() as start:
        for number, level in enumerate(LEVELS):
            workspace = Workspace(
                arguments.output / arm_name(level), anew=arguments.anew, tell=warn
            )
            studies: list[StudyResult] = []
            for seed in range(seeds):
                spec = StudySpec(TUNER, seed, trials, replace(llm, feedback=level))
                observe = start(f"{level} seed {seed}", trials, problem.unit, reference)
                if until is not None:
                    waiting = (len(LEVELS) - number) * seeds - seed
                    share = fair_share(until - time.monotonic(), waiting, 0, 1)
                    rules = replace(rules, seconds=share)
                studies.append(workspace.run(case, problem, spec, observe, rules))
                stopped_by = stopped_by or studies[-1].stopped_by
                if stopped_by is not None:
                    break
            found.append(LevelResult(level, studies))
            if stopped_by is not None:
                break
    after = sorted({each for each in (1, 2, 3, 5, 10, 30, 100, trials) if each <= trials})
    if arguments.json:
        print_json({"case": case.name, "levels": [each.as_json(after) for each in found]})
    else:
        if arguments.format == "text":
            say(
                f"{case.name}: the best so far, mean over {seeds} seeds, as ratios to the expert's"
            )
        print_table(
            ["feedback", *(f"after {each}" for each in after), "invalid", "went back", "tokens"],
            [_row(each, after) for each in found],
            arguments.format,
        )
    if stopped_by is not None:
        message = "stopped; the same command goes on"
        return fail(message, exit_code_of(stopped_by), kind="Interrupted", as_json=False)
    return 0


def _row(result: LevelResult, after: list[int]) -> list[str]:
    means = []
    for trials in after:
        ratios = result.best_after(trials)
        means.append(f"{statistics.fmean(ratios):.3f}" if ratios else "-")
    return [
        result.level,
        *means,
        f"{result.invalid_share:.1%}",
        str(result.repairs),
        f"{result.tokens:,}",
    ]
