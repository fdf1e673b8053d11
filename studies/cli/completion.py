"""``mappertune completion``: a script by which a shell completes commands and options."""

from __future__ import annotations

import argparse
import sys

from studies.cli.arguments import full_parser
from studies.cli.console import print_json

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Prints the script.

    Raises:
        MissingPackageError: The package that writes it is not installed.
    """
    try:
        import shtab
    except ImportError:
        from tuners import MissingPackageError

        raise MissingPackageError(
            "completion scripts are written by the package shtab: pip install "
            "'mappertune[completion]'"
        ) from None
    script = shtab.complete(full_parser(), shell=arguments.shell)
    if arguments.json:
        print_json({"shell": arguments.shell, "script": script})
    else:
        sys.stdout.write(script)
    return 0
