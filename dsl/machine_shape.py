"""The shape of a machine: how many nodes, and how many processors of each kind a node has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["MEMORY_KINDS", "PLACED_KINDS", "PROCESSOR_KINDS", "MachineShape"]

PROCESSOR_KINDS = ("CPU", "GPU", "IO", "PY", "PROC", "OMP")
PLACED_KINDS = ("CPU", "GPU", "OMP")
"""Those whose places the language knows, and that maps can be given for (section 9)."""
MEMORY_KINDS = ("SYSMEM", "FBMEM", "RDMEM", "ZCMEM", "SOCKMEM", "VIRTUAL")


@dataclass(frozen=True)
class MachineShape:
    """Nodes and processors per node by kind; a kind that is not named is absent.

    >>> MachineShape(nodes=2, processors={"GPU": 4, "CPU": 2}).count("OMP")
    0

    Raises:
        ValueError: A count is negative, or a kind is unknown.
    """

    nodes: int
    processors: Mapping[str, int]

    def __post_init__(self) -> None:
        if self.nodes < 1:
            raise ValueError(f"a machine has at least one node, not {self.nodes}")
        for kind, count in self.processors.items():
            if kind not in PROCESSOR_KINDS:
                known = ", ".join(PROCESSOR_KINDS)
                raise ValueError(f"unknown processor kind {kind!r}; known are {known}")
            if count < 0:
                raise ValueError(f"a node cannot have {count} {kind} processors")
        object.__setattr__(self, "processors", MappingProxyType(dict(self.processors)))

    def count(self, kind: str) -> int:
        """Processors of the kind in each node."""
        return self.processors.get(kind, 0)

    def __hash__(self) -> int:
        return hash((self.nodes, frozenset(self.processors.items())))

    def __reduce__(self) -> tuple[object, ...]:
        return MachineShape, (self.nodes, dict(self.processors))
