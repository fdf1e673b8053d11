"""What the simulator's kernel takes and gives: arrays in, operations and their times out."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["KernelStatus", "Operation", "OperationKind", "SimulationInput", "operations_of"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class KernelStatus(IntEnum):
    """How planning and execution ended."""

    DONE = 0
    OUT_OF_MEMORY = 1
    CYCLE = 3


class OperationKind(IntEnum):
    """What an operation is.

    ``RUNTIME`` is the analysis and mapping of a point task on its rank's runtime processor,
    ``TASK`` its execution, ``FILL`` the initialisation of a reduction instance and ``FOLD`` its
    application; a ``JOIN`` takes no time and stands for a launch, or for a task with all that it
    launched.
    """

    RUNTIME = 0
    TASK = 1
    COPY = 2
    FOLD = 3
    FILL = 4
    JOIN = 5


class SimulationInput(NamedTuple):
    """The arrays of the kernel, in the order of ``struct input`` in ``kernel/kernel.h``.

    The first are those of ``FlatProgram``, the last those of ``FlatMachine``. Between them stand
    the decisions, for ``P`` point tasks, ``R`` requirements, ``Q`` limit queues:

    Attributes:
        launch_joins: ``[L]`` whether somebody waits for the launch as a whole.
        processor: ``[P]``.
        runtime_rank: ``[P]`` the rank that analyses and maps the point.
        seconds: ``[P]`` time on the processor.
        link_bytes, link_memory: ``[P]`` bytes moved over links, and the kind of memory they go to.
        memory: ``[R]``; -1 where there is no data.
        place: ``[R]`` memory and layout together, numbered densely; -1 where there is no data.
        exact: ``[R]`` 1 where only an instance of just that piece will do, 2 where one is made of
            the whole region if none covers the piece, else 0.
        collect: ``[R]`` whether the instance may go after the task.
        place_memory: ``[places]``.
        place_weight: ``[2 * places * places]`` factor on the bytes of copies from one to another,
            to instances that stay and to such as are made for one task.
        unpinned: ``[P]`` whether the point runs on whichever processor of its kind is free.
        limit_queue: ``[P]`` or -1.
        limit_start: ``[Q + 1]`` where the ring of each queue begins.
        queue_task: ``[Q]`` equal for the queues of one task.
        route_cost: ``[kinds, kinds, where, 2]`` seconds, and seconds a byte.
        costs: Seconds a launch, a point and a requirement; factor without a trace; factor on the
            bytes of folds; seconds a point of a launch domain, on every rank; seconds an instance
            that is made for one task.
        settings: Launches of the setup, iterations, iterations without a trace, the first
            iteration that is measured, whether traces are recorded with their mapping, and
            whether the runtime shares the processors' cores.
    """

    launch_point: Ints
    launch_parent: Ints
    launch_blocking: Ints
    launch_timed: Ints
    launch_joins: Ints
    after_start: Ints
    after_values: Ints
    point_launch: Ints
    point_parent: Ints
    point_requirement: Ints
    has_children: Ints
    privilege: Ints
    slot_start: Ints
    slot_values: Ints
    fold_into: Ints
    slot_atom_start: Ints
    slot_atom_values: Ints
    wider_start: Ints
    wider_values: Ints
    slot_bytes: Floats
    slot_region: Ints
    atom_bytes: Floats
    processor: Ints
    runtime_rank: Ints
    seconds: Floats
    link_bytes: Floats
    link_memory: Ints
    memory: Ints
    place: Ints
    exact: Ints
    collect: Ints
    place_memory: Ints
    place_weight: Floats
    unpinned: Ints
    limit_queue: Ints
    limit_start: Ints
    queue_task: Ints
    processor_kind: Ints
    processor_rank: Ints
    memory_kind: Ints
    memory_rank: Ints
    memory_owner: Ints
    memory_capacity: Floats
    rank_node: Ints
    route_links: Ints
    route_scopes: Ints
    route_sides: Ints
    route_latency: Floats
    route_analysis: Floats
    link_bandwidth: Floats
    link_overhead: Floats
    link_exclusive: Ints
    access_links: Ints
    access_scopes: Ints
    access_bandwidth: Floats
    route_cost: Floats
    costs: Floats
    settings: Ints


class Operation(NamedTuple):
    """All operations of a simulated run; ``[operations]`` each unless said otherwise.

    Attributes:
        kind: Codes of ``OperationKind``.
        place: The rank of ``RUNTIME``, the processor of ``TASK``, the target memory of the others.
        source: The source memory of copies and folds.
        bytes: What travels; for ``TASK`` over the links to a memory that it reaches in place.
        seconds: Time on a processor, without links.
        point, iteration: Of the point task on whose behalf it happens; the setup is -1.
        region: Number of the region of what travels.
        ready, start, end: Seconds since the program began.
        cause: The operation that kept it waiting last: one it depends on, or one that held its
            processor or link; -1 for none.
        link_busy, link_bytes: ``[links]`` seconds in use, and bytes carried, in the measured
            iterations.
        edges: How many dependences there are.
    """

    kind: Ints
    place: Ints
    source: Ints
    bytes: Floats
    seconds: Floats
    point: Ints
    iteration: Ints
    region: Ints
    ready: Floats
    start: Floats
    end: Floats
    cause: Ints
    link_busy: Floats
    link_bytes: Floats
    edges: int


_FLOATS = {"bytes", "seconds", "ready", "start", "end", "link_busy", "link_bytes"}


def operations_of(trace: tuple[bytes | int, ...]) -> Operation:
    """The operations in what the kernel gave."""
    columns = [
        np.frombuffer(data, np.float64 if name in _FLOATS else np.int64)
        if isinstance(data, bytes)
        else data
        for name, data in zip(Operation._fields, trace, strict=True)
    ]
    return Operation(*columns)  # type: ignore[arg-type]  # the last is a number, the rest arrays
