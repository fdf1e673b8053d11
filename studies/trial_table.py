"""All trials of a study as one table, bounded in size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from studies.records import fastest

if TYPE_CHECKING:
    from studies.records import TrialRecord
    from tuners import MapperProblem

__all__ = ["trial_table"]

ROWS = 10_000  # the last ones
CHARACTERS = 4_000_000  # of mappers; the slower ones go without
COLUMNS = (
    "trial",
    "throughput",
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


def trial_table(records: Sequence[TrialRecord], problem: MapperProblem) -> dict[str, Any]:
    """The table in the form that pandas calls ``split`` and MLflow shows as a table."""
    kept = records[-ROWS:]
    texts = _texts(kept, problem)
    best = fastest(kept)
    rows = [
        [
            record.number,
            record.throughput,
            record.status,
            record is best,
            record.raw,
            record.normal_form or "",
            record.proposer or "",
            record.why,
            record.setup,
            record.whole,
            texts.get(record.number, ""),
        ]
        for record in kept
    ]
    return {"columns": list(COLUMNS), "data": rows}


def _texts(records: Sequence[TrialRecord], problem: MapperProblem) -> dict[int, str]:
    """Mappers by trial, from the fastest on, until there are characters enough."""
    texts: dict[int, str] = {}
    left = CHARACTERS
    for record in sorted(records, key=lambda record: -record.throughput):
        text = record.mapper(problem)
        left -= len(text)
        if left < 0:
            break
        texts[record.number] = text
    return texts
