"""The beginnings of long messages."""

from __future__ import annotations

__all__ = ["first_line", "first_sentence"]


def first_line(text: str) -> str:
    r"""The first line of a message.

    >>> first_line("\nit stopped. Twice.\nat the end")
    'it stopped. Twice.'
    """
    return text.strip().split("\n", 1)[0]


def first_sentence(text: str) -> str:
    """What a long message begins with.

    >>> first_sentence("no room in FBMEM. This means that the working set ...")
    'no room in FBMEM.'
    """
    sentence, dot, _ = first_line(text).partition(". ")
    return sentence + dot.strip()
