"""Reduces what the checks found to one finding for each cause, in the order of the text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from dsl.checks.diagnostics import Diagnostic, in_order
from dsl.syntax import Position

__all__ = ["deduplicate"]

# One statement makes these for many tasks, regions or points: the first one speaks for all.
_ONCE = frozenset(
    {
        *("bad-alignment", "layout-refused", "virtual-leaf", "no-variant"),
        *("map-fails", "map-leaves-machine", "map-leaves-node"),
    }
)
# An error at the same position says more than these.
_LESS = frozenset({"undefined-function", "undefined-name"})


def deduplicate(found: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Puts findings in order, and leaves out those that repeat another one."""
    first: dict[object, Diagnostic] = {}
    alike: dict[object, int] = {}
    failing: set[Position | None] = set()
    for diagnostic in found:
        once = diagnostic.code in _ONCE
        key = (diagnostic.code, diagnostic.position, diagnostic.cause) if once else diagnostic
        first.setdefault(key, diagnostic)
        alike[key] = alike.get(key, 0) + 1
        if diagnostic.severity == "error":
            failing.add(diagnostic.position)
    return sorted(
        (
            _speaking_for(diagnostic, alike[key]) if diagnostic.code in _ONCE else diagnostic
            for key, diagnostic in first.items()
            if not (diagnostic.code in _LESS and diagnostic.position in failing)
        ),
        key=in_order,
    )


def _speaking_for(diagnostic: Diagnostic, count: int) -> Diagnostic:
    if count == 1:
        return diagnostic
    return replace(diagnostic, sentence=f"{diagnostic.sentence} (and {count - 1} more like it)")
