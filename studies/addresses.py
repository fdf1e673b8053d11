"""Addresses of storages and servers, what looks like one, and passwords that would name a file."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from studies.errors import UsageError
from tuners.redaction import redacted_url, secrets_in

__all__ = [
    "PROXY",
    "database_file",
    "proxy_address",
    "refuse_misspelt",
    "refuse_secret_name",
    "refuse_secrets_of_file",
]

PROXY = "grpc://"  # of a storage that `mappertune proxy` passes on

# Schemes whose addresses name a file here, which has no password.
_FILES = ("sqlite", "file")


def database_file(uri: str) -> Path | None:
    """The file of a SQLite database; None for servers, and other databases.

    >>> database_file("sqlite:////tmp/mlflow.db"), database_file("http://localhost:5000")
    (PosixPath('/tmp/mlflow.db'), None)
    """
    if not uri.startswith("sqlite:"):
        return None
    from sqlalchemy.engine import make_url  # noqa: PLC0415  (help answers without)
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415  (likewise)

    try:
        name = make_url(uri).database
    except ArgumentError:
        return None
    return Path(name) if name and name != ":memory:" and not name.startswith("file:") else None


def proxy_address(url: str) -> tuple[str, int]:
    """Host and port of a gRPC proxy.

    Raises:
        UsageError: The address has another form.

    >>> proxy_address("grpc://login1:13000")
    ('login1', 13000)
    """
    match = re.fullmatch(rf"{PROXY}([\w.-]+|\[[0-9a-fA-F:]+\]):(\d{{1,5}})/?", url)
    if match is None:
        raise UsageError(
            f"{redacted_url(url)!r} is no address of a gRPC proxy, which is grpc://HOST:PORT"
        )
    return match[1], int(match[2])


def refuse_misspelt(location: str, what: str, otherwise: str) -> None:
    """Refuses an address without its marks, whose password would become the name of a folder.

    Raises:
        UsageError: It is one.
    """
    if "://" not in location and _name_holds_secret(location):
        raise UsageError(
            f"{redacted_url(location)!r} is no address of {what}: one begins with a word and "
            f"://, such as postgresql://; else it is {otherwise}"
        )


def refuse_secrets_of_file(url: str) -> None:
    """Refuses an address of a file here that holds a password, which would be part of its name.

    Raises:
        UsageError: It does.
    """
    scheme, mark, rest = url.partition(":")
    if not mark or scheme.partition("+")[0] not in _FILES:
        return
    path = unquote(rest).removeprefix("//")
    if scheme != "file":  # of SQLite, whose relative paths stand behind a third slash
        path = path.removeprefix("/").removeprefix("file:")
    if _name_holds_secret(path):
        raise UsageError(
            f"{redacted_url(url)!r} is a file, which takes no password, and would have it in its "
            "name: leave it out of the address"
        )


def refuse_secret_name(path: Path | str) -> None:
    """Refuses a new file or folder whose name would hold a password.

    Raises:
        UsageError: It would.
    """
    if _name_holds_secret(str(path)):
        raise UsageError(
            f"{redacted_url(str(path))!r} would have a password in its name: name a file or a "
            "folder of this machine"
        )


def _name_holds_secret(path: str) -> bool:
    """Whether what a path adds to the folders that exist looks like a password's address."""
    if not any(mark in path for mark in "@=:"):
        return False
    file, mark, query = path.partition("?")
    new = Path(file)
    try:
        above = next((folder for folder in new.parents if folder.exists()), Path())
        if Path(path).exists():
            return False
    except (OSError, ValueError):  # a name that no file can have
        above = Path()
    added = new.relative_to(above) if new.is_relative_to(above) else new
    return bool(secrets_in(f"{added}{mark}{query}"))
