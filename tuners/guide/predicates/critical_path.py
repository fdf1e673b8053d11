"""What the end of an iteration waited for."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from dsl.units import amount, percent, seconds
from tuners.guide.case import Case
from tuners.guide.changes import Found
from tuners.guide.wording import listed

__all__ = ["critical_path", "launch_overhead"]

TOLD = 4
"""Ingredients of the critical path that are told."""
MENTIONED = 0.02
"""Share of the critical path from which on something is mentioned."""
DOMINATES = 0.3
"""Share of the critical path from which on the runtime's own work is a matter."""


def critical_path(case: Case) -> Iterator[Found]:
    """The largest ingredients of the critical path; every run has some."""
    profile = case.profile
    if profile is None or not profile.critical_path:
        return
    shares = [s for s in profile.critical_path if s.fraction >= MENTIONED][:TOLD]
    said = [f"{percent(s.fraction)} {s.kind} {s.name}" for s in shares]
    moved = sum(profile.copies.values())
    copied = f"; {amount(moved)} are copied" if moved else "; nothing is copied"
    yield Found(
        {"iteration": seconds(profile.iteration), "shares": listed(said, TOLD), "copied": copied},
        inf,  # it is told first
    )


def launch_overhead(case: Case) -> Iterator[Found]:
    """The runtime's work for launches and points keeps the processors waiting."""
    profile = case.profile
    if profile is None:
        return
    share = sum(s.fraction for s in profile.critical_path if s.kind == "runtime")
    if share < DOMINATES:
        return
    small = sorted(profile.tasks.items(), key=lambda each: each[1].busy / each[1].points)
    task, use = small[0] if small else ("", None)
    average = seconds(use.busy / use.points) if use else ""
    points = sum(each.points for each in profile.tasks.values())
    yield Found(
        {
            "share": percent(share),
            "points": str(points),
            "task": task,
            "average": average,
            "iteration": seconds(profile.iteration),
        },
        share * profile.iteration,
    )
