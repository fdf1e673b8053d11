"""How far studies are: bars on a terminal, else a line now and then; always on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from studies.cli.console import first_sentence, is_quiet, is_verbose, quantity
from studies.cli.measured import told_samples

if TYPE_CHECKING:
    from rich.progress import Progress

    from studies.records import TrialRecord
    from studies.references import Reference
    from studies.run import Observer

__all__ = ["StartProgress", "progress"]

SECONDS_BETWEEN_LINES = 10.0

# Takes the label of a study, its budget, the unit, and what ratios are to.
StartProgress: TypeAlias = "Callable[[str, int, str, Reference | None], Observer]"


@contextmanager
def progress() -> Iterator[StartProgress]:
    """Shows studies while they run; yields what begins to show one."""
    if is_quiet():
        yield lambda *_: _say_nothing
        return
    if is_verbose():
        yield lambda label, _total, unit, _reference: _Trials(label, unit)
        return
    if not sys.stderr.isatty():
        yield lambda label, total, unit, reference: _Lines(
            label, total, _Standing(unit, reference)
        )
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=Console(file=sys.stderr),
    ) as bars:
        yield lambda label, total, unit, reference: _Bar(
            bars, label, total, _Standing(unit, reference)
        )


def _say_nothing(records: list[TrialRecord]) -> None: ...


class _Trials:
    """A line for each trial."""

    def __init__(self, label: str, unit: str) -> None:
        self._label = label
        self._unit = unit
        self._seen = 0

    def __call__(self, records: list[TrialRecord]) -> None:
        for record in records[self._seen :]:
            valid = record.status == "ok"
            said = first_sentence(record.raw) if record.raw else record.status
            what = quantity(record.throughput, self._unit) if valid else said
            if record.samples:
                what = told_samples(record.samples, self._unit)
            by = f" ({record.proposer})" if record.proposer else ""
            sys.stderr.write(f"{self._label}: trial {record.number}{by}: {what}\n")
        self._seen = len(records)


class _Standing:
    """The best mapper so far, in words."""

    def __init__(self, unit: str, reference: Reference | None) -> None:
        self._unit = unit
        self._reference = reference
        self._best = 0.0
        self._samples: tuple[float, ...] = ()
        self._seen = 0

    def note(self, records: list[TrialRecord]) -> str:
        for record in records[self._seen :]:
            if record.throughput > self._best:
                self._best, self._samples = record.throughput, record.samples
        self._seen = len(records)
        if not self._best:
            return "no valid mapper yet"
        if self._samples:
            return self._measured()
        best = f"best {quantity(self._best, self._unit)}"
        if self._reference is None or not self._reference.throughput:
            return best
        ratio = self._best / self._reference.throughput
        return f"{best}, {ratio:.3f} x {self._reference.name}"

    def _measured(self) -> str:
        """Medians with their ranges: a ratio to the reference is for many pairs of runs to say."""
        best = f"best so far {told_samples(self._samples, self._unit)}"
        measured = self._reference and self._reference.outcome.measurement
        if self._reference is None or not measured:
            return best
        return f"{best}; {self._reference.name} {told_samples(measured.samples, self._unit)}"


class _Bar:
    def __init__(self, bars: Progress, label: str, total: int, standing: _Standing) -> None:
        self._bars = bars
        self._bar = bars.add_task(label, total=total, note="")
        self._standing = standing

    def __call__(self, records: list[TrialRecord]) -> None:
        note = self._standing.note(records)
        self._bars.update(self._bar, completed=len(records), note=note)


class _Lines:
    """A line when a study goes on or ends, and every ten seconds between."""

    def __init__(self, label: str, total: int, standing: _Standing) -> None:
        self._label = label
        self._total = total
        self._standing = standing
        self._begun = False
        self._last = time.monotonic()

    def __call__(self, records: list[TrialRecord]) -> None:
        note = self._standing.note(records)
        goes_on = not self._begun and records
        self._begun = True
        now = time.monotonic()
        if goes_on or len(records) == self._total or now - self._last > SECONDS_BETWEEN_LINES:
            self._last = now
            sys.stderr.write(f"{self._label}: {len(records)}/{self._total} trials, {note}\n")
