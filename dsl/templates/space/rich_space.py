"""A richer parameter space than the paper's, without decisions that have no effect.

Memories depend on the processor kind, and every memory that it sees is among them, unless the
data is too large for it. Layouts are decided where they differ: fields where an argument has
several, the order where it has several dimensions, neither where the task was compiled for one.
There are all index maps of the library that differ, more limits, and collection of memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from dsl.templates.space.distinct_maps import distinct_maps
from dsl.templates.space.paper_space import Lines, PaperSpace
from dsl.templates.space.parameters import NONE
from dsl.templates.space.tunable_task import Argument, TunableTask, usable_memories
from dsl.templates.text.hole import hole_text

__all__ = ["RichSpace"]


class RichSpace(PaperSpace):
    """Writes the statements of each decision block, with holes for what there is to decide."""

    limits: tuple[str, ...] = (NONE, "1..8")

    def blocks(self) -> dict[str, Lines]:
        """The lines of the decision blocks, by title."""
        collected = (line for task in self.tasks.values() for line in self._collect(task))
        return {
            **super().blocks(),
            "Collection: memory of read-only data is freed early": collected,
        }

    def memory(self, task: TunableTask, argument: Argument) -> Lines:
        """The memory of an argument for each kind of the task, among those that it fits into."""
        name = f"mem.{task.name}.{argument.region}"
        for kind in task.kinds:
            seen = usable_memories(self.machine, kind)
            memories = [each for each in seen if self._fits(task, argument, each)] or seen[:1]
            where = f"Region {task.name} {argument.region} {kind}"
            if len(memories) > 1 and len(task.kinds) > 1:
                when = f"proc.{task.name} == {kind}"
                yield f"$[{where} {hole_text(f'{name}.{kind}', memories, when=when)};]"
            elif len(memories) > 1:
                yield f"{where} {hole_text(name, memories)};"
            elif memories != seen[:1]:
                yield f"{where} {memories[0]};"

    def _fits(self, task: TunableTask, argument: Argument, memory: str) -> bool:
        """Whether a memory could hold the argument at all.

        One piece must fit in one memory; and what a launch writes, all pieces in all memories.
        """
        machine, facts = self.machine, argument.facts
        if facts.piece_bytes > machine.capacity(memory):
            return False
        memories = machine.shape.nodes * machine.memories_per_node(memory)
        pieces = max(map(prod, task.domains), default=1)
        total = facts.piece_bytes * (1 if facts.privilege == "READ_ONLY" else pieces)
        return total <= memories * machine.capacity(memory)

    def layout(self, task: TunableTask, argument: Argument) -> Lines:
        """The layout of an argument, as far as it makes a difference."""
        need, facts = argument.facts.layout_need, argument.facts
        name = f"{task.name}.{argument.region}"
        fields = "SOA" if need is None or need.soa is not False else "AOS"
        if len(facts.fields) > 1 and (need is None or need.soa is None):
            fields = hole_text(f"layout.{name}", ["SOA", "AOS"])
        order = "F_order" if need is None or need.order is None else need.order
        if facts.dimension > 1 and (need is None or need.order is None):
            order = hole_text(f"order.{name}", ["F_order", "C_order"])
        aligned = hole_text(f"align.{name}", self.alignments)
        where = f"{task.name} {argument.region}"
        tight = self.tight(task, argument)
        yield f"Layout {where} * {fields} {order} $[Align=={aligned}]{tight};"

    def general_maps(self, task: TunableTask) -> tuple[str, ...]:
        """The maps of the library that differ for the task's launches on the machine."""
        return distinct_maps(self.shared_kinds(task), task.domains, self.machine.shape)

    def _collect(self, task: TunableTask) -> Iterator[str]:
        if any(each.facts.privilege == "READ_ONLY" for each in task.arguments):
            choice = hole_text(f"collect.{task.name}", [NONE, task.name])
            yield f"$[CollectMemory {choice} *;]"
