"""Suggests the known name that a mistaken one most likely stands for."""

from __future__ import annotations

import difflib
import heapq
from collections.abc import Iterable

__all__ = ["did_you_mean", "nearest"]

ALIKE = 0.5
MOST_COMPARED = 50


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like ``name``, or None where none is.

    >>> nearest("GPPU", ["CPU", "GPU", "OMP"])
    'GPU'
    """
    by_lower = {each.lower(): each for each in known}
    found = difflib.get_close_matches(
        name.lower(), _comparable(name.lower(), by_lower), n=1, cutoff=ALIKE
    )
    return by_lower[found[0]] if found else None


def _comparable(name: str, known: Iterable[str]) -> list[str]:
    """The names that may be alike by their lengths; of many those with the most common letters."""
    size = len(name)
    found = [each for each in known if 2 * min(size, len(each)) >= ALIKE * (size + len(each))]
    if len(found) <= MOST_COMPARED:
        return found
    letters = set(name)
    return heapq.nlargest(MOST_COMPARED, found, key=lambda each: len(letters.intersection(each)))


def did_you_mean(name: str, known: Iterable[str], limit: int = 8) -> str:
    """A hint: the nearest known name, and the known names, of which ``limit`` are listed.

    >>> did_you_mean("GPPU", ["CPU", "GPU"])
    'did you mean GPU? known are CPU, GPU'
    """
    names = list(known)
    parts = []
    if found := nearest(name, names):
        parts.append(f"did you mean {found}?")
    if names:
        more = f" and {len(names) - limit} more" if len(names) > limit else ""
        parts.append(f"known are {', '.join(names[:limit])}{more}")
    return " ".join(parts)
