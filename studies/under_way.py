"""What is known of a study that other processes run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from studies.errors import StudyError
from studies.stop_rules import fair_share

if TYPE_CHECKING:
    from studies.records import StudyResult, StudySpec, TrialRecord
    from studies.run import Observer
    from studies.stop_rules import StopRules

__all__ = ["MOST_DEATHS", "StudyUnderWay"]

MOST_DEATHS = 3  # of a study's processes without a trial between them


@dataclass
class StudyUnderWay:
    """A study, and what is known of it.

    Attributes:
        spec: The study.
        observe: Takes its trials; None before it begins.
        records: Its trials, as its process has told them.
        deadline: When its time is over, by ``time.monotonic``.
        deaths: Of its processes, since one told of a new trial.
        known: Trials before the last death.
        result: What it found, once it is done or was stopped.
    """

    spec: StudySpec
    observe: Observer | None = None
    records: list[TrialRecord] = field(default_factory=list)
    deadline: float | None = None
    deaths: int = 0
    known: int = 0
    result: StudyResult | None = None

    def rules_now(
        self, rules: StopRules, end: float | None, waiting: int, running: int, jobs: int
    ) -> StopRules:
        """What ends it early; its fair share of the time of all begins with its first process.

        Args:
            rules: What ends each study; the time is that of all of them together.
            end: When that is over, by ``time.monotonic``; None for never.
            waiting: How many studies have not begun, this one among them.
            running: How many others run now.
            jobs: How many run at the same time.
        """
        now = time.monotonic()
        if end is not None and self.deadline is None:
            self.deadline = now + fair_share(end - now, waiting, running, jobs)
        left = None if self.deadline is None else max(0.0, self.deadline - now)
        return replace(rules, seconds=left)

    def take(self, records: Sequence[TrialRecord]) -> None:
        """Takes further trials."""
        self.records.extend(records)
        self.deaths = 0 if len(self.records) > self.known else self.deaths
        if self.observe is not None:
            self.observe(self.records)

    def begin_again(self) -> None:
        """Lets another process go on, which tells all trials anew."""
        self.known = max(self.known, len(self.records))
        self.records.clear()

    def lose(self, why: str) -> str:
        """Takes notice that its process has ended too early.

        Args:
            why: In words that follow "the process of a study".

        Returns:
            What is to be told.

        Raises:
            StudyError: It was one too many.
        """
        self.deaths += 1
        if self.deaths >= MOST_DEATHS:
            raise StudyError(
                f"the process of {self.spec.name} {why}, {MOST_DEATHS} times without a trial "
                "between: its trials are kept, and the same command goes on with it"
            )
        return f"the process of {self.spec.name} {why}; another one goes on with what is stored"

    def finish(self, result: StudyResult) -> None:
        """Takes what it found, without its trials, which were told before."""
        records = tuple(sorted(self.records, key=lambda each: each.number))
        self.result = replace(result, records=records)
