"""Whether two runs of a program printed the same, order and noise apart."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Difference", "difference", "lines_of"]

_LOGGED = re.compile(r"^\[\d+ - [0-9a-f]+\]\s+\d+\.\d+ \{\d\}\{[^}]*\}: ?", re.MULTILINE)
# What Realm says of a loaded machine, now and then.
_NOW_AND_THEN = re.compile(r"^.*tsc calibration failed.*$", re.MULTILINE)
_POINTER = re.compile(r"\b0x[0-9a-f]+\b")
_LONGEST = 160  # characters of a line that are kept


@dataclass(frozen=True)
class Difference:
    """What one output has and the other has not.

    Attributes:
        missing: Lines of the first only.
        further: Lines of the second only.
    """

    missing: tuple[str, ...]
    further: tuple[str, ...]

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.missing or self.further)

    def __str__(self) -> str:
        """The first line of either side."""
        told = [f"without {line!r}" for line in self.missing[:1]]
        told += [f"with {line!r}" for line in self.further[:1]]
        return ", ".join(told)


def lines_of(output: str, ignore: Sequence[str]) -> Counter[str]:
    """The lines of an output, how often each.

    Tasks print in the order in which they run, which no mapper promises, so order is left out;
    as are the heads of Legion's log lines, pointers, and what the table says to ignore.

    >>> lines_of("[0 - 7f12]    0.18 {3}{app}: at 0xaf12\\nin 3 s\\n", ["in .* s"])
    Counter({'at 0x': 1})
    """
    text = _POINTER.sub("0x", _LOGGED.sub("", _NOW_AND_THEN.sub("", output)))
    for pattern in ignore:
        text = re.sub(pattern, "", text, flags=re.MULTILINE)
    return Counter(line.strip() for line in text.splitlines() if line.strip())


def difference(first: Counter[str], second: Counter[str]) -> Difference:
    """What two outputs do not share.

    >>> str(difference(Counter(["a", "b"]), Counter(["b", "c"])))
    "without 'a', with 'c'"
    """
    return Difference(_sides(first, second), _sides(second, first))


def _sides(first: Counter[str], second: Counter[str]) -> tuple[str, ...]:
    return tuple(line[:_LONGEST] for line in (first - second).elements())
