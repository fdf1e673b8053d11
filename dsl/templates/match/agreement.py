"""Choosing one of each list of partial assignments so that all agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from dsl.templates.space.parameter import Value

__all__ = ["agreeing"]

Assignment: TypeAlias = Mapping[str, Value]


def agreeing(lists: Sequence[Sequence[Assignment]]) -> Iterator[dict[str, Value]]:
    """The unions of one assignment from each list, where no two give a name different values.

    Earlier assignments of a list come first.

    >>> list(agreeing([[{"a": 1}, {"a": 2}], [{"a": 2, "b": 0}]]))
    [{'a': 2, 'b': 0}]
    """
    values: dict[str, Value] = {}
    open_lists: Sequence[Sequence[Assignment]] = lists
    narrowed = True
    while narrowed:
        narrowed = False
        remaining: list[Sequence[Assignment]] = []
        for candidates in open_lists:
            fitting = [each for each in candidates if _agrees(each, values)]
            if not fitting:
                return
            if len(fitting) == 1:
                values.update(fitting[0])
                narrowed = True
            else:
                remaining.append(fitting)
        open_lists = remaining
    if not open_lists:
        yield values
        return
    shortest = min(open_lists, key=len)
    others = [each for each in open_lists if each is not shortest]
    for each in shortest:
        yield from agreeing([[{**values, **each}], *others])


def _agrees(assignment: Assignment, values: Assignment) -> bool:
    return all(values.get(name, value) == value for name, value in assignment.items())
