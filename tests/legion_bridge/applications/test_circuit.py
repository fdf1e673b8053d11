"""The circuit: its pieces, what they share, and where the ends of wires lie."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from legion_bridge.errors import ApplicationError
from legion_bridge.programs.application import Application


def line(application: Application, partition: str) -> np.ndarray:
    return application.partitions[partition].pieces[:, :, 0]


def test_three_tasks_with_fifteen_data_arguments() -> None:
    circuit = Application.load("circuit")
    counts = {
        launch.task: sum(r.privilege != "NO_ACCESS" for r in launch.requirements)
        for launch in circuit.loop
    }
    assert counts == {"calculate_new_currents": 6, "distribute_charge": 4, "update_voltages": 5}


def test_bytes_of_nodes_and_wires() -> None:
    circuit = Application.load("circuit")
    sizes = {name: sum(f.bytes for f in circuit.regions[name].fields) for name in circuit.regions}
    assert sizes == {"all_nodes": 16, "all_wires": 106, "all_times": 16, "ghost_ranges": 16}
    requirements = circuit.loop[0].requirements
    wires = circuit.regions["all_wires"]
    assert [wires.field_bytes(r.fields) for r in requirements[3:5]] == [30, 76]
    assert wires.field_bytes(circuit.loop[1].requirements[3].fields) == 26


def test_a_wire_is_96_operations_an_inner_step() -> None:
    work = Application.load("circuit").loop[0].work
    assert work.rate == "fp32"
    assert work.flops.tolist() == [200_000 * 960_000.0] * 4
    stream = work.traffic[0, 3:5] / 200_000
    assert stream.tolist() == [30, 152]


def test_ends_of_wires_by_where_they_lie() -> None:
    # 200,000 wires: 2000 in-pointers and 1600 + 40000 out-pointers reach shared nodes; 8000 of
    # the latter belong to other superpieces (where neighbours are on both sides).
    accesses = Application.load("circuit", nodes=2).loop[0].work.accesses
    assert accesses[:, 1:3].sum(axis=1) == pytest.approx([43_600] * 8)
    assert accesses[1:-1, 2] == pytest.approx([8000] * 6)
    assert (accesses[[0, -1], 2] < 8000).all()
    assert accesses[:, :3].sum(axis=1) == pytest.approx([400_000] * 8)


def test_reductions_are_sums() -> None:
    reduced = [
        r
        for launch in Application.load("circuit").loop
        for r in launch.requirements
        if r.privilege == "REDUCE"
    ]
    assert [(r.partition, r.reduction) for r in reduced] == [
        ("rp_shared", "sum<float>"),
        ("rp_ghost", "sum<float>"),
    ]


@settings(max_examples=80, deadline=None)
@given(
    superpieces=st.integers(1, 12),
    per=st.integers(1, 12),
    nodes=st.integers(1, 3000),
)
def test_ghosts_reach_three_pieces_to_each_side(superpieces: int, per: int, nodes: int) -> None:
    circuit = Application.load(
        "circuit", pieces=superpieces * per, per_superpiece=per, circuit_nodes=nodes, wires=10
    )
    shared, ghost = line(circuit, "rp_shared"), line(circuit, "rp_ghost")
    assert (ghost[:, 0] <= shared[:, 0]).all()
    assert (shared[:, 1] <= ghost[:, 1]).all()
    assert ghost.min() == 0
    assert ghost.max() == shared[-1, 1]
    each = -(-nodes // 100)
    most = (per + 6) * each if superpieces * per > 6 else superpieces * per * each
    assert (ghost[:, 1] - ghost[:, 0] + 1 <= most).all()


def test_init_tasks_run_once_a_piece_under_their_parent() -> None:
    circuit = Application.load("circuit")
    children = [launch for launch in circuit.setup if launch.parent is not None]
    assert [launch.task for launch in children] == ["init_nodes", "init_nodes", "init_wires"]
    parent = circuit.setup[1]
    assert (parent.task, circuit.task_kinds["init_piece"].inner) == ("init_piece", True)
    assert all(len(launch.work.flops) == parent.volume for launch in children)
    assert all(r.virtual for r in parent.requirements if r.privilege != "NO_ACCESS")
    colors = parent.colors[3]
    assert colors is not None
    assert colors.tolist() == [1] * 4


@pytest.mark.parametrize("sizes", [{"pieces": 7}, {"wires": 0}, {"per_superpiece": 0}])
def test_impossible_sizes_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(ApplicationError, match="multiple of per_superpiece"):
        Application.load("circuit", **sizes)
