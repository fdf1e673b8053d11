"""Milliseconds a trial that each sampler costs, beside its peer in the same run.

    python -m tests.benchmarks.bench_samplers [TRIALS [NAME ...]]     (1,000, all by default)

The space is 40 choices of 2 to 8 values, the objective costs nothing. The peer of TPE and of
random search is Optuna's own, and OpenTuner's is its own loop as its documentation shows it, with
a database in a temporary file; the others have none but Optuna's TPE. ``llm-hybrid`` asks a
stand-in that answers at once with random values, so that what is measured is the sampler's own
share. Processor time of all processes together, and of the last tenth of the trials: medians over
three rounds, each of which measures every sampler right after its peer.
"""

# ruff: noqa: T201  a benchmark prints

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

import tuners
from tuners.llm.model import ModelUsage, Reply, Request

TRIALS = 1000
OURS = (
    "random",
    "tpe",
    "opentuner",
    "random-valid",
    "coordinate",
    "guided",
    "one-plus-one",
    "catcma",
    "llm-hybrid",
)
ROUNDS = 3
CHOICES = [random.Random(i).randint(2, 8) for i in range(40)]
WEIGHTS = [[random.Random(100 * i + j).random() for j in range(n)] for i, n in enumerate(CHOICES)]
SPACE = {
    f"p{i}": optuna.distributions.CategoricalDistribution(list(range(n)))
    for i, n in enumerate(CHOICES)
}


def score(values: list[int]) -> float:
    return sum(row[value] for row, value in zip(WEIGHTS, values, strict=True))


def optuna_loop(sampler: BaseSampler, trials: int) -> tuple[float, float]:
    """Seconds a trial of all trials, and of the last tenth."""
    study = optuna.create_study(sampler=sampler)
    begun = late = now()
    for number in range(trials):
        if number == trials - trials // 10:
            late = now()
        trial = study.ask(SPACE)
        study.tell(trial, score([trial.params[name] for name in SPACE]))
    end = now()
    return (end - begun) / trials, (end - late) / (trials // 10)


def now() -> float:
    """Processor seconds of this process and of OpenTuner's, where it runs."""
    return time.process_time() + sum(map(seconds_of, children()))


def children() -> list[int]:
    found = Path(f"/proc/self/task/{os.getpid()}/children")
    return [int(number) for number in found.read_text().split()] if found.exists() else []


def seconds_of(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def opentuner_loop(trials: int) -> None:
    """OpenTuner as a library, alone in this process; prints seconds a trial."""
    import opentuner
    from opentuner import tuningrunmain
    from opentuner.api import TuningRunManager
    from opentuner.measurement.interface import DefaultMeasurementInterface
    from opentuner.resultsdb.models import Result

    tuningrunmain.init_logging = lambda: None
    manipulator = opentuner.ConfigurationManipulator()
    for name, choices in zip(SPACE, CHOICES, strict=True):
        manipulator.add_parameter(opentuner.EnumParameter(name, list(range(choices))))
    arguments = opentuner.default_argparser().parse_args([])
    arguments.database, arguments.no_dups, arguments.test_limit = "alone.db", True, sys.maxsize
    arguments.parallelism = 1
    interface = DefaultMeasurementInterface(args=arguments, manipulator=manipulator)
    manager = TuningRunManager(interface, arguments)
    begun = late = time.process_time()
    done = 0
    while done < trials:
        if done == trials - trials // 10:
            late = time.process_time()
        desired = manager.get_next_desired_result()
        if desired is None:
            continue
        data = desired.configuration.data
        loss = score([data[name] for name in SPACE])
        manager.report_result(desired, Result(state="OK", time=loss))
        done += 1
    end = time.process_time()
    print((end - begun) / trials, (end - late) / (trials // 10))


def opentuner_alone(trials: int) -> tuple[float, float]:
    root = str(Path(tuners.__file__).parent.parent)
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.bench_samplers", "--alone", str(trials)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": root, "PYTHONWARNINGS": "ignore"},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=600,
        )
    first, last = map(float, done.stdout.split())
    return first, last


class Instant:
    """Stands in for a model: values at random, at once."""

    name = "instant"
    usage = ModelUsage()

    def __init__(self) -> None:
        self._rng = random.Random(0)

    def ask(self, request: Request) -> Reply:
        values = {name: self._rng.choice(each.choices) for name, each in SPACE.items()}
        return Reply(f"```json\n{json.dumps(values)}\n```", self.name, 1, 1, 0.0)


def sampler_named(name: str) -> BaseSampler:
    if name == "llm-hybrid":
        return tuners.LLMSampler(model=Instant(), strategy="hybrid", seed=0, space=SPACE)
    return tuners.make_sampler(name, seed=0)


PEERS: dict[str, Callable[[int], tuple[float, float]]] = {
    "random": lambda trials: optuna_loop(RandomSampler(seed=0), trials),
    "tpe": lambda trials: optuna_loop(TPESampler(seed=0), trials),
    "opentuner": opentuner_alone,
}


def main(trials: int, names: Sequence[str]) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print(f"{trials} trials of 40 parameters; milliseconds a trial, of the last tenth in brackets")
    for name in names:
        peer = name if name in PEERS else "tpe"
        rounds = [
            (*PEERS[peer](trials), *optuna_loop(sampler_named(name), trials))
            for _ in range(ROUNDS)
        ]
        theirs, their_last, ours, our_last = (
            1e3 * median(each) for each in zip(*rounds, strict=True)
        )
        ratio = median([mean / alone for alone, _, mean, _ in rounds])
        print(
            f"{name:14} {ours:6.2f} ({our_last:6.2f})   {ratio:5.2f} x {peer} alone, "
            f"{theirs:.2f} ({their_last:.2f})",
            flush=True,
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--alone"]:
        opentuner_loop(int(sys.argv[2]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else TRIALS, sys.argv[2:] or OURS)
