"""What a mapper decides for all points of a launch together (language reference, section 10).

Which processor kind the task gets, which memory and layout each requirement gets, and which
answers Legion would refuse. The refusals carry the words of the real runtime.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from dsl.mapper import Mapper
from dsl.tables import LayoutDecision, accepts_layout, choose_kind, choose_memory
from legion_bridge.errors import MappingError
from legion_bridge.programs.application import Application, Launch, Region, Requirement

__all__ = ["LaunchDecisions", "LaunchQuestions"]

DEFAULT_LAYOUT = LayoutDecision()


@dataclass(frozen=True, slots=True)
class LaunchDecisions:
    """The decisions for all points of a launch together.

    Attributes:
        kind: Processor kind of the task.
        limit: Instance limit of the task; 0 for none.
        memories, layouts: Memory kind and layout of each requirement; None without data.
        collects: Whether each requirement's instance may be collected after the task.
    """

    kind: str
    limit: int
    memories: tuple[str | None, ...]
    layouts: tuple[LayoutDecision | None, ...]
    collects: tuple[bool, ...]
    _hash: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        content = (self.kind, self.limit, self.memories, self.layouts, self.collects)
        object.__setattr__(self, "_hash", hash(content))

    def __hash__(self) -> int:
        """The hash of the content, computed once: decisions are looked up more often than made."""
        return self._hash


class LaunchQuestions:
    """The questions about all points of a launch together, prepared."""

    def __init__(
        self, application: Application, launch: Launch, visible: Mapping[str, Sequence[str]]
    ) -> None:
        self.launch = launch
        self._visible = visible
        self._variants = application.task_kinds[launch.task].variants
        inner = application.task_kinds[launch.task].inner
        self._arguments = [
            None
            if requirement.virtual
            or not requirement.fields
            or (inner and requirement.privilege != "REDUCE")
            else _Argument(
                index,
                (*application.semantic_names(requirement), str(index)),
                requirement,
                application.regions[requirement.region],
            )
            for index, requirement in enumerate(launch.requirements)
        ]

    def ask(self, mapper: Mapper) -> LaunchDecisions:
        """The decisions.

        Raises:
            MappingError: Legion would refuse one.
        """
        kind = self._kind(mapper)
        memories: list[str | None] = []
        layouts: list[LayoutDecision | None] = []
        collects: list[bool] = []
        for argument in self._arguments:
            if argument is None:
                memory, layout, collected = None, None, False
            else:
                memory, layout, collected = self._ask(mapper, kind, argument)
            memories.append(memory)
            layouts.append(layout)
            collects.append(collected)
        limit = mapper.instance_limit(self.launch.task)
        return LaunchDecisions(kind, limit, tuple(memories), tuple(layouts), tuple(collects))

    def _kind(self, mapper: Mapper) -> str:
        task = self.launch.task
        kind = choose_kind(mapper.task_kinds(task), self._variants, tuple(self._visible))
        if kind is None:
            names = " ".join(f"{variant}_PROC" for variant in self._variants)
            raise MappingError(
                f"Failed to find any valid variants for task {task} on the current machine. All "
                f"variants ({names}) for this task are for processor kinds which are not present "
                "on this machine."
            )
        return kind

    def _ask(
        self, mapper: Mapper, kind: str, argument: _Argument
    ) -> tuple[str, LayoutDecision, bool]:
        task, names, requirement = self.launch.task, argument.names, argument.requirement
        memory = choose_memory(mapper.memories(task, names, kind), self._visible[kind])
        if memory == "VIRTUAL":
            raise MappingError(
                f"Illegal implicit mapping of a virtual mapped region in task {task} "
                f"(region requirement {argument.number})."
            )
        layout = mapper.layout(task, names, memory, kind) or DEFAULT_LAYOUT
        if layout.align is not None and not layout.align.possible:
            raise MappingError(
                f"an instance cannot be aligned to {layout.align.bytes} bytes in task {task} "
                f"(region requirement {argument.number}, region {names[0]}): take a power of two, "
                "such as 64"
            )
        dimension, fields = argument.region.dimension, len(requirement.fields)
        if requirement.need and not accepts_layout(requirement.need, dimension, fields, layout):
            raise MappingError(
                f"{requirement.need.message} in task {task} "
                f"(region requirement {argument.number}, region {names[0]})"
            )
        collected = requirement.privilege == "READ_ONLY" and mapper.collects(task, names)
        return memory, layout, collected


class _Argument(NamedTuple):
    """A requirement with data, and the names that a mapper may call it by."""

    number: int
    names: tuple[str, ...]
    requirement: Requirement
    region: Region
