"""Parses a mapper's text into a syntax tree."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

from dsl.bounded_cache import BoundedCache
from dsl.errors import MapperSyntaxError
from dsl.limits import MAX_TEXT
from dsl.parsing.depth import check_depth
from dsl.parsing.syntax_errors import read
from dsl.syntax import Program, Statement

__all__ = ["is_known_to_fail", "parse", "parse_from"]

# Whoever checks, explains and mends a text asks several times what is wrong with it.
_mistakes = BoundedCache[str, Sequence[MapperSyntaxError]](32)
LONGEST_KEPT = 100_000


def parse(text: str, *, filename: str | None = None) -> Program:
    """Reads the text of a mapper.

    Args:
        text: The mapper, at most a million characters.
        filename: The file that it came from, for messages.

    Returns:
        Its syntax tree, in which every node knows its position.

    Raises:
        MapperSyntaxError: The text is not a mapper. The error names the first mistake; those in
            later statements are in its ``others``.

    >>> parse("Task * GPU, CPU;").statements[0].kinds
    ('GPU', 'CPU')
    """
    return parse_from(text, 0, filename=filename)


def parse_from(text: str, line: int, *, filename: str | None = None) -> Program:
    """As ``parse``, sooner where there is a mistake.

    Args:
        text: The mapper.
        line: From 0; the lines before it are known to be whole statements.
        filename: The file that it came from, for messages.

    Raises:
        MapperSyntaxError: The text is not a mapper.
    """
    text = text.removeprefix("\ufeff")  # editors of Windows mark UTF-8 by it
    if len(text) > MAX_TEXT:
        raise MapperSyntaxError(
            f"a mapper has at most {MAX_TEXT:,} characters, not {len(text):,}",
            code="too-large",
            filename=filename,
        )
    known = _mistakes.get(text)
    statements, errors = ((), known) if known else _read(text, line)
    if errors:
        if len(text) <= LONGEST_KEPT:
            _mistakes.keep(text, errors)
        raise _first_of(errors, filename)
    return Program(statements, source=text, filename=filename)


def is_known_to_fail(text: str) -> bool:
    """Whether a text was found to be no mapper not long ago."""
    return _mistakes.get(text) is not None


def _read(text: str, line: int) -> tuple[tuple[Statement, ...], Sequence[MapperSyntaxError]]:
    try:
        check_depth(text)
    except MapperSyntaxError as error:
        return (), [error]
    if line:
        errors = read(text, line)[1]
        if errors:
            return (), errors
    return read(text)


def _first_of(errors: Sequence[MapperSyntaxError], filename: str | None) -> MapperSyntaxError:
    """The first error, which holds the others; those that are kept are nobody's to change."""
    first, *others = map(copy, errors)
    for error in (first, *others):
        error.filename = filename
    first.others = tuple(others)
    return first
