"""A machine in words, as far as a mapper decides about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dsl.units import amount, quantity, seconds

if TYPE_CHECKING:
    from legion_bridge import Machine

__all__ = ["describe_machine"]


def describe_machine(machine: Machine) -> str:
    """A machine's processors, memories and who sees them, links, and the cost of launches.

    >>> from legion_bridge import Machine
    >>> print(describe_machine(Machine.load("p100x4")).splitlines()[1])
    1 node(s), each with 1 CPU, 1 OMP, 4 GPU
    """
    processors = ", ".join(f"{p.count} {kind}" for kind, p in machine.processors.items())
    launch, point = (seconds(t, digits=3) for t in (machine.runtime.launch, machine.runtime.point))
    return "\n".join(
        [
            f"Machine {machine.name}: {machine.summary}",
            f"{machine.nodes} node(s), each with {processors}",
            *_processors(machine),
            *_memories(machine),
            *_links(machine),
            f"  The runtime takes {launch} a launch and {point} a point, in program order.",
        ]
    )


def _processors(machine: Machine) -> Iterator[str]:
    for kind, processor in machine.processors.items():
        yield (
            f"  one {kind}: {quantity(processor.fp64, 'FLOP/s')} in fp64, "
            f"{quantity(processor.dgemm, 'FLOP/s')} in dgemm, "
            f"{seconds(processor.start + processor.kernel, digits=3)} to start a task"
        )


def _memories(machine: Machine) -> Iterator[str]:
    for kind, memory in machine.memories.items():
        seen = ", ".join(
            f"{processor} at {quantity(access.bandwidth, 'B/s')}"
            for processor in machine.processors
            if (access := machine.access.get((processor, kind))) is not None
        )
        count = machine.memories_per_node(kind)
        yield f"  {kind}: {count} a node, {amount(memory.capacity)} each; seen by {seen}"


def _links(machine: Machine) -> Iterator[str]:
    for link in machine.links.values():
        if machine.nodes > 1 or not link.name.startswith("nic"):
            yield f"  {link.label} a {link.scope}: {quantity(link.bandwidth, 'B/s')}"
