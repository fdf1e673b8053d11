"""Dask's scheduler and workers as processes of the tests' own, on loopback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECONDS = 60.0
COMMON = ["--no-dashboard", "--protocol", "tcp"]


class DaskWorkers:
    """Workers of a scheduler, each in a session of its own with the processes that it starts.

    Args:
        scheduler: Its address, or its file.
        folder: Where they keep what they need.
    """

    def __init__(self, scheduler: str | Path, folder: Path) -> None:
        where = [scheduler]
        if isinstance(scheduler, Path):
            where = ["--scheduler-file", str(scheduler)]
        self._command = ["worker", *where, *COMMON, "--host", "127.0.0.1", "--no-nanny"]
        self._command += ["--local-directory", str(folder), "--death-timeout", "60"]
        self._folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, threads: int = 1) -> subprocess.Popen[bytes]:
        """Starts one more."""
        process = _started([*self._command, "--nthreads", str(threads)], self._folder / "workers")
        self.processes.append(process)
        return process

    def kill(self, process: subprocess.Popen[bytes], number: int = signal.SIGKILL) -> None:
        """Kills a worker with all that it has started, as where its machine is lost."""
        os.killpg(process.pid, number)
        process.wait(SECONDS)
        self.processes.remove(process)

    def end(self) -> None:
        """Kills all of them."""
        for process in list(self.processes):
            self.kill(process)


@contextmanager
def workers_of(scheduler: str | Path, folder: Path, count: int) -> Iterator[DaskWorkers]:
    """Some workers of a scheduler, until they are needed no more."""
    workers = DaskWorkers(scheduler, folder)
    try:
        for _ in range(count):
            workers.start()
        yield workers
    finally:
        workers.end()


@contextmanager
def scheduler_in(folder: Path) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """A scheduler: the file that tells where it is, and its process."""
    file = folder / "scheduler.json"
    where = ["--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file)]
    process = _started(["scheduler", *COMMON, *where], folder / "scheduler.log")
    try:
        deadline = time.monotonic() + SECONDS
        while not (file.exists() and file.stat().st_size):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((folder / "scheduler.log").read_text())
            time.sleep(0.05)
        yield file, process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(SECONDS)


def _started(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "dask", *command],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
