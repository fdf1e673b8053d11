"""Processes that run one study in a database together."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

import optuna
import pytest
import sqlalchemy

SCRIPT = "import sys; from studies.cli import main; sys.exit(main(sys.argv[1:]))"
KEY = "mappertune:normal_form"


BOTH = pytest.mark.parametrize("url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def begin(tmp_path, space, url):
    """Begins to tune in a process of its own."""

    def start(trials, *words):
        common = ["--template", space, "--output", tmp_path / "runs", "--storage", url]
        command = ["tune", "stencil", "--no-mlflow", "--json", "--trials", trials, *common, *words]
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", SCRIPT, *map(str, command)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@contextmanager
def opened(url):
    storage = optuna.storages.RDBStorage(url, skip_table_creation=True)
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def finished(url):
    with opened(url) as storage:
        (study,) = storage.get_all_studies()
        return storage.get_all_trials(study._study_id)


def wait_for_trials(url, count):
    query = sqlalchemy.text("SELECT count(*) FROM trials WHERE state = 'COMPLETE'")
    deadline = time.monotonic() + 120
    found = 0
    engine = sqlalchemy.create_engine(url)
    while found < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)
        with suppress(sqlalchemy.exc.DBAPIError), engine.connect() as connection:  # no tables yet
            found = connection.execute(query).scalar_one()
    engine.dispose()


def check(url, count):
    """The study has as many trials as asked for, each of another point."""
    trials = finished(url)
    assert [trial.number for trial in trials] == list(range(count))
    assert {trial.state for trial in trials} == {optuna.trial.TrialState.COMPLETE}
    assert len({trial.user_attrs[KEY] for trial in trials}) == count


def answers(*processes):
    told = [process.communicate(timeout=240) for process in processes]
    assert [process.returncode for process in processes] == [0 for _ in processes], told
    return [json.loads(out) for out, _ in told]


@BOTH
def test_processes_that_start_at_once_share_a_study(url, begin):
    told = answers(*(begin(24, "--tuner", "random") for _ in range(2)))
    assert [each["trials"] for each in told] == [24, 24]
    assert told[0]["best"] == told[1]["best"]
    check(url, 24)


@pytest.mark.long
@pytest.mark.parametrize(
    ("tuner", "url"),
    [
        *((tuner, "sqlite") for tuner in ("tpe", "coordinate", "nsgaii", "opentuner")),
        ("tpe", "postgresql"),
        ("random", "postgresql"),
    ],
    indirect=["url"],
)
def test_what_dies_while_others_run_is_made_good(url, begin, tuner):
    processes = [begin(60, "--tuner", tuner) for _ in range(3)]
    for victim, count in zip(processes[:2], (5, 15), strict=True):
        wait_for_trials(url, count)
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        victim.communicate()
        processes.append(begin(60, "--tuner", tuner))
    told = answers(*processes[2:])
    assert [each["trials"] for each in told] == [60, 60, 60]
    check(url, 60)
