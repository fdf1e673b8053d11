"""Runs in a SQLite database of MLflow, written as rows: MLflow itself takes seconds to load.

The rows are those that MLflow's own ``SqlAlchemyStore`` writes (mlflow/store/tracking). Only
databases of tables that are known here are written to; MLflow's client writes to all others.
"""

from __future__ import annotations

import contextlib
import getpass
import shutil
import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from studies.errors import StorageError
from studies.files import make_folder
from studies.tracking.runs import PARAMETER_LENGTH, TAG_LENGTH, Metric

__all__ = ["RowRuns", "add_first_experiment", "is_known", "schema_version", "user"]

# The tables that are written to, and their columns, as of MLflow 3.17.
_COLUMNS = {
    "experiments": (
        "experiment_id name artifact_location lifecycle_stage creation_time last_update_time "
        "workspace"
    ),
    "experiment_tags": "key value experiment_id",
    "runs": (
        "run_uuid name source_type source_name entry_point_name user_id status start_time "
        "end_time source_version lifecycle_stage artifact_uri experiment_id deleted_time"
    ),
    "tags": "key value run_uuid",
    "params": "key value run_uuid",
    "metrics": "key value timestamp run_uuid step is_nan",
    "latest_metrics": "key value timestamp step is_nan run_uuid",
}
_SECONDS_TO_WAIT = 60.0  # for other writers
_NAME_TAG = "mlflow.runName"


def is_known(path: Path) -> bool:
    """Whether a database has the tables that are written to, as they are known here."""
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=_SECONDS_TO_WAIT)) as database:
            return all(
                {str(row[1]) for row in database.execute(f"PRAGMA table_info({table})")}
                == set(columns.split())
                for table, columns in _COLUMNS.items()
            )
    except sqlite3.Error:
        return False


def schema_version(path: Path) -> str | None:
    """The version of a database's tables, by which MLflow knows them; None without one."""
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=_SECONDS_TO_WAIT)) as database:
            row = database.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error:
        return None
    return None if row is None else str(row[0])


def add_first_experiment(path: Path, artifacts: str) -> None:
    """Adds the experiment that every database of MLflow begins with."""
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        now = _now()
        row = (0, "Default", artifacts, "active", now, now, "default")
        database.execute(_insert("experiments"), row)


def user() -> str:
    """The name of who runs this."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's number without a name
        return "unknown"


class RowRuns:
    """Runs in a database that is a file.

    Args:
        path: Of a database for which ``is_known`` holds.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: what is written in it is there as a whole, or not at all."""
        connection = sqlite3.connect(self._path, timeout=_SECONDS_TO_WAIT, isolation_level=None)
        with contextlib.closing(connection) as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")

    def experiment(self, name: str, tags: Mapping[str, str], artifacts: str | None) -> str:
        with self._writing() as database:
            found = database.execute(
                "SELECT experiment_id, lifecycle_stage FROM experiments "
                "WHERE name = ? AND workspace = 'default'",
                (name,),
            ).fetchone()
            now = _now()
            if found is None:
                row = (None, name, artifacts, "active", now, now, "default")
                number = database.execute(_insert("experiments"), row).lastrowid
            else:
                number = found[0]
                if found[1] == "deleted":  # its runs come back with it, as in MLflow
                    database.execute(
                        "UPDATE experiments SET lifecycle_stage = 'active', last_update_time = ? "
                        "WHERE experiment_id = ?",
                        (now, number),
                    )
                    database.execute(
                        "UPDATE runs SET lifecycle_stage = 'active', deleted_time = NULL "
                        "WHERE experiment_id = ?",
                        (number,),
                    )
            rows = [(key, value, number) for key, value in tags.items()]
            database.executemany(f"{_insert('experiment_tags')} ON CONFLICT DO NOTHING", rows)
        return str(number)

    def find(self, experiment: str, tag: str, value: str) -> str | None:
        with contextlib.closing(sqlite3.connect(self._path, timeout=_SECONDS_TO_WAIT)) as database:
            found = database.execute(
                "SELECT run_uuid FROM runs JOIN tags USING (run_uuid) WHERE experiment_id = ? "
                "AND lifecycle_stage = 'active' AND key = ? AND value = ? ORDER BY start_time",
                (int(experiment), tag, value),
            ).fetchone()
        return None if found is None else str(found[0])

    def create(
        self,
        experiment: str,
        name: str,
        start: int,
        params: Mapping[str, str],
        tags: Mapping[str, str],
    ) -> str:
        run = uuid.uuid4().hex
        with self._writing() as database:
            found = database.execute(
                "SELECT artifact_location FROM experiments WHERE experiment_id = ?",
                (int(experiment),),
            ).fetchone()
            place = self._told(found, "experiment")
            artifacts, by = f"{place}/{run}/artifacts", tags.get("mlflow.user", "unknown")
            row = (
                *(run, name, "UNKNOWN", "", "", by, "RUNNING", start, None, "", "active"),
                *(artifacts, int(experiment), None),
            )
            database.execute(_insert("runs"), row)
            values = [(key, value[:PARAMETER_LENGTH], run) for key, value in params.items()]
            database.executemany(_insert("params"), values)
            _set_tags(database, run, {**tags, _NAME_TAG: name})
        return run

    def reopen(self, run: str) -> bool:
        with self._writing() as database:
            changed = database.execute(
                "UPDATE runs SET status = 'RUNNING' "
                "WHERE run_uuid = ? AND lifecycle_stage = 'active'",
                (run,),
            )
            return changed.rowcount > 0

    def log(
        self,
        run: str,
        *,
        metrics: Sequence[Metric] = (),
        tags: Mapping[str, str] | None = None,
    ) -> None:
        latest: dict[str, Metric] = {}
        for metric in metrics:
            known = latest.get(metric.key)
            if known is None or _order(metric) > _order(known):
                latest[metric.key] = metric
        with self._writing() as database:
            database.executemany(
                f"{_insert('metrics')} ON CONFLICT DO NOTHING",
                [(m.key, m.value, m.timestamp, run, m.step, 0) for m in metrics],
            )
            database.executemany(
                f"{_insert('latest_metrics')} ON CONFLICT (key, run_uuid) DO UPDATE SET "
                "value = excluded.value, timestamp = excluded.timestamp, step = excluded.step, "
                "is_nan = excluded.is_nan WHERE (excluded.step, excluded.timestamp, "
                "excluded.value) > (latest_metrics.step, latest_metrics.timestamp, "
                "latest_metrics.value)",
                [(m.key, m.value, m.timestamp, m.step, 0, run) for m in latest.values()],
            )
            _set_tags(database, run, tags or {})

    def budget(self, run: str, trials: int) -> None:
        with self._writing() as database:
            database.execute(
                "UPDATE params SET value = ? WHERE run_uuid = ? AND key = 'budget'",
                (str(trials), run),
            )

    def texts(self, run: str, texts: Iterable[tuple[str, str]]) -> None:
        folder = self._artifacts(run)
        for name, text in texts:
            (folder / name).write_text(text, encoding="utf-8")

    def file(self, run: str, path: Path) -> None:
        shutil.copyfile(path, self._artifacts(run) / path.name)

    def end(self, run: str, status: str, end: int) -> None:
        with self._writing() as database:
            database.execute(
                "UPDATE runs SET status = ?, end_time = ? WHERE run_uuid = ?", (status, end, run)
            )

    def _artifacts(self, run: str) -> Path:
        """The folder of a run's artifacts."""
        with contextlib.closing(sqlite3.connect(self._path, timeout=_SECONDS_TO_WAIT)) as database:
            found = database.execute(
                "SELECT artifact_uri FROM runs WHERE run_uuid = ?", (run,)
            ).fetchone()
        uri = self._told(found, "run")
        parts = urlsplit(uri)
        if parts.scheme not in ("", "file"):
            raise StorageError(
                f"the artifacts of this experiment lie in {parts.scheme}://, which takes MLflow's "
                "own client: name the database by --mlflow"
            )
        folder = Path(unquote(parts.path))
        make_folder(folder)
        return folder

    def _told(self, found: tuple[object] | None, what: str) -> str:
        """The one value of a row, which somebody else may have removed."""
        if found is None:
            raise StorageError(f"the {what} is no longer in {self._path}: it was removed from it")
        return str(found[0])


def _insert(table: str) -> str:
    columns = _COLUMNS[table].split()
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608


def _set_tags(database: sqlite3.Connection, run: str, tags: Mapping[str, str]) -> None:
    database.executemany(
        f"{_insert('tags')} ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value",
        [(key, value[:TAG_LENGTH], run) for key, value in tags.items()],
    )
    if _NAME_TAG in tags:
        database.execute("UPDATE runs SET name = ? WHERE run_uuid = ?", (tags[_NAME_TAG], run))


def _order(metric: Metric) -> tuple[int, int, float]:
    """What MLflow takes for later."""
    return metric.step, metric.timestamp, metric.value


def _now() -> int:
    return int(time.time() * 1000)
