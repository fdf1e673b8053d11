"""Which index maps of the library differ, for given launch domains on a given machine?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from math import prod

from dsl.errors import MapperEvaluationError
from dsl.load import load
from dsl.machine_shape import MachineShape
from dsl.mapper import Mapper
from dsl.parsing.parse import parse
from dsl.templates.space.index_map_library import INDEX_MAPS, function_name, library_definitions

__all__ = ["distinct_maps"]

_POINTS = 10_000  # of a launch domain; for larger ones no map is left out


def distinct_maps(
    kinds: Iterable[str], domains: Sequence[tuple[int, ...]], shape: MachineShape
) -> tuple[str, ...]:
    """The maps of the library, without those that send all points where an earlier one sends them.

    Args:
        kinds: Processor kinds that the points may run on.
        domains: Extents of the launch domains.
        shape: The machine.

    Returns:
        Names of maps, without the kind. Those that fail on the machine are not among them:
        `auto_split` factors no very large numbers.
    """
    if max(map(prod, domains), default=0) > _POINTS:
        return INDEX_MAPS
    found: dict[bytes, str] = {}
    for name in INDEX_MAPS:
        try:
            placed = [
                _library(kind, shape).index_map(name, kind, domain).tobytes()
                for kind in kinds
                for domain in domains
            ]
        except MapperEvaluationError:
            continue
        found.setdefault(b"".join(placed), name)
    return tuple(found.values())


@cache
def _library(kind: str, shape: MachineShape) -> Mapper:
    """A mapper with a task for each map, of the map's name."""
    maps = [f"IndexTaskMap {name} {function_name(name, kind)};" for name in INDEX_MAPS]
    definitions = library_definitions((name, kind) for name in INDEX_MAPS)
    return load(parse("\n".join([*definitions, *maps])), shape)
