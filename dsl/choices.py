"""Which of a mapper's preferences a machine can grant (language reference, section 10).

The checks and the runtime's side ask the same questions here, so that they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Sequence

from dsl.facts import LayoutNeed
from dsl.tables import LayoutDecision

__all__ = ["PREFERENCE", "accepts_layout", "choose_kind", "choose_memory"]

PREFERENCE = ("GPU", "OMP", "CPU", "PY", "IO", "PROC")
"""The order in which Legion's default mapper tries processor kinds."""


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
    ordered = need.order is not None and dimension > 1
    if ordered and layout.c_order != (need.order == "C_order"):
        return False
    return need.soa is None or fields < 2 or layout.soa == need.soa
