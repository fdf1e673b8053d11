"""Which processor each point of a launch runs on (language reference, section 11)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dsl.evaluation.factorisation import greedy_split
from dsl.launch_domain import LaunchDomain
from dsl.machine_shape import PROCESSOR_KINDS
from dsl.mapper import Mapper
from legion_bridge.errors import MappingError
from legion_bridge.machines.flat_machine import FlatMachine
from legion_bridge.programs.application import Launch

__all__ = ["placement", "sharding_and_slicing"]

Ints = NDArray[np.int64]


def placement(
    machine: FlatMachine,
    mapper: Mapper,
    launch: Launch,
    kind: str,
    *,
    parents: Ints | None,
    points: int,
) -> Ints:
    """The processor of each point of a launch.

    Args:
        parents: ``[points]`` processor of each point's parent; None for the top-level task.
        points: Points of the launch over all its parents.

    Raises:
        MappingError: A map sends a point where there is no processor.
        MapperEvaluationError: A mapping function fails.
    """
    if launch.single:
        above = np.full(points, -1) if parents is None else parents
        return _single(machine, mapper, launch, kind, above)
    domain = LaunchDomain.of(launch)
    copies = points // domain.volume
    count = machine.machine.shape.count(kind)
    if mapper.has_index_map(launch.task, kind):
        chosen = mapper.launch_map(launch.task, kind, domain)
        _check_range(machine, launch, kind, chosen)
        ranks, indices = (np.tile(column, copies) for column in chosen.T)
    elif parents is not None:  # launched on one node: it stays there
        ranks = machine.processor_rank[parents]
        indices = np.tile(sharding_and_slicing(domain, 1, count)[1], copies)
    else:
        ranks, indices = sharding_and_slicing(domain, machine.machine.ranks, count)
    return machine.processors_of(kind, ranks, indices)


def _check_range(machine: FlatMachine, launch: Launch, kind: str, chosen: Ints) -> None:
    ranks, count = machine.machine.ranks, machine.machine.shape.count(kind)
    bad = ((chosen < 0) | (chosen >= np.array([ranks, count]))).any(axis=1)
    if bad.any():
        at = int(np.argmax(bad))
        point = "0" if launch.single else ", ".join(map(str, LaunchDomain.of(launch).point(at)))
        raise MappingError(
            f"Slice processor index out of bound: task {launch.task} point ({point}) is sent to "
            f"node {chosen[at, 0]}, {kind} {chosen[at, 1]}, but there are {ranks} nodes with "
            f"{count} {kind} each"
        )


@lru_cache(maxsize=1024)
def sharding_and_slicing(domain: LaunchDomain, ranks: int, count: int) -> tuple[Ints, Ints]:
    """Legion's defaults: cyclic over the nodes, then blocks over the processors of each.

    Both count from the domain's lower bound. Points are dealt out with the first dimension
    fastest, those of a sparse domain one by one.

    Returns:
        ``[points]`` the node, and the position among its processors, points in row-major order.
    """
    grid = np.array(domain.coordinates(np.arange(domain.volume)))
    order = np.empty(domain.volume, np.int64)
    order[np.lexsort(grid)] = np.arange(domain.volume)
    shard: Ints = order % ranks
    indices = np.zeros(domain.volume, np.int64)
    for rank in range(min(ranks, len(indices))):
        mine = shard == rank
        indices[mine] = _blocks(grid[:, mine], count)
    return shard, indices


def _blocks(points: Ints, count: int) -> Ints:
    """Divides the points' bounding box among ``count`` processors, first dimension fastest.

    Args:
        points: ``[dimension, points]``.
    """
    lower = points.min(axis=1)
    extents = points.max(axis=1) - lower + 1
    factors = greedy_split(count, tuple(int(extent) for extent in extents))
    found = np.zeros(points.shape[1], np.int64)
    stride = 1
    for along, least, extent, factor in zip(points, lower, extents, factors, strict=True):
        parts = min(factor, int(extent))
        size = -(-int(extent) // parts)
        found += stride * ((along - least) // size)
        stride *= factor
    return found


def _single(
    machine: FlatMachine, mapper: Mapper, launch: Launch, kind: str, parents: Ints
) -> Ints:
    """Single tasks: where the map says, else the first processor of the parent's node."""
    unique, where = np.unique(parents, return_inverse=True)
    found = [_single_of(machine, mapper, launch, kind, int(parent)) for parent in unique]
    chosen: Ints = np.array(found, np.int64)[where]
    return chosen


def _single_of(
    machine: FlatMachine, mapper: Mapper, launch: Launch, kind: str, parent: int
) -> int:
    rank, place, parent_kind = _whereabouts(machine, parent)
    target = 0
    if mapper.has_single_map(launch.task, kind):
        node, target = mapper.single_map(launch.task, kind, (rank, place), parent_kind)[0]
        _check_range(machine, launch, kind, np.array([[node, target]]))
        if node != rank:
            raise MappingError(
                f"Assertion failed: the single task map of {launch.task} sends it to node {node}, "
                f"but its parent runs on node {rank} and a single task stays on its node"
            )
    return _number(machine, kind, rank, target)


def _whereabouts(machine: FlatMachine, processor: int) -> tuple[int, int, str]:
    """Node, position in it and kind of a processor; the top-level task has CPU 0 of node 0."""
    if processor < 0:
        return 0, 0, "CPU"
    kind = PROCESSOR_KINDS[int(machine.processor_kind[processor])]
    rank = int(machine.processor_rank[processor])
    return rank, processor - _number(machine, kind, rank, 0), kind


def _number(machine: FlatMachine, kind: str, rank: int, place: int) -> int:
    numbers: Sequence[int] = machine.processors_of(
        kind, np.array([rank]), np.array([place])
    ).tolist()
    return numbers[0]
