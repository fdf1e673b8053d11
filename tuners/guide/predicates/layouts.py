"""Layouts that a task's code is not made for, and conversions from one to another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dsl.tables import LayoutDecision, accepts_layout
from dsl.units import amount, seconds
from tuners.guide.case import Argument, Case
from tuners.guide.guidance import Change, Found, Move, listed
from tuners.guide.moves import User, helps, joined, placeholders, regions_of, store_as, tasks_of

__all__ = ["conversions", "unsuited_layouts"]

MATTERS = 0.01
LEAST = 1e-3
"""Share of an iteration that another layout must be estimated to save."""
LOOKED_AT = 4


def unsuited_layouts(case: Case) -> Iterator[Found]:
    """Arguments whose layout makes their task stream more bytes than it uses."""
    if case.profile is None or case.decisions is None:
        return
    unsuited = [
        (task, argument)
        for task in case.mattering
        for argument in case.arguments[task]
        if _words(case, task, argument)
    ]
    by_task: dict[str, list[User]] = {}
    for user in unsuited:
        by_task.setdefault(user[0], []).append(user)
    for number, (task, users) in enumerate(list(by_task.items())[:LOOKED_AT]):
        moves = [_suited(case, users)]
        if len(users) > 1:
            moves += [_suited(case, [user]) for user in users[:LOOKED_AT]]
        if number == 0 and len(by_task) > 1:
            moves.append(_suited(case, unsuited))
        moves += [
            _suited(case, [u for u in case.users(region) if _words(case, *u)])
            for _, argument in users[:LOOKED_AT]
            for region in case.regions_of(task, argument)
        ]
        if not helps(case, moves, LEAST):
            continue  # its time goes to arithmetic, or its machine reads such strides as fast
        cost = case.costs.running[task]
        yield Found(
            {
                "task": task,
                "regions": listed([argument.label for _, argument in users]),
                "layouts": " and ".join(dict.fromkeys(_said(case, *user) for user in users)),
                "cost": seconds(cost),
            },
            cost / 2,
            moves,
        )


def _words(case: Case, task: str, argument: Argument) -> dict[str, bool]:
    """What to change for the layout that a task streams best; nothing where it has it."""
    layout, facts = case.layout(task, argument), argument.facts
    changed = {}
    if not layout.soa and len(facts.fields) > 1:
        changed["soa"] = True
    if layout.c_order and facts.dimension > 1:
        changed["c_order"] = False
    return changed if changed and _accepted(argument, layout, changed) else {}


def _accepted(argument: Argument, layout: LayoutDecision, changed: dict[str, bool]) -> bool:
    facts = argument.facts
    new = LayoutDecision(changed.get("soa", layout.soa), changed.get("c_order", layout.c_order))
    return accepts_layout(facts.layout_need, facts.dimension, len(facts.fields), new)


def _said(case: Case, task: str, argument: Argument) -> str:
    words = _words(case, task, argument)
    said = (["AOS"] if "soa" in words else []) + (["C_order"] if "c_order" in words else [])
    return " ".join(said)


def _suited(case: Case, users: Sequence[User]) -> Move:
    change = joined(store_as(case, *user, _words(case, *user)) for user in users)
    return _laid_out(change, users, "SOA F_order")


def _laid_out(change: Change, users: Sequence[User], layout: str) -> Move:
    values = {**placeholders(users), "layout": layout}
    return Move(change, "layout", values, tasks_of(users), regions_of(users))


def conversions(case: Case) -> Iterator[Found]:
    """Regions that tasks want in different layouts: each change of hands is a copy."""
    if case.profile is None:
        return
    copied = dict.fromkeys(region for region, _ in case.costs.copying)
    for region in list(copied)[: 2 * LOOKED_AT]:
        users = case.users(region)
        layouts = {_shape(case, *user): None for user in users}
        cost = case.costs.of_region(region)
        if len(layouts) < 2 or cost < MATTERS * case.costs.total:
            continue
        within = case.profile.within.get(region, 0.0)
        yield Found(
            {
                "region": region,
                "layouts": listed([_name(layout) for layout in layouts]),
                "tasks": listed(list(dict.fromkeys(task for task, _ in users))),
                "wait": case.wait(case.waited_for(region=region)),
                "bytes": amount(within or case.profile.copies.get(region, 0.0)),
            },
            case.waited_for(region=region),
            list(_uniform(case, users)),
        )


def _shape(case: Case, task: str, argument: Argument) -> tuple[bool, bool]:
    layout = case.layout(task, argument)
    together = not layout.soa and len(argument.facts.fields) > 1
    return not together, layout.c_order and argument.facts.dimension > 1


def _name(shape: tuple[bool, bool]) -> str:
    return f"{'SOA' if shape[0] else 'AOS'} {'C_order' if shape[1] else 'F_order'}"


def _uniform(case: Case, users: Sequence[User]) -> Iterator[Move]:
    """One layout for all users of a region, for each that all of them take."""
    for soa, c_order in ((True, False), (True, True), (False, False), (False, True)):
        if not all(_takes(argument, soa, c_order) for _, argument in users):
            continue
        others = [user for user in users if _shape(case, *user) != (soa, c_order)]
        change = joined(store_as(case, *user, {"soa": soa, "c_order": c_order}) for user in others)
        if change:
            yield _laid_out(change, others, _name((soa, c_order)))


def _takes(argument: Argument, soa: bool, c_order: bool) -> bool:
    facts = argument.facts
    layout = LayoutDecision(soa, c_order)
    return accepts_layout(facts.layout_need, facts.dimension, len(facts.fields), layout)
