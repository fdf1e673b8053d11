"""The schema of an application's JSON document, by which an application is made of it.

Versions:
    1: The program.
    2: Besides, for captured programs, ``unknown`` (what is assumed, by its place in the document,
       and why), ``copies`` (those of the captured run), and ``named`` in regions and partitions
       (false where the program gives no name, so that a mapper must use the requirement's index).
    3: Besides, for launches over a sparse domain, its ``points``.
    4: Besides, ``own_mapper`` (the class of the mapper that a captured program brings), and in
       requirements ``output`` (the task makes the data) and ``collective`` (points that write the
       same data each need an instance), and in their layouts ``compact``.
    5: Besides, for the work of launches, ``side`` and the rates of matrix products of fp8, fp16,
       bf16 and tf32.

A document of an earlier version is one of the newest that lacks these members.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.machine_shape import PROCESSOR_KINDS
from legion_bridge.errors import ApplicationError
from legion_bridge.programs.application import (
    PRIVILEGES,
    Application,
    Field,
    Launch,
    LayoutNeed,
    ObservedCopy,
    Partition,
    Region,
    Requirement,
    TaskKind,
    Work,
)
from legion_bridge.rates import PRODUCT_RATES, RATES
from legion_bridge.shapes import (
    Shape,
    ShapeError,
    a_flag,
    a_list,
    a_number,
    a_table,
    a_text,
    a_whole_number,
    an_object,
    one_of,
    optional,
    shown,
)

__all__ = ["application_of", "schema_of"]

_READ = (1, 2, 3, 4, 5)
MOST_POINTS = 4_000_000


def schema_of(application: Application) -> int:
    """The earliest version that can say all of an application, among those that are written."""
    launches = application.launches() + application.finish
    works = [launch.work for launch in launches]
    if any(each.side is not None or each.rate in PRODUCT_RATES for each in works):
        return 5
    requirements = [each for launch in launches for each in launch.requirements]
    newer = (
        each.output or each.collective or (each.need and each.need.compact is not None)
        for each in requirements
    )
    if application.own_mapper or any(newer):
        return 4
    return 3 if any(launch.points for launch in launches) else 2


def application_of(document: Any) -> Application:
    """The application that a decoded document describes.

    Raises:
        ApplicationError: The document does not have the schema's shape, or contradicts itself.
    """
    if isinstance(document, Mapping) and document.get("schema", 1) not in _READ:
        raise ApplicationError(
            f"schema: this version of mappertune reads {_READ[0]} to {_READ[-1]}, "
            f"not {shown(document['schema'])}"
        )
    try:
        read = _DOCUMENT(document)
    except ShapeError as error:
        raise ApplicationError(str(error)) from None
    regions = {name: _region(name, part) for name, part in read["regions"].items()}
    partitions = {
        name: _partition(name, part, regions) for name, part in read["partitions"].items()
    }
    kinds = {
        name: TaskKind(name, part["variants"], part["inner"])
        for name, part in read["tasks"].items()
    }
    plain = (
        "name", "summary", "parameters", "unit", "work", "warmup", "timed", "traced", "own_mapper",
    )  # fmt: skip
    application = Application(
        task_kinds=kinds,
        regions=regions,
        partitions=partitions,
        setup=_launches(read["setup"], "setup"),
        loop=_launches(read["loop"], "loop"),
        finish=_launches(read["finish"], "finish"),
        mappers=read["mappers"],
        ranks_per_node=read["ranks_per_node"],
        unknown=read["unknown"],
        copies=tuple(ObservedCopy(**copy) for copy in read["copies"]),
        **{key: read[key] for key in plain},
    )
    application.validate()
    return application


def _region(name: str, part: Mapping[str, Any]) -> Region:
    lower, upper = part["lower"], part["upper"]
    if not lower or len(lower) != len(upper):
        raise ApplicationError(
            f"regions.{name}: lower and upper must have one number a dimension each"
        )
    fields = tuple(Field(f, n) for f, n in part["fields"].items())
    return Region(name, lower, upper, fields, part["named"])


def _partition(name: str, part: Mapping[str, Any], regions: Mapping[str, Region]) -> Partition:
    place, pieces, volumes = f"partitions.{name}", part["pieces"], part["volumes"]
    region = regions.get(part["region"])
    if region is None:
        raise ApplicationError(f"{place}.region: there is no region {part['region']!r}")
    for color, bounds in enumerate(pieces):
        if any(len(corner) != region.dimension for corner in bounds):
            raise ApplicationError(
                f"{place}.pieces[{color}]: each corner must have {region.dimension} coordinates"
            )
    if volumes is not None and len(volumes) != len(pieces):
        raise ApplicationError(f"{place}.volumes: there must be one for each piece")
    bounds = np.array(pieces, np.int64).reshape(len(pieces), 2, region.dimension)
    sparse = None if volumes is None else np.array(volumes, np.int64)
    return Partition(name, region.name, bounds, sparse, part["named"])


def _launches(parts: Sequence[Mapping[str, Any]], phase: str) -> tuple[Launch, ...]:
    points: list[int] = []
    launches = []
    for number, part in enumerate(parts):
        place, parent = f"{phase}[{number}]", part["parent"]
        if parent is not None and parent >= number:
            raise ApplicationError(f"{place}.parent: it must be the number of an earlier launch")
        own = len(part["points"]) or math.prod(part["domain"])
        points.append(own * (1 if parent is None else points[parent]))
        if points[-1] > MOST_POINTS:
            raise ApplicationError(
                f"{place}.domain: {points[-1]:,} points are too many; {MOST_POINTS:,} can be read"
            )
        launches.append(_launch(part, points[-1], place))
    return tuple(launches)


def _launch(part: Mapping[str, Any], points: int, place: str) -> Launch:
    requirements = part["requirements"]
    columns = {
        key: [
            _column(requirement[key], points, f"{place}.requirements[{index}].{key}")
            for index, requirement in enumerate(requirements)
        ]
        for key in ("traffic", "accesses")
    }
    work = dict(part["work"])
    flops = _column(work.pop("flops"), points, f"{place}.work.flops")
    side = work.pop("side")
    shape = (points, len(requirements))
    keys = ("task", "domain", "lower", "points", "parent", "after", "blocking", "timed")
    return Launch(
        requirements=tuple(_requirement(requirement) for requirement in requirements),
        colors=tuple(
            None if r["pieces"] is None else np.array(r["pieces"], np.int64) for r in requirements
        ),
        work=Work(
            flops=flops,
            side=None
            if side is None
            else _column(side, points, f"{place}.work.side").astype(np.int64),
            traffic=np.array(columns["traffic"]).T.reshape(shape).copy(),
            accesses=np.array(columns["accesses"]).T.reshape(shape).copy(),
            **work,
        ),
        **{key: part[key] for key in keys},
    )


def _requirement(part: Mapping[str, Any]) -> Requirement:
    need = part["layout"] and LayoutNeed(**part["layout"])
    keys = (
        "region", "partition", "privilege", "fields", "reduction", "virtual", "output",
        "collective",
    )  # fmt: skip
    return Requirement(need=need, **{key: part[key] for key in keys})


def _column(amount: float | tuple[float, ...], points: int, place: str) -> NDArray[np.float64]:
    if isinstance(amount, tuple) and len(amount) != points:
        raise ApplicationError(
            f"{place}: there must be one number, or one for each of {points} points, not "
            f"{len(amount)}"
        )
    return np.broadcast_to(np.array(amount, float), (points,)).copy()


def _amounts(value: Any) -> float | tuple[float, ...]:
    """A number for all points, or a list with one for each."""
    return a_list(a_number)(value) if isinstance(value, list) else a_number(value)


def _sides(value: Any) -> int | tuple[int, ...]:
    """The same of whole numbers from 1 on."""
    one = a_whole_number(1)
    return a_list(one)(value) if isinstance(value, list) else one(value)


def _nullable(of: Shape[Any]) -> Shape[Any]:
    return lambda value: None if value is None else of(value)


_INDEX = a_whole_number(0)
_BOUNDS = a_list(a_whole_number())
_LAYOUT = an_object(
    {
        "order": _nullable(one_of("C_order", "F_order")),
        "soa": _nullable(a_flag),
        "message": a_text,
        "compact": optional(_nullable(a_flag), None),
        "alone": optional(a_flag, False),
    }
)
_REQUIREMENT = an_object(
    {
        "region": a_text,
        "partition": optional(a_text, None),
        "privilege": one_of(*PRIVILEGES),
        "fields": optional(a_list(a_text), ()),
        "reduction": optional(a_text, None),
        "virtual": optional(a_flag, False),
        "output": optional(a_flag, False),
        "collective": optional(a_flag, False),
        "layout": optional(_LAYOUT, None),
        "traffic": optional(_amounts, 0.0),
        "accesses": optional(_amounts, 0.0),
        "pieces": optional(a_list(_INDEX), None),
    }
)
_WORK = an_object(
    {
        "flops": _amounts,
        "rate": one_of(*RATES),
        "kernels": _INDEX,
        "window": optional(a_number, 0.0),
        "window_traffic": optional(a_number, 1.0),
        "seconds": optional(a_table(a_number), {}),
        "side": optional(_nullable(_sides), None),
    }
)
_LAUNCH = an_object(
    {
        "task": a_text,
        "domain": a_list(a_whole_number(1)),
        "lower": optional(_BOUNDS, ()),
        "points": optional(a_list(_BOUNDS), ()),
        "parent": optional(_INDEX, None),
        "after": optional(a_list(_INDEX), ()),
        "blocking": optional(a_flag, False),
        "timed": optional(a_flag, True),
        "requirements": optional(a_list(_REQUIREMENT), ()),
        "work": _WORK,
    }
)


def _parameter(value: Any) -> Any:
    """A text, or a number as it was written: 3 stays a whole number."""
    number = None if isinstance(value, str) else a_number(value)
    return number if isinstance(value, float) else value


_COPY = an_object(
    {
        "region": a_text,
        "source": a_text,
        "target": a_text,
        "count": _INDEX,
        "bytes": _INDEX,
        "seconds": a_number,
    }
)
_DOCUMENT = an_object(
    {
        "schema": a_whole_number(1),
        "name": a_text,
        "summary": optional(a_text, ""),
        "parameters": optional(a_table(_parameter), {}),
        "unit": a_text,
        "work": a_number,
        "warmup": _INDEX,
        "timed": a_whole_number(1),
        "traced": a_flag,
        "ranks_per_node": optional(a_whole_number(1), 1),
        "tasks": a_table(
            an_object(
                {
                    "variants": a_list(one_of(*PROCESSOR_KINDS)),
                    "inner": optional(a_flag, False),
                }
            )
        ),
        "regions": a_table(
            an_object(
                {
                    "named": optional(a_flag, True),
                    "lower": _BOUNDS,
                    "upper": _BOUNDS,
                    "fields": a_table(a_whole_number(1)),
                }
            )
        ),
        "partitions": optional(
            a_table(
                an_object(
                    {
                        "region": a_text,
                        "named": optional(a_flag, True),
                        "pieces": a_list(a_list(_BOUNDS, length=2)),
                        "volumes": optional(a_list(_INDEX), None),
                    }
                )
            ),
            {},
        ),
        "setup": optional(a_list(_LAUNCH), ()),
        "loop": a_list(_LAUNCH),
        "finish": optional(a_list(_LAUNCH), ()),
        "mappers": optional(a_table(a_text), {}),
        "unknown": optional(a_table(a_text), {}),
        "copies": optional(a_list(_COPY), ()),
        "own_mapper": optional(a_text, ""),
    }
)
