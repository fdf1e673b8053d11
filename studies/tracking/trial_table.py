"""All trials of a study as tables, in the form that MLflow shows and ``mlflow.load_table`` reads.

A table has so many rows at most, so that a page can show it, and a study of more trials several.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from studies.records import fastest

if TYPE_CHECKING:
    from studies.records import TrialRecord

__all__ = ["table_names", "trial_tables"]

ROWS = 10_000
COLUMNS = (
    "trial",
    "throughput",
    "valid",
    "status",
    "best",
    "said",
    "normal form",
    "proposer",
    "why",
    "setup",
    "whole",
    "mapper",
)


def table_names(trials: int) -> list[str]:
    """The names of a study's tables.

    >>> table_names(7), table_names(25_000)
    (['trials.json'], ['trials.json', 'trials-10000.json', 'trials-20000.json'])
    """
    return [f"trials-{first}.json" if first else "trials.json" for first in _firsts(trials)]


def trial_tables(
    records: Sequence[TrialRecord], text: Callable[[TrialRecord], str], tuner: str
) -> Iterator[tuple[str, str]]:
    """The tables by name, one after the other, in the form that pandas calls ``split``.

    Args:
        records: The trials.
        text: The mapper of a trial; empty where nobody knows it.
        tuner: Who proposes trials of which nobody else is known.
    """
    best = fastest(records)
    names = table_names(len(records))
    for name, first in zip(names, _firsts(len(records)), strict=True):
        rows = [_row(each, best, text, tuner) for each in records[first : first + ROWS]]
        yield name, json.dumps({"columns": list(COLUMNS), "data": rows})


def _firsts(trials: int) -> range:
    return range(0, max(trials, 1), ROWS)


def _row(
    record: TrialRecord, best: TrialRecord | None, text: Callable[[TrialRecord], str], tuner: str
) -> list[Any]:
    return [
        record.number,
        record.throughput,
        record.status == "ok",
        record.status,
        record is best,
        record.raw,
        record.normal_form or "",
        record.proposer or tuner,
        record.why,
        record.setup,
        record.whole,
        text(record),
    ]
