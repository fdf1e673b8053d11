"""Studies side by side, each in a process of its own, so that a comparison uses all cores.

Every study is what it would be alone: its tuner has its own seed and sees its own trials. So the
results do not depend on how many run at a time. A process that dies or hangs costs its study the
trial that it was running: another one goes on from what is stored.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

from studies.child_process import GRACE, HUNG_AFTER, ChildProcess, seconds_asking
from studies.errors import StudyError
from studies.stops import signals_wait, stops_in_order
from studies.under_way import StudyUnderWay
from studies.worker import Done, Failed, Found, Setting, Task, Told

if TYPE_CHECKING:
    from studies.records import StudyResult, StudySpec
    from studies.run import Observer
    from studies.stop_rules import StopRules

__all__ = ["SideBySide", "cores", "default_jobs"]

LOOK = 0.5  # seconds between two looks for processes that hang

# Trials together from which on it is worth to start processes, each of which loads for seconds;
# one for which a model is asked takes as long as many others.
WORTH_IT = 400
TRIALS_OF_A_CALL = 50


def default_jobs(specs: Sequence[StudySpec]) -> int:
    """How many studies run at a time where nobody says it: one a core, where it is worth it."""
    trials = sum(spec.trials * (TRIALS_OF_A_CALL if spec.llm else 1) for spec in specs)
    return cores() if trials >= WORTH_IT else 1


def cores() -> int:
    """How many cores this process may use, where the system tells."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class SideBySide:
    """Runs studies, several at a time.

    Args:
        setting: What they have in common.
        rules: What ends each early; the time is that of all of them together.
        jobs: How many run at a time.
        tell: Takes sentences for the user, each once.
        hung_after: Seconds without a finished trial after which a process is given up.

    Attributes:
        stopped_by: The signal that stopped them; None where none did.
        tracked: Whether one of them was tracked.
    """

    def __init__(
        self,
        setting: Setting,
        rules: StopRules,
        jobs: int,
        tell: Callable[[str], object],
        *,
        hung_after: float = HUNG_AFTER,
    ) -> None:
        self._setting = setting
        self._rules = rules
        self._jobs = jobs
        self._tell = tell
        self._told: set[str] = set()
        self._hung_after = hung_after
        self._waiting: deque[StudyUnderWay] = deque()
        self._workers: list[_Worker] = []
        self._end = None if rules.seconds is None else time.monotonic() + rules.seconds
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
            StudyError: One of them cannot be run; the others were stopped.
        """
        studies = [StudyUnderWay(spec) for spec in specs]
        self._waiting.extend(studies)
        try:
            with stops_in_order(self._stop):
                self._run(begin)
        finally:
            for worker in self._workers:
                worker.kill()
        return [study.result for study in studies if study.result is not None]

    def _run(self, begin: Callable[[StudySpec], Observer]) -> None:
        while self._waiting or self._busy:
            while self._waiting and len(self._busy) < self._jobs:
                self._begin(self._waiting.popleft(), begin)
            self._listen()

    @property
    def _busy(self) -> list[_Worker]:
        return [worker for worker in self._workers if worker.study is not None]

    def _begin(self, study: StudyUnderWay, begin: Callable[[StudySpec], Observer]) -> None:
        if study.observe is None:
            study.observe = begin(study.spec)
        waiting, running = len(self._waiting) + 1, len(self._busy)
        rules = study.rules_now(self._rules, self._end, waiting, running, self._jobs)
        idle = next((worker for worker in self._workers if worker.study is None), None)
        if idle is None:
            idle = _Worker(self._setting)
            self._workers.append(idle)
        idle.run(study, rules)

    def _listen(self) -> None:
        """Takes what the processes tell, and looks after those that tell nothing."""
        connections = {worker.connection: worker for worker in self._workers}
        for ready in wait(list(connections), LOOK):
            with signals_wait():  # a message is taken whole
                self._hear(connections[ready])  # type: ignore[index]  # what was waited for
        for worker in self._busy:
            spec = None if worker.study is None else worker.study.spec
            patience = self._hung_after + seconds_asking(spec)
            if worker.is_hung(patience):
                self._lose(worker, f"did not finish a trial within {patience:g} s")

    def _hear(self, worker: _Worker) -> None:
        try:
            message = worker.receive()
        except (EOFError, OSError):
            self._lose(worker, worker.death())
            return
        self._take(worker, message)

    def _take(self, worker: _Worker, message: object) -> None:
        study = worker.study
        match message:
            case Told(sentence):
                if sentence not in self._told:
                    self._told.add(sentence)
                    self._tell(sentence)
            case Found(records) if study is not None:
                study.take(records)
            case Done(result, tracked) if study is not None:
                if self.stopped_by is None and (result is None or result.interrupted):
                    self._lose(worker, "was stopped")
                    return
                worker.study = None
                self.tracked |= tracked
                if result is not None:
                    study.finish(result)
            case Failed(error):
                worker.study = None
                raise error

    def _lose(self, worker: _Worker, why: str) -> None:
        """Lets another process go on with the study of one that died or hangs."""
        worker.kill()
        self._workers.remove(worker)
        study = worker.study
        if study is None or self.stopped_by is not None:
            return
        self._tell(study.lose(why))
        study.begin_again()
        self._waiting.appendleft(study)

    def _stop(self, number: int) -> None:
        """Ends all studies in order, as Ctrl-C ends one."""
        self.stopped_by = number
        for worker in self._busy:
            worker.stop(number)
        until = time.monotonic() + GRACE
        while self._busy and time.monotonic() < until:
            with contextlib.suppress(StudyError):
                self._listen()


class _Worker(ChildProcess):
    """A process, and the study that it runs.

    Attributes:
        study: None for none.
    """

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.study: StudyUnderWay | None = None

    def run(self, study: StudyUnderWay, rules: StopRules) -> None:
        """Lets it run a study."""
        self.study = study
        self.begin(Task(study.spec, rules))

    def kill(self) -> None:
        """Ends it, at once where it runs a study; what it has stored is safe."""
        self.end(at_once=self.study is not None)
