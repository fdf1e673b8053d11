"""Tracking in MLflow: an experiment per case, a run per study (``tracked_study.py``).

MLflow takes seconds to load; it is loaded at the first write.

Tracking never fails a study: the first failure is reported in one sentence, and ends tracking.
"""

from __future__ import annotations

import gc
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dsl.plain_text import plain
from studies.addresses import database_file, refuse_misspelt, refuse_secrets_of_file
from studies.journal import FileLock
from studies.mlflow_database import copy_empty, whole_database
from studies.races import past_races
from tuners.redaction import Redactor, process_redactor, redacted_url, secrets_in

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

__all__ = ["Tracker", "embedded_uri"]

# MLflow calls home, and retries an unreachable server for four minutes; litellm, where it is
# installed, fetches a price list. None of that is wanted here.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
}


def embedded_uri(folder: Path) -> str:
    """The URI of the SQLite file that lies in an output folder."""
    return f"sqlite:///{(folder / 'mlflow.db').resolve()}"


# For other processes that write to the same database.
SECONDS_TO_WAIT = 60.0


class Tracker:
    """Writes the studies of one output folder to one MLflow server or file.

    Args:
        folder: The output folder.
        uri: MLflow's tracking URI; None for the embedded database in the folder.
        report: Called at most once, with a sentence, when tracking fails.

    Attributes:
        uri: The tracking URI.
        shown_uri: The same without passwords, to be told and stored.
        embedded: Whether that is the folder's own database, and nobody named another.
        failed: Whether tracking has failed, and is given up.
        used: Whether a study was found tracked, or was tracked, to its end.
    """

    def __init__(
        self, folder: Path, uri: str | None = None, *, report: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self.embedded = uri is None
        if uri is not None:
            refuse_misspelt(uri, "an MLflow server or database", "the path of a folder")
            refuse_secrets_of_file(uri)
        self.uri = uri or embedded_uri(folder)
        self.shown_uri = redacted_url(self.uri)
        self._report = report
        self._client: MlflowClient | None = None
        self.failed = False
        self.used = False

    @property
    def loaded(self) -> bool:
        """Whether MLflow has been loaded and reached."""
        return self._client is not None

    @property
    def lost(self) -> bool:
        """Whether what was tracked earlier is gone: somebody removed the embedded database."""
        return self.embedded and not (self._folder / "mlflow.db").exists()

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Keeps a failure of tracking away from the study."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with self._alone():
                    yield
        except Exception as error:  # noqa: BLE001  (a provider's boundary: MLflow raises anything)
            self.failed = True
            said = Redactor(secrets_in(self.uri)).message(plain(str(error)))
            said = process_redactor().message(said).strip()
            reason = said.splitlines()[0] if said else type(error).__name__
            self._report(
                f"MLflow tracking stopped ({reason[:300]}); the study itself is complete, and the "
                "same command tracks it again"
            )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keeps other processes from writing to a database that is a file, for a while.

        SQLite itself gives up after five seconds, of which several comparisons may need more.
        """
        path = database_file(self.uri)
        if path is None:
            yield
            return
        ours = False
        lock = FileLock(path.with_name(f"{path.name}.writing"))
        with suppress(Exception):  # whatever is wrong is told where it is in the way
            self.client()  # nobody waits while it loads MLflow, and makes the database
            ours = lock.acquire_within(SECONDS_TO_WAIT)
        try:
            yield
        finally:
            if ours:
                lock.release()

    def client(self) -> MlflowClient:
        """The connection, made at the first use."""
        if self._client is None:
            for name, value in ENVIRONMENT.items():
                os.environ.setdefault(name, value)
            with _without_collection():
                self._client = self._connected()
        return self._client

    def _connected(self) -> MlflowClient:
        path = database_file(self.uri)
        if path is None:
            return past_races(lambda: _connect(self.uri))
        with whole_database(path, _make):
            return _connect(self.uri)

    def experiment(self, name: str) -> str:
        """The id of an experiment, which is made where it is new."""
        client = self.client()
        found = client.get_experiment_by_name(name)
        if found is None:
            return client.create_experiment(name, artifact_location=self._artifacts(name))
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)

    def _artifacts(self, experiment: str) -> str | None:
        if not self.embedded:
            return None
        return (self._folder / "mlflow-artifacts" / experiment).resolve().as_uri()


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


def _connect(uri: str) -> MlflowClient:
    from mlflow.tracking import MlflowClient

    for name in ("mlflow", "alembic"):  # after the import, which sets them up
        logging.getLogger(name).setLevel(logging.ERROR)
    client = MlflowClient(tracking_uri=uri)
    client.search_experiments(max_results=1)
    return client


def _make(uri: str) -> None:
    """Makes a database, and lets go of it."""
    copy_empty(Path(uri.removeprefix("sqlite:///")), _make_whole)


def _make_whole(uri: str) -> None:
    store = _connect(uri)._tracking_client.store  # noqa: SLF001  (nothing public closes it)
    store.engine.dispose()
