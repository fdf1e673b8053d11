"""Which arguments of which tasks share data, and how much: they ought to lie together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dsl.templates.space.tunable_task import tunable_tasks

if TYPE_CHECKING:
    from legion_bridge.programs.application import Application, Requirement
    from tuners.problems.mapper_problem import MapperProblem

__all__ = ["Link", "shared_data"]


class _Placed(NamedTuple):
    """A parameter that places an argument, and what the argument is."""

    parameter: str
    requirement: Requirement


@dataclass(frozen=True, slots=True)
class Link:
    """Two parameters that place arguments which share data.

    Attributes:
        first, second: Their names, such as ``"mem.distribute_charge.rp_shared"``.
        bytes: How many bytes the arguments share.
    """

    first: str
    second: str
    bytes: float


def shared_data(problem: MapperProblem) -> list[Link]:
    """All pairs of memory parameters whose arguments overlap, the smallest overlap first.

    Arguments overlap where they name the same fields of the same points. Pieces of sparse
    partitions count where their bounding boxes meet, with the smaller of their sizes.
    """
    found: dict[tuple[str, str], float] = {}
    for first, second in combinations(_placed(problem), 2):
        if first.parameter != second.parameter:
            shared = _shared_bytes(problem.application, first.requirement, second.requirement)
            if shared > 0:
                key = (first.parameter, second.parameter)
                found[key] = max(shared, found.get(key, 0.0))
    links = [Link(first, second, shared) for (first, second), shared in found.items()]
    return sorted(links, key=lambda link: (link.bytes, link.first, link.second))


def _placed(problem: MapperProblem) -> Iterator[_Placed]:
    application = problem.application
    machine = problem.machine.for_ranks(application.ranks_per_node)
    for name, task in tunable_tasks(application, machine).items():
        for argument in task.arguments:
            stem = f"mem.{name}.{argument.region}"
            parameters = [
                p for p in problem.distributions if p == stem or p.startswith(f"{stem}.")
            ]
            index = next(
                number
                for number, facts in enumerate(application.tasks[name].requirements)
                if facts is argument.facts
            )
            wanted = dict.fromkeys(
                launch.requirements[index]
                for launch in application.launches()
                if launch.task == name and index < len(launch.requirements)
            )
            for parameter in parameters:
                yield from (_Placed(parameter, requirement) for requirement in wanted)


def _shared_bytes(application: Application, one: Requirement, other: Requirement) -> float:
    fields = tuple(name for name in one.fields if name in other.fields)
    if one.region != other.region or not fields:
        return 0.0
    points = _shared_points(application, one, other)
    return points * application.regions[one.region].field_bytes(fields)


def _shared_points(application: Application, one: Requirement, other: Requirement) -> float:
    a, b = application.piece_bounds(one), application.piece_bounds(other)
    lower = np.maximum(a[:, None, 0], b[None, :, 0])
    upper = np.minimum(a[:, None, 1], b[None, :, 1])
    boxes = np.maximum(upper - lower + 1, 0).prod(axis=-1).astype(float)
    pieces = np.minimum.outer(
        application.piece_volumes(one).astype(float), application.piece_volumes(other)
    )
    whole = min(application.piece_volumes(each).sum() for each in (one, other))
    return float(min(np.minimum(boxes, pieces).sum(), whole))
