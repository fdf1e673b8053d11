"""How the time of one mapper differs from that of another, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsl.units import amount, percent, seconds
from legion_bridge.outcome import parts_of

if TYPE_CHECKING:
    from legion_bridge.outcome import Outcome

__all__ = ["comparison"]

TOLD = 4
"""Parts of an iteration that are told."""
MATTERS = 0.05
"""Share of a difference from which on a part of it is told."""


def comparison(before: Outcome, after: Outcome) -> str:
    """What an iteration takes more or less, by its parts where both have a profile.

    >>> from legion_bridge.outcome import Outcome
    >>> slow, fast = (Outcome("ok", 1 / t, "runs/s", iteration=t) for t in (2.0012e-3, 2e-3))
    >>> comparison(slow, fast)
    '1.200 µs faster an iteration (0.060 %)'
    """
    if not (before.ok and after.ok) or not before.throughput:
        return ""
    if before.iteration is None or after.iteration is None:
        change = after.throughput / before.throughput - 1.0
        word = "faster" if change > 0 else "slower"
        return f"{_share(abs(change))} {word}" if change else "equally fast"
    change = after.iteration - before.iteration
    if change == 0.0:
        return "as fast to the bit"
    word = "slower" if change > 0 else "faster"
    said = f"{seconds(abs(change))} {word} an iteration ({_share(abs(change) / before.iteration)})"
    parts = _parts(before, after, abs(change))
    return f"{said}: {parts}" if parts else said


def _share(share: float) -> str:
    """With two digits that differ from zero, as small differences matter."""
    decimals = 1
    while decimals < 8 and round(100 * share, decimals) < 10.0 ** (1 - decimals):
        decimals += 1
    return percent(share, decimals=decimals)


def _parts(before: Outcome, after: Outcome, change: float) -> str:
    first, second = (dict(parts_of(each)) for each in (before, after))
    if not first or not second:
        return ""
    deltas = {
        what: second.get(what, 0.0) - first.get(what, 0.0)
        for what in dict.fromkeys([*second, *first])
    }
    ranked = sorted(deltas.items(), key=lambda each: -abs(each[1]))
    said = [
        f"{seconds(abs(delta))} {'more' if delta > 0 else 'less'} {what}"
        for what, delta in ranked[:TOLD]
        if abs(delta) >= MATTERS * change
    ]
    moved = [
        sum(each.profile.copies.values()) if each.profile else 0.0 for each in (before, after)
    ]
    if abs(moved[1] - moved[0]) >= 1.0:
        word = "more" if moved[1] > moved[0] else "less"
        said.append(f"{amount(abs(moved[1] - moved[0]))} {word} are copied")
    return ", ".join(said)
