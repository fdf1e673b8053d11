"""A sparse electrical circuit: pieces of nodes and wires, some nodes shared between pieces.

The pieces are grouped into superpieces, one a GPU. Node numbers begin with those of the shared
nodes of all pieces, then come the private ones. A wire ends in its own piece, or in a shared node
of a piece nearby; ``rp_ghost`` is, for each superpiece, the interval of shared nodes that its
wires reach, its own among them, so that these pieces overlap.

``calculate_new_currents`` computes; the exchange of voltages and charges between neighbours is
a few kilobytes, whose latency and scattered accesses count, not the volume.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dsl.facts import Privilege
from legion_bridge.applications.building import (
    Amount,
    Bounds,
    Use,
    check_pieces,
    even_bounds,
    launch,
    partitions_of,
    volumes,
)
from legion_bridge.errors import ApplicationError
from legion_bridge.programs.application import (
    Application,
    Field,
    Launch,
    Partition,
    Region,
    Requirement,
    TaskKind,
)

__all__ = ["build"]

NODE = ("node_cap", "leakage", "charge", "node_voltage")
POINTERS = ("in_ptr.__ptr", "in_ptr.__index", "out_ptr.__ptr", "out_ptr.__index")
PARAMETERS = ("inductance", "resistance", "wire_cap")
CURRENTS = tuple(f"current._{i}" for i in range(10))
VOLTAGES = tuple(f"voltage._{i}" for i in range(9))
WIRE = POINTERS + PARAMETERS + CURRENTS + VOLTAGES
STAMPS = ("start", "stop")

SHARED = 0.01
"""Share of a piece's nodes that other pieces may reach."""
OUTSIDE = 0.2
"""Share of the wires that end in another piece."""
WINDOW = 3
"""How many pieces on either side those wires reach."""
FLOPS = 96
"""Operations a wire and inner step: 10 segments of 6, and 9 nodes of 4."""
REGION_OF = {"rp_wires": "all_wires", "rp_times": "all_times", "rp_ghost_ranges": "ghost_ranges"}


def build(
    *,
    nodes: int = 1,
    pieces: int = 0,
    per_superpiece: int = 10,
    circuit_nodes: int = 5000,
    wires: int = 20000,
    inner_steps: int = 10000,
    steps: int = 10,
    prune: int = 30,
) -> Application:
    """The circuit at a size.

    Args:
        nodes: Nodes of the machine that ``pieces`` is chosen for where it is 0.
        pieces: Pieces of the circuit; 0 for 40 a node.
        per_superpiece: Pieces that one point task deals with.
        circuit_nodes: Circuit nodes per piece.
        wires: Wires per piece.
        inner_steps: Steps that each wire is integrated by in one time step.
        steps: Time steps that are measured.
        prune: Time steps before them.

    Raises:
        ApplicationError: The pieces do not make whole superpieces, or a size is 0.
    """
    pieces = pieces or 40 * nodes
    if min(pieces, per_superpiece, circuit_nodes, wires, steps) < 1 or pieces % per_superpiece:
        raise ApplicationError(
            f"circuit: {pieces} pieces do not make superpieces of {per_superpiece}; let pieces be "
            "a multiple of per_superpiece, and every size at least 1"
        )
    shared = math.ceil(SHARED * circuit_nodes)
    reach = _reach(pieces, per_superpiece)
    superpieces = pieces // per_superpiece
    reached = np.stack([reach[..., 0].min(axis=1), reach[..., 1].max(axis=1) + 1], axis=1)
    partitions = _partitions(
        superpieces,
        public=pieces * shared,
        everything=pieces * circuit_nodes,
        wires=pieces * wires,
        ghost=reached * shared - np.array([0, 1]),
    )
    sizes = {
        "all_nodes": (pieces * circuit_nodes, _fields(NODE, 4)),
        "all_wires": (pieces * wires, _wire_fields()),
        "all_times": (superpieces, _fields(STAMPS, 8)),
        "ghost_ranges": (superpieces, _fields(("rect",), 16)),
    }
    return Application(
        name="circuit",
        summary="Sparse electrical circuit, exchanging voltages and charges of shared nodes",
        parameters={
            "nodes": nodes,
            "pieces": pieces,
            "per_superpiece": per_superpiece,
            "circuit_nodes": circuit_nodes,
            "wires": wires,
            "inner_steps": inner_steps,
            "steps": steps,
            "prune": prune,
        },
        task_kinds=_task_kinds(),
        regions={name: Region(name, (0,), (n - 1,), f) for name, (n, f) in sizes.items()},
        partitions=partitions,
        setup=_setup(superpieces),
        loop=_loop(partitions, inner_steps, shared / circuit_nodes, _foreign(reach)),
        finish=_finish(superpieces),
        warmup=prune,
        timed=steps,
        traced=True,
        work=float(pieces * wires),
        unit="wires/s",
    )


def _fields(names: tuple[str, ...], size: int) -> tuple[Field, ...]:
    return tuple(Field(name, size) for name in names)


def _wire_fields() -> tuple[Field, ...]:
    """A pointer is an address and a tag that says into which region it points."""
    return tuple(
        Field(name, 1 if name.endswith("__index") else 8 if name.endswith("__ptr") else 4)
        for name in WIRE
    )


def _reach(pieces: int, per_superpiece: int) -> NDArray[np.int64]:
    """``int64[superpieces, per_superpiece, 2]`` first and last piece that wires of a piece reach.

    Each piece draws most of its neighbours in a window around it; near the ends the window is
    that of the first, or last, six pieces.
    """
    piece = np.arange(check_pieces(pieces), dtype=np.int64)
    low, high = piece - WINDOW, piece + WINDOW
    first, last = low < 0, high > pieces - 1
    low, high = np.where(first, 0, low), np.where(first, 2 * WINDOW - 1, high)
    low, high = np.where(last, pieces - 2 * WINDOW, low), np.where(last, pieces - 1, high)
    low, high = np.clip(low, 0, pieces - 1), np.clip(high, 0, pieces - 1)
    low, high = np.minimum(low, piece), np.maximum(high, piece)
    return np.stack([low, high], axis=1).reshape(-1, per_superpiece, 2)


def _foreign(reach: NDArray[np.int64]) -> NDArray[np.float64]:
    """``float64[superpieces]`` share of the reached neighbour pieces in other superpieces."""
    count, size = reach.shape[:2]
    first = np.arange(count)[:, None] * size
    neighbours = reach[..., 1] - reach[..., 0]
    inside = np.minimum(reach[..., 1], first + size - 1) - np.maximum(reach[..., 0], first)
    share: NDArray[np.float64] = 1 - inside.sum(axis=1) / np.maximum(neighbours.sum(axis=1), 1)
    return share


def _partitions(
    superpieces: int, *, public: int, everything: int, wires: int, ghost: Bounds
) -> dict[str, Partition]:
    """Partitions from the shared nodes, all nodes and wires of the circuit."""
    one = _line(even_bounds(superpieces, superpieces))
    return (
        partitions_of(
            "all_nodes",
            rp_all_nodes=_line(np.array([[public, everything - 1], [0, public - 1]])),
            rp_private=_line(public + even_bounds(everything - public, superpieces)),
            rp_shared=_line(even_bounds(public, superpieces)),
            rp_ghost=_line(ghost),
        )
        | partitions_of("all_wires", rp_wires=_line(even_bounds(wires, superpieces)))
        | partitions_of("all_times", rp_times=one)
        | partitions_of("ghost_ranges", rp_ghost_ranges=one)
    )


def _line(bounds: Bounds) -> Bounds:
    return bounds[:, :, None]


def _task_kinds() -> dict[str, TaskKind]:
    before = ("parse_input", "init_nodes", "init_wires", "create_ghost_partition", "init_pointers")
    host = (*before, "get_elapsed", "print_summary")
    loop = ("calculate_new_currents", "distribute_charge", "update_voltages")
    return (
        {name: TaskKind(name, ("CPU",)) for name in host}
        | {"init_piece": TaskKind("init_piece", ("CPU",), inner=True)}
        | {name: TaskKind(name, ("CPU", "GPU")) for name in loop}
    )


def _use(
    partition: str,
    privilege: Privilege,
    fields: tuple[str, ...] = (),
    traffic: Amount = 0.0,
    accesses: Amount = 0.0,
) -> Use:
    reduction = "sum<float>" if privilege == "REDUCE" else None
    region = REGION_OF.get(partition, "all_nodes")
    return Use(Requirement(region, partition, privilege, fields, reduction), traffic, accesses)


def _setup(superpieces: int) -> tuple[Launch, ...]:
    """Everything begins in the host's memory."""
    every = (superpieces,)
    return (
        launch("parse_input", (), blocking=True),
        launch(
            "init_piece",
            every,
            [
                _virtual(_use("rp_ghost_ranges", "READ_WRITE", ("rect",))),
                _virtual(_use("rp_private", "READ_WRITE", NODE)),
                _virtual(_use("rp_shared", "READ_WRITE", NODE)),
                _all_shared(superpieces),
                _virtual(_use("rp_wires", "READ_WRITE", WIRE)),
            ],
        ),
        *(
            launch(
                "init_nodes", (), [_use(name, "READ_WRITE", NODE)], parents=superpieces, parent=1
            )
            for name in ("rp_private", "rp_shared")
        ),
        launch(
            "init_wires",
            (),
            [
                _use("rp_ghost_ranges", "READ_WRITE", ("rect",)),
                _use("rp_private", "NO_ACCESS"),
                _use("rp_shared", "NO_ACCESS"),
                _all_shared(superpieces),
                _use("rp_wires", "READ_WRITE", WIRE),
            ],
            parents=superpieces,
            parent=1,
        ),
        launch(
            "create_ghost_partition",
            (),
            [_all_shared(1), Use(Requirement("ghost_ranges", None, "READ_ONLY", ("rect",)))],
            blocking=True,
        ),
        launch(
            "init_pointers",
            every,
            [
                _use("rp_private", "NO_ACCESS"),
                _use("rp_shared", "NO_ACCESS"),
                _use("rp_ghost", "NO_ACCESS"),
                _use("rp_wires", "READ_WRITE", POINTERS),
            ],
        ),
    )


def _finish(superpieces: int) -> tuple[Launch, ...]:
    stamps = Use(Requirement("all_times", None, "READ_ONLY", STAMPS))
    return launch("get_elapsed", (), [stamps]), launch("print_summary", (superpieces,))


def _virtual(use: Use) -> Use:
    return use._replace(requirement=replace(use.requirement, virtual=True))


def _all_shared(points: int) -> Use:
    """The second piece of ``rp_all_nodes``, which consumes an index and nothing else."""
    return _use("rp_all_nodes", "NO_ACCESS")._replace(colors=np.ones(points, np.int64))


def _loop(
    partitions: dict[str, Partition],
    inner_steps: int,
    shared: float,
    foreign: NDArray[np.float64],
) -> tuple[Launch, ...]:
    """One time step.

    Args:
        partitions: Of the application.
        inner_steps: Steps of each wire.
        shared: Share of a piece's nodes that are shared.
        foreign: ``float64[superpieces]`` share of the outgoing wires that leave the superpiece.
    """
    wires, private, public = (
        volumes(partitions[name].pieces) for name in ("rp_wires", "rp_private", "rp_shared")
    )
    # Where the two ends of the wires lie.
    inside = (2 - OUTSIDE) * wires
    ends = (
        inside * (1 - shared),
        inside * shared + OUTSIDE * wires * (1 - foreign),
        OUTSIDE * wires * foreign,
    )
    stamps = _use("rp_times", "READ_WRITE", STAMPS, 16)
    constants, state, voltage = NODE[:2], NODE[2:], NODE[3:]
    return (
        launch(
            "calculate_new_currents",
            wires.shape,
            [
                _use("rp_private", "READ_ONLY", voltage, accesses=ends[0]),
                _use("rp_shared", "READ_ONLY", voltage, accesses=ends[1]),
                _use("rp_ghost", "READ_ONLY", voltage, accesses=ends[2]),
                _use("rp_wires", "READ_ONLY", POINTERS + PARAMETERS, 30 * wires),
                _use("rp_wires", "READ_WRITE", CURRENTS + VOLTAGES, 2 * 76 * wires),
                stamps,
            ],
            {"flops": FLOPS * inner_steps * wires, "rate": "fp32"},
        ),
        launch(
            "distribute_charge",
            wires.shape,
            [
                _use("rp_private", "READ_WRITE", ("charge",), accesses=ends[0]),
                _use("rp_shared", "REDUCE", ("charge",), accesses=ends[1]),
                _use("rp_ghost", "REDUCE", ("charge",), accesses=ends[2]),
                _use("rp_wires", "READ_ONLY", (*POINTERS, CURRENTS[0], CURRENTS[-1]), 26 * wires),
            ],
            {"flops": 4 * wires, "rate": "fp32"},
        ),
        launch(
            "update_voltages",
            wires.shape,
            [
                _use("rp_private", "READ_ONLY", constants, 8 * private),
                _use("rp_private", "READ_WRITE", state, 16 * private),
                _use("rp_shared", "READ_ONLY", constants, 8 * public),
                _use("rp_shared", "READ_WRITE", state, 16 * public),
                stamps,
            ],
            {"flops": 4 * (private + public), "rate": "fp32", "kernels": 2},
        ),
    )
