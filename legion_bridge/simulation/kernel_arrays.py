"""What the simulator's kernel takes and gives: arrays in, operations and their times out.

``kernel/inputs.def`` lists the arrays that go in, with what each means, how long it is and what
its values may be. The kernel is compiled from that list, and tells it as ``INPUTS``, ``COSTS`` and
``SETTINGS``; nothing here names the arrays again that a program or a machine has already.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from legion_bridge.machines.flat_machine import FlatMachine
from legion_bridge.programs.flat_program import FlatProgram
from legion_bridge.simulation.kernel_library import require_kernel

__all__ = [
    "Arrays",
    "KernelStatus",
    "Operation",
    "OperationKind",
    "operations_of",
    "prepared_arrays",
]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Arrays: TypeAlias = dict[str, NDArray[Any]]
"""Arrays of the kernel by name."""


class KernelStatus(IntEnum):
    """How planning and execution ended."""

    DONE = 0
    OUT_OF_MEMORY = 1
    CYCLE = 3
    NOT_ALIKE = 4


class OperationKind(IntEnum):
    """What an operation is.

    ``RUNTIME`` is the analysis and mapping of a point task on its rank's runtime processor,
    ``TASK`` its execution, ``FILL`` the initialisation of a reduction instance and ``FOLD`` its
    application; a ``JOIN`` takes no time and stands for a launch, or for a task with all that it
    launched. A ``COLLECTIVE`` is what one processor does in a collective operation, over its own
    links: it moves ``bytes`` inside its node and ``load`` over the network.
    """

    RUNTIME = 0
    TASK = 1
    COPY = 2
    FOLD = 3
    FILL = 4
    JOIN = 5
    COLLECTIVE = 6


class Operation(NamedTuple):
    """All operations of a simulated run; ``[operations]`` each unless said otherwise.

    Attributes:
        kind: Codes of ``OperationKind``.
        place: The rank of ``RUNTIME``, the processor of ``TASK``, the target memory of the others.
        source: The source memory of copies and folds.
        bytes: What travels; for ``TASK`` over the links to a memory that it reaches in place, for
            ``COLLECTIVE`` inside its node.
        load: Bytes that a copy, fold or fill counts for in time: more than travel where layouts
            differ, memory is fresh, or values are added. For ``COLLECTIVE`` what travels over the
            network.
        seconds: Time on a processor, without links; for ``COLLECTIVE`` the latency.
        lock: For ``COLLECTIVE`` the number of its algorithm.
        point, iteration: Of the point task on whose behalf it happens; the setup is -1.
        region: Number of the region of what travels.
        ready, start, end: Seconds since the program began.
        cause: The operation that kept it waiting last: one it depends on, or one that held its
            processor or link; -1 for none.
        link_busy, link_bytes: ``[links]`` seconds in use, and bytes carried, in the measured
            iterations.
        waits: ``[waits]`` with fields ``operation``, ``for_permit`` (1 under an instance limit, 0
            for a processor, runtime, link or lock), ``cause``, what it had waited for until then,
            and ``since``, seconds. Each ends where the next of its operation begins, or that
            starts.
        edges: How many dependences there are.
    """

    kind: Ints
    place: Ints
    source: Ints
    bytes: Floats
    load: Floats
    seconds: Floats
    point: Ints
    iteration: Ints
    region: Ints
    lock: Ints
    ready: Floats
    start: Floats
    end: Floats
    cause: Ints
    link_busy: Floats
    link_bytes: Floats
    waits: NDArray[np.void]
    edges: int


def prepared_arrays(
    program: FlatProgram,
    machine: FlatMachine,
    computed: Mapping[str, NDArray[Any]],
    costs: Mapping[str, float],
    settings: Mapping[str, int],
) -> Arrays:
    """All arrays that do not depend on the mapper.

    The kernel says which they are, so that it must be there.

    Args:
        program: Has many of them as attributes of the same name.
        machine: Has the others.
        computed: Those that neither has, and those that another name is used for there.
        costs, settings: By name.
    """
    require_kernel()
    from legion_bridge._kernel import COSTS, INPUTS, SETTINGS  # noqa: PLC0415  (it may be missing)

    known: Arrays = {
        "costs": np.array([costs[name] for name in COSTS], np.float64),
        "settings": np.array([settings[name] for name in SETTINGS], np.int64),
        **computed,
    }
    sources = {"program": program, "machine": machine}
    return {
        name: known[name] if name in known else getattr(sources[owner], name)
        for name, owner, _ in INPUTS
        if owner in sources
    }


def operations_of(trace: Mapping[str, bytes | int]) -> Operation:
    """The operations in what the kernel gave."""
    found: dict[str, Any] = {"edges": trace["edges"]}
    for name, row in _ROWS.items():
        rows: NDArray[Any] = np.frombuffer(trace[name], row)  # type: ignore[arg-type]  # bytes
        if name not in _COLUMNS:
            found[name] = rows
        for field, kind in _COLUMNS.get(name, {}).items():
            found[field] = rows[field].astype(kind)
    return Operation(**found)


_INTS = ("kind", "place", "source", "point", "iteration", "region")
_ROWS = {
    "operations": np.dtype(
        [(name, np.float64) for name in ("bytes", "seconds", "load")]
        + [(name, np.int32) for name in (*_INTS, "limit", "lock", "waits", "first_edge")]
    ),
    "times": np.dtype(
        [(name, np.float64) for name in ("ready", "start", "end")]
        + [(name, np.int32) for name in ("cause", "waits")]
    ),
    "link_busy": np.dtype(np.float64),
    "link_bytes": np.dtype(np.float64),
    "waits": np.dtype(
        [
            ("operation", np.int64),
            ("for_permit", np.int64),
            ("cause", np.int64),
            ("since", np.float64),
        ]
    ),
}
"""The structures of ``kernel/kernel.h``, and the numbers of links."""
_COLUMNS: dict[str, dict[str, Any]] = {
    "operations": {
        **dict.fromkeys((*_INTS, "lock"), np.int64),
        **dict.fromkeys(("bytes", "seconds", "load"), np.float64),
    },
    "times": {**dict.fromkeys(("ready", "start", "end"), np.float64), "cause": np.int64},
}
"""What of them is told."""
