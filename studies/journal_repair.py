"""What is good of a damaged journal."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from studies.journal_contents import Contents
from studies.journal_records import FORMAT, DamagedRecordError, read_line

__all__ = ["GO_ON", "REMEDY", "good_records", "replace_file"]

REMEDY = "the same command with --repair keeps what is good of it, and sets the damaged file aside"
GO_ON = "the same command with --repair goes on with these"


def good_records(lines: Iterable[bytes], name: str) -> list[dict[str, Any]]:
    """The records of a journal that are whole, each once and in their order.

    Parameters come first, of which a journal has several copies. A study whose beginning is lost
    gets a new one.

    Args:
        lines: Of the journal, damaged ones among them.
        name: Of the study that is to go on.
    """
    numbered: dict[int, dict[str, Any]] = {}
    for line in lines:
        try:
            number, record = read_line(line)
        except DamagedRecordError:
            continue
        numbered.setdefault(number, record)
    records = [numbered[number] for number in sorted(numbered)]
    kept: list[dict[str, Any]] = [{"journal": FORMAT}]
    contents = Contents()
    for record in [*_parameters(records), *_beginnings(records, name), *records]:
        if "journal" in record or ("parameters" in record and len(kept) > 1 and kept[1] != record):
            continue
        try:
            contents.take(record)
        except DamagedRecordError:
            continue
        kept.append(record)
    return kept


def _parameters(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """All parameters that are known from the first on, as one record."""
    told: dict[str, Any] = {}
    for record in records:
        if isinstance(each := record.get("parameters"), dict):
            told = {**each, **told}
    known: dict[str, Any] = {}
    for number in map(str, count()):
        if number not in told:
            break
        known[number] = told[number]
    return [{"parameters": known}] if known else []


def _beginnings(records: Sequence[Mapping[str, Any]], name: str) -> list[dict[str, Any]]:
    """The beginning of a study that trials belong to, where it was lost."""
    begun = {record["study"] for record in records if "name" in record and "study" in record}
    spoken_of = {record["study"] for record in records if "trial" in record and "study" in record}
    named = any(record.get("name") == name for record in records)
    lost = [number for number in spoken_of - begun if isinstance(number, int)]
    return [{"study": lost[0], "name": name}] if len(lost) == 1 and not named else []


def replace_file(path: Path, lines: Iterable[bytes], suffix: str) -> Path:
    """Sets a file aside under another name, and puts lines into its place.

    Returns:
        Where it is now.
    """
    names = (f"{path.name}.{suffix}{number or ''}" for number in count())
    aside = next(each for name in names if not (each := path.with_name(name)).exists())
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        path.replace(aside)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return aside
