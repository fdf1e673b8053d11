"""Walks over the syntax tree, without recursion."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import fields
from functools import cache
from typing import Any, cast

__all__ = ["children", "nests_deeper", "walk"]


@cache
def _attributes(kind: Hashable) -> tuple[str, ...]:
    return tuple(f.name for f in fields(cast("Any", kind)) if f.name != "position")


def children(node: Any) -> list[Any]:
    """The nodes directly under a node of the syntax tree, in text order."""
    found = []
    for attribute in _attributes(type(node)):
        value = getattr(node, attribute)
        if hasattr(value, "__dataclass_fields__"):
            found.append(value)
        elif type(value) is tuple:
            found += [item for item in value if hasattr(item, "__dataclass_fields__")]
    return found


def walk(node: Any) -> Iterator[Any]:
    """The node and all nodes under it, each before those under it, in text order."""
    stack = [node]
    while stack:
        top = stack.pop()
        yield top
        stack += reversed(children(top))


def nests_deeper(node: Any, limit: int) -> bool:
    """Whether some path down from the node has more than ``limit`` nodes."""
    level = [node]
    for _ in range(limit):
        level = [child for parent in level for child in children(parent)]
        if not level:
            return False
    return True
