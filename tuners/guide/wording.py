"""Numbers and lists as people say them."""

from __future__ import annotations

from collections.abc import Sequence

from legion_bridge.profile_tables import amount, seconds

__all__ = ["amount", "listed", "percent", "seconds"]


def percent(fraction: float) -> str:
    """Such as ``"58 %"``.

    >>> percent(0.583), percent(0.0042)
    ('58 %', '0.4 %')
    """
    digits = 0 if fraction >= 0.0995 else 1
    return f"{100 * fraction:.{digits}f} %"


def listed(names: Sequence[str], most: int = 4) -> str:
    """Names in a sentence, the last ones counted where there are many.

    >>> listed(["a"]), listed(["a", "b", "c"]), listed(["a", "b", "c"], most=1)
    ('a', 'a, b and c', 'a and 2 more')
    """
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
