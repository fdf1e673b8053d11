"""A lexer for texts with errors: characters that have no meaning become tokens too."""

from __future__ import annotations

import re
from typing import NamedTuple

from lark import Token, UnexpectedCharacters

from dsl.parsing.grammar import lexer

__all__ = ["BAD", "TokenList", "tolerant_tokens"]

BAD = "BAD"

# Comments and closed strings are skipped; what the last group catches means nothing (section 1).
_SCAN = re.compile(
    r"(?:#|//)[^\n]*"
    r'|"[^"\n]*"'
    r"|&&|\|\||!="
    r"|[A-Za-z0-9_ \t\r\x07\n+\-*/%=,;?:<>(){}.\[\]]"
    r'|(?P<bad>"[^\n]*|[^\x00-\x7F]+|.)',
    re.DOTALL,
)


class TokenList(NamedTuple):
    """The tokens of a text, among them those of type `BAD`, and one of type ``$END``."""

    tokens: list[Token]
    lines: list[str]


def tolerant_tokens(text: str, line: int = 0) -> TokenList:
    """All tokens of a text from a line on, in order; lines are counted from 0 here."""
    lines = text.split("\n")
    if line:
        text = "\n" * line + "\n".join(lines[line:])
    try:
        tokens = list(lexer().lex(text))
    except UnexpectedCharacters:
        tokens = _all_tokens(text)
    tokens.append(_end(tokens, lines))
    return TokenList(tokens, lines)


def _all_tokens(text: str) -> list[Token]:
    """The tokens of a text in which some characters mean nothing."""
    bad = [match for match in _SCAN.finditer(text) if match.lastgroup]
    pieces, at = [], 0
    for match in bad:
        pieces += [text[at : match.start()], " " * (match.end() - match.start())]
        at = match.end()
    tokens = list(lexer().lex("".join([*pieces, text[at:]])))
    tokens += _bad_tokens(text, bad)
    tokens.sort(key=lambda token: token.start_pos or 0)
    return tokens


def _bad_tokens(text: str, bad: list[re.Match[str]]) -> list[Token]:
    found = []
    line, line_start, at = 1, 0, 0
    for match in bad:
        line += text.count("\n", at, match.start())
        line_start = text.rfind("\n", 0, match.start()) + 1
        at = match.start()
        column = at - line_start + 1
        end = column + match.end() - at
        found.append(Token(BAD, match.group(), at, line, column, line, end, match.end()))
    return found


def _end(tokens: list[Token], lines: list[str]) -> Token:
    """The end of the text stands after the last token."""
    if not tokens:
        return Token("$END", "", 0, len(lines), 1, len(lines), 1, 0)
    last = tokens[-1]
    place = (last.end_pos, last.end_line, last.end_column, last.end_line, last.end_column)
    return Token("$END", "", *place, last.end_pos)
