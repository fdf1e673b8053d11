"""A PostgreSQL server of the tests' own, on loopback, for as long as they need it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg

# PostgreSQL refuses to run as root: it gets the first of these users then, whom each system has.
USERS = ("postgres", "nobody")
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",  # nothing has to last
    "max_connections": "40",
}
SECONDS = 60.0


@dataclass(frozen=True)
class PostgresqlServer:
    """A server that runs.

    Attributes:
        port: On loopback.
        user: Who may do everything.
        password: Of that user.
        pid: Of its first process, which starts the others.
    """

    port: int
    user: str
    password: str
    pid: int

    def processes(self) -> list[int]:
        """All its processes; what those took that have ended, the first one tells."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [self.pid, *map(int, children.read_text().split())]

    def url(self, database: str) -> str:
        """The address of a database, as SQLAlchemy takes it."""
        login = f"{self.user}:{quote(self.password, safe='')}"
        return f"postgresql://{login}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str) -> str:
        """Makes an empty database, and returns its address."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{database}"'.encode())
        return self.url(database)


@contextmanager
def running(
    programs: Path, password: str, changed: Mapping[str, str] | None = None
) -> Iterator[PostgresqlServer]:
    """Runs a server with empty databases.

    Args:
        programs: The folder of its programs.
        password: The one that it asks for.
        changed: Settings that differ from those of tests.
    """
    folder = Path(tempfile.mkdtemp(prefix="mappertune-postgresql-"))
    as_user = _somebody(folder)
    try:
        secret = folder / "password"
        secret.write_text(password)
        secret.chmod(0o644)  # in a folder that is its own
        subprocess.run(
            [programs / "initdb", "-D", folder / "data", "-U", "tests", "--no-sync",
             "--encoding=UTF8", "--locale=C", "--auth=scram-sha-256", f"--pwfile={secret}"],
            check=True, capture_output=True, cwd=folder, **as_user,
        )  # fmt: skip
        port = free_port()
        values = {**SETTINGS, **(changed or {}), "port": port}
        settings = [f"--{name}={value}" for name, value in values.items()]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [programs / "postgres", "-D", folder / "data", *settings],
                stdout=log, stderr=log, cwd=folder, **as_user,
            )  # fmt: skip
        try:
            server = PostgresqlServer(port, "tests", password, process.pid)
            _wait_for(server, process, folder / "log")
            yield server
        finally:
            process.send_signal(2)  # without waiting for clients
            process.wait(SECONDS)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _somebody(folder: Path) -> dict[str, str]:
    """Who runs the server, as `subprocess` takes it; the folder becomes theirs."""
    if os.geteuid() != 0:
        return {}
    for user in USERS:
        try:
            shutil.chown(folder, user)
        except LookupError:
            continue
        return {"user": user}
    raise RuntimeError(f"there is no user {' or '.join(USERS)} who could run PostgreSQL")


def free_port() -> int:
    """A port of loopback that nobody has."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_for(server: PostgresqlServer, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            psycopg.connect(server.url("postgres")).close()
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not run: {log.read_text()}") from None
            time.sleep(0.05)
        else:
            return
