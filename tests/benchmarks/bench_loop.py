"""What ``mappertune tune`` costs beside a bare loop over the same sampler and problem.

Run as ``python -m tests.benchmarks.bench_loop [--trials N] [APPLICATION:TUNER ...]``. The peer is
Optuna's own ``study.optimize`` in memory, over the same sampler and the same objective: nothing is
kept, shown or tracked. Both are whole processes, start-up included; seconds are those of the
processor, for all threads. ``tune`` keeps a journal and writes to MLflow. An empty database of
MLflow's is made once for a user, before the first case.

The two run one after the other. With ``--together`` they share one core at the same time: on a
machine that others use as well, what slows one down slows the other, and the ratio stays.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
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


def cost_of(command: list[str], core: int | None = None) -> Cost:
    """Runs a process to its end, on one core where it is named."""
    pinned = [] if core is None else ["taskset", "--cpu-list", str(core)]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen([*pinned, *command], stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise SystemExit(said.read().decode()[-4000:])
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def bare(application: str, tuner: str, trials: int, core: int | None) -> Cost:
    """The peer's cost."""
    return cost_of([sys.executable, "-c", BARE, application, tuner, str(trials)], core)


def tune(application: str, tuner: str, trials: int, core: int | None) -> tuple[Cost, float]:
    """A tracked study in a new folder: its cost, and bytes of its journal a trial."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, "-m", "studies.cli", "tune", application, "--tuner", tuner),
            *("--trials", str(trials), "--seed", "0", "--output", folder),
        ]
        cost = cost_of(command, core)
        journals = [path for path in Path(folder).rglob("*.journal") if path.is_file()]
        return cost, sum(path.stat().st_size for path in journals) / trials


def measure(case: str, trials: int, *, together: bool) -> list[str]:
    application, _, tuner = case.partition(":")
    core = max(os.sched_getaffinity(0)) if together else None
    wanted = application, tuner, trials, core
    with ThreadPoolExecutor(2 if together else 1) as pool:
        peer, ours = pool.submit(bare, *wanted), pool.submit(tune, *wanted)
        least, (kept, journal) = peer.result(), ours.result()
    return [
        application,
        tuner,
        f"{least.seconds:.2f}",
        f"{kept.seconds:.2f}",
        f"{kept.seconds / least.seconds:.2f}",
        f"{kept.memory:.0f}",
        f"{journal:.0f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=CASES, metavar="APPLICATION:TUNER")
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--together", action="store_true", help="both at once, on one core")
    chosen = parser.parse_args()
    tune("circuit", "random", 1, None)
    table = Table("application", "tuner")
    for heading in ("bare s", "tune s", "tune / bare", "tune MB", "journal B a trial"):
        table.add_column(heading, justify="right")
    for case in chosen.cases:
        table.add_row(*measure(case, chosen.trials, together=chosen.together))
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
