"""Machines as numbers: processors, memories, links and routes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dsl.machine_shape import MEMORY_KINDS
from legion_bridge.machines.flat_machine import (
    MEMORY_CODES,
    PROCESSOR_CODES,
    SCOPE_NODE,
    SCOPE_PROCESSOR,
    FlatMachine,
    flatten_machine,
)
from legion_bridge.machines.machine import WHERE, Machine
from tests.legion_bridge.tiny import machine


@pytest.fixture(scope="module")
def two_nodes() -> FlatMachine:
    return flatten_machine(Machine.load("p100x4", nodes=2))


def test_processors_are_numbered_node_by_node(two_nodes: FlatMachine) -> None:
    flat = two_nodes
    gpus = flat.processors_of("GPU", np.array([0, 0, 1]), np.array([0, 3, 2]))
    assert [flat.processor_name(int(g)) for g in gpus] == [
        "GPU 0 of node 0",
        "GPU 3 of node 0",
        "GPU 2 of node 1",
    ]
    assert flat.processor_rank[gpus].tolist() == [0, 0, 1]
    assert set(flat.processor_kind[gpus].tolist()) == {PROCESSOR_CODES["GPU"]}
    assert len(flat.processor_kind) == 2 * (1 + 1 + 4)


def test_each_gpu_has_a_frame_buffer_and_each_node_the_rest(two_nodes: FlatMachine) -> None:
    flat = two_nodes
    gpus = flat.processors_of("GPU", np.array([0, 1]), np.array([1, 3]))
    own, shared = flat.memory_of(gpus, "FBMEM"), flat.memory_of(gpus, "ZCMEM")
    assert [flat.memory_name(int(m)) for m in own] == [
        "FBMEM of GPU 1 of node 0",
        "FBMEM of GPU 3 of node 1",
    ]
    assert flat.memory_owner[own].tolist() == gpus.tolist()
    assert [flat.memory_name(int(m)) for m in shared] == ["ZCMEM of node 0", "ZCMEM of node 1"]
    assert flat.memory_owner[shared].tolist() == [-1, -1]
    assert flat.memory_rank[own].tolist() == [0, 1]


def test_capacities_are_those_of_the_file(two_nodes: FlatMachine) -> None:
    machine = two_nodes.machine
    for number, capacity in enumerate(two_nodes.memory_capacity.tolist()):
        kind = MEMORY_KINDS[int(two_nodes.memory_kind[number])]
        assert capacity == machine.memories[kind].capacity


def test_routes_are_those_of_the_file(two_nodes: FlatMachine) -> None:
    flat, machine = two_nodes, two_nodes.machine
    for source in machine.memories:
        for target in machine.memories:
            for code, where in enumerate(WHERE):
                if where == "memory" and source != target:
                    continue
                at = (MEMORY_CODES[source], MEMORY_CODES[target], code)
                route = machine.route(source, target, where)
                used = flat.route_scopes[at] >= 0
                assert used.sum() == len(route.links)
                assert flat.route_latency[at] == route.latency
                sides = ["source", "target"]
                found = [sides[side] for side in flat.route_sides[at][used]]
                assert found == [link.split(".")[0] for link in route.links]


@pytest.mark.parametrize(("nodes", "latency"), [(1, 1e-4), (2, 1.5e-4), (64, 4e-4)])
def test_a_latency_grows_with_each_doubling_of_the_nodes(nodes: int, latency: float) -> None:
    small = machine(nodes=nodes, gpus=1)
    routes = tuple(replace(route, latency=1e-4, doubling=5e-5) for route in small.routes)
    flat = flatten_machine(replace(small, routes=routes))
    at = (MEMORY_CODES["FBMEM"], MEMORY_CODES["SYSMEM"], WHERE.index("network"))
    assert flat.route_latency[at] == pytest.approx(latency)


def test_links_are_numbered_by_their_scope() -> None:
    flat = flatten_machine(machine(nodes=2, gpus=3))
    names = list(flat.link_names)
    gpu = int(flat.processors_of("GPU", np.array([1]), np.array([2]))[0])
    at = (MEMORY_CODES["FBMEM"], MEMORY_CODES["FBMEM"], WHERE.index("rank"))
    assert flat.route_scopes[at][:2].tolist() == [SCOPE_PROCESSOR, SCOPE_PROCESSOR]
    out = int(flat.route_links[at][0]) + gpu
    assert names[out] == "outward GPU 2 of node 1"
    at = (MEMORY_CODES["SYSMEM"], MEMORY_CODES["SYSMEM"], WHERE.index("network"))
    assert flat.route_scopes[at][0] == SCOPE_NODE
    assert names[int(flat.route_links[at][0]) + 1] == "net_out node 1"
    assert flat.link_total == len(names) == 3 * 6 + 6 * 2


def test_ranks_of_a_node_share_out_its_processors() -> None:
    flat = flatten_machine(Machine.load("p100x4", nodes=2).with_ranks(2))
    assert flat.rank_node.tolist() == [0, 0, 1, 1]
    gpus = flat.processors_of("GPU", np.array([3]), np.array([1]))
    assert flat.processor_name(int(gpus[0])) == "GPU 1 of node 3"
    assert int((flat.processor_kind == PROCESSOR_CODES["GPU"]).sum()) == 8
    spread = flatten_machine(Machine.load("p100x4", nodes=2).with_ranks(2, "cyclic"))
    assert spread.rank_node.tolist() == [0, 1, 0, 1]
