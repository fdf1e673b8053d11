"""A machine in words, as far as a mapper decides about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from legion_bridge import Machine

__all__ = ["describe_machine"]

_SCALES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def describe_machine(machine: Machine) -> str:
    """Its processors, its memories with who sees them, its links and the cost of launches.

    >>> from legion_bridge import Machine
    >>> print(describe_machine(Machine.load("p100x4")).splitlines()[1])
    1 node(s), each with 1 CPU, 1 OMP, 4 GPU
    """
    processors = ", ".join(f"{p.count} {kind}" for kind, p in machine.processors.items())
    launch, point = (_microseconds(t) for t in (machine.runtime.launch, machine.runtime.point))
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
            f"  one {kind}: {_scaled(processor.fp64, 'FLOP/s')} in fp64, "
            f"{_scaled(processor.dgemm, 'FLOP/s')} in dgemm, "
            f"{_microseconds(processor.start + processor.kernel)} to start a task"
        )


def _memories(machine: Machine) -> Iterator[str]:
    for kind, memory in machine.memories.items():
        seen = ", ".join(
            f"{processor} at {_scaled(access.bandwidth, 'B/s')}"
            for processor in machine.processors
            if (access := machine.access.get((processor, kind))) is not None
        )
        count = machine.memories_per_node(kind)
        yield f"  {kind}: {count} a node, {_scaled(memory.capacity, 'B')} each; seen by {seen}"


def _links(machine: Machine) -> Iterator[str]:
    for link in machine.links.values():
        if machine.nodes > 1 or not link.name.startswith("nic"):
            yield f"  {link.label} a {link.scope}: {_scaled(link.bandwidth, 'B/s')}"


def _microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:.3g} us"


def _scaled(value: float, unit: str) -> str:
    for scale, prefix in _SCALES:
        if value >= scale:
            return f"{value / scale:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"
