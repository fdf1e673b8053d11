"""Why trials failed: alike causes counted, the most frequent first."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from studies.records import TrialRecord

__all__ = ["LEARNED", "Failures", "cause_of", "counted", "key_of"]

# Lines that say why a program ended, the most telling first.
_TELLING = tuple(
    re.compile(pattern, re.MULTILINE)
    for pattern in (
        r"^mappertune: error: .*$",
        r"^.*\bAssertion\b.*\bfailed\b.*$",
        r"^.*\b(?:LEGION|REALM) (?:API )?(?:ERROR|EXCEPTION|FATAL)\b.*$",
        r"^.*\[error \d+\].*$",
        r"^\w*(?:Error|Exception): .*$",
        r"^.*\berror:.*$",
    )
)
# What differs between runs of one cause: addresses, processes, threads, places in files.
_PASSING = (
    (re.compile(r"^.*\[\d+ - [0-9a-f]+\]\s+[\d.]+ \{\d+\}\{\w+\}: "), ""),
    (re.compile(r"0x[0-9a-fA-F]+|\b[0-9a-f]{8,}\b"), "..."),
    (re.compile(r"\d+"), "N"),
)
LEARNED = " fails: "
"""Stands between the decisions that were found to fail and the line that says so."""
LONGEST = 160
"""Characters of a cause; the whole message is told beside it."""


@dataclass(frozen=True, slots=True)
class Failures:
    """Trials that failed alike.

    Attributes:
        count: How many.
        cause: What the first of them says, in a line.
        message: All of what the first of them says.
        trial: Its number.
    """

    count: int
    cause: str
    message: str
    trial: int


def cause_of(message: str) -> str:
    """The line of a message that says why a run failed; its last sentence where none does.

    >>> cause_of("prog: a.cc:7: Assertion `n > 0' failed." + chr(10) + "It ended with signal 6.")
    "prog: a.cc:7: Assertion `n > 0' failed."
    """
    for pattern in _TELLING:
        if found := pattern.search(message):
            return _short(found[0].strip())
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return _short(lines[-1]) if lines else "it said nothing"


def counted(records: Iterable[TrialRecord]) -> list[Failures]:
    """The causes of the trials that failed, the most frequent first."""
    alike: dict[str, list[TrialRecord]] = {}
    for record in records:
        if record.status != "ok":
            alike.setdefault(key_of(record.message), []).append(record)
    found = [
        Failures(len(each), cause_of(each[0].message), each[0].message, each[0].number)
        for each in alike.values()
    ]
    return sorted(found, key=lambda each: (-each.count, each.trial))


def key_of(message: str) -> str:
    """Equal for messages that say the same of another run."""
    key = cause_of(message).rpartition(LEARNED)[2]
    for pattern, put in _PASSING:
        key = pattern.sub(put, key)
    return key


def _short(line: str) -> str:
    decisions, learned, line = line.rpartition(LEARNED)
    short = line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."
    return f"{decisions}{learned}{short}"
