"""``mappertune report``: studies as one page, and their trials as a table."""

from __future__ import annotations

import argparse
from pathlib import Path

from studies.cli.console import columns, print_json, warn
from studies.errors import UsageError
from studies.files import ensure_writable

__all__ = ["ensure_report", "run"]

PAGE = "report.html"


def run(arguments: argparse.Namespace) -> int:
    """Writes what was asked for; the exit code is 1 where some journals cannot be read."""
    output = arguments.output or _beside(arguments.places[0])
    ensure_writable(output, arguments.csv, arguments.parquet)
    from studies.report import read_contents, write_csv, write_page, write_parquet

    contents = read_contents(arguments.places)
    for sentence in contents.unread:
        warn(f"not in the report: {sentence}")
    written: dict[str, str] = {}
    trials = sum(len(result.records) for case in contents.cases for result in case.results)
    for kind, path, write in (
        ("csv", arguments.csv, write_csv),
        ("parquet", arguments.parquet, write_parquet),
        ("page", output, write_page),  # the last: it may lack what it needs
    ):
        if path is not None:
            write(contents, path)
            written[kind] = str(path)
    if arguments.json:
        cases = [case.name for case in contents.cases]
        studies = sum(len(case.results) for case in contents.cases)
        told = {"cases": cases, "studies": studies, "trials": trials}
        print_json(written | told | {"unread": list(contents.unread)})
    else:
        columns(list(written.items()), indent="")
    return 1 if contents.unread else 0


def ensure_report(path: Path) -> None:
    """Tells at once where a report could not be written when the work is done.

    Raises:
        StorageError: Its place cannot be written to.
        UsageError: What it needs is not installed.
    """
    from studies.report.page import require_libraries

    ensure_writable(path)
    require_libraries()


def _beside(place: str) -> Path:
    """Where the page of a place goes by default: into a folder, beside a journal, else here."""
    path = Path(place)
    if path.is_dir():
        return path / PAGE
    if path.is_file():
        return path.with_name(f"{path.name.removesuffix('.journal')}.{PAGE}")
    if "://" in place:
        return Path(PAGE)
    raise UsageError(f"{place} is neither a folder nor a journal: name the --output of tune")
