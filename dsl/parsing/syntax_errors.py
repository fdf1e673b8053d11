"""Reads a text by the grammar, and explains why it does not parse.

The parser is fed token by token. Where it cannot go on, the error is explained, and it starts
anew at the next line that begins a statement no deeper than the broken one: what stands between
may be a consequence of the mistake, and is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lark import Token

from dsl.errors import MapperSyntaxError
from dsl.parsing.grammar import tables
from dsl.parsing.hints import ErrorContext, hint_for
from dsl.parsing.lalr import END, Lalr, States
from dsl.parsing.tolerant_lexer import BAD, TokenList, tolerant_tokens
from dsl.parsing.tree_builder import token_position
from dsl.parsing.words import STATEMENT_WORDS, describe_token, in_words, one_of
from dsl.syntax import Position, Statement

__all__ = ["MAX_ERRORS", "read"]

MAX_ERRORS = 10

# A function whose head stands before the text that is parsed again within its body.
_HEAD = ("DEF", "NAME", "LEFT_PARENTHESIS", "RIGHT_PARENTHESIS", "LEFT_BRACE")


def read(text: str, line: int = 0) -> tuple[tuple[Statement, ...], list[MapperSyntaxError]]:
    """The statements from a line on, and their mistakes in their order, at most `MAX_ERRORS`.

    Where there is a mistake there are no statements.
    """
    found, lalr = tolerant_tokens(text, line), tables()
    statements, mistake = _read_from(lalr, found, 0, in_body=False)
    errors: list[MapperSyntaxError] = []
    start = 0
    while mistake is not None:
        at, error = mistake
        errors.append(error)
        again = _resume(found.tokens, at, max(start + 1, at))
        if again is None or len(errors) == MAX_ERRORS:
            break
        start, in_body = again
        _, mistake = _read_from(lalr, found, start, in_body=in_body)
    return () if errors else statements, errors


def _read_from(
    lalr: Lalr, found: TokenList, start: int, *, in_body: bool
) -> tuple[Any, tuple[int, MapperSyntaxError] | None]:
    """What the tokens from ``start`` mean, or the first that cannot be taken and what is wrong."""
    states, values = [*lalr.start], list[Any]()
    for kind in _HEAD if in_body else ():
        lalr.feed(states, kind, values, Token(kind, ""))
    tokens = found.tokens
    for at in range(start, len(tokens)):
        token, before = tokens[at], states[:]
        try:
            if not lalr.feed(states, token.type, values, token):
                return None, (at, _explain(lalr, before, found, at))
        except MapperSyntaxError as error:
            _place(error, found.lines)
            return None, (at, error)
    return values[-1], None


def _explain(lalr: Lalr, states: States, found: TokenList, at: int) -> MapperSyntaxError:
    accepted = lalr.takes(states)
    statement = _statement_start(found.tokens, at)
    context = ErrorContext(found.tokens, at, statement, accepted, found.lines)
    expected = in_words(accepted)
    error = MapperSyntaxError(
        _sentence(context, expected),
        expected=expected,
        code="lex" if context.token.type == BAD else "syntax",
        position=_position(context),
        hint=hint_for(context),
    )
    _place(error, found.lines)
    return error


def _sentence(context: ErrorContext, expected: tuple[str, ...]) -> str:
    token = context.token
    if token.type == BAD:
        return _bad_character(token.value)
    if _lacks_semicolon(context):
        return f"a ';' is missing after {describe_token(context.before())}"
    wanted = one_of(expected)
    if context.at == 0 and token.type == END:
        return "the text has no statement"
    return f"{describe_token(token)} cannot stand here; expected {wanted}"


def _bad_character(found: str) -> str:
    if found.startswith('"'):
        return "a text is not closed on its line"
    shown = found[0] if found[0].isprintable() else f"U+{ord(found[0]):04X}"
    return f"the character {shown} has no meaning in the language"


def _lacks_semicolon(context: ErrorContext) -> bool:
    later = (context.token.line or 0) > (context.before().line or 0)
    closing = context.token.type in (END, "RIGHT_BRACE")
    return context.at > 0 and "SEMICOLON" in context.accepted and (later or closing)


def _position(context: ErrorContext) -> Position:
    if _lacks_semicolon(context):
        before = token_position(context.before())
        end = before.end_column
        return Position(before.end_line, end, before.end_line, end + 1)
    return token_position(context.token)


def _place(error: MapperSyntaxError, lines: list[str]) -> None:
    if error.position is not None:
        error.source_line = lines[error.position.line - 1].rstrip("\r")


# Statements


_BOUNDARIES = ("SEMICOLON", "LEFT_BRACE", "RIGHT_BRACE")


def _statement_start(tokens: list[Token], at: int) -> int:
    """The first token of the statement that a token belongs to."""
    start = at
    while start > 0 and tokens[start - 1].type not in _BOUNDARIES:
        start -= 1
    if start > 0 and tokens[start - 1].type == "LEFT_BRACE" and start == at:
        return at
    return start


def _resume(tokens: list[Token], at: int, earliest: int) -> tuple[int, bool] | None:
    """Where to start anew after a mistake, and whether that is within a function's body."""
    broken = tokens[_statement_start(tokens, at)]
    definition = _definition_before(tokens, at)
    depth = broken.column or 1
    top = definition.column if definition is not None else depth
    for number in _line_starts(tokens, earliest):
        column = tokens[number].column or 1
        if column <= (top or 1) and _begins_statement(tokens, number):
            return number, False
        inside = definition is not None and broken is not definition and column == depth
        if inside and _begins_body_statement(tokens, number):
            return number, True
    return None


def _definition_before(tokens: list[Token], at: int) -> Token | None:
    """The ``def`` of the function that a token stands in."""
    for token in reversed(tokens[:at]):
        if token.type == "RIGHT_BRACE":
            return None
        if token.type == "DEF":
            return token
    return None


def _line_starts(tokens: list[Token], start: int) -> Iterator[int]:
    for number in range(max(1, start), len(tokens)):
        if (tokens[number].line or 0) > (tokens[number - 1].end_line or 0):
            yield number


def _begins_statement(tokens: list[Token], number: int) -> bool:
    return tokens[number].type in STATEMENT_WORDS or _assigns(tokens, number)


def _begins_body_statement(tokens: list[Token], number: int) -> bool:
    return tokens[number].type in ("RETURN", "PRINT") or _assigns(tokens, number)


def _assigns(tokens: list[Token], number: int) -> bool:
    return tokens[number].type == "NAME" and tokens[number + 1].type == "ASSIGN"
