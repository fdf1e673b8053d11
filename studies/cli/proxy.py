"""``mappertune proxy``: a database for many processes, behind Optuna's gRPC proxy."""

from __future__ import annotations

import argparse

from studies.cli.console import warn
from tuners.redaction import redacted_url

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Passes the database on until a signal ends it."""
    import optuna

    from studies.storage import serve_database

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url, host, port = arguments.database, arguments.host, arguments.port
    serve_database(
        url,
        host,
        port,
        threads=arguments.threads,
        ready=lambda: warn(
            f"{redacted_url(url)} is at --storage grpc://{host}:{port}, without a password: "
            "whoever reaches this port may change the studies; Ctrl-C ends it"
        ),
    )
    return 0
