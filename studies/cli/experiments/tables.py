"""``mappertune study tables``: every arm on every case of a suite."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from studies.cli.console import fail, print_json, say, warn
from studies.cli.experiments.output import cell, print_table
from studies.cli.model_options import arms as model_arms
from studies.cli.progress import progress
from studies.errors import UsageError
from studies.stops import exit_code_of

if TYPE_CHECKING:
    from studies.experiments.suite import Suite
    from studies.experiments.tables import Arm, CaseResult
    from studies.run import Observer
    from tuners import MapperProblem

__all__ = ["run"]

KNOWN = ("default mapper", "no decisions", "template's defaults", "best known")


def run(arguments: argparse.Namespace) -> int:
    """Runs what is missing of a suite's studies, then prints its table."""
    import optuna

    from studies.experiments.suite import load_suite
    from studies.experiments.tables import run_cases
    from studies.references import best_reference
    from studies.workspace import Workspace

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    suite = _changed(load_suite(arguments.suite), arguments)
    arms = _arms(suite, arguments)
    workspace = Workspace(arguments.output / suite.name, anew=arguments.anew, tell=warn)
    found: list[CaseResult] = []
    with progress() as start:

        def follow(case: str, arm: Arm, seed: int, problem: MapperProblem) -> Observer:
            label = f"{case} {arm.name} seed {seed}"
            return start(label, suite.trials, problem.unit, best_reference(problem))

        cases = suite.of_cases(arguments.cases or ())
        found += run_cases(suite, cases, arms, workspace, follow, start=arguments.start)
    stopped = [each.stopped_by for case in found for arm in case.arms.values() for each in arm]
    stopped_by = next((each for each in stopped if each is not None), None)
    if arguments.json:
        print_json({"suite": suite.name, "cases": [each.as_json() for each in found]})
    else:
        _print(suite, found, [arm.name for arm in arms], arguments.format)
    if stopped_by is not None:
        message = "stopped; the same command goes on"
        return fail(message, exit_code_of(stopped_by), kind="Interrupted", as_json=False)
    return 0


def _changed(suite: Suite, arguments: argparse.Namespace) -> Suite:
    """The suite with what the options say in the place of its own."""
    return replace(
        suite,
        trials=arguments.trials or suite.trials,
        seeds=tuple(range(arguments.seeds)) if arguments.seeds else suite.seeds,
        arms=arguments.arms or suite.arms,
    )


def _arms(suite: Suite, arguments: argparse.Namespace) -> list[Arm]:
    """The arms that can be run: those that ask a model where one is named."""
    from studies.experiments.tables import Arm
    from tuners import tuner_named
    from tuners.llm.settings import LLM_TUNERS

    asking = [name for name in suite.arms if name in LLM_TUNERS]
    wanted = list(suite.arms)
    if asking and not arguments.model:
        if arguments.arms:
            raise UsageError(f"the arm {asking[0]} asks a language model: name one by --model")
        warn(f"without --model the arms {', '.join(asking)} are left out")
        wanted = [name for name in wanted if name not in asking]
    for name in wanted:
        tuner_named(name)
    return [Arm(name, llm) for name, llm in model_arms(arguments, wanted)]


def _print(suite: Suite, found: Sequence[CaseResult], arms: Sequence[str], form: str) -> None:
    reported = list(dict.fromkeys(key for row in suite.reported.values() for key in row))
    headings = ["case", "over", *KNOWN, *arms, *(f"paper: {key}" for key in reported)]
    rows = []
    for each in found:
        said = suite.reported.get(each.case.case.application, {})
        rows.append(
            [
                each.case.case.name,
                each.reference or "nothing",
                *(_ratio(each, name) for name in KNOWN),
                *(cell(each.ratios(arm)) for arm in arms),
                *(f"{said[key]:.2f}" if key in said else "-" for key in reported),
            ]
        )
    if form == "text":
        say(f"{suite.name}: {suite.summary}")
        say(f"{suite.trials} trials, {len(suite.seeds)} seeds: mean ± deviation (best of them)")
    print_table(headings, rows, form, words=2)


def _ratio(result: CaseResult, known: str) -> str:
    if known not in result.known:
        return "-"
    ratio = result.ratio(result.known[known])
    return "fails" if ratio is None else f"{ratio:.2f}"
