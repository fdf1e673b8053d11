"""All trials of a report as a table with plain columns, one row a trial."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsl.plain_text import plain
from studies.errors import StorageError, UsageError
from studies.experiments.failures import kind_of
from studies.files import why, write_text
from tuners.redaction import process_redactor

if TYPE_CHECKING:
    from datetime import datetime

    from studies.records import StudyResult, TrialRecord
    from studies.report.contents import ReportContents, ReportedCase

__all__ = ["COLUMNS", "trial_rows", "write_csv", "write_parquet"]

#: The columns by name, and what is in them; docs/report.md explains each.
COLUMNS: dict[str, type] = {
    "case": str,
    "application": str,
    "machine": str,
    "nodes": int,
    "tuner": str,
    "seed": int,
    "model": str,
    "trial": int,
    "value": float,
    "unit": str,
    "best_so_far": float,
    "over_reference": float,
    "reference": str,
    "valid": bool,
    "status": str,
    "error_kind": str,
    "error": str,
    "proposer": str,
    "why": str,
    "elapsed": float,
    "setup": float,
    "whole": float,
    "seconds": float,
    "begun": str,
    "ended": str,
    "calls": int,
    "repairs": int,
    "tokens": int,
    "cost": float,
    "model_failure": str,
    "mapper_digest": str,
    "study": str,
}
# What a spreadsheet takes for a formula; signed numbers stand in columns of their own.
_FORMULA = re.compile(r"[=+\-@\t\r]")


def trial_rows(contents: ReportContents) -> Iterator[dict[str, Any]]:
    """The trials, case by case, study by study, in order."""
    for case in contents.cases:
        for result in case.results:
            for row in _rows_of(case, result):
                yield {name: _printable(value) for name, value in row.items()}


def write_csv(contents: ReportContents, path: Path) -> int:
    """Writes the trials as CSV, and returns how many they are.

    A text that a spreadsheet would take for a formula begins with an apostrophe.

    Raises:
        StorageError: The file cannot be written.
    """
    written = io.StringIO(newline="")
    table = csv.writer(written, lineterminator="\n")
    table.writerow(COLUMNS)
    count = 0
    for row in trial_rows(contents):
        table.writerow([_cell(value) for value in row.values()])
        count += 1
    write_text(path, written.getvalue())
    return count


def write_parquet(contents: ReportContents, path: Path) -> int:
    """Writes the trials as Parquet, and returns how many they are.

    Raises:
        UsageError: pyarrow is not installed.
        StorageError: The file cannot be written.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise UsageError(
            "--parquet needs pyarrow: pip install 'mappertune[report]', or write --csv"
        ) from None
    kinds = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for row in trial_rows(contents):
        for name, value in row.items():
            columns[name].append(value)
    schema = pa.schema([(name, kinds[kind]) for name, kind in COLUMNS.items()])
    draft = path.with_name(f".{path.name}.draft")
    try:
        parquet.write_table(pa.table(columns, schema=schema), draft)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise StorageError(f"cannot write {path}: {why(error)}") from error
    return len(columns["trial"])


def _rows_of(case: ReportedCase, result: StudyResult) -> Iterator[dict[str, Any]]:
    clean = process_redactor().message
    best = 0.0
    llm = result.spec.llm
    of_study = {
        "case": case.name,
        "application": str(case.identity["application"]),
        "machine": str(case.identity["machine"]),
        "nodes": case.identity.get("nodes"),
        "tuner": result.spec.tuner,
        "seed": result.spec.seed,
        "model": None if llm is None else clean(str(llm.model)),
    }
    for record in result.records:
        best = max(best, record.throughput)
        yield of_study | {
            "trial": record.number,
            "value": record.throughput,
            "unit": result.unit or None,
            "best_so_far": best,
            "over_reference": record.throughput / result.expert if result.expert else None,
            "reference": result.reference,
            **_what_came(record),
            "study": result.location,
        }


def _what_came(record: TrialRecord) -> dict[str, Any]:
    clean = process_redactor().message
    valid, use = record.status == "ok", record.model_use
    return {
        "valid": valid,
        "status": record.status,
        "error_kind": None if valid else kind_of(record.status, record.raw),
        "error": None if valid else clean(record.raw),
        "proposer": record.proposer,
        "why": clean(record.why) or None,
        "elapsed": record.elapsed,
        "setup": record.setup,
        "whole": record.whole,
        "seconds": record.seconds,
        "begun": _moment(record.begun),
        "ended": _moment(record.finished),
        "calls": use and use.calls,
        "repairs": use and use.repairs,
        "tokens": use and use.tokens,
        "cost": use and use.known_cost,
        "model_failure": record.failure,
        "mapper_digest": record.normal_form,
    }


def _moment(moment: datetime | None) -> str | None:
    """In universal time; moments of trials are in local time, without saying so."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _printable(value: Any) -> Any:
    """Texts without what a terminal would obey, or a file of UTF-8 cannot hold."""
    return plain(value) if isinstance(value, str) and not value.isprintable() else value


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and _FORMULA.match(value):
        return f"'{value}"
    return "" if value is None else value
