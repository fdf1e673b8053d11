"""The parameter space of the ICML 2025 paper (arXiv 2410.15625), written as a template.

Per task: processor kind, alignment, instance limit and index map; per argument of a task: memory,
order of dimensions, fields apart or together. A memory that the chosen processor kind does not
see is part of the space: the mapper falls back to the best one that it sees. A layout that a task
does not take is part of it as well, as in the paper, but for programs that were captured: each
trial of theirs is a run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dsl.facts import MachineFacts
from dsl.templates.space.additions import Additions
from dsl.templates.space.index_map_library import (
    MAP_DIMENSIONS,
    PAPER_MAPS,
    SHARDED_DIMENSIONS,
    SHARDING_MAPS,
    SINGLE_MAP,
    library_definitions,
)
from dsl.templates.space.parameters import NONE
from dsl.templates.space.tunable_task import Argument, TunableTask, usable_kinds, usable_memories
from dsl.templates.text.hole import hole_text

__all__ = ["PaperSpace"]

Lines = Iterator[str]


class PaperSpace:
    """Writes the statements of each decision block, with holes for what there is to decide."""

    memories: tuple[str, ...] = ("FBMEM", "ZCMEM", "SYSMEM")
    alignments: tuple[str, ...] = (NONE, "64", "128")
    limits: tuple[str, ...] = (NONE, "1", "2", "4")

    def __init__(
        self,
        tasks: Mapping[str, TunableTask],
        machine: MachineFacts,
        additions: Additions | None = None,
        *,
        captured: bool = False,
    ) -> None:
        self.tasks = tasks
        self.machine = machine
        self.captured = captured
        self.additions = additions or Additions()

    def blocks(self) -> dict[str, Lines]:
        """The lines of the six decision blocks, by title."""
        tasks, every = self.tasks.values(), self._arguments
        return {
            "Task: the processor kind of each task": self._task(),
            "Region: the memory of each argument": self._region(),
            "Layout: fields apart or together, order of dimensions, alignment": (
                line for task, argument in every() for line in self.layout(task, argument)
            ),
            "Instance limit: how many instances of a task may be under way": (
                line for task in tasks for line in self.limit(task)
            ),
            "Functions that the maps name": self._functions(),
            "Index-task map: which processor runs each point of an index launch": (
                self._index_map()
            ),
            "Single-task map: which processor runs a task that is launched alone": (
                self._single_map()
            ),
        }

    def _arguments(self) -> Iterator[tuple[TunableTask, Argument]]:
        return ((task, each) for task in self.tasks.values() for each in task.arguments)

    # Processors and memories

    def _task(self) -> Lines:
        for task in self.tasks.values():
            if len(task.kinds) > 1:
                yield f"Task {task.name} {hole_text(f'proc.{task.name}', task.kinds)};"
        if kinds := usable_kinds(self.machine):
            yield f"Task * {','.join(kinds)};"

    def _region(self) -> Lines:
        for task, argument in self._arguments():
            yield from self.memory(task, argument)
        for kind in usable_kinds(self.machine):
            for best in usable_memories(self.machine, kind)[:1]:
                yield f"Region * * {kind} {best};"

    def memory(self, task: TunableTask, argument: Argument) -> Lines:
        """The memory of an argument, among those that some kind of the task sees."""
        seen = [each for kind in task.kinds for each in usable_memories(self.machine, kind)]
        choices = [memory for memory in self.memories if memory in seen]
        if len(choices) > 1:
            default = seen[0] if seen[0] in choices else None
            memory = hole_text(f"mem.{task.name}.{argument.region}", choices, default=default)
            yield f"Region {task.name} {argument.region} * {memory};"

    # Layouts

    def layout(self, task: TunableTask, argument: Argument) -> Lines:
        """The layout of an argument; the first choices are what the task was compiled for."""
        need = argument.facts.layout_need
        together = need is not None and need.soa is False
        order = None if need is None else need.order
        name = f"{task.name}.{argument.region}"
        fields = "AOS" if together else "SOA"
        if not (self.captured and need and need.soa is not None):
            fields = hole_text(f"layout.{name}", ["SOA", "AOS"], default=fields)
        dimensions = order or "F_order"
        if not (self.captured and need and need.order):
            dimensions = hole_text(f"order.{name}", ["F_order", "C_order"], default=order)
        first = argument is task.arguments[0]
        align = f"align.{task.name}"
        aligned = hole_text(align, self.alignments) if first else f"${{{align}}}"
        words = f"{fields} {dimensions} $[Align=={aligned}]{self.tight(task, argument)}"
        yield f"Layout {task.name} {argument.region} * {words};"

    def tight(self, task: TunableTask, argument: Argument) -> str:
        """Whether instances are as small as the argument, where that is a choice."""
        need = argument.facts.layout_need
        holes = need is not None and need.compact is False
        if holes or (task.name, tuple(argument.facts.names)) not in self.additions.tight:
            return ""
        hole = hole_text(f"exact.{task.name}.{argument.region}", [NONE, "Exact"])
        return f" $[Compact {hole}]"

    # Limits and maps

    def limit(self, task: TunableTask) -> Lines:
        """The instance limit of a task that is launched many times over."""
        if task.domains or task.parents:
            limit = hole_text(f"limit.{task.name}", self.limits)
            yield f"$[InstanceLimit {task.name} {limit};]"

    def maps(self, task: TunableTask) -> tuple[str, ...]:
        """The index maps to choose from; ``none`` is always a choice, too."""
        return SHARDING_MAPS if _is_sharded(task) else self.general_maps(task)

    def general_maps(self, task: TunableTask) -> tuple[str, ...]:  # noqa: ARG002  others look at it
        """The same for launch domains of few dimensions."""
        return PAPER_MAPS

    def _functions(self) -> Lines:
        """The library functions that the maps name."""
        wanted = [
            (name, kind)
            for task in self._mapped()
            for kind in self.shared_kinds(task)
            for name in self.maps(task)
        ]
        wanted += [(SINGLE_MAP, kind) for _, kind, _ in self._following()]
        for definition in (*library_definitions(wanted), *self.additions.definitions):
            yield f"$[{definition}]"

    def _index_map(self) -> Lines:
        for task in self._mapped():
            kinds = self.shared_kinds(task)
            when = ""
            if len(kinds) < len(task.kinds):
                when = f"proc.{task.name} " + (
                    f"== {kinds[0]}" if len(kinds) == 1 else f"in ({', '.join(kinds)})"
                )
            known = (*self.maps(task), *self.additions.maps.get(task.name, ()))
            choice = hole_text(f"map.{task.name}", [NONE, *known], when=when)
            kind = kinds[0] if len(kinds) == 1 else f"${{proc.{task.name}}}"
            yield f"$[IndexTaskMap {task.name} {choice}_{kind};]"

    def _mapped(self) -> Iterator[TunableTask]:
        """Tasks whose points may go to several processors."""
        for task in self.tasks.values():
            ranks = {len(domain) for domain in task.domains}
            fits = ranks and max(ranks) <= MAP_DIMENSIONS
            if (fits or _is_sharded(task)) and self.shared_kinds(task) and self.maps(task):
                yield task

    def shared_kinds(self, task: TunableTask) -> list[str]:
        """The kinds of a task of which the machine has several processors."""
        shape = self.machine.shape
        return [kind for kind in task.kinds if shape.nodes * shape.count(kind) > 1]

    def _single_map(self) -> Lines:
        following = list(self._following())
        for task, kind, parent in following:
            alone = sum(other is task for other, _, _ in following) == 1
            name = f"single.{task.name}" if alone else f"single.{task.name}.{kind}"
            when = " and ".join(
                f"proc.{each.name} == {kind}" for each in (task, parent) if len(each.kinds) > 1
            )
            choice = hole_text(name, [NONE, SINGLE_MAP], when=when)
            yield f"$[SingleTaskMap {task.name} {choice}_{kind};]"

    def _following(self) -> Iterator[tuple[TunableTask, str, TunableTask]]:
        """Tasks launched singly that may stay with their parent: where both run on one kind."""
        for task in self.tasks.values():
            for name in task.parents[:1]:
                parent = self.tasks.get(name)
                for kind in self.shared_kinds(task) if parent else ():
                    if parent and kind in parent.kinds:
                        yield task, kind, parent


def _is_sharded(task: TunableTask) -> bool:
    """Whether its launches are over chunks, micro-batches, batch and tensor pieces."""
    return {len(domain) for domain in task.domains} == {SHARDED_DIMENSIONS}
