"""A comparison on a Dask cluster whose workers are killed at random.

``python -m tests.benchmarks.bench_cluster`` starts PostgreSQL, a scheduler and four workers on
loopback, runs ``mappertune compare --dask --storage`` there, and kills a worker with all that it
has started, by SIGKILL, every few seconds, while others take its place. Then it counts in the
database how often each trial was finished.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from studies.stops import stoppable
from tests.studies.dask_workers import scheduler_in, workers_of
from tests.studies.postgresql_server import free_port, running
from tests.tools_found import postgresql_programs

SCRIPT = "import sys; from studies.cli import main; sys.exit(main(sys.argv[1:]))"
TRIALS = """
SELECT s.study_name, t.number, t.state, count(v.trial_value_id)
FROM studies s JOIN trials t ON t.study_id = s.study_id
LEFT JOIN trial_values v ON v.trial_id = t.trial_id
GROUP BY s.study_name, t.number, t.state
"""


def main() -> int:
    """Runs it, prints what came of it, and returns 1 where a trial is lost or there twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--application", default="stencil")
    parser.add_argument("--tuners", default="random,tpe")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--trials", type=int, default=500, help="of a study")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--every", type=float, default=4.0, help="mean seconds between two kills")
    parser.add_argument("--proxy", action="store_true", help="behind Optuna's gRPC proxy")
    parser.add_argument("--seed", type=int, default=0, help="of who is killed when")
    arguments = parser.parse_args()
    programs = postgresql_programs()
    if programs is None:
        sys.stderr.write("PostgreSQL is not here\n")
        return 2
    with stoppable(), ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cluster-")))
        server = stack.enter_context(running(programs, "cAnArY/4711+x"))
        url = server.create("studies")
        scheduler, _ = stack.enter_context(scheduler_in(folder))
        workers = stack.enter_context(workers_of(scheduler, folder, arguments.workers))
        storage = stack.enter_context(_proxy(url)) if arguments.proxy else url
        begun = time.monotonic()
        command = [
            "compare", arguments.application, "--no-mlflow", "--output", folder / "runs",
            "--tuners", arguments.tuners, "--seeds", arguments.seeds,
            "--trials", arguments.trials, "--dask", scheduler, "--storage", storage,
        ]  # fmt: skip
        comparison = subprocess.Popen([sys.executable, "-c", SCRIPT, *map(str, command)])
        kills, dice = 0, random.Random(arguments.seed)
        while comparison.poll() is None:
            time.sleep(dice.expovariate(1 / arguments.every))
            if comparison.poll() is None:
                workers.kill(dice.choice(workers.processes))
                workers.start()
                kills += 1
        seconds = time.monotonic() - begun
        return _report(server.url("studies"), arguments, kills, seconds, comparison.returncode)


@contextmanager
def _proxy(url: str) -> Iterator[str]:
    """The address of a proxy of a database."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, "proxy", url, "--port", str(port)]
    )
    try:
        yield f"grpc://localhost:{port}"
    finally:
        process.terminate()
        process.wait()


def _report(url: str, arguments: argparse.Namespace, kills: int, seconds: float, code: int) -> int:
    import psycopg  # an extra, as PostgreSQL is

    with psycopg.connect(url) as connection:
        rows = connection.execute(TRIALS).fetchall()
    studies = len(arguments.tuners.split(",")) * arguments.seeds
    found: dict[str, list[int]] = {}
    for name, number, _, _ in rows:
        found.setdefault(name, []).append(number)
    whole = len(found) == studies and all(
        sorted(numbers) == list(range(arguments.trials)) for numbers in found.values()
    )
    states = Counter(state for _, _, state, _ in rows)
    once = all(values == 1 for _, _, _, values in rows)
    good = whole and once and set(states) == {"COMPLETE"} and code == 0
    sys.stdout.write(
        f"\n{len(found)} studies, {len(rows)} trials in {seconds:.0f} s, exit code {code}\n"
        f"workers killed   {kills}\n"
        f"states           {dict(states)}\n"
        f"each number once {whole}\n"
        f"one value each   {once}\n"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
