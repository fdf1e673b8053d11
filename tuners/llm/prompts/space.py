"""What a mapper of a program may decide, in a paragraph."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from dsl.templates.space.tunable_task import tunable_tasks, usable_kinds, usable_memories

if TYPE_CHECKING:
    from legion_bridge import Application, Machine

__all__ = ["describe_space"]


def describe_space(application: Application, machine: Machine) -> str:
    """The decisions that can matter, and those that cannot on this program and machine."""
    machine = machine.for_ranks(application.ranks_per_node)
    tasks = tunable_tasks(application, machine)
    known = application.tasks
    single = [
        name
        for name in tasks
        if known[name].launched_singly and known[name].parents and known[name].in_loop
    ]
    used = {kind for task in tasks.values() for kind in task.kinds}
    memories = "; ".join(
        f"{kind}: {' or '.join(usable_memories(machine, kind))}"
        for kind in usable_kinds(machine)
        if kind in used
    )
    kinds = any(len(task.kinds) > 1 for task in tasks.values())
    mapped = any(prod(domain) > 1 for name in tasks for domain in known[name].launch_domains)
    said = [
        "the kind of processor of tasks that have several above" if kinds else "",
        f"a memory for each argument ({memories})",
        _layouts(application),
        "maps of index launches, by functions that may compute anything" if mapped else "",
        f"single maps of {', '.join(single)}" if single else "",
        "limits and collection",
    ]
    flat = all(region.dimension == 1 for region in application.regions.values())
    inert = (
        " Data of one dimension has no order: `C_order` and `F_order` are the same."
        if flat
        else ""
    )
    return f"{'; '.join(filter(None, said))}.{inert}"


def _layouts(application: Application) -> str:
    """What of the layouts is free."""
    needs = [
        requirement.need
        for launch in application.loop
        for requirement in launch.requirements
        if requirement.fields and not requirement.virtual
    ]
    orders = [need for need in needs if need is None or need.order is None]
    flat = all(region.dimension == 1 for region in application.regions.values())
    several = any(len(region.fields) > 1 for region in application.regions.values())
    words = ["fields apart or together"] if several else []
    if orders and not flat:
        words.append("the order of dimensions where the program needs none")
    return "layouts: " + " and ".join(words) if words else ""
