"""A machine and its runtime in words, as far as a mapper decides about them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from dsl.units import amount, quantity, seconds

if TYPE_CHECKING:
    from legion_bridge import Machine
    from legion_bridge.machines.machine import Route

__all__ = ["describe_machine", "describe_runtime"]


def describe_machine(
    machine: Machine,
    kinds: Collection[str] | None = None,
    rates: Sequence[str] = ("fp64", "dgemm"),
) -> str:
    """A machine's processors, memories and who sees them, and what copies cost.

    Args:
        machine: The machine.
        kinds: The processor kinds that matter; None for all.
        rates: The rates of arithmetic that matter.

    >>> from legion_bridge import Machine
    >>> print(describe_machine(Machine.load("p100x4")).splitlines()[1])
    1 node(s), each with 1 CPU, 1 OMP, 4 GPU
    """
    used = [kind for kind in machine.processors if kinds is None or kind in kinds]
    processors = ", ".join(f"{p.count} {kind}" for kind, p in machine.processors.items())
    return "\n".join(
        [
            f"Machine {machine.name}: {machine.summary}",
            f"{machine.nodes} node(s), each with {processors}",
            *_processors(machine, used, rates),
            *_memories(machine, used),
            *_links(machine),
            *_copies(machine),
        ]
    )


def _processors(machine: Machine, kinds: Sequence[str], rates: Sequence[str]) -> Iterator[str]:
    for kind in kinds:
        processor = machine.processors[kind]
        start = seconds(processor.start + processor.kernel, digits=3)
        told = [f"{quantity(processor.rate(rate), 'FLOP/s')} in {rate}" for rate in rates]
        yield f"  {kind}: {', '.join([*told, start])} to start a task"


def _memories(machine: Machine, kinds: Sequence[str]) -> Iterator[str]:
    for kind, memory in machine.memories.items():
        seen = []
        for processor in kinds:
            access = machine.access.get((processor, kind))
            if access is not None:
                said = f"{processor} {quantity(access.bandwidth, 'B/s')}"
                if access.links and access.gather:
                    gather, update = (seconds(t) for t in (access.gather, access.update))
                    said += f" (in place: a gather {gather}, an atomic update {update})"
                seen.append(said)
        if not seen:
            continue
        count = machine.memories_per_node(kind)
        number = f"{count} x " if count > 1 else ""
        yield f"  {kind} {number}{amount(memory.capacity)} a node: {', '.join(seen)}"


def _links(machine: Machine) -> Iterator[str]:
    """Links with equal bandwidths together."""
    alike: dict[str, list[str]] = {}
    for link in machine.links.values():
        if machine.nodes > 1 or not link.name.startswith(("nic", "port")):
            overhead = f" and {seconds(link.overhead, digits=3)} a copy" if link.overhead else ""
            speed = f"{quantity(link.bandwidth, 'B/s')}{overhead}"
            alike.setdefault(speed, []).append(f"{link.label} a {link.scope}")
    yield "  " + "; ".join(f"{', '.join(names)}: {speed}" for speed, names in alike.items())


def _copies(machine: Machine) -> Iterator[str]:
    """What a copy costs beside its bytes, ways of equal cost together."""
    places = ["memory", "rank"]
    if machine.ranks > machine.nodes:
        places.append("node")
    if machine.nodes > 1:
        places.append("network")
    routes = [
        route.on(machine.nodes)
        for route in machine.routes
        if route.where in places and (route.source, route.target) != ("*", "*")
    ]
    alike: dict[str, list[str]] = {}
    for route in routes:
        ends = f"{_end(route.source)} to {_end(route.target)} {WITHIN[route.where]}"
        alike.setdefault(_cost(machine, route), []).append(ends.rstrip())
    if alike:
        told = "; ".join(f"{', '.join(ways)} {cost}" for cost, ways in alike.items())
        yield f"  a copy takes, beside its bytes and the runtime's time in brackets: {told}"


WITHIN = {
    "memory": "inside one",
    "rank": "",
    "node": "of another process",
    "network": "of another node",
}


def _cost(machine: Machine, route: Route) -> str:
    said = seconds(route.latency, digits=3)
    if route.analysis:
        said += f" ({seconds(route.analysis, digits=3)})"
    stream = route.stream_on(machine.ranks // machine.nodes)
    if route.chunk and stream:
        said += f", beyond {amount(route.chunk)} each at {quantity(stream, 'B/s')}"
    return said


def _end(kind: str) -> str:
    return "host" if kind == "*" else kind


def describe_runtime(machine: Machine, *, traced: bool, simulated: bool = True) -> str:
    """What the runtime makes of a mapper on a machine, a line for each matter.

    Args:
        machine: The machine, shared out over ranks as the program asks.
        traced: Whether the program's loop is replayed from a trace.
        simulated: Whether runs are simulated, or measured.
    """
    runtime = machine.runtime
    factor = 1.0 if traced else runtime.untraced
    launch = runtime.launch + (runtime.message if machine.ranks > 1 else 0.0)
    costs = {
        "a launch": launch,
        "a point": runtime.point,
        "a requirement of a point": runtime.requirement,
        "a launch for each point of its domain": runtime.domain,
    }
    said = [f"{seconds(factor * each, digits=3)} {what}" for what, each in costs.items() if each]
    instances = VARIED_INSTANCES if machine.whole_region_instances else USUAL_INSTANCES
    return "\n".join(
        [
            PROGRESS.format(costs=", ".join(said), fold=f"{runtime.fold:g}"),
            f"{LIMITS} {instances}",
            SIMULATED if simulated else MEASURED,
        ]
    )


PROGRESS = (
    "The runtime takes {costs}, in program order and ahead of the processors, until the program "
    "waits. Tasks, copies and folds overlap where no data makes them wait. Copies stay valid "
    "until their data is written; a fold moves {fold} times its bytes."
)
LIMITS = (
    "`InstanceLimit`: points wait for earlier ones; it saves memory, and keeps copies from "
    "running ahead. `CollectMemory`: what was only read goes after the task, and is copied again."
)
USUAL_INSTANCES = "`Align`, `Compact`: no effect on time; `Exact`: an instance of just the piece."
VARIED_INSTANCES = "`Align`, `Compact`, `Exact`: other instances, and so other copies."
SIMULATED = "Runs are simulated: equal schedules take equal times, to the bit."
MEASURED = "Runs are measured: a score is the median of some, and their spread stands beside it."
