"""Checks what must hold between the tables of a machine file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dsl.machine_shape import MEMORY_KINDS, PROCESSOR_KINDS
from dsl.nearest import did_you_mean
from legion_bridge.errors import MachineError
from legion_bridge.machines.machine import COLLECTIVES, MOST_LINKS, WHERE, Machine, Route
from legion_bridge.rates import PRODUCT_RATES

__all__ = ["check_machine"]

ALGORITHMS = ("ring", "tree")
Complaints = Iterator[tuple[str, str]]
"""Tables of the file, and what is wrong in them."""


def check_machine(machine: Machine) -> Complaints:
    """Everything that is wrong; each check may rely on the ones before it."""
    yield from _size(machine)
    yield from _kinds(machine)
    yield from _products(machine)
    yield from _collective(machine)
    yield from _scopes(machine)
    yield from _access(machine)
    yield from _reach(machine)
    yield from _routes(machine)
    yield from _ways(machine)


def _size(machine: Machine) -> Complaints:
    try:
        machine.bounded()
    except MachineError as error:
        yield "the file", str(error)


def _unknown(name: str, known: Iterable[str]) -> str:
    return f"{name!r} is unknown: {did_you_mean(name, known, limit=20)}"


def _kinds(machine: Machine) -> Complaints:
    memory_kinds = tuple(kind for kind in MEMORY_KINDS if kind != "VIRTUAL")
    for table, found, known in (
        ("[processors]", machine.processors, PROCESSOR_KINDS),
        ("[memories]", machine.memories, memory_kinds),
    ):
        for kind in found:
            if kind not in known:
                yield table, _unknown(kind, known)


def _products(machine: Machine) -> Complaints:
    for kind, processor in machine.processors.items():
        products = processor.products
        if products is not None and not any(getattr(products, rate) for rate in PRODUCT_RATES):
            rates = ", ".join(PRODUCT_RATES)
            yield f"[processors.{kind}.products]", f"needs a rate of at least one of {rates}"


def _collective(machine: Machine) -> Complaints:
    chosen = machine.runtime.collective
    if chosen not in COLLECTIVES:
        yield "[runtime]", f"collective {_unknown(chosen, COLLECTIVES)}"
    for number, algorithm in enumerate(machine.algorithms, start=1):
        table = f"[[algorithms]] number {number}"
        if algorithm.kind not in ALGORITHMS:
            yield table, f"kind {_unknown(algorithm.kind, ALGORITHMS)}"
        if not 0.0 < algorithm.share <= 1.0:
            yield table, f"share is of the links' bandwidth, up to 1, and not {algorithm.share:g}"
    if chosen == "nccl" and all(each.kind != "ring" for each in machine.algorithms):
        remedy = 'add a table [[algorithms]] with kind = "ring"'
        yield "[runtime]", f'collective = "nccl" needs an algorithm for all operations: {remedy}'


def _scopes(machine: Machine) -> Complaints:
    owners = ("rank", *machine.processors)
    for kind, memory in machine.memories.items():
        if memory.scope not in owners:
            yield f"[memories.{kind}]", f"scope {_unknown(memory.scope, owners)}"
    for name, link in machine.links.items():
        if link.scope not in (*owners, "node"):
            yield f"[links.{name}]", f"scope {_unknown(link.scope, (*owners, 'node'))}"


def _access(machine: Machine) -> Complaints:
    for (processor, kind), access in machine.access.items():
        table = f"[access.{processor}.{kind}]"
        if processor not in machine.processors:
            yield table, f"processor {_unknown(processor, machine.processors)}"
            continue
        if kind not in machine.memories:
            yield table, f"memory {_unknown(kind, machine.memories)}"
            continue
        scope = machine.memories[kind].scope
        if scope not in ("rank", processor):
            yield table, f"each {kind} belongs to a {scope}, which alone can see it"
        yield from _links_of_access(machine, processor, table, access.links)


def _links_of_access(
    machine: Machine, processor: str, table: str, links: tuple[str, ...]
) -> Complaints:
    for link in links:
        if link not in machine.links:
            yield table, f"link {_unknown(link, machine.links)}"
        elif machine.links[link].scope not in ("rank", "node", processor):
            yield (
                table,
                f"link {link!r} is one of a {machine.links[link].scope}, not of {processor}",
            )
    if len(links) > MOST_LINKS:
        yield table, f"at most {MOST_LINKS} links can be named"


def _reach(machine: Machine) -> Complaints:
    """Every processor sees a memory, and every memory is seen."""
    for processor in machine.processors:
        if not machine.visible_memories(processor):
            yield (
                f"[processors.{processor}]",
                f"sees no memory: add a table such as [access.{processor}.SYSMEM]",
            )
    seen = {memory for _, memory in machine.access}
    for memory in machine.memories:
        if memory not in seen:
            example = next(iter(machine.processors))
            remedy = f"add a table such as [access.{example}.{memory}], or leave it out"
            yield f"[memories.{memory}]", f"no processor sees it: {remedy}"


def _routes(machine: Machine) -> Complaints:
    first: dict[tuple[str, str, str], int] = {}
    for number, route in enumerate(machine.routes, start=1):
        table = f"[[routes]] number {number}"
        if route.where not in WHERE:
            yield table, f"where {_unknown(route.where, WHERE)}"
        for end in (route.source, route.target):
            if end != "*" and end not in machine.memories:
                yield table, f'memory {_unknown(end, machine.memories)}, or "*" for any'
        key = (route.source, route.target, route.where)
        if key in first:
            yield table, f"repeats number {first[key]}: leave one of the two out"
        first[key] = number
        yield from _links_of_route(machine, table, route)


def _links_of_route(machine: Machine, table: str, route: Route) -> Complaints:
    if not 1 <= len(route.links) <= MOST_LINKS:
        yield table, f"must name from 1 to {MOST_LINKS} links, not {len(route.links)}"
    yield from _stream(machine, table, route)
    for name in (*route.links, *route.stream_links):
        side, _, link = name.partition(".")
        if side not in ("source", "target"):
            example = name if name in machine.links else next(iter(machine.links))
            yield (
                table,
                f"link {name!r} must say whose it is: source.{example} or target.{example}",
            )
        elif link not in machine.links:
            yield table, f"link {_unknown(link, machine.links)}"


def _stream(machine: Machine, table: str, route: Route) -> Complaints:
    """What copies above ``chunk`` need."""
    given = (route.chunk, route.stream, len(route.stream_links))
    if any(given) and not all(given):
        yield table, "needs chunk, stream and stream_links together, or none of them"
    if route.split_stream and not route.stream:
        yield table, "needs stream where it has split_stream"
    if len(route.stream_links) > MOST_LINKS:
        yield table, f"must name at most {MOST_LINKS} stream_links, not {len(route.stream_links)}"
    for name in route.stream_links:
        link = machine.links.get(name.partition(".")[2])
        if link is not None and (link.exclusive or link.overhead):
            why = "stream_links have no overhead and are not exclusive, for copies share them"
            yield table, f"link {name!r} cannot be shared: {why}"


def _ways(machine: Machine) -> Complaints:
    """Copies can travel between any two memories, over links that these memories have."""
    for source in machine.memories:
        for target in machine.memories:
            for where in WHERE:
                if where == "memory" and source != target:
                    continue
                try:
                    route = machine.route(source, target, where)
                except MachineError:
                    remedy = 'add a [[routes]] table for it, or one with from = "*" and to = "*"'
                    lost = f"copies from {source} to {target} find no way by {where}"
                    yield "the file", f"{lost}: {remedy}"
                    continue
                yield from _owned(machine, route, {"source": source, "target": target})


def _owned(machine: Machine, route: Route, ends: dict[str, str]) -> Complaints:
    for name in (*route.links, *route.stream_links):
        side, _, link = name.partition(".")
        scope = machine.links[link].scope
        if scope not in ("rank", "node", machine.memories[ends[side]].scope):
            way = f"from {ends['source']} to {ends['target']}"
            why = f"{name!r} is a link of a {scope}, and {ends[side]} is no memory of one"
            table = f"[[routes]] number {machine.routes.index(route) + 1}"
            yield table, f"serves copies {way} too, but {why}: add a route for them"
