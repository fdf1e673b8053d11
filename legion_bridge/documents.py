"""Reading JSON and TOML that anybody may have written: bounded, and one sentence where it fails.

The decoders of Python's library end in a traceback on nesting that is too deep and on numbers of
more than 4,300 digits, and TOML's takes gigabytes for a key of many parts.
"""

from __future__ import annotations

import json
import re
import tomllib
from itertools import groupby
from typing import Any

from dsl.plain_text import plain

__all__ = ["DocumentError", "read_json", "read_toml"]

MOST_TOML = 250_000
"""Characters of a TOML document: machine files have about twelve thousand."""
MOST_KEYS = 16
"""Parts of a dotted key in TOML."""

# What an escape in a text can bring in that the document itself does not hold.
_ESCAPED = re.compile(r"\\[bfruUxe]")
_SHOWN = 60  # characters of a text

TOO_DEEP = "this is nested too deeply"
_WORD = re.compile(r"[\w-]++|\"[^\"\n]*+\"|'[^'\n]*+'|\.|[^\S\n]++|#[^\n]*+|.|\n")


class DocumentError(ValueError):
    """A text is no document of its format.

    Attributes:
        sentence: Why, to be said after its name.
        line: The line of the mistake, from 1; None where that is not known.
        column: The column likewise.
    """

    def __init__(self, sentence: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.line = line
        self.column = column


def read_json(text: str) -> Any:
    """The value of a JSON document.

    Raises:
        DocumentError: It is none, is nested too deeply, or holds a number of thousands of digits
            or a text that cannot be printed.

    >>> read_json("[" * 100_000)
    Traceback (most recent call last):
    legion_bridge.documents.DocumentError: this is nested too deeply
    """
    try:
        return _printable(json.loads(text.removeprefix("\ufeff")), text)
    except DocumentError:
        raise
    except json.JSONDecodeError as error:
        said = f"this is not JSON ({error.msg})"
        raise DocumentError(said, error.lineno, error.colno) from None
    except RecursionError:
        raise DocumentError(TOO_DEEP) from None
    except ValueError:
        raise DocumentError("a number in it has thousands of digits") from None


def read_toml(text: str) -> dict[str, Any]:
    """The table of a TOML document.

    Raises:
        DocumentError: It is none, is too long or nested too deeply, or holds a number of
            thousands of digits or a text that cannot be printed.
    """
    if len(text) > MOST_TOML:
        raise DocumentError(f"it has {len(text):,} characters, and at most {MOST_TOML:,} are read")
    if (line := _line_of_long_key(text)) is not None:
        raise DocumentError(f"a key in line {line} has more than {MOST_KEYS} parts", line)
    try:
        found: dict[str, Any] = _printable(tomllib.loads(text.removeprefix("\ufeff")), text)
    except DocumentError:
        raise
    except tomllib.TOMLDecodeError as error:
        raise DocumentError(f"not TOML: {error}") from None
    except RecursionError:
        raise DocumentError(TOO_DEEP) from None
    except ValueError:
        raise DocumentError("a number in it has thousands of digits") from None
    return found


def _printable(document: Any, text: str) -> Any:
    """The value of a document, unless a text in it would not be shown as it is.

    Names go into messages, prompts and files: what a terminal obeys, and halves of characters,
    which no file can hold, are refused where they enter.
    """
    if not _ESCAPED.search(text) and plain(text) == text.replace("\r", ""):
        return document
    pending = [document]
    while pending:
        each = pending.pop()
        if isinstance(each, dict):
            pending += [*each, *each.values()]
        elif isinstance(each, list):
            pending += each
        elif isinstance(each, str) and (said := each.replace("\r\n", "\n")) != plain(said):
            wrong = next(c for c in said if plain(c) != c)
            raise DocumentError(
                f"the text {each[:_SHOWN]!a} holds a character that cannot be printed, "
                f"U+{ord(wrong):04X}: take it out"
            )
    return document


def _line_of_long_key(text: str) -> int | None:
    """The line where names are joined by too many dots."""
    line = 1
    words = (word for word in _WORD.findall(text) if word.strip(" \t\r") and word[0] != "#")
    for dotted, group in groupby(words, _may_be_of_key):
        found = list(group)
        if dotted and found.count(".") >= MOST_KEYS:
            return line
        line += found.count("\n")
    return None


def _may_be_of_key(word: str) -> bool:
    return word[0].isalnum() or word[0] in ".\"'_-"
