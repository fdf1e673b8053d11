"""``mappertune export``: a mapper as the C file that a user ships; studies for Optuna's tools."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from studies.cli.console import fail, print_json, say
from studies.errors import UsageError
from studies.files import ensure_writable, read_text, write_text

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Writes the C file, or copies the studies; the exit code is 1 where a mapper does not parse.

    Raises:
        UsageError: Studies are to be copied nowhere, or an option is of the other of the two.
    """
    place = Path(arguments.file)
    if arguments.storage is not None or place.is_dir() or place.suffix == ".journal":
        return _export_studies(place, arguments)
    import dsl

    ensure_writable(arguments.output)
    text = read_text(arguments.file)
    try:
        program = dsl.parse(text, filename=arguments.file)
    except dsl.MapperSyntaxError as error:
        return fail(str(error), 1, kind=type(error).__name__, as_json=arguments.json)
    name = None if arguments.file == "-" else Path(arguments.file).name
    source = dsl.emit_c(program, name=name)
    target = _target(arguments)
    if target is None:
        sys.stdout.write(source)
        return 0
    write_text(target, source)
    if arguments.json:
        print_json({"file": arguments.file, "output": str(target), "bytes": len(source)})
    else:
        say(f"{target}: {len(source.splitlines())} lines of C; needs nothing but a C compiler")
    return 0


def _export_studies(place: Path, arguments: argparse.Namespace) -> int:
    if arguments.storage is None:
        raise UsageError(
            f"{place} holds studies: say by --storage into which database, such as "
            "sqlite:///studies.db"
        )
    if arguments.output is not None:
        raise UsageError("--output is where a mapper's C file goes; studies go to --storage")
    if not place.exists():
        raise UsageError(f"there is no folder and no journal {place}")
    import optuna

    from studies.optuna_export import export_studies
    from tuners.redaction import redacted_url

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    shown = redacted_url(arguments.storage)
    studies = []
    for each in export_studies(place, arguments.storage):
        studies.append(each)
        if not arguments.json:
            say(f"{each.name}: {each.trials} trials, {each.added} of them new in {shown}")
    if arguments.json:
        print_json({"storage": shown, "studies": [asdict(each) for each in studies]})
    else:
        say(f"optuna-dashboard {shown} shows them")
    return 0


def _target(arguments: argparse.Namespace) -> Path | None:
    """Where the C file goes; None for standard output."""
    if arguments.output is not None:
        return Path(arguments.output)
    if arguments.file == "-":
        if arguments.json:
            raise UsageError("--json needs --output where the mapper comes from standard input")
        return None
    return Path(arguments.file).with_suffix(".c")
