"""Whole numbers on the command line."""

from __future__ import annotations

import argparse
import math
import re

__all__ = [
    "SHOWN",
    "count",
    "duration",
    "positive",
    "seconds",
    "seed",
    "share",
    "size",
    "temperature",
    "whole",
]

MOST = 10**12
"""The largest whole number of an option."""
LONGEST = 10_000_000
"""Seconds of a time limit: about four months; clocks do not take just any number."""
_AMOUNT = r"(?:([0-9]+(?:[.][0-9]*)?) ?(?:{}) ?)?"
_DURATION = re.compile("".join(map(_AMOUNT.format, ("d", "h", "m|min", "s|"))))
HOTTEST = 100
SHOWN = 40
"""Characters of a wrong value that a message shows."""


def count(text: str) -> int:
    """A whole number from 0 on."""
    return whole(text, 0)


def positive(text: str) -> int:
    """A whole number from 1 on."""
    return whole(text, 1)


def whole(text: str, least: int, most: int = MOST) -> int:
    """A whole number from one number to another."""
    # Python refuses to read thousands of digits.
    digits = text if text.isascii() and text.isdecimal() and len(text) <= SHOWN else ""
    if digits and least <= int(digits) <= most:
        return int(digits)
    upto = f"to {most:,}" if digits or text.isdecimal() else "on"
    raise argparse.ArgumentTypeError(f"{_shown(text)} is not a whole number from {least} {upto}")


def seed(text: str) -> int:
    """A seed, as the generators of random numbers take it."""
    return whole(text, 0, 2**32 - 1)


def seconds(text: str) -> float:
    """A time limit in seconds."""
    found = _number(text)
    if not 0 < found <= LONGEST:
        raise argparse.ArgumentTypeError(
            f"{_shown(text)} is not a number of seconds above 0, and at most {LONGEST:,}"
        )
    return found


def size(text: str) -> int:
    """A number of bytes, such as ``500000``, ``1M`` or ``1.5G``."""
    prefix = text[-1:].upper()
    scale = {"K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}.get(prefix, 1)
    found = _number(text[:-1] if scale > 1 else text) * scale
    if not 1 <= found <= MOST:
        raise argparse.ArgumentTypeError(
            f"{_shown(text)} is not a number of bytes, such as 500000, 1M or 4G"
        )
    return int(found)


def duration(text: str) -> float:
    """A time as people write it, in seconds.

    >>> duration("2h"), duration("1h30m"), duration("90"), duration("1.5 min")
    (7200.0, 5400.0, 90.0, 90.0)
    """
    parts = _DURATION.fullmatch(text.strip().lower()) if len(text) <= SHOWN else None
    amounts = [] if parts is None else [float(each) if each else 0.0 for each in parts.groups()]
    found = sum(each * unit for each, unit in zip(amounts, (86400, 3600, 60, 1), strict=False))
    if not 0 < found <= LONGEST:
        raise argparse.ArgumentTypeError(
            f"{_shown(text)} is no time, such as 2h, 1h30m or 90s, and at most {LONGEST:,} s"
        )
    return found


def share(text: str) -> float:
    """A share above 0 and up to 1."""
    found = _number(text)
    if not 0 < found <= 1:
        raise argparse.ArgumentTypeError(f"{_shown(text)} is not a share above 0 and up to 1")
    return found


def temperature(text: str) -> float:
    """A temperature of sampling."""
    found = _number(text)
    if not 0 <= found <= HOTTEST:
        raise argparse.ArgumentTypeError(f"{_shown(text)} is not a number from 0 to {HOTTEST}")
    return found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _shown(text: str) -> str:
    return repr(text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}...")
