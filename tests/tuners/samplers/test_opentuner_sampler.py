"""OpenTuner stays in its process, leaves no trace, and repeats itself."""

from __future__ import annotations

import gc
import importlib.util
import json
import logging
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import optuna
import pytest

import tuners
from tuners.errors import MissingPackageError
from tuners.samplers.opentuner.process import CHILD, OpenTunerDiedError, OpenTunerProcess
from tuners.samplers.opentuner.sampler import OpenTunerSampler

WEIGHTS = [[(7 * i + 3 * j) % 11 for j in range(2 + i % 5)] for i in range(16)]


def objective(trial):
    return sum(
        row[trial.suggest_categorical(f"a/{i}", list(range(len(row))))]
        for i, row in enumerate(WEIGHTS)
    )


def search_of(study):
    return study.sampler._memories[study].search


def points(study):
    return [trial.params for trial in study.trials]


def study_of(trials, **settings):
    study = optuna.create_study(sampler=OpenTunerSampler(seed=0, **settings))
    study.optimize(objective, n_trials=trials)
    return study


def configurations(count, hash_seed):
    """What a run asks for, in a fresh process."""
    run = subprocess.Popen(
        [sys.executable, "-P", str(CHILD)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        text=True,
    )

    def exchange(request):
        run.stdin.write(json.dumps(request) + "\n")
        run.stdin.flush()
        return json.loads(run.stdout.readline())

    exchange({"space": [len(row) for row in WEIGHTS], "seed": 3, "technique": ""})
    found = []
    for _ in range(count):
        asked = exchange({"ask": True})
        found.append(asked["values"])
        score = sum(row[int(v)] for row, v in zip(WEIGHTS, asked["values"], strict=True))
        exchange({"tell": asked["id"], "time": float(score)})
    run.stdin.close()
    run.stdout.close()
    assert run.wait(10) == 0
    return found


def test_a_thousand_steps_are_equal_across_hash_seeds():
    first, second = configurations(1000, "1"), configurations(1000, "2")
    assert first == second
    assert len(set(map(tuple, first))) == 1000


ALONE = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("child", {path!r})
child = importlib.util.module_from_spec(spec)
spec.loader.exec_module(child)
child._make_repeatable(3)
import opentuner
from opentuner import tuningrunmain
from opentuner.api import TuningRunManager
from opentuner.measurement.interface import DefaultMeasurementInterface
from opentuner.resultsdb.models import Result
tuningrunmain.init_logging = lambda: None
child._forget_identities()
weights = {weights!r}
manipulator = opentuner.ConfigurationManipulator()
for i, row in enumerate(weights):
    manipulator.add_parameter(opentuner.EnumParameter("p%04d" % i, list(range(len(row)))))
arguments = opentuner.default_argparser().parse_args([])
arguments.database, arguments.no_dups, arguments.parallelism = "alone.db", True, 1
arguments.test_limit = sys.maxsize
manager = TuningRunManager(
    DefaultMeasurementInterface(args=arguments, manipulator=manipulator), arguments
)
for _ in range({steps}):
    desired = manager.get_next_desired_result()
    values = [desired.configuration.data["p%04d" % i] for i in range(len(weights))]
    print(*values)
    score = sum(row[v] for row, v in zip(weights, values))
    manager.report_result(desired, Result(time=float(score), state="OK"))
"""


def test_it_asks_for_what_opentuner_by_itself_would(tmp_path):
    """Its books are in dictionaries here; with OpenTuner's database the steps are the same."""
    script = ALONE.format(path=str(CHILD), weights=WEIGHTS, steps=150)
    done = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", "-c", script],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=120,
        check=True,
    )
    asked = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    alone = list(dict.fromkeys(asked))  # by itself it asks for some of them again
    assert len(alone) > 80
    assert [tuple(found) for found in configurations(len(alone), "1")] == alone


def test_it_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    formatter, handlers = logging.Formatter, list(logging.getLogger().handlers)
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002  (whether it stays as it is)
    state, arrays = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002  (as above)
    study = study_of(5)
    folder = Path(search_of(study)._process._folder.name)
    assert folder.is_dir()
    assert logging.Formatter is formatter
    assert logging.getLogger().handlers == handlers
    assert random.getstate() == state
    assert (np.random.get_state()[1] == arrays).all()  # noqa: NPY002  (as above)
    assert "opentuner" not in sys.modules
    assert list(tmp_path.iterdir()) == []
    process = search_of(study)._process._process
    del study
    gc.collect()
    assert process.poll() == 0  # it ended, and somebody waited for it
    assert not folder.exists()


def test_it_prints_nothing(tmp_path):
    script = (
        "import optuna; optuna.logging.set_verbosity(optuna.logging.WARNING)\n"
        "from tuners.samplers.opentuner.sampler import OpenTunerSampler\n"
        "s = optuna.create_study(sampler=OpenTunerSampler(seed=0))\n"
        "s.optimize(lambda t: t.suggest_int('x', 0, 99), n_trials=8)\n"
    )
    root = str(Path(tuners.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert done.stdout + done.stderr == b""
    assert list(tmp_path.iterdir()) == []


def test_it_is_started_again_once_and_loses_nothing(caplog):
    whole = study_of(24)
    study = study_of(12)
    os.kill(search_of(study)._process.number, signal.SIGKILL)
    study.optimize(objective, n_trials=12)
    assert points(study) == points(whole)
    assert "exit code -9" in caplog.text
    assert "replaying" in caplog.text
    os.kill(search_of(study)._process.number, signal.SIGKILL)
    study.optimize(objective, n_trials=6)
    assert "random proposals take over" in caplog.text
    assert len(study.trials) == 30
    assert all(trial.state.is_finished() for trial in study.trials)


def test_it_ends_with_the_process_that_started_it():
    script = (
        "import os, sys\n"
        "from tuners.samplers.opentuner.process import OpenTunerProcess\n"
        "process = OpenTunerProcess([2, 3], 0)\n"
        "keeper = os.dup(process._process.stdin.fileno())\n"
        "os.set_inheritable(keeper, True)\n"
        "if os.fork() == 0:  # somebody else holds the pipe\n"
        "    os.close(1); os.execvp('sleep', ['sleep', '20'])\n"
        "print(process.number, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    root = str(Path(tuners.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": root},
        stdout=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    number = int(done.stdout)
    until = time.monotonic() + 15
    while _lives(number) and time.monotonic() < until:
        time.sleep(0.2)
    assert not _lives(number)


def _lives(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().split(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc").exists(), reason="asks the kernel for the processes")
def test_the_process_is_ours_to_wait_for():
    process = OpenTunerProcess([2, 3], 0)
    assert _lives(process.number)
    process.close()
    assert not Path(f"/proc/{process.number}").exists()


def test_a_technique_that_does_not_exist_is_an_error_with_its_words():
    with pytest.raises(OpenTunerDiedError, match=r"[Uu]nknown technique"):
        OpenTunerProcess([2], 0, "NoSuchTechnique")


def test_failures_get_one_penalty_unless_graded():
    def broken(trial):
        x = trial.suggest_int("x", 0, 1000)
        trial.set_constraint("never kept", 1 + x)
        return 0.0

    times = {}
    for graded in (False, True):
        study = optuna.create_study(sampler=OpenTunerSampler(seed=0, graded=graded))
        study.optimize(broken, n_trials=6)
        search = search_of(study)
        times[graded] = {search._time(o) for o in search._seen}
    assert times[False] == {None}
    assert len(times[True]) == 5


def test_results_of_others_move_it():
    best = {f"a/{i}": row.index(min(row)) for i, row in enumerate(WEIGHTS)}
    study = optuna.create_study(sampler=OpenTunerSampler(seed=0))
    study.enqueue_trial(best)
    study.optimize(objective, n_trials=80)

    def near(trial):
        return sum(trial.params[name] != best[name] for name in best) <= 2

    assert sum(map(near, study.trials[1:])) > 10  # a random point hardly ever is


def test_without_opentuner_there_is_one_clear_sentence(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"pip install 'mappertune\[opentuner\]'"):
        OpenTunerSampler(seed=0)
    with pytest.raises(MissingPackageError, match=r"pip install 'mappertune\[catcma\]'"):
        tuners.make_sampler("catcma", seed=0)
