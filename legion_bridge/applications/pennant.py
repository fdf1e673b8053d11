"""Lagrangian hydrodynamics on an unstructured mesh, after the PENNANT mini-application.

The mesh is a rectangle of zones; each zone has four sides, and points lie at its corners. It is
cut into strips, one a GPU. The points between two strips are numbered first: ``rp_all_shared_p``
says which strip owns them, ``rp_all_ghost_p`` which strips touch them, so that its pieces overlap.

A time step is 27 index launches, all bound by memory bandwidth but for those over the shared
points, which are nothing but latency. The length of the next step is a minimum over all strips,
so that no step begins before the last one's end.
"""

from __future__ import annotations

from typing import Unpack

import numpy as np

from dsl.facts import Privilege
from legion_bridge.applications.building import (
    Bounds,
    LaunchOptions,
    Use,
    WorkOptions,
    even_bounds,
    launch,
    partitions_of,
    volumes,
)
from legion_bridge.applications.pennant_steps import (
    FIELDS,
    FIRST_STATE,
    STEPS,
    TOPOLOGY,
    Step,
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

PARTITIONS = {
    "Z": "rz_all_p",
    "S": "rs_all_p",
    "P": "rp_all_private_p",
    "O": "rp_all_shared_p",
    "G": "rp_all_ghost_p",
}
REGIONS = {"Z": "rz_all", "S": "rs_all", "P": "rp_all", "O": "rp_all", "G": "rp_all"}
PRIVILEGES: dict[str, Privilege] = {
    "RO": "READ_ONLY",
    "RW": "READ_WRITE",
    "NA": "NO_ACCESS",
    "SUM": "REDUCE",
}
LINE = 128
"""Bytes of a cache line: updates of neighbouring points that fall into one travel together."""


# Single tasks on the host that only pass futures on. The operators' real names have signs in them
# (==, +), which the language cannot spell.
SCALAR = (
    "calc_global_dt",
    "continue_simulation",
    "verify_calc_volumes_full",
    "output0",
    "output1",
    "__binary_int64_equal",
    "__unary_bool_not",
    "__binary_double_min",
    "__binary_int64_plus",
    "__binary_double_plus",
)


def build(
    *,
    nodes: int = 1,
    zones_x: int = 2160,
    zones_y: int = 2160,
    pieces: int = 0,
    steps: int = 30,
    prune: int = 30,
) -> Application:
    """Hydrodynamics on a mesh of a size.

    Args:
        nodes: Nodes that ``pieces`` is chosen for where it is 0.
        zones_x: Zones along x.
        zones_y: Zones along y, in which the mesh is cut.
        pieces: Strips; 0 for 4 a node.
        steps: Time steps that are measured.
        prune: Time steps before them.

    Raises:
        ApplicationError: There are not two rows of zones for each strip, or a size is 0.
    """
    pieces = pieces or 4 * nodes
    if min(pieces, zones_x, steps) < 1 or zones_y < 2 * pieces:
        raise ApplicationError(
            f"pennant: a mesh of {zones_x} x {zones_y} zones cannot be cut into {pieces} strips; "
            "let zones_y be at least twice the number of strips, and every size at least 1"
        )
    partitions = _partitions(zones_x, zones_y, pieces)
    counts = {
        "rz_all": zones_x * zones_y,
        "rp_all": (zones_x + 1) * (zones_y + 1),
        "rs_all": 4 * zones_x * zones_y,
    }
    sizes = {key: volumes(partitions[name].pieces) for key, name in PARTITIONS.items()}
    return Application(
        name="pennant",
        summary="Lagrangian hydrodynamics on an unstructured mesh cut into strips",
        parameters={
            "nodes": nodes,
            "zones_x": zones_x,
            "zones_y": zones_y,
            "pieces": pieces,
            "steps": steps,
            "prune": prune,
        },
        task_kinds=_task_kinds(),
        regions={name: Region(name, (0,), (n - 1,), _fields(name)) for name, n in counts.items()},
        partitions=partitions,
        setup=_setup(sizes),
        loop=_loop(sizes),
        finish=(launch("output1", ()), launch("output1", ()), launch("output0", ())),
        warmup=prune,
        timed=steps,
        traced=True,
        work=float(counts["rz_all"]),
        unit="zones/s",
    )


def _fields(region: str) -> tuple[Field, ...]:
    return tuple(Field(p, n) for name in FIELDS[region] for p, n in _parts(region, name).items())


def _parts(region: str, name: str) -> dict[str, int]:
    """The fields that a field of the source consists of, with their bytes."""
    size = FIELDS[region][name]
    if size == 16:
        return {f"{name}.x": 8, f"{name}.y": 8}
    if name.startswith("maps"):
        tag = {f"{name}.__index": 1} if size == 9 else {}
        return {f"{name}.__ptr": 8} | tag
    return {name: size}


def _partitions(zones_x: int, zones_y: int, pieces: int) -> dict[str, Partition]:
    strips = even_bounds(zones_y, pieces)  # rows of zones
    width = zones_x + 1
    between = width * (pieces - 1)
    # Row r of points lies under row r of zones; the first row of each strip but the first is one
    # between strips, and so numbered apart.
    rows = strips[:, 1] - strips[:, 0] + 1
    rows[1:] -= 1
    rows[-1] += 1
    ends = between + width * np.cumsum(rows)
    private = np.stack([ends - width * rows, ends - 1], axis=1)
    first = width * np.arange(pieces)
    shared = np.stack([first, first + width - 1], axis=1)
    ghost = np.stack([np.maximum(first - width, 0), first + width - 1], axis=1)
    shared[-1, 1], ghost[-1, 1] = between - 1, between - 1
    everything = width * (zones_y + 1)
    return (
        partitions_of("rz_all", rz_all_p=_line(_rows(strips, zones_x)))
        | partitions_of("rs_all", rs_all_p=_line(_rows(strips, 4 * zones_x)))
        | partitions_of(
            "rp_all",
            rp_all_p=_line(np.array([[between, everything - 1], [0, between - 1]])),
            rp_all_private_p=_line(private),
            rp_all_shared_p=_line(shared),
            rp_all_ghost_p=_line(ghost),
        )
    )


def _rows(bounds: Bounds, width: int) -> Bounds:
    """Bounds of rows as bounds of the elements in them."""
    return np.stack([bounds[:, 0] * width, (bounds[:, 1] + 1) * width - 1], axis=1)


def _line(bounds: Bounds) -> Bounds:
    return bounds[:, :, None]


def _task_kinds() -> dict[str, TaskKind]:
    host = SCALAR + tuple(step.task for step in TOPOLOGY)
    return {name: TaskKind(name, ("CPU",)) for name in host} | {
        step.task: TaskKind(step.task, ("CPU", "GPU")) for step in FIRST_STATE + STEPS
    }


def _setup(sizes: dict[str, Bounds]) -> tuple[Launch, ...]:
    """The mesh on the host, the first state on the GPUs, and what the program says of them."""
    topology, pointers = (_launch(step, sizes) for step in TOPOLOGY)
    state = [_launch(step, sizes) for step in FIRST_STATE]
    return (
        launch("output1", ()),
        topology,
        launch("output1", ()),
        pointers,
        *state[:3],
        launch("verify_calc_volumes_full", (), after=(6,)),
        *state[3:],
        launch("output1", ()),
    )


def _loop(sizes: dict[str, Bounds]) -> tuple[Launch, ...]:
    """One cycle: the loop's test, the time step, and the scalars of the next.

    The test takes the time after the running step, which is known once the step before has ended:
    so control runs ahead by no more than a cycle.
    """
    head, before_clock = 4, 3
    clock = head + before_clock
    last = clock + len(STEPS) - before_clock
    minimum, cycle, time = last + 1, last + 2, last + 3
    steps = [_launch(s, sizes, after=(clock,) if s.clocked else ()) for s in STEPS]
    return (
        launch("__binary_int64_equal", (), after=(cycle,), blocking=True),
        launch("__binary_int64_equal", (), after=(cycle,), blocking=True),
        launch("continue_simulation", (), after=(cycle, time)),
        launch("__unary_bool_not", (), after=(2,), blocking=True),
        *steps[:before_clock],
        launch("calc_global_dt", (), after=(minimum,)),
        *steps[before_clock:],
        launch("__binary_double_min", (), after=(last,)),
        launch("__binary_int64_plus", (), after=(cycle,)),
        launch("__binary_double_plus", (), after=(clock, time)),
        launch("continue_simulation", (), after=(cycle, time)),
    )


def _launch(step: Step, sizes: dict[str, Bounds], **place: Unpack[LaunchOptions]) -> Launch:
    arguments = {
        (text[0], number): _requirement(text)
        for number, text in enumerate(step.requirements.split(", "))
    }
    keys = [key for key, _ in arguments]
    elements = sizes["S" if "S" in keys else keys[0]]
    read = {
        key: _bytes(requirement)
        for (key, _), requirement in arguments.items()
        if requirement.privilege == "READ_ONLY"
    }
    uses = [
        _use(step, key, requirement, sizes[key], read.get(key, 0))
        for (key, _), requirement in arguments.items()
    ]
    work: WorkOptions = {"flops": step.flops * elements, "kernels": step.kernels}
    return launch(step.task, elements.shape, uses, work, **place)


def _requirement(text: str) -> Requirement:
    """``"P RO px pu"`` as a requirement."""
    key, privilege, *names = text.split()
    region = REGIONS[key]
    return Requirement(
        region,
        PARTITIONS[key],
        PRIVILEGES[privilege],
        tuple(part for name in names for part in _parts(region, name)),
        "sum<double>" if privilege == "SUM" else None,
    )


def _bytes(requirement: Requirement) -> int:
    sizes = {f.name: f.bytes for f in _fields(requirement.region)}
    return sum(sizes[name] for name in requirement.fields)


def _use(step: Step, key: str, requirement: Requirement, points: Bounds, read: int) -> Use:
    """What a step does to one of its arguments.

    Of a region's compulsory traffic, what is only read moves once; the rest belongs to what is
    written. Ghost points are few: reads of them are coalesced, updates go line by line.
    """
    total = step.bytes[{"Z": 0, "S": 2}.get(key, 1)]
    own = _bytes(requirement)
    match requirement.privilege:
        case "REDUCE":
            return Use(requirement, accesses=points * own / LINE)
        case "READ_ONLY":
            return Use(requirement, points * (own if key == "G" else min(own, total)))
        case "READ_WRITE":
            return Use(requirement, points * max(total - read, 0))
        case _:
            return Use(requirement)
