"""Studies on the workers of a Dask cluster.

Each worker's thread runs a study in a process (`studies.dask_part`). Of studies in a database,
those that have nothing else to do take part in one that others run. Who runs what, and what
becomes of the tasks of a worker that dies, is Dask's business; what was run is in the storage.
"""

from __future__ import annotations

import contextlib
import pickle
import queue
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from studies.child_process import GRACE, HUNG_AFTER, seconds_asking
from studies.dask_part import Ended, Lost, Part, topic_of
from studies.errors import StudyBusyError, StudyError
from studies.stops import signals_wait, stops_in_order
from studies.under_way import StudyUnderWay
from studies.worker import Done, Failed, Setting, Task

if TYPE_CHECKING:
    from distributed import Future

    from studies.dask_cluster import Cluster
    from studies.dask_demands import Demands
    from studies.records import StudyResult, StudySpec
    from studies.run import Observer
    from studies.stop_rules import StopRules

__all__ = ["OnCluster"]

LOOK = 0.5  # seconds between two looks at the cluster
PATIENCE = 5.0  # seconds without a worker until that is told
SLOTS_FOR = 1.0  # seconds for which the number of threads is taken to be what it was
BUSY_AGAIN = 1.0  # seconds until a journal is tried again that a process left alone still has
LEAVES_IN = 60.0  # seconds, and longer where a model is asked, in which such a process ends


@dataclass(eq=False)
class _Study(StudyUnderWay):
    """A study of which several processes may run trials.

    Attributes:
        parts: How many take part in it.
        closing: Whether one of them has found nothing left to run.
        lost_at: When one of them was lost; None for never.
        not_before: When it may begin again.
    """

    parts: int = 0
    closing: bool = False
    lost_at: float | None = None
    not_before: float = 0.0


@dataclass(eq=False)
class _Running:
    """A part that was given to Dask.

    Attributes:
        study: In which it is.
        tells: Whether it tells the trials of the study.
        future: Its value to come.
        address: Of its worker, once it has begun.
    """

    study: _Study
    tells: bool
    future: Future
    address: str | None = None


class OnCluster:
    """Runs studies on a cluster, as ``SideBySide`` does on one machine.

    Args:
        cluster: The cluster.
        setting: What the studies have in common.
        rules: What ends each early; the time is that of all of them together.
        demands: What workers must have.
        tell: Takes sentences for the user, each once.
        jobs: How many processes run at a time; None for as many as workers have threads.
        sharing: How many may take part in one study; None for any number. More than one need a
            database.

    Attributes:
        stopped_by: The signal that stopped them; None where none did.
        tracked: Whether one of them was tracked.
    """

    def __init__(
        self,
        cluster: Cluster,
        setting: Setting,
        rules: StopRules,
        demands: Demands,
        tell: Callable[[str], object],
        *,
        jobs: int | None = None,
        sharing: int | None = 1,
        hung_after: float = HUNG_AFTER,
    ) -> None:
        self._cluster = cluster
        self._setting = setting
        self._rules = rules
        self._demands = demands
        self._tell = tell
        self._told: set[str] = set()
        self._jobs = jobs
        self._sharing = sharing
        self._hung_after = hung_after
        self._token = uuid.uuid4().hex[:8]
        self._events: queue.SimpleQueue[list[Any]] = queue.SimpleQueue()
        self._studies: list[_Study] = []
        self._waiting: list[_Study] = []
        self._parts: dict[int, _Running] = {}
        self._count = 0
        self._known_slots = 0
        self._slots_at = float("-inf")
        self._began = time.monotonic()
        self._end = None if rules.seconds is None else self._began + rules.seconds
        self.stopped_by: int | None = None
        self.tracked = False

    def run(
        self, specs: Sequence[StudySpec], begin: Callable[[StudySpec], Observer]
    ) -> list[StudyResult]:
        """What the studies found, in their order; without those that were stopped before a trial.

        Args:
            specs: The studies.
            begin: Called when a study begins; takes its trials, those of earlier runs first.

        Raises:
            StudyError: One of them cannot be run, or the cluster is gone; the others were stopped.
        """
        self._studies = [_Study(spec) for spec in specs]
        self._waiting = list(self._studies)
        self._cluster.subscribe(topic_of(self._token), self._events.put)
        try:
            with stops_in_order(self._stop):
                while any(study.result is None for study in self._studies):
                    self._submit(begin)
                    self._listen()
        finally:
            with contextlib.suppress(StudyError):
                self._cluster.cancel([running.future for running in self._parts.values()])
        return [study.result for study in self._studies if study.result is not None]

    # What is to be run next

    def _submit(self, begin: Callable[[StudySpec], Observer]) -> None:
        slots = self._slots()
        while len(self._parts) < slots:
            chosen = self._choose()
            if chosen is None:
                return
            study, tells = chosen
            if study.observe is None:
                study.observe = begin(study.spec)
            self._give(study, slots, tells=tells)

    def _slots(self) -> int:
        """How many processes may run at a time now: workers come and go."""
        now = time.monotonic()
        if now - self._slots_at >= SLOTS_FOR:
            self._known_slots = self._cluster.slots(self._demands)
            self._slots_at = now
            if not self._known_slots and now - self._began > PATIENCE:
                self._say(
                    f"the Dask cluster {self._cluster.shown} has no workers: the studies wait for "
                    "them"
                )
        return min(self._known_slots, self._jobs or self._known_slots)

    def _choose(self) -> tuple[_Study, bool] | None:
        """A study to begin or to go on with, else one to take part in."""
        now = time.monotonic()
        for study in self._waiting:
            if study.not_before <= now:
                self._waiting.remove(study)
                return study, True
        shared = [study for study in self._studies if self._wants_help(study)]
        return (min(shared, key=lambda each: each.parts), False) if shared else None

    def _wants_help(self, study: _Study) -> bool:
        left = study.spec.trials - len(study.records)
        most = left if self._sharing is None else min(left, self._sharing)
        return study.result is None and not study.closing and 0 < study.parts < most

    def _give(self, study: _Study, slots: int, *, tells: bool) -> None:
        waiting, running = len(self._waiting) + 1, len(self._parts)
        rules = study.rules_now(self._rules, self._end, waiting, running, max(slots, 1))
        self._count += 1
        number = self._count
        part = Part(
            self._token,
            number,
            self._setting,
            Task(study.spec, rules),
            tells,
            self._demands,
            self._hung_after,
        )
        future = self._cluster.submit(part, lambda: self._events.put(["ended", number]))
        self._parts[number] = _Running(study, tells, future)
        study.parts += 1

    # What is told

    def _listen(self) -> None:
        """Takes what the workers tell, for a while."""
        with contextlib.suppress(queue.Empty):
            event = self._events.get(timeout=LOOK)
            while True:
                with signals_wait():  # an event is taken whole
                    self._take(event)
                event = self._events.get_nowait()

    def _take(self, event: Sequence[Any]) -> None:
        match event:
            case ("told", sentence):
                self._say(sentence)
            case ("begun", number, address) if number in self._parts:
                self._note_worker(self._parts[number], address)
            case ("found", number, first, records) if number in self._parts:
                study = self._parts[number].study
                if first == len(study.records):  # else it is of a process that was lost
                    study.take(pickle.loads(records))  # noqa: S301  (of workers of the cluster)
            case ("ended", number) if number in self._parts:
                self._close(number)

    def _note_worker(self, running: _Running, address: str) -> None:
        """Notes who runs a part; it is another one where the first has died."""
        before, running.address = running.address, address
        if before is None:
            return
        study = running.study
        study.lost_at = time.monotonic()
        if running.tells:
            study.begin_again()
        self._say(
            f"the Dask worker {before} with the process of {study.spec.name} has gone; {address} "
            "goes on with what is stored"
        )

    def _say(self, sentence: str) -> None:
        if sentence not in self._told:
            self._told.add(sentence)
            self._tell(sentence)

    # How parts end

    def _close(self, number: int) -> None:
        running = self._parts.pop(number)
        study = running.study
        study.parts -= 1
        ended = self._cluster.value(running.future)
        match ended.message:
            case Lost(why):
                self._lose(running, why)
            case Failed(StudyBusyError() as error) if self._leaves(study):
                study.not_before = time.monotonic() + BUSY_AGAIN
                self._say(f"{error}; it was left alone, and is waited for")
                self._wait_again(running)
            case Failed(error):
                raise error
            case Done(result, tracked):
                if self.stopped_by is None and (result is None or result.interrupted):
                    self._lose(running, "was stopped")
                    return
                study.closing = True
                self.tracked |= tracked
                if running.tells and result is not None:
                    self._finish(study, result, ended)

    def _lose(self, running: _Running, why: str) -> None:
        study = running.study
        if self.stopped_by is not None:
            return
        study.lost_at = time.monotonic()
        self._say(study.lose(why))
        self._wait_again(running)

    def _wait_again(self, running: _Running) -> None:
        """Lets another process tell a study's trials; one that did not may be missed."""
        if running.tells:
            running.study.begin_again()
            self._waiting.insert(0, running.study)

    def _leaves(self, study: _Study) -> bool:
        """Whether who has a journal is a process of ours, whose worker is gone."""
        if study.lost_at is None:
            return False
        return time.monotonic() - study.lost_at < LEAVES_IN + seconds_asking(study.spec)

    def _finish(self, study: _Study, result: StudyResult, ended: Ended) -> None:
        study.records.clear()
        study.take(ended.records)
        study.finish(result)
        rest = [number for number, each in self._parts.items() if each.study is study]
        if self.stopped_by is None:
            self._cluster.cancel([self._parts.pop(number).future for number in rest])
            study.parts = 0

    def _stop(self, number: int) -> None:
        """Ends all studies in order, as Ctrl-C ends one."""
        self.stopped_by = number
        until = time.monotonic() + GRACE
        with contextlib.suppress(StudyError):
            self._cluster.stop(self._token, number)
            while self._parts and time.monotonic() < until:
                self._cluster.slots(self._demands)  # whether it is still there
                self._listen()
