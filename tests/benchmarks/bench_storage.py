"""How many trials a second a storage takes from processes that share studies, and what they cost.

``python -m tests.benchmarks.bench_storage`` runs trials of forty parameters that take no time
themselves, by processes that share one study, or have one each, in SQLite, in PostgreSQL, and in
PostgreSQL behind the gRPC proxy; and a journal, which one process has. Of each it tells the trials
a second, and the processor time of a trial: of the process, of the database, and of the proxy.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from studies.stops import stoppable
from tests.studies.postgresql_server import free_port, running
from tests.tools_found import postgresql_programs

WORKER = """
import sys, time
from optuna.samplers import RandomSampler
from studies.storage import StudyStore
name, url, trials = sys.argv[1], sys.argv[2], int(sys.argv[3])
with StudyStore.open_study(name, url) as store:
    store.begin(RandomSampler(seed=0), [])
    print("ready", flush=True)
    sys.stdin.readline()
    begun, count = time.process_time(), 0
    while (trial := store.next_trial(trials)) is not None:
        for number in range(40):
            trial.suggest_categorical(f"p{number}", ("a", "b", "c", "d"))
        store.finish(trial, 1.0)
        store.finished_elsewhere() if url.startswith(("postgresql", "grpc", "sqlite")) else None
        count += 1
    print(count, time.process_time() - begun, flush=True)
"""
SCRIPT = "import sys; from studies.cli import main; sys.exit(main(sys.argv[1:]))"
TICK = os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4])
    arguments = parser.parse_args()
    programs = postgresql_programs()
    if programs is None:
        sys.stderr.write("PostgreSQL is not here\n")
        return 2
    with stoppable(), ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="storage-")))
        server = stack.enter_context(running(programs, "cAnArY/4711+x", {"fsync": "on"}))
        url = server.create("studies")
        proxy, process = stack.enter_context(_proxy(url))
        _print(["storage", "processes", "studies", "trials/s", "ms each", "server ms", "proxy ms"])
        _row("journal", f"{folder}/one.journal", 1, arguments.trials, shared=True)
        for shared in (True, False):
            for count in arguments.processes:
                if count == 1 and not shared:
                    continue
                for name, where, extra in (
                    ("SQLite", f"sqlite:///{folder}/studies.db", None),
                    ("PostgreSQL", url, None),
                    ("gRPC proxy", proxy, process.pid),
                ):
                    _row(
                        name, where, count, arguments.trials, shared=shared,
                        server=None if name == "SQLite" else server.processes, proxy=extra,
                    )  # fmt: skip
    return 0


def _row(name, where, count, trials, *, shared, server=None, proxy=None) -> None:
    studies = ["shared"] * count if shared else [f"own{number}" for number in range(count)]
    mark = f"{name}{count}{shared}"
    each = trials if shared else trials // count
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", WORKER, f"{mark}{study}", where, str(each)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for study in studies
    ]  # fmt: skip
    for process in processes:
        process.stdout.readline()
    before = _seconds_of(server), _seconds_of_one(proxy)
    begun = time.perf_counter()
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    told = [process.stdout.readline().split() for process in processes]
    took = time.perf_counter() - begun
    for process in processes:
        process.communicate()
    done = sum(int(count) for count, _ in told)
    own = 1000 * sum(float(seconds) for _, seconds in told) / done
    database = 1000 * (_seconds_of(server) - before[0]) / done if server else None
    passing = 1000 * (_seconds_of_one(proxy) - before[1]) / done if proxy else None
    costs = ["" if each is None else f"{each:.1f}" for each in (own, database, passing)]
    _print([name, count, 1 if shared else count, f"{done / took:.0f}", *costs])


def _seconds_of(processes) -> float:
    """Processor time of a server's processes, those that have ended among them."""
    return 0.0 if processes is None else sum(_seconds_of_one(pid) for pid in processes())


def _seconds_of_one(pid) -> float:
    if pid is None:
        return 0.0
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(fields[place]) for place in (11, 12, 13, 14)) / TICK


@contextmanager
def _proxy(url: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, "proxy", url, "--port", str(port)]
    )
    try:
        yield f"grpc://localhost:{port}", process
    finally:
        process.terminate()
        process.wait()


def _print(cells) -> None:
    sys.stdout.write("  ".join(f"{cell!s:>10}" for cell in cells) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
