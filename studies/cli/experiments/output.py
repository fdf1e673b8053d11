"""Tables of experiments as text, Markdown and CSV."""

from __future__ import annotations

import csv
import statistics
import sys
from collections.abc import Sequence

from studies.cli.console import say, table

__all__ = ["FORMATS", "cell", "print_table"]

FORMATS = ("text", "markdown", "csv")


def print_table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], form: str, *, words: int = 1
) -> None:
    """Prints a table.

    Args:
        headings: Of its columns.
        rows: Its cells.
        form: One of `FORMATS`.
        words: How many of its first columns are words.
    """
    if form == "csv":
        csv.writer(sys.stdout, lineterminator="\n").writerows([headings, *rows])
    elif form == "markdown":
        marks = ["---"] * words + ["---:"] * (len(headings) - words)
        for row in (headings, marks, *rows):
            say(f"| {' | '.join(each.replace('|', chr(92) + '|') for each in row)} |")
    else:
        table(headings, rows, words=words)


def cell(ratios: Sequence[float]) -> str:
    """A mean with its deviation and the best, such as ``"1.31 ± 0.01 (1.33)"``; a dash for none.

    >>> cell([1.0, 1.5]), cell([1.25]), cell([])
    ('1.25 ± 0.35 (1.50)', '1.25', '-')
    """
    if not ratios:
        return "-"
    mean = statistics.fmean(ratios)
    if len(ratios) == 1:
        return f"{mean:.2f}"
    return f"{mean:.2f} ± {statistics.stdev(ratios):.2f} ({max(ratios):.2f})"
