"""``mappertune study tables``: every arm on every case of a suite."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from studies.cli.console import print_json, say
from studies.cli.experiments.output import cell, print_table
from studies.cli.experiments.suites import exit_code, run_suite

if TYPE_CHECKING:
    from studies.experiments.suite import Suite
    from studies.experiments.tables import CaseResult

__all__ = ["run"]

SUITE = "paper"
KNOWN = ("default mapper", "no decisions", "template's defaults", "best known")


def run(arguments: argparse.Namespace) -> int:
    """Runs what is missing of a suite's studies, then prints its table."""
    done = run_suite(arguments, SUITE)
    if arguments.json:
        cases = [each.as_json() for each in done.results]
        print_json({"suite": done.suite.name, "cases": cases})
    else:
        _print(done.suite, done.results, [arm.name for arm in done.arms], arguments.format)
    return exit_code(done)


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
