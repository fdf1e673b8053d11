"""What the rules of a mapper say, and which of it a machine grants (section 10).

The first statement for a key wins; later ones for the same key have no effect. The checks and the
side of the runtime ask here what is granted, so that they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Protocol

from dsl import syntax
from dsl.machine_shape import PLACED_KINDS

__all__ = [
    "PREFERENCE",
    "RULES",
    "LayoutDecision",
    "LayoutNeed",
    "Tables",
    "accepts_layout",
    "choose_kind",
    "choose_memory",
    "lookup_keys",
]


PREFERENCE = ("GPU", "OMP", "CPU", "PY", "IO", "PROC")
"""The order in which Legion's default mapper tries processor kinds."""


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


# There are few, and a mapper has a layout for each region of each task.
_layout_decision = lru_cache(maxsize=1_000)(LayoutDecision)


class LayoutNeed(Protocol):
    """The layout that a task's variants were compiled for, or that the runtime can copy."""

    @property
    def order(self) -> str | None:
        """``"C_order"`` or ``"F_order"``, or None where either will do."""

    @property
    def soa(self) -> bool | None:
        """True where fields must be apart, False where together, None where either will do."""

    @property
    def compact(self) -> bool | None:
        """False where instances must keep the holes of a piece, None where either will do."""

    @property
    def message(self) -> str:
        """What the program says when it gets another one."""

    @property
    def alone(self) -> bool:
        """Whether ``soa`` counts for requirements of one field, too."""


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

    @classmethod
    def of(cls, statements: Iterable[syntax.Statement]) -> Tables:
        """What the rules among some statements say; definitions are passed over."""
        tables = cls()
        for statement in statements:
            add = RULES.get(type(statement))
            if add is not None:
                add(tables, statement)
        return tables

    def add_task(self, statement: syntax.Task) -> None:
        for task in statement.tasks:
            self.kinds.setdefault(task, statement.kinds)

    def add_region(self, statement: syntax.Region) -> None:
        for task in statement.tasks:
            by_kind = self.memories.setdefault((task, statement.region), {})
            by_kind.setdefault(statement.processor, statement.memories)

    def add_layout(self, statement: syntax.Layout) -> None:
        place = "*" if statement.place == "VIRTUAL" else statement.place
        decision = _layout_decision(
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

    def index_function(self, task: str, kind: str | None) -> str | None:
        return _function(self.index_functions, task, kind)

    def single_function(self, task: str, kind: str | None) -> str | None:
        return _function(self.single_functions, task, kind)


RULES: Mapping[type, Callable[[Tables, Any], None]] = MappingProxyType(
    {
        syntax.Task: Tables.add_task,
        syntax.Region: Tables.add_region,
        syntax.Layout: Tables.add_layout,
        syntax.InstanceLimit: Tables.add_instance_limit,
        syntax.CollectMemory: Tables.add_collect_memory,
        syntax.ControlReplicate: Tables.add_control_replicate,
        syntax.IndexTaskMap: Tables.add_index_task_map,
        syntax.SingleTaskMap: Tables.add_single_task_map,
    }
)
"""How each kind of rule is added; other statements are definitions and prints."""


def _function(functions: Mapping[str, str], task: str, kind: str | None) -> str | None:
    """A map by the task's name, else by the processor kind; ``*`` has no effect (section 10)."""
    if task in functions and task != "*":
        return functions[task]
    return functions.get(kind) if kind in PLACED_KINDS else None


@lru_cache(maxsize=10_000)
def lookup_keys(task: str, region_names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Pairs of task and region in the order of look-up."""
    regions = (*region_names, "*")
    return tuple((each, region) for each in (task, "*") for region in regions)


def choose_kind(
    wanted: Sequence[str], variants: Sequence[str], present: Sequence[str]
) -> str | None:
    """The first wanted kind that the task has a variant for and the machine has; else the default.

    Returns:
        The kind, or None where no variant of the task can run on the machine.

    >>> choose_kind(("OMP", "CPU"), variants=("CPU", "GPU"), present=("CPU", "GPU", "OMP"))
    'CPU'
    """
    for kind in (*wanted, *PREFERENCE):
        if kind in variants and kind in present:
            return kind
    return None


def choose_memory(wanted: Sequence[str], visible: Sequence[str]) -> str:
    """The first wanted memory that the processor sees (or ``VIRTUAL``); else its fastest.

    >>> choose_memory(("SYSMEM", "ZCMEM"), visible=("FBMEM", "ZCMEM"))
    'ZCMEM'
    """
    for memory in wanted:
        if memory == "VIRTUAL" or memory in visible:
            return memory
    return visible[0]


def accepts_layout(
    need: LayoutNeed | None, dimension: int, fields: int, layout: LayoutDecision
) -> bool:
    """Whether a variant that needs such a layout takes an instance of this one.

    Args:
        need: The layout that the variant was compiled for; None where any will do.
        dimension: Number of dimensions of the region; a single dimension has no order.
        fields: Number of fields of the requirement; a single field is neither apart nor together.
        layout: The layout of the instance.
    """
    if need is None:
        return True
    if need.compact is False and layout.compact:
        return False
    ordered = need.order is not None and dimension > 1
    if ordered and layout.c_order != (need.order == "C_order"):
        return False
    together_or_apart = fields > 1 or need.alone
    return need.soa is None or not together_or_apart or layout.soa == need.soa
