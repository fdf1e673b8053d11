"""Walks over the syntax tree, without recursion."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

__all__ = ["children", "nests_deeper", "walk"]

_attributes: dict[Any, tuple[str, ...]] = {}


def children(node: Any) -> list[Any]:
    """The nodes directly under a node of the syntax tree, in text order."""
    kind = type(node)
    if kind not in _attributes:
        _attributes[kind] = tuple(f.name for f in fields(kind) if f.name != "position")
    found = []
    for attribute in _attributes[kind]:
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
