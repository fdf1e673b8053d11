"""What the command line prints: lines, tables and JSON."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from typing import Any

__all__ = ["columns", "print_json", "quantity", "safe", "say", "table", "warn"]


def say(line: str = "") -> None:
    """A line on standard output."""
    sys.stdout.write(_plain(line) + "\n")


def warn(line: str) -> None:
    """A line on standard error."""
    sys.stderr.write(f"mappertune: {safe(line)}\n")


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
    # A pipe has no width: a table in a file is never folded.
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 160).print(view)
