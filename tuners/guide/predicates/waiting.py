"""What an iteration waits for: its critical path, launches, limits, data that was collected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from math import inf

from dsl import syntax
from dsl.units import amount, percent, seconds
from legion_bridge.outcome import CriticalShare, MemoryPeak, Profile, parts_sentence
from legion_bridge.simulation.estimate import costs_of
from tuners.guide.case import Case
from tuners.guide.guidance import Change, Found, Move, listed
from tuners.guide.moves import helps, unlimited

__all__ = ["collection", "critical_path", "instance_limits", "launch_overhead"]

TOLD = 4
"""Ingredients of the critical path that are told."""
MENTIONED = 0.02
"""Share of an iteration from which on something is mentioned."""
IN_USE = 0.1
"""Share of a memory from which on it is told how full it gets."""
DOMINATES = 0.3
"""Share of an iteration from which on waiting for the runtime is a matter."""
MATTERS = 0.01
"""Share of an iteration from which on what a statement costs is told."""


def critical_path(case: Case) -> Iterator[Found]:
    """The largest ingredients of the critical path; every run has some."""
    profile = case.profile
    if profile is None or not profile.critical_path:
        return
    shares = [s for s in profile.critical_path if s.fraction >= MENTIONED][:TOLD]
    said = [f"{percent(s.fraction, decimals=1)} {_called(s)}" for s in shares]
    moved = sum(profile.copies.values())
    copied = f"; {amount(moved)} are copied" if moved else "; nothing is copied"
    yield Found(
        {
            "iteration": seconds(profile.iteration),
            "parts": parts_sentence(profile),
            "shares": listed(said, TOLD),
            "copied": copied + _room(profile),
        },
        inf,  # it is told first
    )


def _room(profile: Profile) -> str:
    """How full the fullest memory of each kind gets, where that is worth a word."""
    fullest: dict[str, MemoryPeak] = {}
    for each in profile.memories:
        kind = each.name.partition(" ")[0]
        known = fullest.get(kind)
        if known is None or each.peak / each.capacity > known.peak / known.capacity:
            fullest[kind] = each
    told = [
        f"{kind} {amount(each.peak)} of {amount(each.capacity)}"
        for kind, each in fullest.items()
        if each.peak >= IN_USE * each.capacity
    ]
    return f"; in use at most: {listed(told, TOLD)}" if told else ""


def _called(share: CriticalShare) -> str:
    if share.kind == "idle":
        return "idle"
    if share.kind == "limit":
        return f"limit of {share.task}"
    return f"{share.kind} {'of ' if share.kind == 'start' else ''}{share.name}"


def launch_overhead(case: Case) -> Iterator[Found]:
    """The runtime's work for launches and points keeps the processors waiting."""
    profile = case.profile
    if profile is None:
        return
    share = profile.parts.runtime / profile.iteration
    if share < DOMINATES:
        return
    small = sorted(profile.tasks.items(), key=lambda each: each[1].busy / each[1].points)
    task, use = small[0] if small else ("", None)
    average = seconds(use.busy / use.points) if use else ""
    points = sum(each.points for each in profile.tasks.values())
    yield Found(
        {
            "share": percent(share, decimals=1),
            "points": str(points),
            "task": task,
            "average": average,
            "iteration": seconds(profile.iteration),
        },
        share * profile.iteration,
    )


def instance_limits(case: Case) -> Iterator[Found]:
    """Tasks whose points wait for each other because few may be under way."""
    if case.profile is None or case.decisions is None:
        return
    limits = {rule.task: rule.limit for rule in case.rules(syntax.InstanceLimit) if rule.limit}
    waiting = {task: case.profile.limited.get(task, 0.0) for task in limits}
    ranked = sorted(waiting, key=lambda task: -waiting[task])
    everyone = [task for task in ranked if waiting[task]]
    for number, task in enumerate(everyone[:4]):
        moves = [Move(unlimited(case, [task]), "limit", {"tasks": task}, (task,))]
        if number == 0 and len(limits) > 1:
            moves += [
                Move(unlimited(case, group), "limit", {"tasks": listed(group)}, tuple(group))
                for group in (everyone, ranked)
            ]
        if not helps(case, moves, MATTERS):
            continue  # without the limit its points would wait for their processor instead
        values = {"task": task, "limit": str(limits[task]), "waited": seconds(waiting[task])}
        yield Found(values, min(waiting[task], case.profile.iteration), moves)


def collection(case: Case) -> Iterator[Found]:
    """Read-only data that is thrown away after each task and copied again for the next."""
    if case.profile is None:
        return
    for rule in dict.fromkeys(case.rules(syntax.CollectMemory)):
        change = Change(gone=(rule,))
        decisions = case.background.decide(case.changed(change.new, change.gone))
        if decisions is None:
            continue
        kept = costs_of(case.estimator.program, case.estimator.estimate(decisions))
        saved: dict[str, float] = defaultdict(float)
        for (region, task), cost in case.costs.copying.items():
            saved[task] += cost - kept.copying.get((region, task), 0.0)
        again = sorted((task for task in saved if saved[task] > 0.0), key=lambda t: -saved[t])
        cost = sum(saved[task] for task in again)
        if cost > MATTERS * case.costs.total:
            values = {"tasks": listed(again), "cost": seconds(cost)}
            yield Found(values, cost, [Move(change, "limit", values, tuple(again))])
