from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.tools_found import postgresql_programs

if TYPE_CHECKING:
    from tests.studies.postgresql_server import PostgresqlServer

DATABASES = itertools.count()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """A server with a password that an address must quote."""
    programs = postgresql_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not here")
    if importlib.util.find_spec("psycopg") is None:
        pytest.skip("psycopg is not installed: pip install 'mappertune[distributed]'")
    from tests.studies.postgresql_server import running

    with running(programs, "cAnArY/4711+x") as server:
        yield server


@pytest.fixture
def url(request, tmp_path) -> str:
    """The address of a database that is empty, or does not exist yet: of SQLite by default."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return f"sqlite:///{tmp_path}/studies.db"
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    return server.create(f"studies{next(DATABASES)}")
