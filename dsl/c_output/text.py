"""Texts of a mapper as they may stand in C: literals, comments, names."""

from __future__ import annotations

import re

__all__ = ["c_comment", "c_string"]

# What a C string cannot hold as it is; a question mark could begin a trigraph.
_SPECIAL = {'"': '\\"', "\\": "\\\\", "?": "\\?"}


def c_string(text: str) -> str:
    r"""A C string literal of the text, in bytes of UTF-8.

    >>> print(c_string('say "{}"?'))
    "say \"{}\"\?"
    """
    return '"' + "".join(_escaped(byte) for byte in text.encode("utf-8", "replace")) + '"'


def _escaped(byte: int) -> str:
    if 32 <= byte < 127:
        return _SPECIAL.get(chr(byte), chr(byte))
    return f"\\{byte:03o}"


def c_comment(text: str, width: int = 92) -> str:
    """A one-line comment that holds the text, as far as it fits and a comment can hold it.

    >>> print(c_comment("a = 1;  /* not the end */"))
    /* a = 1; / * not the end * / */
    """
    line = " ".join(re.sub(r"[^ -~]", " ", text).split())
    line = re.sub(r"/(?=\*)|\*(?=/)|\?(?=\?)", r"\g<0> ", line).replace("\\", " ")
    if len(line) > width:
        line = line[: width - 3] + "..."
    return f"/* {line} */"
