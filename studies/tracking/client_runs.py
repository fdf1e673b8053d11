"""Runs written by MLflow's own client: to a server, or to a database that is not ours alone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from studies.tracking.runs import PARAMETER_LENGTH, TAG_LENGTH, Metric

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

__all__ = ["ClientRuns", "connect"]

T = TypeVar("T")

# The most that a call takes.
_METRICS_PER_CALL, _OTHERS_PER_CALL = 1000, 100


def connect(uri: str) -> MlflowClient:
    """A connection that was tried."""
    from mlflow.tracking import MlflowClient

    for name in ("mlflow", "alembic"):  # after the import, which sets them up
        logging.getLogger(name).setLevel(logging.ERROR)
    client = MlflowClient(tracking_uri=uri)
    client.search_experiments(max_results=1)
    return client


class ClientRuns:
    """Runs that MLflow's client writes.

    Args:
        client: The client.
        pause: Called before each call of it; raises where there is no time for another.
    """

    def __init__(self, client: MlflowClient, pause: Callable[[], object]) -> None:
        self._connected = client
        self._pause = pause

    @property
    def client(self) -> MlflowClient:
        """The client, if there is time for a call."""
        self._pause()
        return self._connected

    def experiment(self, name: str, tags: Mapping[str, str], artifacts: str | None) -> str:
        found = self.client.get_experiment_by_name(name)
        if found is None:
            return str(self.client.create_experiment(name, artifacts, dict(tags)))
        number = str(found.experiment_id)
        if found.lifecycle_stage == "deleted":
            self.client.restore_experiment(number)
        for key in tags.keys() - found.tags.keys():
            self.client.set_experiment_tag(number, key, tags[key])
        return number

    def find(self, experiment: str, tag: str, value: str) -> str | None:
        found = self.client.search_runs(
            [experiment], f"tags.`{tag}` = '{value}'", max_results=1, order_by=["start_time"]
        )
        return str(found[0].info.run_id) if found else None

    def create(
        self,
        experiment: str,
        name: str,
        start: int,
        params: Mapping[str, str],
        tags: Mapping[str, str],
    ) -> str:
        from mlflow.entities import Param

        short = {key: value[:TAG_LENGTH] for key, value in tags.items()}
        run = self.client.create_run(experiment, start_time=start, tags=short, run_name=name)
        values = [Param(key, value[:PARAMETER_LENGTH]) for key, value in params.items()]
        for batch in _batches(values, _OTHERS_PER_CALL):
            self.client.log_batch(run.info.run_id, params=batch)
        return str(run.info.run_id)

    def reopen(self, run: str) -> bool:
        from mlflow.exceptions import MlflowException

        try:
            found = self.client.get_run(run)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False
        if found.info.lifecycle_stage == "deleted":
            return False
        self.client.update_run(run, status="RUNNING")
        return True

    def log(
        self,
        run: str,
        *,
        metrics: Sequence[Metric] = (),
        tags: Mapping[str, str] | None = None,
    ) -> None:
        from mlflow.entities import Metric as Entity
        from mlflow.entities import RunTag

        for batch in _batches(metrics, _METRICS_PER_CALL):
            self.client.log_batch(run, metrics=[Entity(*metric) for metric in batch])
        if tags:
            entities = [RunTag(key, value[:TAG_LENGTH]) for key, value in tags.items()]
            self.client.log_batch(run, tags=entities)

    def budget(self, run: str, trials: int) -> None:
        """Nothing: MLflow lets no parameter change; the tag of the same name tells it."""

    def texts(self, run: str, texts: Iterable[tuple[str, str]]) -> None:
        for name, text in texts:
            self.client.log_text(run, text, name)

    def file(self, run: str, path: Path) -> None:
        self.client.log_artifact(run, str(path))

    def end(self, run: str, status: str, end: int) -> None:
        self.client.set_terminated(run, status, end)


def _batches(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
