"""Parses a mapper's text into a syntax tree."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from lark import Lark

from dsl.errors import MapperSyntaxError
from dsl.limits import MAX_TEXT
from dsl.parsing.depth import check_depth
from dsl.parsing.syntax_errors import read
from dsl.parsing.tree_builder import TreeBuilder
from dsl.syntax import Program

__all__ = ["grammar_parser", "parse"]


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
    text = text.removeprefix("\ufeff")  # editors of Windows mark UTF-8 by it
    if len(text) > MAX_TEXT:
        raise MapperSyntaxError(
            f"a mapper has at most {MAX_TEXT:,} characters, not {len(text):,}",
            code="too-large",
            filename=filename,
        )
    try:
        check_depth(text)
    except MapperSyntaxError as error:
        raise _first_of([error], filename) from None
    statements, errors = read(grammar_parser(), text)
    if errors:
        raise _first_of(errors, filename)
    return Program(statements, source=text, filename=filename)


def _first_of(errors: list[MapperSyntaxError], filename: str | None) -> MapperSyntaxError:
    """The first error, which holds the others."""
    for error in errors:
        error.filename = filename
    errors[0].others = tuple(errors[1:])
    return errors[0]


@cache
def grammar_parser() -> Lark:
    """Lark's parser of the language, made once."""
    grammar = files("dsl").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", lexer="basic", transformer=TreeBuilder())
