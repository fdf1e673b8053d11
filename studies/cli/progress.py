"""How far studies are: bars on a terminal, else a line now and then; always on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from dsl.units import duration
from studies.cli.console import first_sentence, is_quiet, is_verbose, quantity
from studies.cli.measured import told_samples

if TYPE_CHECKING:
    from rich.progress import Progress

    from studies.records import TrialRecord
    from studies.references import Reference
    from studies.run import Observer

__all__ = ["StartProgress", "progress"]

SECONDS_BETWEEN_LINES = 10.0
MOST_BARS = 20

# Takes the label of a study, its budget, the unit, and what ratios are to.
StartProgress: TypeAlias = "Callable[[str, int, str, Reference | None], Observer]"


@contextmanager
def progress(budgets: Sequence[int] = ()) -> Iterator[StartProgress]:
    """Shows studies while they run; yields what begins to show one.

    Args:
        budgets: The trials of each study, where there are several; how far all of them are is
            shown as well then.
    """
    if is_quiet():
        yield lambda *_: _say_nothing
        return
    if is_verbose():
        yield lambda label, _total, unit, _reference: _Trials(label, unit)
        return
    all_of_them = _All(budgets) if len(budgets) > 1 else None
    if not sys.stderr.isatty():
        lines = None if all_of_them is None else _LinesOfAll(all_of_them)
        yield lambda label, total, unit, reference: _Lines(
            label, total, _Standing(unit, reference), lines
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
        bar = None if all_of_them is None else _BarOfAll(bars, all_of_them)
        yield lambda label, total, unit, reference: _Bar(
            bars, label, total, _Standing(unit, reference), bar
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

    @property
    def best(self) -> float:
        """Its throughput; 0.0 where no mapper was valid yet."""
        return self._best

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


class _All:
    """How far all studies are together.

    Args:
        budgets: The trials of each.
    """

    def __init__(self, budgets: Sequence[int]) -> None:
        self.studies = len(budgets)
        self.total = sum(budgets)
        self._done: dict[str, int] = {}
        self._earlier = 0
        self._begun = time.monotonic()
        self._notes: dict[str, tuple[float, str]] = {}

    def take(self, label: str, done: int, best: float, note: str) -> None:
        """Takes in how far a study is, and its best."""
        if label not in self._done:
            self._earlier += done  # in no time
        self._done[label] = max(done, self._done.get(label, 0))
        self._notes[label] = best, f"{label}: {note}"

    @property
    def done(self) -> int:
        """Trials of all studies."""
        return sum(self._done.values())

    @property
    def best(self) -> str:
        """The best so far, with its study."""
        return max(self._notes.values())[1] if self._notes else ""

    @property
    def seconds_left(self) -> float | None:
        """At the pace so far; None where no trial has shown it."""
        new = self.done - self._earlier
        if not new:
            return None
        return (time.monotonic() - self._begun) / new * (self.total - self.done)


class _BarOfAll:
    def __init__(self, bars: Progress, studies: _All) -> None:
        self._bars = bars
        self._studies = studies
        self._bar = bars.add_task(f"all {studies.studies} studies", total=studies.total, note="")

    def __call__(self, label: str, done: int, best: float, note: str) -> None:
        self._studies.take(label, done, best, note)
        self._bars.update(self._bar, completed=self._studies.done, note=self._studies.best)

    @property
    def many(self) -> bool:
        """Whether bars of finished studies would fill the terminal."""
        return self._studies.studies > MOST_BARS


class _LinesOfAll:
    def __init__(self, studies: _All) -> None:
        self._studies = studies
        self._last = time.monotonic()

    def __call__(self, label: str, done: int, best: float, note: str) -> None:
        studies, now = self._studies, time.monotonic()
        studies.take(label, done, best, note)
        if now - self._last <= SECONDS_BETWEEN_LINES:
            return
        self._last = now
        left = studies.seconds_left
        pace = "" if left is None else f"about {duration(left)} left; "
        sys.stderr.write(
            f"all {studies.studies} studies: {studies.done}/{studies.total} trials, {pace}"
            f"{studies.best}\n"
        )


class _Bar:
    def __init__(
        self, bars: Progress, label: str, total: int, standing: _Standing, of_all: _BarOfAll | None
    ) -> None:
        self._bars = bars
        self._label = label
        self._total = total
        self._bar = bars.add_task(label, total=total, note="")
        self._standing = standing
        self._of_all = of_all

    def __call__(self, records: list[TrialRecord]) -> None:
        note, done = self._standing.note(records), len(records)
        hidden = self._of_all is not None and self._of_all.many and done >= self._total
        self._bars.update(self._bar, completed=done, note=note, visible=not hidden)
        if self._of_all is not None:
            self._of_all(self._label, done, self._standing.best, note)


class _Lines:
    """A line when a study goes on or ends, and every ten seconds between.

    Where there are several studies, one tells of all of them in place of those between.
    """

    def __init__(
        self, label: str, total: int, standing: _Standing, of_all: _LinesOfAll | None
    ) -> None:
        self._label = label
        self._total = total
        self._standing = standing
        self._of_all = of_all
        self._begun = False
        self._told = -1
        self._last = time.monotonic()

    def __call__(self, records: list[TrialRecord]) -> None:
        note, done = self._standing.note(records), len(records)
        goes_on = not self._begun and done
        self._begun = True
        now = time.monotonic()
        late = self._of_all is None and now - self._last > SECONDS_BETWEEN_LINES
        if goes_on or late or (done == self._total and self._told != done):
            self._last = now
            sys.stderr.write(f"{self._label}: {done}/{self._total} trials, {note}\n")
            self._told = done
        if self._of_all is not None:
            self._of_all(self._label, done, self._standing.best, note)
