"""Where studies are tracked, and what keeps that from ever failing or delaying them.

The first failure is told in one sentence, and ends tracking; so does a server that takes too long.
What is missing then is tracked later, by the same command or by ``mappertune track``.
"""

from __future__ import annotations

import gc
import os
import shlex
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dsl.plain_text import plain
from studies.addresses import database_file, refuse_misspelt, refuse_secrets_of_file
from studies.journal import FileLock
from studies.races import past_races
from studies.tracking.client_runs import ClientRuns, connect
from studies.tracking.database import copy_empty, empty_version, whole_database
from studies.tracking.experiment import EXPERIMENT_TAGS, experiment_page
from studies.tracking.rows import RowRuns, add_first_experiment, is_known, schema_version
from tuners.redaction import Redactor, process_redactor, redacted_url, secrets_in

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from studies.tracking.runs import Runs

__all__ = ["Tracker", "embedded_uri"]

# MLflow calls home, and retries an unreachable server for four minutes; litellm, where it is
# installed, fetches a price list. None of that is wanted here.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
}

LOCAL_SERVER = "http://127.0.0.1:5000"
"""Where ``mlflow ui`` listens."""

# For other processes that write to the same database.
SECONDS_TO_WAIT = 60.0
# For all calls of a server while a study runs, and for those at its end; none begins later.
SECONDS_OF_A_WRITE, SECONDS_OF_AN_END = 5.0, 60.0


def embedded_uri(folder: Path) -> str:
    """The URI of the SQLite file that lies in an output folder."""
    return f"sqlite:///{(folder / 'mlflow.db').resolve()}"


class _TooSlowError(Exception):
    """There is no time for another call."""


class Tracker:
    """Writes the studies of one output folder to one MLflow server or file.

    Args:
        folder: The output folder.
        uri: MLflow's tracking URI; None for the embedded database in the folder.
        report: Called with a sentence when tracking fails: while a study runs, and at its end.
        patience: Seconds for all calls at the end of a study; None for no limit.
        trace_model: Whether each exchange with a model is tracked as a trace.

    Attributes:
        uri: The tracking URI.
        shown_uri: The same without passwords, to be told and stored.
        embedded: Whether that is the folder's own database, and nobody named another.
        failed: Whether tracking has failed, and is given up.
        waits: Whether a server failed or was slow, and is not asked before a study's end.
        used: Whether a study was found tracked, or was tracked, to its end.
        parent: The run of the comparison that the studies are part of; None for none.
    """

    def __init__(
        self,
        folder: Path,
        uri: str | None = None,
        *,
        report: Callable[[str], None],
        patience: float | None = SECONDS_OF_AN_END,
        trace_model: bool = False,
    ) -> None:
        self._folder = folder
        self.embedded = uri is None
        if uri is not None:
            refuse_misspelt(uri, "an MLflow server or database", "the path of a folder")
            refuse_secrets_of_file(uri)
        self.uri = uri or embedded_uri(folder)
        self.shown_uri = redacted_url(self.uri)
        self._report = report
        self._patience = patience
        self.trace_model = trace_model
        self._deadline: float | None = None
        self._runs: Runs | None = None
        self._client: MlflowClient | None = None
        self._experiments: dict[str, str] = {}
        self.failed = False
        self.waits = False
        self.used = False
        self.parent: str | None = None

    @property
    def loaded(self) -> bool:
        """Whether the place of the runs has been reached."""
        return self._runs is not None

    @property
    def quick(self) -> bool:
        """Whether runs are written without MLflow, and so at once."""
        return self.loaded or (self.embedded and self._is_ours())

    @property
    def lost(self) -> bool:
        """Whether what was tracked earlier is gone: somebody removed the embedded database."""
        return self.embedded and not self._path.exists()

    @property
    def _path(self) -> Path:
        return self._folder / "mlflow.db"

    @contextmanager
    def guarded(self, *, ends: bool = True) -> Iterator[None]:
        """Keeps a failure of tracking away from the study, and one that takes long.

        Args:
            ends: Whether the study is over. One that goes on waits for no slow server, and asks
                none again before its end.
        """
        begun = time.monotonic()
        patience = self._patience if ends else SECONDS_OF_A_WRITE
        self._deadline = None if patience is None else begun + patience
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with self._alone():
                    yield
        except _TooSlowError:
            self._stop(f"{self.shown_uri} has taken {time.monotonic() - begun:.0f} s", ends)
        except Exception as error:  # noqa: BLE001  (a provider's boundary: MLflow raises anything)
            said = Redactor(secrets_in(self.uri)).message(plain(str(error)))
            said = process_redactor().message(said).strip()
            self._stop((said.splitlines()[0] if said else type(error).__name__)[:300], ends)

    def _stop(self, reason: str, ends: bool) -> None:
        if not ends:
            self.waits = True
            self._report(
                f"MLflow tracking waits ({reason}); the study goes on, and is tracked at its end"
            )
            return
        self.failed = True
        where = "" if self.embedded else f" --mlflow {shlex.quote(self.shown_uri)}"
        self._report(
            f"MLflow tracking stopped ({reason}); the study itself is complete, and "
            f"mappertune track {shlex.quote(str(self._folder))}{where} tracks it later"
        )

    def _pause(self) -> None:
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise _TooSlowError

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keeps other processes from writing to a database that is a file, for a while.

        SQLite itself gives up after five seconds, of which several comparisons may need more.
        """
        path = self._path if self.embedded else database_file(self.uri)
        if path is None:
            yield
            return
        ours = False
        lock = FileLock(path.with_name(f"{path.name}.writing"))
        with suppress(Exception):  # whatever is wrong is told where it is in the way
            self.runs()  # nobody waits while it loads MLflow, and makes the database
            ours = lock.acquire_within(SECONDS_TO_WAIT)
        try:
            yield
        finally:
            if ours:
                lock.release()

    def runs(self) -> Runs:
        """The place of the runs, which is opened at the first use."""
        if self._runs is None:
            if self.embedded:
                with whole_database(self._path, self._make):
                    ours = self._is_ours()
                self._runs = RowRuns(self._path) if ours else None
            self._runs = self._runs or ClientRuns(self.client(), self._pause)
        return self._runs

    def client(self) -> MlflowClient:
        """MLflow's own client, made at the first use."""
        if self._client is None:
            for name, value in ENVIRONMENT.items():
                os.environ.setdefault(name, value)
            with _without_collection():
                self._client = self._connected()
        return self._client

    def _connected(self) -> MlflowClient:
        path = database_file(self.uri)
        if path is None:
            return past_races(lambda: connect(self.uri))
        with whole_database(path, _make):
            return connect(self.uri)

    def experiment(self, name: str) -> str:
        """The id of an experiment, which is made where it is new."""
        artifacts = self._artifacts(name) if self.embedded else None
        self._experiments[name] = self.runs().experiment(name, EXPERIMENT_TAGS, artifacts)
        return self._experiments[name]

    def trace(self, name: str, run: str, transcript: Path) -> None:
        """Tracks the exchanges with a model that a transcript keeps, as traces of a run."""
        from studies.tracking.model_traces import trace_exchanges

        trace_exchanges(self.client(), self.experiment(name), run, transcript, self._pause)

    def page(self, name: str) -> str | None:
        """Where an experiment that was tracked is seen: the address of its page."""
        known = self._experiments.get(name)
        if known is None:
            return None
        of_server = self.shown_uri.startswith(("http://", "https://"))
        return experiment_page(self.shown_uri if of_server else LOCAL_SERVER, known)

    def _artifacts(self, experiment: str) -> str:
        return (self._folder / "mlflow-artifacts" / experiment).resolve().as_uri()

    def _is_ours(self) -> bool:
        """Whether the folder's database is of the tables that we and the installed MLflow know."""
        return is_known(self._path) and schema_version(self._path) == empty_version(_make_whole)

    def _make(self, uri: str) -> None:
        """Makes the folder's database, without MLflow where an empty one is kept."""
        path = Path(uri.removeprefix("sqlite:///"))

        def fill(copy: Path) -> None:
            if is_known(copy):
                add_first_experiment(copy, self._artifacts("0"))
            else:
                _make_whole(uri)

        copy_empty(path, _make_whole, fill)


@contextmanager
def _without_collection() -> Iterator[None]:
    """Looks for no garbage: MLflow loads 2,000 modules, of which that took a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _make(uri: str) -> None:
    """Makes a database, and lets go of it."""
    copy_empty(Path(uri.removeprefix("sqlite:///")), _make_whole)


def _make_whole(uri: str) -> None:
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with _without_collection():
        store = connect(uri)._tracking_client.store  # noqa: SLF001  (nothing public closes it)
        store.engine.dispose()
