"""What the command line prints: lines, tables and JSON."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from typing import Any

from studies.sentences import first_sentence

__all__ = [
    "columns",
    "fail",
    "first_sentence",
    "is_quiet",
    "is_verbose",
    "print_json",
    "quantity",
    "safe",
    "say",
    "set_loudness",
    "table",
    "warn",
]

# A pipe has no width of its own.
PIPE_WIDTH = 1000


def say(line: str = "") -> None:
    """A line on standard output."""
    sys.stdout.write(_plain(line) + "\n")


class _Loudness:
    """How much is said on standard error beside errors; the command line sets it once."""

    quiet = False
    verbose = False


def set_loudness(*, quiet: bool = False, verbose: bool = False) -> None:
    """Says less or more on standard error from now on."""
    _Loudness.quiet, _Loudness.verbose = quiet, verbose


def is_quiet() -> bool:
    """Whether nothing but results and errors is wanted."""
    return _Loudness.quiet


def is_verbose() -> bool:
    """Whether each step is to be told."""
    return _Loudness.verbose


def warn(line: str) -> None:
    """A line on standard error, unless nothing but errors is wanted there."""
    if not _Loudness.quiet:
        sys.stderr.write(f"mappertune: {safe(line)}\n")


def fail(message: str, code: int, *, kind: str, as_json: bool) -> int:
    """Tells an error, and returns the exit code; as JSON on standard output as well.

    Args:
        message: What is wrong, in a sentence.
        code: The exit code.
        kind: The class of the error, for programs.
        as_json: Whether ``--json`` was given.
    """
    message = safe(message)
    sys.stderr.write(f"mappertune: {message}\n")
    if as_json:
        print_json({"error": {"kind": kind, "message": message, "exit_code": code}})
    return code


def safe(message: str) -> str:
    """A message without secrets, and without what a terminal would obey."""
    message = _plain(message)
    if not any(mark in message for mark in "@=:"):  # what secrets stand behind
        return message
    from tuners.redaction import process_redactor

    return process_redactor().message(message)


def _plain(text: str) -> str:
    """A text without what a terminal would obey, and whatever else cannot be printed."""
    if text.replace("\n", "").isprintable():
        return text
    from dsl.plain_text import plain

    return plain(text)


def print_json(value: Any) -> None:
    """A JSON document on standard output; numbers that JSON lacks become null."""
    json.dump(_finite(value), sys.stdout, indent=2)
    sys.stdout.write("\n")


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def quantity(value: float, unit: str = "") -> str:
    """A number with four digits, and a prefix where it is large.

    >>> quantity(1.2345e10, "points/s"), quantity(0.5, "s")
    ('12.35 Gpoints/s', '0.5 s')
    """
    from dsl import units

    return units.quantity(value, unit, digits=4)


def columns(rows: Sequence[tuple[str, str]], indent: str = "  ") -> None:
    """Names and what they are, in two columns."""
    width = max((len(name) for name, _ in rows), default=0)
    for name, text in rows:
        say(f"{indent}{name:<{width}}  {text}".rstrip())


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, words: int = 1) -> None:
    """A table whose first columns are words and whose others are numbers."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    view = Table(*headings[:words], box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    for heading in headings[words:]:
        view.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        view.add_row(*row)
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else PIPE_WIDTH).print(view)
