"""Texts of others without what is no text: escape sequences, controls, half characters."""

from __future__ import annotations

import re

__all__ = ["plain"]

# Control sequences of terminals (ECMA-48): CSI, the strings of OSC and its like, two characters.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[\]P^_X]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
# Control characters but for tabs and ends of lines, and those that turn the direction of writing.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")
_MAY_NEED_IT = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def plain(text: str) -> str:
    r"""A text that a terminal shows as it is and that UTF-8 can hold.

    >>> plain("\x1b[31mred\x1b[0m\r\nand \ud800\x00 so on")
    'red\nand \ufffd so on'
    """
    if not _MAY_NEED_IT.search(text):
        return text
    text = _ESCAPES.sub("", text)
    return _SURROGATES.sub("\ufffd", _CONTROLS.sub("", text))
