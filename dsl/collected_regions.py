"""``CollectMemory`` by region index: an error in the language, and what to write in its place.

The language reference lets ``Region`` and ``Layout`` call a region by its index among those of a
task, and refuses it here. Where the program is known, so is the name that is meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import copy

from dsl.errors import MapperSyntaxError
from dsl.facts import ApplicationFacts

__all__ = ["collected_by_name", "with_region_names"]

# Comments and texts are passed over.
_STATEMENT = re.compile(
    r'(?:#|//)[^\n]*|"[^"\n]*"'
    r"|\bCollectMemory\s+(?P<task>[A-Za-z_]\w*|\*)\s+(?P<index>[0-9]+)(?:\s*;|[ \t\r]*$)",
    re.ASCII | re.MULTILINE,
)
_LONGEST_INDEX = 9  # digits


def collected_by_name(text: str, application: ApplicationFacts) -> tuple[str, tuple[str, ...]]:
    """A text with the names of collected regions in the places of their indices.

    Returns:
        The text, and a sentence for each statement that was changed.
    """
    if "CollectMemory" not in text:
        return text, ()
    said: dict[str, None] = {}

    def named(found: re.Match[str]) -> str:
        written = "" if found["index"] is None else _by_name(found, application)
        if not written:
            return found[0]
        said[f"{' '.join(found[0].split())} was read as {written}: {_WHY}"] = None
        return written

    return _STATEMENT.sub(named, text), tuple(said)


def with_region_names(
    error: MapperSyntaxError, application: ApplicationFacts
) -> MapperSyntaxError:
    """A syntax error whose hints name the regions that a mapper calls by index."""
    found = copy(error)
    found.others = tuple(with_region_names(each, application) for each in error.others)
    for statement in _STATEMENT.finditer(error.source_line or ""):
        if statement["index"] is not None and statement.start("index") + 1 == error.column:
            written = _by_name(statement, application)
            known = _known(statement["task"], application)
            hint = f"write {written}" if written else known
            found.hint = f"{_WHY}; {hint}" if hint else error.hint
    return found


_WHY = "regions are collected by name, not by index"


def _by_name(found: re.Match[str], application: ApplicationFacts) -> str:
    """The statements that are meant; empty where a region has no name, or there is none."""
    if len(found["index"]) > _LONGEST_INDEX:
        return ""
    index, wanted = int(found["index"]), found["task"]
    tasks = application.tasks if wanted == "*" else [wanted]
    written: dict[str, None] = {}
    for task in tasks:
        names = set(_names(task, index, application))
        if "" in names or (not names and wanted != "*"):
            return ""
        written |= dict.fromkeys(f"CollectMemory {task} {name};" for name in sorted(names))
    return " ".join(written)


def _names(task: str, index: int, application: ApplicationFacts) -> Iterator[str]:
    """The name of a task's region in each of its launches; empty where it has none."""
    facts = application.tasks.get(task)
    for each in (facts.launches or (facts,)) if facts else ():
        if index < len(each.requirements):
            names = each.requirements[index].names
            yield next((name for name in names if not name.isdecimal()), "")


def _known(task: str, application: ApplicationFacts) -> str:
    """The regions of a task with their indices, in words."""
    facts = application.tasks.get(task)
    count = len(facts.requirements) if facts else 0
    named = [
        f"{name} ({index})"
        for index in range(count)
        for name in sorted(set(_names(task, index, application)))
        if name
    ]
    return f"{task} has {', '.join(named)}" if named else ""
