"""``mappertune study figures``: what the arms of a suite have reached after how many trials."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from studies.cli.console import print_json, say
from studies.cli.experiments.output import print_table
from studies.cli.experiments.suites import exit_code, run_suite

if TYPE_CHECKING:
    from pathlib import Path

    from studies.experiments.figures import Figures

__all__ = ["run"]

SUITE = "figures"


def run(arguments: argparse.Namespace) -> int:
    """Runs what is missing of a suite's studies, then prints or writes its figures."""
    from studies.experiments.figures import Figures

    done = run_suite(arguments, SUITE)
    figures = Figures(done.suite, done.results, [arm.name for arm in done.arms])
    if arguments.json:
        print_json(_as_json(figures))
    elif arguments.write is None:
        _print(figures, arguments.format)
    if arguments.write is not None:
        _write(figures, arguments.write)
    return exit_code(done)


def _as_json(figures: Figures) -> dict[str, object]:
    after = {
        str(trials): {
            each.case.case.name: {arm: each.ratios(arm, trials) for arm in figures.arms}
            for each in figures.cases
        }
        for trials in figures.budgets
    }
    cases = [each.as_json() for each in figures.cases]
    return {"suite": figures.suite.name, "cases": cases, "ratios_after": after}


def _print(figures: Figures, form: str) -> None:
    tables = [figures.starts, *map(figures.means, figures.budgets), figures.valid]
    if form == "text":
        say(f"{figures.suite.name}: {figures.suite.summary}")
        say(figures.extent)
    for table in tables:
        if form == "text":
            say(f"\n{table.title}")
        elif form == "markdown":
            say(f"\n## {table.title}\n")
        rows = [[cell.replace("*", "") for cell in row] for row in table.rows]
        print_table(table.headings, rows, form)


def _write(figures: Figures, folder: Path) -> None:
    from studies.experiments.picture import draw
    from studies.files import make_folder, write_text

    make_folder(folder)
    draw(figures.cases, figures.arms, folder / "figures.svg")
    write_text(folder / "figures.md", figures.page)
    say(f"written: {folder / 'figures.md'} and {folder / 'figures.svg'}")
