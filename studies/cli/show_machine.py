"""What a machine is made of: the part of ``mappertune show`` about machines."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from studies.cli.console import columns, print_json, quantity, say, table

if TYPE_CHECKING:
    from legion_bridge import Machine
    from legion_bridge.machines.machine import Runtime

__all__ = ["show_machine"]


def show_machine(machine: Machine, arguments: argparse.Namespace) -> int:
    """Prints a machine, or its file."""
    if arguments.nodes is not None:
        machine = machine.with_nodes(arguments.nodes)
    if arguments.toml and arguments.json:
        print_json({"name": machine.name, "toml": machine.source})
    elif arguments.toml:
        sys.stdout.write(machine.source)
    elif arguments.json:
        print_json(_as_json(machine))
    else:
        _print(machine)
    return 0


def _print(machine: Machine) -> None:
    say(f"{machine.name}: {machine.summary}")
    processors = ", ".join(f"{p.count} {kind}" for kind, p in machine.processors.items())
    say(f"{machine.nodes} node{'s, each' if machine.nodes > 1 else ''} with {processors}")
    _print_processors(machine)
    _print_products(machine)
    _print_memories(machine)
    _print_links(machine)
    _print_routes(machine)
    say("the runtime takes, on each rank and in program order")
    columns(_runtime(machine.runtime))
    say(
        f"\nmappertune show {machine.name} --toml prints its file, with the sources of the numbers"
    )


def _print_processors(machine: Machine) -> None:
    table(
        ["processor", "count", "fp32", "fp64", "dgemm", "cache", "task", "kernel"],
        [
            [
                kind,
                str(processor.count),
                quantity(processor.fp32, "FLOP/s"),
                quantity(processor.fp64, "FLOP/s"),
                quantity(processor.dgemm, "FLOP/s"),
                quantity(processor.cache, "B"),
                _time(processor.start),
                _time(processor.kernel) if processor.kernel else "-",
            ]
            for kind, processor in machine.processors.items()
        ],
    )


def _print_products(machine: Machine) -> None:
    """What large matrix products reach on tensor cores, where there are any."""
    from legion_bridge.rates import PRODUCT_RATES

    rows = [
        [
            kind,
            *(
                quantity(processor.rate(rate), "FLOP/s")
                if getattr(processor.products, rate)
                else "-"
                for rate in PRODUCT_RATES
            ),
        ]
        for kind, processor in machine.processors.items()
        if processor.products is not None
    ]
    if rows:
        table(["large products of", *PRODUCT_RATES], rows)


def _print_memories(machine: Machine) -> None:
    table(
        ["memory", "count", "holds", *(f"from {kind}" for kind in machine.processors)],
        [
            [
                kind,
                str(machine.memories_per_node(kind)),
                quantity(memory.capacity, "B"),
                *(_access(machine, processor, kind) for processor in machine.processors),
            ]
            for kind, memory in machine.memories.items()
        ],
    )


def _access(machine: Machine, processor: str, memory: str) -> str:
    access = machine.access.get((processor, memory))
    return "-" if access is None else quantity(access.bandwidth, "B/s")


def _print_links(machine: Machine) -> None:
    table(
        ["link", "one a", "carries", "and each copy"],
        [
            [
                f"{name}: {link.label} ...",
                link.scope,
                quantity(link.bandwidth, "B/s"),
                _time(link.overhead) if link.overhead else "-",
            ]
            for name, link in machine.links.items()
        ],
        words=2,
    )


def _print_routes(machine: Machine) -> None:
    table(
        ["copies from", "to", "within one", "take", "after", "runtime"],
        [
            [
                _any(route.source),
                _any(route.target),
                "machine" if route.where == "network" else route.where,
                ", ".join(link.partition(".")[2] for link in route.links),
                _time(route.on(machine.nodes).latency),
                _time(route.analysis) if route.analysis else "-",
            ]
            for route in machine.routes
        ],
        words=4,
    )


def _any(memory: str) -> str:
    return "any other" if memory == "*" else memory


def _runtime(runtime: Runtime) -> list[tuple[str, str]]:
    """What the runtime costs, without what costs nothing."""
    from legion_bridge.machines.machine_units import is_time

    def said(name: str, value: float | str) -> str:
        if isinstance(value, str):
            return value
        if isinstance(value, bool):
            return "yes"
        return _time(value) if is_time(name) else f"{value:g} times as much"

    return [(name, said(name, value)) for name, value in asdict(runtime).items() if value]


def _time(value: float) -> str:
    from dsl.units import seconds

    return seconds(value, digits=3)


def _as_json(machine: Machine) -> dict[str, Any]:
    return {
        "name": machine.name,
        "summary": machine.summary,
        "nodes": machine.shape.nodes,
        "processors": dict(machine.shape.processors),
        "memories": {
            kind: {"count": machine.memories_per_node(kind), "bytes": machine.capacity(kind)}
            for kind in machine.memories
        },
        "visible": {kind: list(machine.visible_memories(kind)) for kind in machine.processors},
        "rates": {kind: asdict(processor) for kind, processor in machine.processors.items()},
        "access": [asdict(access) for access in machine.access.values()],
        "links": [asdict(link) for link in machine.links.values()],
        "routes": [asdict(route) for route in machine.routes],
        "runtime": asdict(machine.runtime),
    }
