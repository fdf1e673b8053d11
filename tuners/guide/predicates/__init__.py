"""What the rules can ask of a profile, by name; one module a theme.

A predicate takes a case and yields what it found, each with the changes that may help. Which of
them do help is not its business: the engine prices them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from tuners.guide.case import Case
from tuners.guide.guidance import Found
from tuners.guide.predicates.layouts import conversions, unsuited_layouts
from tuners.guide.predicates.maps import far_from_parent, imbalance, needless_communication
from tuners.guide.predicates.memories import busy_links, copies, memory_nearly_full, zero_copy
from tuners.guide.predicates.processors import made_elsewhere, slow_processors
from tuners.guide.predicates.waiting import (
    collection,
    critical_path,
    instance_limits,
    launch_overhead,
)

__all__ = ["PREDICATES"]

PREDICATES: Mapping[str, Callable[[Case], Iterator[Found]]] = MappingProxyType(
    {
        predicate.__name__: predicate
        for predicate in (
            busy_links,
            collection,
            conversions,
            copies,
            critical_path,
            far_from_parent,
            imbalance,
            instance_limits,
            launch_overhead,
            made_elsewhere,
            memory_nearly_full,
            needless_communication,
            slow_processors,
            unsuited_layouts,
            zero_copy,
        )
    }
)
