"""What the experts' mappers of the multiplications move, and the memory that they need.

The published figures follow from who works on which tile alone, with every operand fetched from
its home: no simulation is needed to check them.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from numpy.typing import NDArray

import dsl
from dsl.machine_shape import MachineShape
from legion_bridge.programs.application import Application, Launch

FLAT = ("cannon", "summa", "pumma")
Ints = NDArray[np.int64]
Tile = tuple[int, ...]


class Placement:
    """GPUs of all points of a multiplication, as ``4 * node + GPU``.

    Nodes for tasks of a whole node; ``task_5`` spreads over the four GPUs of its node, and a
    leaf stays on its parent's.
    """

    def __init__(self, application: Application, nodes: int) -> None:
        kinds = {"GPU": 4, "CPU": 1, "OMP": 1}
        shape = MachineShape(nodes=nodes, processors=kinds)
        self.mapper = dsl.load(dsl.parse(application.mappers["expert"]), shape)
        self.application = application
        self.places: list[Ints] = []
        for launch in application.loop:
            self.places.append(self._launch(launch))

    def _launch(self, launch: Launch) -> Ints:
        if launch.parent is None:
            (kind,) = {"GPU", "OMP"} & set(self.application.task_kinds[launch.task].variants[-1:])
            found = self.mapper.index_map(launch.task, kind, launch.domain).reshape(-1, 2)
            return found[:, 0] * (4 if kind == "GPU" else 1) + found[:, 1]
        above = self.places[launch.parent]
        if launch.single:
            return above
        return np.repeat(above, 4) * 4 + np.tile(np.array([0, 2, 1, 3]), len(above))

    def tiles(self, matrix: str, task: str) -> list[tuple[int, Tile]]:
        """(GPU, bounds) of the tiles of a matrix that points of a task ask for."""
        found = []
        for launch, gpus in zip(self.application.loop, self.places, strict=True):
            for index, requirement in enumerate(launch.requirements):
                if launch.task == task and requirement.region == matrix:
                    colors = launch.colors[index]
                    pieces = self.application.piece_bounds(requirement)
                    pieces = pieces if colors is None else pieces[colors]
                    tiles = pieces.reshape(len(pieces), -1).tolist()
                    found += list(zip(gpus.tolist(), map(tuple, tiles), strict=True))
        return found

    def homes(self, matrix: str) -> list[tuple[int, Tile]]:
        return list(dict.fromkeys(self.tiles(matrix, f"task_{'ABC'.index(matrix) + 1}")))


# Traffic of one iteration in GB, per node: between nodes, inside nodes; then into the busiest GPU.
TRAFFIC = {
    ("cannon", 1): (0.0, 6.4, 1.6),
    ("cannon", 2): (6.4, 6.4, 3.2),
    ("cannon", 8): (25.6, 6.4, 8.0),
    ("pumma", 1): (0.0, 6.4, 1.6),
    ("pumma", 2): (6.4, 6.4, 3.2),
    ("pumma", 8): (25.6, 6.4, 8.0),
    ("summa", 1): (0.0, 6.4, 1.6),
    ("summa", 2): (6.4, 6.4, 3.2),
    ("summa", 8): (25.6, 6.4, 8.0),
    ("solomonik", 1): (0.0, 6.4, 1.6),
    ("solomonik", 2): (3.2, 9.6, 4.8),
    ("solomonik", 8): (20.8, 7.2, 9.6),
}


def overlap(a: Tile, b: Tile) -> float:
    """Gigabytes that two tiles have in common."""
    rows = min(a[2], b[2]) - max(a[0], b[0]) + 1
    columns = min(a[3], b[3]) - max(a[1], b[1]) + 1
    return 8e-9 * max(rows, 0) * max(columns, 0)


@pytest.mark.parametrize(("name", "nodes"), list(TRAFFIC))
def test_traffic_of_the_experts(name: str, nodes: int) -> None:
    """Every leaf fetches what of B and C is not at home on its GPU, and sums of A go home."""
    application = Application.load(name, nodes=nodes)
    placement = Placement(application, nodes)
    between = inside = 0.0
    into: dict[int, float] = defaultdict(float)

    def move(source: int, target: int, size: float) -> None:
        nonlocal between, inside
        if source != target:
            into[target] += size
            between += size * (source // 4 != target // 4)
            inside += size * (source // 4 == target // 4)

    for matrix in "BC":
        for gpu, piece in placement.tiles(matrix, "task_4"):
            for home, bounds in placement.homes(matrix):
                move(home, gpu, overlap(bounds, piece))
    if name == "solomonik":  # the sums of each point
        for gpu, piece in placement.tiles("A", "task_5"):
            for home, bounds in placement.homes("A"):
                move(gpu, home, overlap(bounds, piece))
    expected = TRAFFIC[name, nodes]
    # The table gives whole tenths of gigabytes, and of `into` the inputs alone.
    assert between / nodes == pytest.approx(expected[0], abs=0.06)
    assert inside / nodes == pytest.approx(expected[1], abs=0.06)
    assert max(into.values()) == pytest.approx(expected[2], abs=0.06)


MEMORY = {
    "cannon": [4.0, 5.6, 7.2, 10.4, 13.6],
    "summa": [4.0, 6.4, 7.2, 11.2, 13.6],
    "pumma": [4.0, 6.4, 7.2, 11.2, 13.6],
}


@pytest.mark.parametrize("name", FLAT)
@pytest.mark.parametrize("step", range(5))
def test_memory_of_the_experts_without_collection(name: str, step: int) -> None:
    """Distinct tiles on the fullest GPU; a tile inside a home tile there takes no room."""
    application = Application.load(name, nodes=2**step)
    placement = Placement(application, 2**step)
    held: dict[int, set[tuple[str, Tile]]] = defaultdict(set)
    for matrix in "ABC":
        for gpu, home in placement.homes(matrix):
            held[gpu].add((matrix, home))
    for matrix in "ABC":
        for gpu, piece in placement.tiles(matrix, "task_4"):
            size = overlap(piece, piece)
            if not any(m == matrix and overlap(h, piece) == size for m, h in held[gpu]):
                held[gpu].add((matrix, piece))
    most = max(sum(overlap(t, t) for _, t in tiles) for tiles in held.values())
    assert most == pytest.approx(MEMORY[name][step], abs=0.06)
