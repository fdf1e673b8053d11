"""How many points a space of parameters has."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from dsl.templates.space.parameters import Parameter, Value

__all__ = ["count_points"]

_COUNTED = 10_000


def count_points(parameters: Mapping[str, Parameter]) -> int:
    """The number of points; two that differ in parameters that do not count are one.

    The count is exact, with one bound on the work: where the conditions of one independent part
    of the space ask about parameters with more than 10,000 combinations, that part counts as if
    all its conditions held, which may be too many but is never too few.
    """
    return prod(_count_part(part) for part in _parts(parameters))


def _parts(parameters: Mapping[str, Parameter]) -> list[list[Parameter]]:
    """The parameters in groups that no condition ties to each other, each in order."""
    part_of: dict[str, list[Parameter]] = {}
    for parameter in parameters.values():
        asked = parameter.condition.names if parameter.condition else ()
        tied = {id(part_of[other]): part_of[other] for other in asked}.values()
        mine = [each for part in tied for each in part] + [parameter]
        part_of |= {each.name: mine for each in mine}
    order = {name: i for i, name in enumerate(parameters)}
    parts = {id(part): part for part in part_of.values()}.values()
    return [sorted(part, key=lambda parameter: order[parameter.name]) for part in parts]


def _count_part(part: list[Parameter]) -> int:
    asked = {name for each in part if each.condition for name in each.condition.names}
    deciders = [each for each in part if each.name in asked]
    others = [each for each in part if each.name not in asked]
    if prod(each.size for each in deciders) > _COUNTED:
        return prod(each.size for each in part)
    return _count(deciders, others, {})


def _count(deciders: list[Parameter], others: list[Parameter], chosen: dict[str, Value]) -> int:
    """The points with these values of the deciders before."""
    if not deciders:
        return prod(each.size for each in others if _counts(each, chosen))
    first, *rest = deciders
    if not _counts(first, chosen):
        return _count(rest, others, chosen)
    return sum(_count(rest, others, {**chosen, first.name: value}) for value in first.values)


def _counts(parameter: Parameter, chosen: Mapping[str, Value]) -> bool:
    return parameter.condition is None or parameter.condition.holds(chosen)
