"""What ``mappertune tune`` costs beside a bare loop over the same sampler and problem.

Run as ``python -m tests.benchmarks.bench_loop [--trials N] [APPLICATION:TUNER ...]``. The peer is
Optuna's own ``study.optimize`` in memory, over the same sampler and the same objective: nothing is
kept, shown or tracked. Both are whole processes, start-up included, one after the other; seconds
are those of the processor, for all threads. ``tune`` keeps a journal and writes to MLflow.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

CASES = ("circuit:random", "stencil:random", "circuit:tpe", "stencil:tpe")
BARE = """
import sys
import optuna
from tuners import MapperProblem, make_sampler
from legion_bridge import Application, Machine
application, tuner, trials = sys.argv[1], sys.argv[2], int(sys.argv[3])
optuna.logging.set_verbosity(optuna.logging.WARNING)
problem = MapperProblem(Application.load(application), Machine.load("p100x4"))
sampler = make_sampler(tuner, seed=0, problem=problem)
study = optuna.create_study(direction="maximize", sampler=sampler)
study.optimize(problem, n_trials=trials)
"""


class Cost(NamedTuple):
    """What a process took.

    Attributes:
        seconds: Of the processor.
        memory: The most megabytes that were resident.
    """

    seconds: float
    memory: float


def cost_of(command: list[str]) -> Cost:
    """Runs a process to its end."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise SystemExit(said.read().decode()[-4000:])
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def tune(application: str, tuner: str, trials: int) -> tuple[Cost, float]:
    """A tracked study in a new folder: its cost, and bytes of its journal a trial."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, "-m", "studies.cli", "tune", application, "--tuner", tuner),
            *("--trials", str(trials), "--seed", "0", "--output", folder),
        ]
        cost = cost_of(command)
        journals = [path for path in Path(folder).rglob("*.journal") if path.is_file()]
        return cost, sum(path.stat().st_size for path in journals) / trials


def measure(case: str, trials: int) -> list[str]:
    application, _, tuner = case.partition(":")
    bare = cost_of([sys.executable, "-c", BARE, application, tuner, str(trials)])
    kept, journal = tune(application, tuner, trials)
    return [
        application,
        tuner,
        f"{bare.seconds:.2f}",
        f"{kept.seconds:.2f}",
        f"{kept.seconds / bare.seconds:.2f}",
        f"{kept.memory:.0f}",
        f"{journal:.0f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=CASES, metavar="APPLICATION:TUNER")
    parser.add_argument("--trials", type=int, default=1000)
    chosen = parser.parse_args()
    table = Table("application", "tuner")
    for heading in ("bare s", "tune s", "tune / bare", "tune MB", "journal B a trial"):
        table.add_column(heading, justify="right")
    for case in chosen.cases:
        table.add_row(*measure(case, chosen.trials))
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
