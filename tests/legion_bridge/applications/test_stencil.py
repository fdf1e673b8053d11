"""The stencil: its tiles, its exchange of edges, and its traffic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from legion_bridge.errors import ApplicationError
from legion_bridge.programs.application import Application

STENCIL, INCREMENT = 0, 1


def volumes(application: Application, partition: str) -> np.ndarray:
    pieces = application.partitions[partition].pieces
    return np.maximum(pieces[:, 1] - pieces[:, 0] + 1, 0).prod(axis=1)


def test_the_default_is_one_node_of_the_paper() -> None:
    stencil = Application.load("stencil")
    sizes = {k: stencil.parameters[k] for k in ("nx", "ny", "ntx", "nty", "steps")}
    assert sizes == {"nx": 10000, "ny": 10000, "ntx": 2, "nty": 2, "steps": 10}
    assert (stencil.warmup, stencil.timed, stencil.work) == (30, 10, 1e8)


@pytest.mark.parametrize(
    ("nodes", "nx", "ny"), [(1, 10000, 10000), (2, 10000, 20000), (4, 20000, 20000)]
)
def test_nodes_choose_the_grid(nodes: int, nx: int, ny: int) -> None:
    stencil = Application.load("stencil", nodes=nodes)
    assert (stencil.parameters["nx"], stencil.parameters["ny"]) == (nx, ny)
    assert stencil.loop[STENCIL].volume == 4 * nodes


def test_two_tasks_with_twelve_data_arguments() -> None:
    stencil = Application.load("stencil")
    assert [launch.task for launch in stencil.loop] == ["stencil", "increment"]
    privileges = [r.privilege for launch in stencil.loop for r in launch.requirements]
    assert len(privileges) == 14
    assert [i for i, p in enumerate(privileges) if p == "NO_ACCESS"] == [1, 8]


def test_forty_bytes_and_sixteen_flops_a_point() -> None:
    stencil = Application.load("stencil")
    traffic = sum(launch.work.traffic.sum() for launch in stencil.loop)
    assert traffic / stencil.work == pytest.approx(40, rel=1e-3)
    assert stencil.loop[STENCIL].work.flops.sum() / stencil.work == pytest.approx(16, rel=1e-2)


def test_x_must_be_fastest_where_there_are_two_dimensions() -> None:
    stencil = Application.load("stencil")
    for launch in stencil.loop:
        for requirement in launch.requirements:
            flat = requirement.region == "times" or requirement.privilege == "NO_ACCESS"
            assert (requirement.need is None) == flat
            if requirement.need:
                assert requirement.need.order == "F_order"
                assert "stride does not match expected value" in requirement.need.message


def test_a_wide_tile_loses_its_rows_from_the_cache() -> None:
    wide = Application.load("stencil", nx=320000, ny=1250, radius=5)
    narrow = Application.load("stencil", nx=20000, ny=20000, radius=5)
    v100_cache = 6 * 2**20
    assert narrow.loop[STENCIL].work.window < v100_cache < wide.loop[STENCIL].work.window
    assert wide.loop[STENCIL].work.window_traffic == 2


@settings(max_examples=60, deadline=None)
@given(
    nx=st.integers(40, 300),
    ny=st.integers(40, 300),
    ntx=st.integers(1, 6),
    nty=st.integers(1, 6),
    radius=st.integers(1, 4),
)
def test_tiles_cover_the_grid_once(nx: int, ny: int, ntx: int, nty: int, radius: int) -> None:
    stencil = Application.load("stencil", nx=nx, ny=ny, ntx=ntx, nty=nty, radius=radius)
    points = stencil.regions["points"]
    owner = np.zeros([b + 1 for b in points.upper], int)
    for (x0, y0), (x1, y1) in stencil.partitions["private"].pieces:
        owner[x0 : x1 + 1, y0 : y1 + 1] += 1
    assert (owner == 1).all()
    assert volumes(stencil, "interior").sum() == (nx - 2 * radius) * (ny - 2 * radius)


@settings(max_examples=60, deadline=None)
@given(ntx=st.integers(1, 5), nty=st.integers(1, 5), radius=st.integers(1, 4))
def test_a_tile_reads_the_edge_that_its_neighbour_wrote(ntx: int, nty: int, radius: int) -> None:
    stencil = Application.load("stencil", nx=203, ny=197, ntx=ntx, nty=nty, radius=radius)
    neighbours = {"xm": (-1, 0), "xp": (1, 0), "ym": (0, -1), "yp": (0, 1)}
    for side, (dx, dy) in neighbours.items():
        read = stencil.partitions[f"p{side}_in"].pieces
        written = stencil.partitions[f"p{side}_out"].pieces
        for y in range(nty):
            for x in range(ntx):
                inside = 0 <= x + dx < ntx and 0 <= y + dy < nty
                tile = y * ntx + x
                if inside:
                    neighbour = (y + dy) * ntx + x + dx
                    assert (read[tile] == written[neighbour]).all()
                else:
                    assert volumes(stencil, f"p{side}_in")[tile] == 0


def test_edges_of_a_tile_fit_its_interior() -> None:
    stencil = Application.load("stencil", nx=203, ny=197, ntx=3, nty=2, radius=2)
    interior = stencil.partitions["interior"].pieces
    extents = interior[:, 1] - interior[:, 0] + 1
    assert (volumes(stencil, "pxm_out") == 2 * extents[:, 1]).all()
    assert (volumes(stencil, "pyp_out") == 2 * extents[:, 0]).all()


@pytest.mark.parametrize(
    "sizes", [{"nx": 3, "ny": 3}, {"radius": 0}, {"nx": 100, "ntx": 200}, {"steps": 0}]
)
def test_a_grid_too_small_for_its_tiles_is_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(ApplicationError, match="take more points, or fewer tiles"):
        Application.load("stencil", **sizes)


def test_tiles_of_a_node_overflow_zero_copy_memory() -> None:
    (private, *_) = Application.load("stencil").tasks["stencil"].requirements
    zero_copy = 2_147_483_648
    assert private.piece_bytes < zero_copy < 4 * private.piece_bytes
