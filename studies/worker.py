"""A process that runs studies for another one, which started it by `studies.side_by_side`.

It is told over a socket what to run, and tells there what it finds::

    to it    a Setting; then a Task for each study, one after the other
    from it  Found   trials that have finished, those from earlier runs first
             Told    a sentence for the user
             Done    a study is done, or was stopped; its trials were told before
             Failed  a study cannot be run
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from studies.records import StudySpec
from studies.stops import STOPPING, Stopped, signals_wait

if TYPE_CHECKING:
    from studies.records import StudyResult, TrialRecord
    from studies.stop_rules import StopRules
    from studies.suite import Tunable
    from studies.workspace import Workspace
    from tuners import MapperProblem
    from tuners.problems.start import Start

__all__ = ["CaseSpec", "Done", "Failed", "Found", "Setting", "Task", "Told", "main"]

SECONDS_BETWEEN_NEWS = 0.2
TRIALS_A_MESSAGE = 200


@dataclass(frozen=True)
class Setting:
    """What all studies have in common.

    Attributes:
        arguments: The command line, by which secrets are known.
        case: What is tuned.
        start: What each study tries first.
        folder, storage, anew, repair: As in ``studies.workspace.Workspace``.
        tracking_uri: Where studies are tracked, with its password; None for the folder's own.
        tracked: Whether they are.
        parent: The tracked run of the comparison that they are part of; None for none.
        trace_model: Whether exchanges with a model are tracked as traces.
        working_folder: Against which paths of the case are; None for the process's own.
    """

    arguments: Sequence[str] = field(repr=False)
    case: Tunable
    start: Start | None
    folder: Path
    storage: str | None = field(repr=False)
    anew: bool
    repair: bool
    tracking_uri: str | None = field(repr=False)
    tracked: bool
    parent: str | None = None
    trace_model: bool = False
    working_folder: Path | None = None

    def open(self, tell: Callable[[str], None]) -> tuple[MapperProblem, Workspace]:
        """The problem, and the workspace in which its studies are run."""
        from studies.tracking import Tracker  # noqa: PLC0415  (the parent need not load it)
        from studies.workspace import Workspace  # noqa: PLC0415  (likewise)

        if self.working_folder is not None and self.working_folder.is_dir():
            os.chdir(self.working_folder)
        problem = self.case.problem()
        problem.start = self.start
        tracker = Tracker(self.folder, self.tracking_uri, report=tell) if self.tracked else None
        if tracker is not None:
            tracker.parent, tracker.trace_model = self.parent, self.trace_model
        workspace = Workspace(
            self.folder, self.storage, tracker, anew=self.anew, repair=self.repair, tell=tell
        )
        return problem, workspace


@dataclass(frozen=True, kw_only=True)
class CaseSpec(StudySpec):
    """A study of a case of its own, where those of several run side by side.

    Of its trials are told how fast they were, and not the values that they chose: the studies of
    a whole suite would fill the memory with them.

    Attributes:
        case: What is tuned.
        start: What it tries first.
    """

    case: Tunable
    start: Start | None


@dataclass(frozen=True)
class Task:
    """A study to be run."""

    spec: StudySpec
    rules: StopRules


@dataclass(frozen=True)
class Found:
    """Trials of the study that runs."""

    records: Sequence[TrialRecord]


@dataclass(frozen=True)
class Told:
    """A sentence for the user."""

    sentence: str


@dataclass(frozen=True)
class Done:
    """What a study found.

    Attributes:
        result: The result without its trials; None where it was stopped before it began.
        tracked: Whether it was tracked.
    """

    result: StudyResult | None
    tracked: bool = False


@dataclass(frozen=True)
class Failed:
    """Why a study cannot be run."""

    error: Exception


def main() -> None:
    """Runs what the process on the other end of a socket wants, until that closes it."""
    connection = Connection(int(sys.argv[1]))
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError, Stopped):
        with _stoppable():
            setting = connection.recv()
            sys.argv = list(setting.arguments)
            _tell_warnings(connection)
            problem, workspace = setting.open(lambda sentence: _tell(connection, sentence))
            tuned = _Tuned(setting.case, problem)
        while True:
            with _stoppable():
                task = connection.recv()
                done = _run(connection, tuned, workspace, task)
            connection.send(done)


def _run(connection: Connection, tuned: _Tuned, workspace: Workspace, task: Task) -> Done | Failed:
    try:
        news = _News(connection, values=not isinstance(task.spec, CaseSpec))
        case, problem = tuned.of(task.spec)
        result = workspace.run(case, problem, task.spec, news, task.rules)
        news.send(result.records)
    except Stopped:  # while it was opened, or tracked
        return Done(None)
    except Exception as error:  # noqa: BLE001  (whatever it is, the parent tells it)
        return Failed(_sendable(error))
    tracker = workspace.tracker
    return Done(replace(result, records=()), tracker is not None and tracker.used)


@dataclass
class _Tuned:
    """The case of the last study, and its problem: caches of more would fill the memory."""

    case: Tunable
    problem: MapperProblem

    def of(self, spec: StudySpec) -> tuple[Tunable, MapperProblem]:
        """What a study tunes."""
        if isinstance(spec, CaseSpec):
            if spec.case != self.case:
                self.case, self.problem = spec.case, spec.case.problem()
            self.problem.start = spec.start
        return self.case, self.problem


class _News:
    """Tells of trials now and then, and ends the study where nobody listens any more.

    Args:
        connection: To whoever listens.
        values: Whether the values that trials chose are told.
    """

    def __init__(self, connection: Connection, *, values: bool) -> None:
        self._connection = connection
        self._values = values
        self._sent = 0
        self._last = -SECONDS_BETWEEN_NEWS

    def __call__(self, records: Sequence[TrialRecord]) -> None:
        if time.monotonic() - self._last >= SECONDS_BETWEEN_NEWS:
            self.send(records)

    def send(self, records: Sequence[TrialRecord]) -> None:
        """Sends what was not sent yet; nothing as well, as a sign of life."""
        self._last = time.monotonic()
        try:
            while True:
                news = tuple(records[self._sent : self._sent + TRIALS_A_MESSAGE])
                if not self._values:
                    news = tuple(replace(each, values={}) for each in news)
                with signals_wait():  # a message is sent whole, and once
                    self._connection.send(Found(news))
                    self._sent += len(news)
                if self._sent >= len(records):
                    return
        except (BrokenPipeError, ConnectionResetError):
            raise Stopped(signal.SIGHUP) from None


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """Raises ``Stopped`` at the first signal that asks to end; the others wait outside of it."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001  (Python's)
        for each in STOPPING:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(number)

    for each in STOPPING:
        if signal.getsignal(each) != signal.SIG_IGN:  # as `nohup` wants it
            signal.signal(each, stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)


def _tell(connection: Connection, sentence: str) -> None:
    with signals_wait():
        connection.send(Told(sentence))


class _Teller(logging.Handler):
    """Sends what tuners warn of."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(logging.WARNING)
        self._connection = connection

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError):
            _tell(self._connection, record.getMessage())


def _tell_warnings(connection: Connection) -> None:
    import optuna  # noqa: PLC0415  (the parent need not load it)

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger("tuners").addHandler(_Teller(connection))


def _sendable(error: Exception) -> Exception:
    """The error, or where it cannot be sent one that tells as much."""
    try:
        again: Any = pickle.loads(pickle.dumps(error))  # noqa: S301  (our own)
    except Exception:  # noqa: BLE001  (exceptions of all kinds raise all kinds)
        again = None
    if type(again) is type(error) and str(again) == str(error) and _is_told(error):
        return error
    return RuntimeError("".join(traceback.format_exception(error)))


def _is_told(error: Exception) -> bool:
    """Whether its sentence is for users; else its traceback is wanted."""
    from dsl.errors import MappertuneError  # noqa: PLC0415  (only when something went wrong)
    from studies.errors import StudyError  # noqa: PLC0415  (likewise)

    return isinstance(error, StudyError | MappertuneError | OSError)
