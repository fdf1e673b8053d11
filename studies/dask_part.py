"""One process's part in a study, as a task of a Dask worker.

The task starts a process on the worker's machine (`studies.worker`), as a comparison on one
machine does, and passes on what that tells, as events of Dask's own::

    ["begun", part, address]         a process begins
    ["told", sentence]               for the user
    ["found", part, first, records]  trials, pickled and without their mappers, for the progress

Its value is an ``Ended``. The task ends its process where nobody wants it any more: it was
cancelled, or its worker closes. A process whose worker was killed notices that nobody listens, and
ends.
"""

from __future__ import annotations

import contextlib
import pickle
import shutil
import signal
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studies.child_process import ChildProcess, seconds_asking
from studies.dask_demands import Demands, described, misfit
from studies.errors import StudyError, UsageError
from studies.worker import Done, Failed, Found, Setting, Task, Told

if TYPE_CHECKING:
    from distributed import Worker

    from studies.records import TrialRecord

__all__ = ["Ended", "Lost", "Part", "stop_parts", "take_part", "topic_of"]

LOOK = 0.25  # seconds between two looks whether anybody wants it
SECONDS_BETWEEN_NEWS = 1.0
IDLE_FOR = 20.0  # seconds that a process waits for another study
RAW = 200  # characters of a failure that the progress shows

_IDLE: defaultdict[tuple[str, Path], list[ChildProcess]] = defaultdict(list)
_CHILDREN: defaultdict[str, set[ChildProcess]] = defaultdict(set)
_STOPPED: set[str] = set()
_GUARD = threading.Lock()


@dataclass(frozen=True, repr=False)
class Part:
    """What a process is to do; Dask logs the arguments of what fails, so they say nothing.

    Attributes:
        token: Of the comparison.
        number: Of the part within it.
        setting: What its studies have in common.
        task: The study.
        tells: Whether it passes on the trials of the study; one part of it does.
        demands: What its worker must have.
        hung_after: Seconds without a finished trial after which its process is given up.
    """

    token: str
    number: int
    setting: Setting
    task: Task
    tells: bool
    demands: Demands
    hung_after: float

    def __repr__(self) -> str:
        return f"a part in {self.task.spec.name}"


@dataclass(frozen=True)
class Lost:
    """A process has ended before its study: the next one goes on with what is stored."""

    why: str


@dataclass(frozen=True, repr=False)
class Ended:
    """What came of a part.

    Attributes:
        message: How it ended.
        records: All trials of the study, where the part tells them.
    """

    message: Done | Failed | Lost
    records: Sequence[TrialRecord] = ()


def topic_of(token: str) -> str:
    """Under which Dask keeps the events of a comparison."""
    return f"mappertune-{token}"


def stop_parts(token: str, number: int) -> None:
    """Ends the processes of a comparison that this worker has started, in order.

    Args:
        token: Of the comparison.
        number: Of the signal that they get.
    """
    with _GUARD:
        _STOPPED.add(token)
        for child in _CHILDREN[token]:
            child.stop(number)


def take_part(part: Part) -> Ended:
    """Runs a study, or shares in it, until it is done or nobody wants it any more."""
    from distributed import get_worker  # noqa: PLC0415  (in a worker of Dask alone)

    worker = get_worker()
    there = described(str(part.demands.marker))
    if (why := misfit(there, part.demands)) is not None:
        return Ended(Failed(UsageError(f"the Dask worker {worker.address} {why}")))
    try:
        with _folder(part.setting, worker, sees=there["sees"]) as setting:
            return _Relay(worker, part, setting).run()
    except OSError as error:
        return Ended(Failed(_placed(error, worker.address)))


@contextlib.contextmanager
def _folder(setting: Setting, worker: Worker, *, sees: bool) -> Iterator[Setting]:
    """The setting with an output folder that is there: of studies in a database any will do."""
    if sees:
        yield setting
        return
    folder = Path(tempfile.mkdtemp(prefix="mappertune-", dir=worker.local_directory))
    try:
        yield replace(setting, folder=folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Relay:
    """Starts the process of a part, and listens to it."""

    def __init__(self, worker: Worker, part: Part, setting: Setting) -> None:
        self._worker = worker
        self._key = worker.get_current_task()
        self._part = part
        self._setting = setting
        self._patience = part.hung_after + seconds_asking(part.task.spec)
        self._records: list[TrialRecord] = []
        self._sent = 0
        self._last = 0.0
        self._stopped = False
        self._is_done = False

    def run(self) -> Ended:
        with self._child() as child:
            if child is None:
                return Ended(Done(None))
            self._send("begun", self._part.number, self._worker.address)
            child.begin(self._part.task)
            while True:
                message = self._next(child)
                if message is not None:
                    self._is_done = not isinstance(message, Lost)  # it waits for another task then
                    told = tuple(self._records) if self._part.tells else ()
                    return Ended(message, told)
                self._tell_news()
                self._stop_unwanted(child)

    @contextlib.contextmanager
    def _child(self) -> Iterator[ChildProcess | None]:
        """The process; None where the comparison was stopped before it began."""
        token = self._part.token
        idle = _IDLE[token, self._setting.folder]
        with _GUARD:
            if token in _STOPPED:
                child = None
            else:
                child = idle.pop() if idle else ChildProcess(self._setting)
                _CHILDREN[token].add(child)
        if child is None:
            yield None
            return
        try:
            yield child
        finally:
            with _GUARD:
                _CHILDREN[token].discard(child)
            if self._is_done and not self._stopped:
                _keep(child, idle)
            else:
                child.end(at_once=not self._is_done)

    def _next(self, child: ChildProcess) -> Done | Failed | Lost | None:
        """How the process has ended; None where it goes on."""
        if not child.connection.poll(LOOK):
            if not child.is_hung(self._patience):
                return None
            child.stop(signal.SIGKILL)
            return Lost(f"did not finish a trial within {self._patience:g} s")
        try:
            message = child.receive()
        except (EOFError, OSError):
            return Lost(child.death())
        match message:
            case Told(sentence):
                self._send("told", sentence)
            case Found(records):
                self._records.extend(records)
            case Failed(error):
                return Failed(_placed(error, self._worker.address))
            case Done():
                return message
        return None

    def _tell_news(self) -> None:
        now = time.monotonic()
        news = self._records[self._sent :]
        if not self._part.tells or not news or now - self._last < SECONDS_BETWEEN_NEWS:
            return
        self._last = now
        brief = [_brief(record) for record in news]
        self._send("found", self._part.number, self._sent, pickle.dumps(brief))
        self._sent += len(news)

    def _stop_unwanted(self, child: ChildProcess) -> None:
        if not self._stopped and self._is_unwanted():
            self._stopped = True
            child.stop(signal.SIGTERM)

    def _is_unwanted(self) -> bool:
        """Whether the task was cancelled, as where its client is gone, or the worker closes."""
        task = self._worker.state.tasks.get(self._key)
        cancelled = task is None or task.state == "cancelled"
        return cancelled or not self._worker.status.name.startswith(("running", "paused"))

    def _send(self, *event: Any) -> None:
        self._worker.log_event(topic_of(self._part.token), list(event))


def _keep(child: ChildProcess, idle: list[ChildProcess]) -> None:
    """Keeps a process for the next study, for a while: it takes seconds to begin."""

    def forget() -> None:
        with _GUARD:
            if child not in idle:
                return  # it runs a study
            idle.remove(child)
        child.end(at_once=False)

    with _GUARD:
        idle.append(child)
    timer = threading.Timer(IDLE_FOR, forget)
    timer.daemon = True
    timer.start()


def _brief(record: TrialRecord) -> TrialRecord:
    """What the progress shows of a trial."""
    return replace(
        record, values={}, raw=record.raw[:RAW], text=None, message="", learned=None,
        rival_samples=(),
    )  # fmt: skip


def _placed(error: Exception, address: str) -> Exception:
    """An error that is for users, with the worker on which it came up."""
    if isinstance(error, StudyError):
        return type(error)(f"on the Dask worker {address}: {error}")
    return error
