"""What print statements say (section 2)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dsl.evaluation.faults import Fault
from dsl.evaluation.processors import MachineSpace
from dsl.evaluation.values import GeneralTuple, IntTuple, PointSet, Rows, describe, is_bool, is_int
from dsl.limits import MAX_PRINTED

__all__ = ["Printed", "render"]


class Printed(NamedTuple):
    """One print statement that was carried out, for all index points at hand.

    Attributes:
        rows: The points, counted through the launch; None outside of one.
        pieces: The text around the values.
        values: The values, which may vary over the points.
    """

    rows: Rows | None
    pieces: list[str]
    values: list[Any]


def require_printable(value: Any) -> None:
    """Fails for what print cannot say."""
    if isinstance(value, GeneralTuple):
        for item in value.items:
            require_printable(item)
    elif not (
        is_int(value) or is_bool(value) or isinstance(value, IntTuple | MachineSpace | PointSet)
    ):
        raise Fault("print-args", f"print cannot print {describe(value)}")


def render(events: list[Printed]) -> str:
    """The text that point by point evaluation prints, up to a limit."""
    order = [
        (-1 if event.rows is None else int(event.rows[at]), number, at)
        for number, event in enumerate(events)
        for at in range(1 if event.rows is None else len(event.rows))
    ]
    parts: list[str] = []
    size = 0
    for _, number, at in sorted(order):
        text = _one(events[number], at)
        size += len(text)
        if size > MAX_PRINTED:
            break
        parts.append(text)
    return "".join(parts)


def _one(event: Printed, at: int) -> str:
    texts = [_text(value, at) for value in event.values]
    mixed = [event.pieces[0]]
    for text, piece in zip(texts, event.pieces[1:], strict=True):
        mixed += [text, piece]
    return "".join(mixed) + "\n"


def _text(value: Any, at: int) -> str:
    if isinstance(value, np.ndarray):
        value = value[at].item()
    if isinstance(value, bool):
        return f"BoolValNode: {str(value).lower()}\n"
    if isinstance(value, IntTuple | GeneralTuple):
        return ",".join([_text(item, at) for item in value.items])
    if isinstance(value, PointSet):
        points = [f"{_text(node, at)},{_text(proc, at)}\n" for node, proc in value.points]
        return "".join(points)
    if isinstance(value, MachineSpace):
        return f"Processor {value.kind}: {''.join(f'{size} ' for size in value.sizes)}\n"
    return str(value)
