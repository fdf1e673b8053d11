"""Describes tokens of the grammar in the words of the language, for messages."""

from __future__ import annotations

from collections.abc import Iterable

from lark import Token

from dsl.machine_shape import MEMORY_KINDS, PROCESSOR_KINDS
from dsl.names import WORDS

__all__ = [
    "LAYOUT_WORDS",
    "MEMBERS",
    "STATEMENT_WORDS",
    "TYPES",
    "describe_token",
    "in_words",
    "is_reserved",
    "one_of",
]

_STATEMENTS = (
    *("TASK", "REGION", "LAYOUT", "INSTANCE_LIMIT", "COLLECT_MEMORY", "INDEX_TASK_MAP"),
    *("SINGLE_TASK_MAP", "CONTROL_REPLICATE", "DEF", "PRINT"),
)
STATEMENT_WORDS = {terminal: WORDS[terminal][0] for terminal in _STATEMENTS}
"""The word that a statement begins with, by terminal."""
LAYOUT_WORDS = (*WORDS["CONSTRAINT"], "No_Align")  # the last is a name to the grammar
MEMBERS = (*WORDS["MEMBER"], "ilower")  # the last is a name to the grammar
TYPES = (*WORDS["TASK"], *WORDS["TYPE"])


def _all(terminals: str) -> frozenset[str]:
    return frozenset(terminals.split())


# What may come next, widest first: a group of which all are acceptable is said in one word.
_GROUPS: tuple[tuple[str, frozenset[str]], ...] = (
    (
        "an expression",
        _all("NAME INTEGER TRUE FALSE PROCESSOR MEMORY LEFT_PARENTHESIS STAR MINUS TUPLE"),
    ),
    ("a statement", frozenset({*STATEMENT_WORDS, "NAME"})),
    ("a statement", _all("RETURN PRINT NAME")),
    (
        "an operator",
        _all(
            "PLUS MINUS STAR SLASH PERCENT EQUAL UNEQUAL LESS AT_MOST MORE AT_LEAST AND OR"
            " QUESTION LEFT_BRACKET DOT"
        ),
    ),
    ("a comparison (==, !=, <, <=, >, >=)", _all("EQUAL UNEQUAL LESS AT_MOST MORE AT_LEAST")),
    ("a layout word", _all("CONSTRAINT ALIGN NAME")),
    (f"a type ({', '.join(TYPES)})", _all("TYPE TASK")),
)
# These are not listed where their group is.
_IMPLIED = {"an operator": _all("LEFT_PARENTHESIS")}
_MARKS = {
    "SEMICOLON": ";",
    "COMMA": ",",
    "ASSIGN": "=",
    "QUESTION": "?",
    "COLON": ":",
    "DOT": ".",
    "LEFT_PARENTHESIS": "(",
    "RIGHT_PARENTHESIS": ")",
    "LEFT_BRACKET": "[",
    "RIGHT_BRACKET": "]",
    "LEFT_BRACE": "{",
    "RIGHT_BRACE": "}",
    "STAR": "*",
    "PLUS": "+",
    "MINUS": "-",
    "SLASH": "/",
    "PERCENT": "%",
    "EQUAL": "==",
    "UNEQUAL": "!=",
    "LESS": "<",
    "AT_MOST": "<=",
    "MORE": ">",
    "AT_LEAST": ">=",
    "AND": "&&",
    "OR": "||",
}
_WORDS = {
    "NAME": "a name",
    "INTEGER": "an integer",
    "STRING": "a text in double quotes",
    "PROCESSOR": f"a processor kind ({', '.join(PROCESSOR_KINDS)})",
    "MEMORY": f"a memory kind ({', '.join(MEMORY_KINDS)})",
    "MEMBER": "a member such as size or split",
    "CONSTRAINT": "a layout word",
    "TYPE": "a type",
    **{terminal: words[0] for terminal, words in WORDS.items() if len(words) == 1},
    "$END": "the end of the text",
    **{name: f"'{mark}'" for name, mark in _MARKS.items()},
}


def in_words(terminals: Iterable[str]) -> tuple[str, ...]:
    """What may come next, in the words of the language.

    >>> in_words({"SEMICOLON", "COMMA"})
    ("','", "';'")
    """
    left = set(terminals)
    words = []
    for word, group in _GROUPS:
        if group <= left and word not in words:
            words.append(word)
            left -= group | _IMPLIED.get(word, frozenset())
    words += [word for name, word in _WORDS.items() if name in left and word not in words]
    return tuple(sorted(words, key=lambda word: (word[0].isalnum(), word)))


def one_of(words: tuple[str, ...]) -> str:
    """Words joined by commas and a last ``or``.

    >>> one_of(("'['", "'*'", "a name"))
    "'[', '*' or a name"
    """
    *others, last = words or ("nothing",)
    return f"{', '.join(others)} or {last}" if others else last


def is_reserved(token: Token) -> bool:
    """Whether a token is a word that cannot be a name."""
    return token.type in WORDS


def describe_token(token: Token) -> str:
    """Describes a token in a message: ``the name x``, ``the end of the text``."""
    if token.type == "$END":
        return "the end of the text"
    if token.type == "STRING":
        return "a text"
    shown = token.value if len(token.value) <= 40 else token.value[:37] + "..."
    if token.type == "NAME":
        return f"the name {shown}"
    if token.type == "INTEGER":
        return f"the integer {shown}"
    return f"the word {shown}" if is_reserved(token) else f"'{shown}'"
