"""What an iteration consists of beside what no mapper can spare, in seconds that add up."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from dsl.units import percent, seconds
from legion_bridge.outcome import Outcome

__all__ = ["Part", "floor_sentence", "parts_of"]


class Part(NamedTuple):
    """One part of an iteration's critical path.

    Attributes:
        what: Such as ``"copies of A"``.
        seconds: Of one iteration.
    """

    what: str
    seconds: float


def parts_of(outcome: Outcome) -> list[Part]:
    """The critical path of an iteration by what it waits for, the largest first.

    Tasks are one part; copies, folds and fills are told by region. What no operation accounts for
    is idle. The parts add up to the iteration; there are none without a profile.
    """
    profile = outcome.profile
    if profile is None:
        return []
    found: dict[str, float] = defaultdict(float)
    for share in profile.critical_path:
        found[_what(share.kind, share.region)] += share.seconds
    idle = profile.iteration - sum(found.values())
    if idle > 1e-9 * profile.iteration:
        found["idle"] += idle
    return [Part(*each) for each in sorted(found.items(), key=lambda part: (-part[1], part[0]))]


def floor_sentence(outcome: Outcome) -> str:
    """How far a mapper is from the floor, and what the rest consists of; empty if unknown.

    >>> floor_sentence(Outcome("ok", 1.0, "points/s", 2.0, iteration=2e-3, floor=1.9e-3))
    'at 95.0 % of the floor of 1.900 ms an iteration'
    """
    reached = outcome.of_floor
    if reached is None or outcome.floor is None:
        return ""
    near = percent(reached, decimals=1)
    said = f"at {near} of the floor of {seconds(outcome.floor)} an iteration"
    parts = [f"{seconds(part.seconds)} {part.what}" for part in parts_of(outcome)]
    return f"{said}; the critical path: {', '.join(parts)}" if parts else said


def _what(kind: str, region: str) -> str:
    if kind == "task":
        return "tasks"
    if kind in ("copy", "fold", "fill"):
        verb = {"copy": "copies", "fold": "folds", "fill": "fills"}[kind]
        return f"{verb} of {region}" if region else verb
    return {"runtime": "runtime", "wait": "waiting"}.get(kind, kind)
