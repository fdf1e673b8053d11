"""``mappertune study failures``: what failed, by kind and arm."""

from __future__ import annotations

import argparse
from pathlib import Path

from studies.cli.console import print_json, say
from studies.cli.experiments.output import print_table
from studies.errors import UsageError

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Reads the studies in an output folder, and counts what failed in them."""
    from studies.experiments.failures import failure_kinds
    from studies.finished import read_studies

    root = Path(arguments.output)
    folders = sorted({str(each.parent) for each in root.rglob("*.journal")})
    if not folders:
        raise UsageError(f"{root} holds no studies: name their folder by --output")
    studies = [study for folder in folders for study in read_studies([str(folder)])]
    kinds, trials = failure_kinds(studies)
    arms = sorted(trials)
    if arguments.json:
        print_json({"trials": trials, "failures": [each.as_json() for each in kinds]})
        return 0
    rows = [
        [each.kind, *(_share(each.counts.get(arm, 0), trials[arm]) for arm in arms)]
        for each in kinds
    ]
    rows.append(["trials in all", *(str(trials[arm]) for arm in arms)])
    print_table(["kind", *arms], rows, arguments.format)
    if arguments.format == "text":
        for each in kinds:
            for study, number, said in each.examples[:1]:
                say(f"{each.kind}, such as trial {number} of {study}: {said}")
    return 0


def _share(count: int, trials: int) -> str:
    return f"{count} ({count / trials:.0%})" if count else "-"
