"""``mappertune mcp``: an agent's studies over the Model Context Protocol."""

from __future__ import annotations

import argparse

from studies.cli.console import warn

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Serves until the client goes, or until Ctrl-C.

    Raises:
        MissingPackageError: The package mcp is not installed.
        StorageError: The folder cannot be made.
    """
    from studies.agent.desk import Desk, DeskLimits
    from studies.files import make_folder

    try:
        import mcp  # noqa: F401
    except ImportError:
        from tuners import MissingPackageError

        raise MissingPackageError(
            "the Model Context Protocol is spoken by the package mcp: pip install "
            "'mappertune[agent]'"
        ) from None
    from studies.agent.server import make_server

    make_folder(arguments.output)
    limits = DeskLimits(trials=arguments.trials, evaluations=arguments.evaluations)
    server = make_server(Desk(arguments.output, limits))
    if arguments.port is None:
        server.run("stdio")
    else:
        warn(f"serving at http://127.0.0.1:{arguments.port}/mcp; Ctrl-C ends it")
        server.run("streamable-http", host="127.0.0.1", port=arguments.port)
    return 0
