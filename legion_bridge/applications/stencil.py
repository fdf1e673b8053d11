"""A star-shaped stencil on a square grid, one tile a GPU (the Parallel Research Kernels').

Each tile of ``points`` carries a halo of its own. Neighbours exchange edges through four slim
regions: ``increment`` writes a tile's slots in them, ``stencil`` of the neighbour reads them. Both
tasks are bound by memory bandwidth, 40 bytes a point and step.

The program fills its data, for which it needs no task, and begins with tasks that only make
partitions: there is nothing to map in them, and they are left out.
"""

from __future__ import annotations

import math

import numpy as np

from dsl.facts import Privilege
from legion_bridge.applications.building import (
    EMPTY,
    Bounds,
    Use,
    boxes,
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
    LayoutNeed,
    Partition,
    Region,
    Requirement,
    TaskKind,
)

__all__ = ["build"]

REAL = 8
FIELDS = ("input", "input1", "output")
STAMPS = ("start", "stop")
HOST_TASKS = ("read_config", "check", "get_elapsed", "print_time")
SIDES = ("xm", "xp", "ym", "yp")
# The compiled kernels want x to be the fastest dimension. Their check also concerns instances
# that hold fields together: by the source it must fail for them, yet the paper shows such mappers
# running (for circuit), so both are let pass.
X_FASTEST = LayoutNeed("F_order", None, "stride does not match expected value")
# Where a tile is so wide that 2 R + 1 rows exceed the cache, its rows are read again: measured on
# a V100 at R = 5, 48 bytes a point in place of 24.
WIDE_TRAFFIC = 2.0


def build(
    *,
    nodes: int = 1,
    nx: int = 0,
    ny: int = 0,
    ntx: int = 0,
    nty: int = 0,
    steps: int = 10,
    prune: int = 30,
    radius: int = 2,
) -> Application:
    """The stencil at a size.

    Args:
        nodes: Nodes that the sizes which are 0 are chosen for.
        nx: Points of the grid along x, border included; 0 for 10000 a node in that direction.
        ny: The same along y.
        ntx: Tiles along x; 0 for 2 a node in that direction.
        nty: Tiles along y, likewise.
        steps: Time steps that are measured.
        prune: Time steps before them (and after them, which nobody waits for).
        radius: Reach of the stencil, in points.

    Raises:
        ApplicationError: The grid is too small for its tiles.
    """
    wide, tall = _node_grid(nodes)
    nx, ny = nx or 10000 * wide, ny or 10000 * tall
    ntx, nty = ntx or 2 * wide, nty or 2 * tall
    inner = (nx - 2 * radius, ny - 2 * radius)
    if radius < 1 or steps < 1 or inner[0] < ntx or inner[1] < nty:
        raise ApplicationError(
            f"stencil: a grid of {nx} x {ny} points cannot be cut into {ntx} x {nty} tiles with a "
            f"radius of {radius}; take more points, or fewer tiles"
        )
    partitions = _partitions(inner, (ntx, nty), radius)
    real = tuple(Field(name, REAL) for name in FIELDS)
    stamps = tuple(Field(name, 8) for name in STAMPS)
    extents = {
        "points": (inner[0] + 2 * radius * ntx, inner[1] + 2 * radius * nty),
        "xm": (ntx * radius, inner[1]),
        "xp": (ntx * radius, inner[1]),
        "ym": (inner[0], nty * radius),
        "yp": (inner[0], nty * radius),
    }
    regions = {
        name: Region(name, (0, 0), (x - 1, y - 1), real) for name, (x, y) in extents.items()
    }
    regions["times"] = Region("times", (0,), (ntx * nty - 1,), stamps)
    return Application(
        name="stencil",
        summary="Star-shaped stencil on a square grid, one tile a GPU",
        parameters={
            "nodes": nodes,
            "nx": nx,
            "ny": ny,
            "ntx": ntx,
            "nty": nty,
            "steps": steps,
            "prune": prune,
            "radius": radius,
        },
        task_kinds={name: TaskKind(name, ("CPU", "GPU")) for name in ("stencil", "increment")}
        | {name: TaskKind(name, ("CPU",)) for name in HOST_TASKS},
        regions=regions,
        partitions=partitions,
        setup=(launch("read_config", (), blocking=True),),
        finish=_finish(ntx * nty),
        loop=(_stencil(partitions, radius), _increment(partitions)),
        warmup=prune,
        timed=steps,
        traced=True,
        work=float(nx * ny),
        unit="points/s",
    )


def _node_grid(nodes: int) -> tuple[int, int]:
    """The nodes as a grid, as square as can be and no wider than tall."""
    wide = max(w for w in range(1, math.isqrt(max(nodes, 1)) + 1) if nodes % w == 0)
    return wide, nodes // wide


def _partitions(
    inner: tuple[int, int], tiles: tuple[int, int], radius: int
) -> dict[str, Partition]:
    x, y = (even_bounds(n + 2 * radius * t, t) for n, t in zip(inner, tiles, strict=True))
    partitions = partitions_of(
        "points",
        private=boxes(x, y),
        interior=boxes(*(_shrunk(b, radius) for b in (x, y))),
        exterior=boxes(*(_exterior(b, radius) for b in (x, y))),
    )
    slots = [even_bounds(t * radius, t) for t in tiles]
    along = [even_bounds(n, t) for n, t in zip(inner, tiles, strict=True)]
    for side, axis, shift in (("xm", 0, 1), ("xp", 0, -1), ("ym", 1, 1), ("yp", 1, -1)):
        # A tile reads the slot that the neighbour on this side has written.
        own, others = [*along], [*along]
        own[axis], others[axis] = slots[axis], _shifted(slots[axis], shift)
        partitions |= partitions_of(
            side, **{f"p{side}_in": boxes(*others), f"p{side}_out": boxes(*own)}
        )
    count = np.arange(tiles[0] * tiles[1], dtype=np.int64)
    return partitions | partitions_of("times", p_times=np.stack([count, count], 1)[:, :, None])


def _shrunk(bounds: Bounds, by: int) -> Bounds:
    shrunk: Bounds = bounds + np.array([by, -by])
    return shrunk


def _exterior(bounds: Bounds, radius: int) -> Bounds:
    """Without the halo on the sides that face another tile."""
    trimmed = _shrunk(bounds, radius)
    trimmed[0, 0], trimmed[-1, 1] = bounds[0, 0], bounds[-1, 1]
    return trimmed


def _shifted(slots: Bounds, by: int) -> Bounds:
    """The neighbours' slots; empty where there is no neighbour."""
    shifted = np.roll(slots, by, axis=0)
    shifted[0 if by > 0 else -1] = EMPTY
    return shifted


def _stencil(partitions: dict[str, Partition], radius: int) -> Launch:
    """Copies the neighbours' edges into the halo, then adds up 4 R weighted neighbours."""
    interior = volumes(partitions["interior"].pieces)
    edges = {side: volumes(partitions[f"p{side}_in"].pieces) for side in SIDES}
    # Input is read once, output read and written; the halo is written.
    private = REAL * (3 * interior + sum(edges.values()))
    left, right = partitions["private"].pieces[0, :, 0]
    return launch(
        "stencil",
        interior.shape,
        [
            Use(Requirement("points", "private", "READ_WRITE", FIELDS, need=X_FASTEST), private),
            Use(Requirement("points", "interior", "NO_ACCESS")),
            *(_edge(side, "in", "READ_ONLY", REAL * edges[side]) for side in SIDES),
            Use(Requirement("times", "p_times", "READ_WRITE", STAMPS), 16),
        ],
        {
            "flops": 8 * radius * interior,
            "kernels": 5,
            "window": float((2 * radius + 1) * (right - left + 1) * REAL),
            "window_traffic": WIDE_TRAFFIC,
        },
    )


def _increment(partitions: dict[str, Partition]) -> Launch:
    """Adds one to the input, and to the edges that the neighbours read."""
    exterior = volumes(partitions["exterior"].pieces)
    edges = {side: volumes(partitions[f"p{side}_out"].pieces) for side in SIDES}
    private = Requirement("points", "private", "READ_WRITE", FIELDS[:2], need=X_FASTEST)
    return launch(
        "increment",
        exterior.shape,
        [
            Use(private, 2 * REAL * exterior),
            Use(Requirement("points", "exterior", "NO_ACCESS")),
            *(_edge(side, "out", "READ_WRITE", 2 * REAL * edges[side]) for side in SIDES),
            Use(Requirement("times", "p_times", "READ_WRITE", STAMPS), 16),
        ],
        {"flops": exterior, "kernels": 5},
    )


def _finish(tiles: int) -> tuple[Launch, ...]:
    """The check of the result, and the time that it took."""
    stamps = Use(Requirement("times", None, "READ_ONLY", STAMPS))
    result = Requirement("points", "private", "READ_ONLY", ("input", "output"), need=X_FASTEST)
    interior = Use(Requirement("points", "interior", "NO_ACCESS"))
    return (
        launch("check", (tiles,), [Use(result), interior]),
        launch("get_elapsed", (), [stamps]),
        launch("print_time", (tiles,)),
    )


def _edge(side: str, way: str, privilege: Privilege, traffic: Bounds) -> Use:
    requirement = Requirement(side, f"p{side}_{way}", privilege, ("input",), need=X_FASTEST)
    return Use(requirement, traffic)
