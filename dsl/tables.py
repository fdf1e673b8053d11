"""The tables that a mapper's statements fill, and the look-ups in them (section 10).

The first statement for a key wins; later ones for the same key have no effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from dsl import syntax

__all__ = ["LayoutDecision", "Tables", "lookup_keys"]


@dataclass(frozen=True, slots=True)
class LayoutDecision:
    """The layout of an instance.

    Attributes:
        soa: Whether fields lie apart (structure of arrays) rather than together.
        c_order: Whether the last dimension varies fastest rather than the first.
        compact: Whether the instance is compact.
        exact: Whether it holds exactly the region asked for; only has an effect if ``compact``.
        align: Alignment of each field, or None.
    """

    soa: bool = True
    c_order: bool = False
    compact: bool = False
    exact: bool = False
    align: syntax.Align | None = None


@dataclass
class Tables:
    """What the statements of a mapper say, by key.

    Attributes:
        kinds: Processor kinds by task.
        memories: Memory kinds by (task, region), then by processor kind.
        layouts: Layouts by (task, region), then by memory kind or processor kind.
        limits: Instance limits by task.
        collected: Pairs of task and region whose instances are collected.
        replicated: Control-replicated tasks, in text order.
        index_functions: Functions of IndexTaskMap by task or processor kind.
        single_functions: Functions of SingleTaskMap by task or processor kind.
    """

    kinds: dict[str, tuple[str, ...]] = field(default_factory=dict)
    memories: dict[tuple[str, str], dict[str, tuple[str, ...]]] = field(default_factory=dict)
    layouts: dict[tuple[str, str], dict[str, LayoutDecision]] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)
    collected: set[tuple[str, str]] = field(default_factory=set)
    replicated: list[str] = field(default_factory=list)
    index_functions: dict[str, str] = field(default_factory=dict)
    single_functions: dict[str, str] = field(default_factory=dict)

    # Statements

    def add_task(self, statement: syntax.Task) -> None:
        for task in statement.tasks:
            self.kinds.setdefault(task, statement.kinds)

    def add_region(self, statement: syntax.Region) -> None:
        for task in statement.tasks:
            by_kind = self.memories.setdefault((task, statement.region), {})
            by_kind.setdefault(statement.processor, statement.memories)

    def add_layout(self, statement: syntax.Layout) -> None:
        place = "*" if statement.place == "VIRTUAL" else statement.place
        decision = LayoutDecision(
            statement.soa, statement.c_order, statement.compact, statement.exact, statement.align
        )
        for task in statement.tasks:
            self.layouts.setdefault((task, statement.region), {}).setdefault(place, decision)

    def add_instance_limit(self, statement: syntax.InstanceLimit) -> None:
        self.limits.setdefault(statement.task, statement.limit)

    def add_collect_memory(self, statement: syntax.CollectMemory) -> None:
        self.collected.add((statement.task, statement.region))

    def add_control_replicate(self, statement: syntax.ControlReplicate) -> None:
        self.replicated += [task for task in statement.tasks if task not in self.replicated]

    def add_index_task_map(self, statement: syntax.IndexTaskMap) -> None:
        for key in statement.keys:
            self.index_functions.setdefault(key, statement.function)

    def add_single_task_map(self, statement: syntax.SingleTaskMap) -> None:
        for key in statement.keys:
            self.single_functions.setdefault(key, statement.function)

    # Look-ups

    def task_kinds(self, task: str) -> tuple[str, ...]:
        return self.kinds.get(task, self.kinds.get("*", ()))

    def task_memories(self, task: str, region_names: Sequence[str], kind: str) -> tuple[str, ...]:
        found: tuple[str, ...] = ()
        for key in lookup_keys(task, tuple(region_names)):
            by_kind = self.memories.get(key)
            if by_kind is not None:
                # The entry for the kind hides that for all kinds.
                found += by_kind.get(kind, by_kind.get("*", ()))
        return found

    def layout(
        self, task: str, region_names: Sequence[str], memory: str, kind: str | None
    ) -> LayoutDecision | None:
        for key in lookup_keys(task, tuple(region_names)):
            by_place = self.layouts.get(key)
            if by_place is None:
                continue
            for place in (memory, kind, "*"):
                if place is not None and place in by_place:
                    return by_place[place]
        return None

    def collects(self, task: str, region_names: Sequence[str]) -> bool:
        return not self.collected.isdisjoint(lookup_keys(task, tuple(region_names)))


@lru_cache(maxsize=10_000)
def lookup_keys(task: str, region_names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Pairs of task and region in the order of look-up."""
    regions = (*region_names, "*")
    return tuple((each, region) for each in (task, "*") for region in regions)
