"""When a study ends before it has all its trials: its time is over, or more would gain little."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsl.units import duration, percent
from studies.errors import UsageError
from studies.records import TOLERANCE

if TYPE_CHECKING:
    from studies.records import TrialRecord

__all__ = ["NO_FLOOR", "StopRules", "StopWatch", "fair_share"]


NO_FLOOR = (
    "--stop-after is a share of the floor, which simulated runs alone have: use --patience or "
    "--time-limit"
)


@dataclass(frozen=True, slots=True)
class StopRules:
    """What ends a study early; None for what does not. A study that goes on later is none other.

    Attributes:
        seconds: How long this process begins trials of it; the last one is finished.
        of_floor: The floor over the time of a mapper that is good enough, above 0 and up to 1.
        patience: How many trials in a row may be no faster than the best before them.
    """

    seconds: float | None = None
    of_floor: float | None = None
    patience: int | None = None


class StopWatch:
    """Applies the rules to one study, trial by trial.

    Args:
        rules: The rules.
        floor: Seconds of the timed part that no mapper can beat; None where nobody knows.
        clock: Tells seconds.

    Raises:
        UsageError: A rule speaks of a floor, and nobody knows it.

    >>> StopWatch(StopRules(seconds=0.0), None).ended([])
    'its time of 0 s is over'
    """

    def __init__(
        self,
        rules: StopRules,
        floor: float | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if rules.of_floor is not None and floor is None:
            raise UsageError(NO_FLOOR)
        self._rules = rules
        self._floor = floor
        self._clock = clock
        self._begun = clock()
        self._seen = 0
        self._best = 0.0
        self._since = 0
        self._of_floor = 0.0

    def ended(self, records: Sequence[TrialRecord]) -> str | None:
        """Why the study ends now, in words; None where it goes on.

        Args:
            records: Its trials so far, to which later calls add.
        """
        for record in records[self._seen :]:
            self._take(record)
        self._seen = len(records)
        rules = self._rules
        if rules.seconds is not None and self._clock() >= self._begun + rules.seconds:
            return f"its time of {duration(rules.seconds)} is over"
        if rules.of_floor is not None and self._of_floor >= rules.of_floor * (1 - TOLERANCE):
            return f"the best mapper is at {percent(self._of_floor, decimals=1)} of the floor"
        if rules.patience is not None and self._since >= rules.patience:
            return f"{self._since} trials in a row were no faster than the best"
        return None

    def _take(self, record: TrialRecord) -> None:
        self._since += 1
        if record.status != "ok" or record.throughput <= self._best * (1 + TOLERANCE):
            return
        self._best, self._since = record.throughput, 0
        if self._floor is not None and record.elapsed:
            self._of_floor = self._floor / record.elapsed


def fair_share(left: float, waiting: int, running: int, jobs: int) -> float:
    """Seconds that a study gets, so that all get as much however many run side by side.

    What a study leaves of its time goes to those that begin after it.

    Args:
        left: Seconds until the time of all is over.
        waiting: How many studies have not begun, this one among them.
        running: How many others run now.
        jobs: How many run at the same time.

    >>> fair_share(60.0, 6, 0, 2), fair_share(60.0, 5, 1, 2), fair_share(20.0, 1, 1, 2)
    (20.0, 20.0, 20.0)
    """
    return max(0.0, left) / -(-(waiting + running) // jobs)
