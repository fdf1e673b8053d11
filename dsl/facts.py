"""What the language needs to know of a program and a machine, and no more.

The language stands on the ground floor: it never imports an application or a machine. Whatever
has these attributes will do; ``legion_bridge.Application`` and ``legion_bridge.Machine`` do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from dsl.launch_domain import IndexLaunch
from dsl.machine_shape import MachineShape

if TYPE_CHECKING:
    from dsl.mapper import Mapper
    from dsl.tables import LayoutNeed

__all__ = [
    "ApplicationFacts",
    "Forecast",
    "LaunchFacts",
    "MachineFacts",
    "Privilege",
    "RequirementFacts",
    "Shortage",
    "TaskFacts",
]

Privilege = Literal["NO_ACCESS", "READ_ONLY", "READ_WRITE", "WRITE_ONLY", "REDUCE"]


class RequirementFacts(Protocol):
    """One region requirement of a task."""

    @property
    def names(self) -> Sequence[str]:
        """The names that a mapper may call it by, in look-up order, its index among them."""

    @property
    def privilege(self) -> Privilege: ...

    @property
    def fields(self) -> Sequence[str]: ...

    @property
    def dimension(self) -> int:
        """Number of dimensions of the region."""

    @property
    def piece_bytes(self) -> int:
        """Bytes of the largest piece that one point of the task needs."""

    @property
    def layout_need(self) -> LayoutNeed | None: ...

    @property
    def virtual(self) -> bool:
        """Whether the program asks for no instance of it."""


class LaunchFacts(IndexLaunch, Protocol):
    """One way in which a task is launched; a single task has the domain ``()``."""

    @property
    def parent(self) -> str | None:
        """The task that launches it; None for the top-level task."""

    @property
    def requirements(self) -> Sequence[RequirementFacts]:
        """The requirements of this launch, with the names that hold for it."""


class Shortage(Protocol):
    """The first requirement that finds no room in its memory."""

    @property
    def task(self) -> str: ...

    @property
    def requirement(self) -> int:
        """The index of the requirement."""

    @property
    def memory(self) -> str:
        """The memory kind."""

    @property
    def bytes(self) -> int:
        """What the instance takes."""

    @property
    def capacity(self) -> int:
        """What the memory holds in all."""


class Obstacle(Protocol):
    """What stops a program under a mapper, if anything."""

    @property
    def shortage(self) -> Shortage | None:
        """The first requirement for which there is no room when the program is mapped, if any."""

    @property
    def deadlock(self) -> Sequence[str]:
        """Tasks whose instance limits make them wait for each other for ever; mostly none."""


class Forecast(Protocol):
    """Tells of mappers of one program on one machine whether it comes to its end under them."""

    def __call__(self, mapper: Mapper, /) -> Obstacle:
        """What stops the program once it is mapped.

        The mapper is one without errors: every task has a processor, and every launch a map that
        stays on the machine.
        """


class TaskFacts(Protocol):
    """One task of a program."""

    @property
    def name(self) -> str: ...

    @property
    def variants(self) -> Sequence[str]:
        """Processor kinds that it can run on."""

    @property
    def inner(self) -> bool:
        """Whether it only launches other tasks and touches no data itself."""

    @property
    def requirements(self) -> Sequence[RequirementFacts]: ...

    @property
    def launch_domains(self) -> Sequence[tuple[int, ...]]:
        """Extents of its distinct index launches; empty where only single tasks are launched."""

    @property
    def parents(self) -> Sequence[str]:
        """Names of the tasks that launch it; empty for those that the top-level task launches."""

    @property
    def launched_singly(self) -> bool:
        """Whether some launch of it is a single task."""

    @property
    def launches(self) -> Sequence[LaunchFacts]:
        """The distinct ways in which it is launched; those after the main loop left out."""

    @property
    def finish_only(self) -> bool:
        """Whether it is only launched after the main loop, where it is not measured."""


class ApplicationFacts(Protocol):
    """A program: its tasks by name, in program order."""

    @property
    def name(self) -> str: ...

    @property
    def tasks(self) -> Mapping[str, TaskFacts]: ...

    @property
    def ranks_per_node(self) -> int:
        """Processes per node that the program is run with."""

    @property
    def captured(self) -> bool:
        """Whether it was taken from a run, so that what it needs is no part of a search."""


class MachineFacts(Protocol):
    """A machine."""

    @property
    def name(self) -> str: ...

    @property
    def shape(self) -> MachineShape: ...

    def for_ranks(self, per_node: int) -> MachineFacts:
        """The machine as a program with that number of processes per node sees it."""

    def visible_memories(self, processor: str) -> Sequence[str]:
        """Memory kinds that a processor kind sees, the best first."""

    def capacity(self, memory: str) -> int:
        """Bytes of one memory of the kind; 0 where the machine has none."""

    def memories_per_node(self, memory: str) -> int:
        """Memories of the kind in a node: 4 frame buffers, say, but one zero-copy memory."""
