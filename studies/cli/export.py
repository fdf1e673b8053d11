"""``mappertune export``: a mapper as the C file that a user ships."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from studies.cli.console import fail, print_json, say
from studies.errors import UsageError
from studies.files import ensure_writable, read_text, write_text

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Writes the C file; the exit code is 1 where the mapper does not parse."""
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


def _target(arguments: argparse.Namespace) -> Path | None:
    """Where the C file goes; None for standard output."""
    if arguments.output is not None:
        return Path(arguments.output)
    if arguments.file == "-":
        if arguments.json:
            raise UsageError("--json needs --output where the mapper comes from standard input")
        return None
    return Path(arguments.file).with_suffix(".c")
