"""A requirement that finds no room in its memory."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Shortage"]


@dataclass(frozen=True, slots=True)
class Shortage:
    """The first requirement that finds no room (see ``dsl.Shortage``).

    Attributes:
        task, requirement: The task, and the index of its requirement.
        memory: The memory kind; ``place`` names the one memory, ``"FBMEM of GPU 2 of node 0"``.
        processor: Where the point runs, such as ``"GPU 2 of node 0"``.
        bytes: What the instance takes.
        capacity: What the memory holds in all.
    """

    task: str
    requirement: int
    memory: str
    place: str
    processor: str
    bytes: int
    capacity: int

    def __str__(self) -> str:
        """What Legion says (facts of the real runtime)."""
        return (
            f"Default mapper failed allocation of size {self.bytes} bytes for region requirement "
            f"{self.requirement} of task {self.task} in memory {self.place} for processor "
            f"{self.processor}. This means the working set of your application is too big for the "
            "allotted capacity of the given memory under the mapping scheme."
        )
