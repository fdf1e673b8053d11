"""A profile as tables of plain text, for whoever prints them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from dsl.units import amount, percent, seconds
from legion_bridge.outcome import PART_WORDS, Profile, Usage

__all__ = ["ProfileTable", "profile_tables"]

Row = tuple[str, ...]

HIDDEN_WORDS = {"copies": "copies", "runtime": "the runtime's work"}
WAITS = ("copies", "runtime", "limits", "idle")
"""What a processor may wait for, as shares of the iteration beside that in which it is busy."""


class ProfileTable(NamedTuple):
    """One table.

    Attributes:
        title: What it tells, with units.
        columns: Headings, the first for what a row is about.
        numeric: For each column whether it holds numbers, which stand to the right.
        rows: Cells by row; never empty.
    """

    title: str
    columns: Row
    numeric: tuple[bool, ...]
    rows: tuple[Row, ...]


def profile_tables(profile: Profile, *, most: int = 20) -> Iterator[ProfileTable]:
    """The tables of a profile that say something, the most telling first.

    Args:
        profile: Of an outcome.
        most: How many rows a table has at most; a last row sums up the others.

    >>> from legion_bridge.outcome import CriticalShare
    >>> profile = Profile(2e-3, critical_path=(CriticalShare("task", "stencil", 1.5e-3, 0.75),))
    >>> next(profile_tables(profile)).rows
    (('stencil', 'task', '1.500 ms', '75.0 %'),)
    """
    yield from _parts(profile)
    title = f"critical path of one iteration ({seconds(profile.iteration)})"
    shares = [
        ((s.name, s.kind, seconds(s.seconds), _share(s.fraction)), (s.seconds, s.fraction))
        for s in profile.critical_path
    ]
    rest = [(f"{len(shares) - most} more", "", *_sums([sums for _, sums in shares[most:]]))]
    rows = [row for row, _ in shares[:most]] + (rest if len(shares) > most else [])
    yield from _table(title, ("what", "kind", "time", "share"), 2, rows)
    yield from _usages("processors", "processor", profile.processors, most, profile.iteration)
    yield from _usages("links", "link", profile.links, most, profile.iteration)
    peaks = [
        (m.name, amount(m.peak), amount(m.capacity), _share(m.peak / m.capacity))
        for m in sorted(profile.memories, key=lambda m: -m.peak / m.capacity)
    ]
    rows = _first(peaks, most)
    yield from _table("memories", ("memory", "peak", "capacity", "share"), 1, rows)
    yield from _amounts("copied in one iteration", "region", profile.copies, most)
    title = "copied in one iteration while the program's clock stands"
    yield from _amounts(title, "region", profile.untimed, most)
    title = "zero-copy traffic of one iteration"
    yield from _amounts(title, "task and region", profile.zero_copy, most)


def _parts(profile: Profile) -> Iterator[ProfileTable]:
    """What an iteration goes to, and what is hidden behind that."""
    for of, words, title in (
        (profile.parts, PART_WORDS, f"one iteration ({seconds(profile.iteration)})"),
        (profile.hidden, HIDDEN_WORDS, "hidden behind that, at no cost"),
    ):
        rows = [
            (word, seconds(value), _share(value / profile.iteration))
            for name, word in words.items()
            if (value := getattr(of, name))
        ]
        yield from _table(title, ("part", "time", "share"), 1, rows)


def _share(fraction: float) -> str:
    return percent(fraction, decimals=1)


def _table(title: str, columns: Row, words: int, rows: Sequence[Row]) -> Iterator[ProfileTable]:
    """A table whose first columns are words and the others numbers, unless it is empty."""
    if rows:
        numeric = tuple(index >= words for index in range(len(columns)))
        yield ProfileTable(title, columns, numeric, tuple(rows))


def _first(rows: Sequence[Row], most: int) -> list[Row]:
    if len(rows) <= most:
        return list(rows)
    return [*rows[:most], (f"{len(rows) - most} more", *([""] * (len(rows[0]) - 1)))]


def _sums(parts: Sequence[tuple[float, float]]) -> Row:
    return seconds(sum(part[0] for part in parts)), _share(sum(part[1] for part in parts))


def _usages(
    title: str, column: str, usages: Sequence[Usage], most: int, iteration: float
) -> Iterator[ProfileTable]:
    """Those in the order of the machine; where there are too many, the busiest."""
    if len(usages) > most:
        usages = sorted(usages, key=lambda usage: -usage.busy)
    carried = any(usage.bytes for usage in usages)
    waits = [name for name in WAITS if any(u.parts and getattr(u.parts, name) for u in usages)]
    rows = [
        (
            u.name,
            seconds(u.busy),
            _share(u.fraction),
            *([amount(u.bytes)] if carried else []),
            *(_share(getattr(u.parts, name) / iteration) for name in waits),
        )
        for u in usages
    ]
    columns = (column, "busy", "share", *(["carried"] if carried else []), *waits)
    title = f"{title} in one iteration"
    yield from _table(title, columns, 1, _first(rows, most))


def _amounts(
    title: str, column: str, amounts: Mapping[str, float], most: int
) -> Iterator[ProfileTable]:
    ranked = sorted(amounts.items(), key=lambda item: (-item[1], item[0]))
    rows = [(name, amount(value)) for name, value in ranked]
    yield from _table(title, (column, "bytes"), 1, _first(rows, most))
