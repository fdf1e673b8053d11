"""Processes that run one study in a database together."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import subprocess
import sys
import time

import optuna
import pytest

SCRIPT = "import sys; from studies.cli import main; sys.exit(main(sys.argv[1:]))"
KEY = "mappertune:normal_form"


@pytest.fixture
def begin(tmp_path, space):
    """Begins to tune in a process of its own."""

    def start(trials, *words):
        common = ["--template", space, "--output", tmp_path / "runs", "--storage", url(tmp_path)]
        command = ["tune", "stencil", "--no-mlflow", "--json", "--trials", trials, *common, *words]
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", SCRIPT, *map(str, command)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def url(tmp_path):
    return f"sqlite:///{tmp_path}/studies.db"


def finished(tmp_path):
    (study,) = optuna.get_all_study_summaries(url(tmp_path))
    return optuna.load_study(study_name=study.study_name, storage=url(tmp_path)).trials


def wait_for_trials(tmp_path, count):
    query = "SELECT count(*) FROM trials WHERE state = 'COMPLETE'"
    deadline = time.monotonic() + 120
    found = 0
    while found < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)
        with (
            contextlib.suppress(sqlite3.OperationalError),  # no tables yet
            contextlib.closing(sqlite3.connect(tmp_path / "studies.db", timeout=60)) as database,
        ):
            ((found,),) = database.execute(query)


def check(tmp_path, count):
    """The study has as many trials as asked for, each of another point."""
    trials = finished(tmp_path)
    assert [trial.number for trial in trials] == list(range(count))
    assert {trial.state for trial in trials} == {optuna.trial.TrialState.COMPLETE}
    assert len({trial.user_attrs[KEY] for trial in trials}) == count


def answers(*processes):
    told = [process.communicate(timeout=240) for process in processes]
    assert [process.returncode for process in processes] == [0 for _ in processes], told
    return [json.loads(out) for out, _ in told]


def test_processes_that_start_at_once_share_a_study(tmp_path, begin):
    told = answers(*(begin(24, "--tuner", "random") for _ in range(2)))
    assert [each["trials"] for each in told] == [24, 24]
    assert told[0]["best"] == told[1]["best"]
    check(tmp_path, 24)


@pytest.mark.long
@pytest.mark.parametrize("tuner", ["tpe", "coordinate", "nsgaii", "opentuner"])
def test_what_dies_while_others_run_is_made_good(tmp_path, begin, tuner):
    processes = [begin(60, "--tuner", tuner) for _ in range(3)]
    for victim, count in zip(processes[:2], (5, 15), strict=True):
        wait_for_trials(tmp_path, count)
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        victim.communicate()
        processes.append(begin(60, "--tuner", tuner))
    told = answers(*processes[2:])
    assert [each["trials"] for each in told] == [60, 60, 60]
    check(tmp_path, 60)
