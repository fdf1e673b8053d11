"""The reference mappers: whole on any machine, and as good as the facts say."""

from __future__ import annotations

import numpy as np
import pytest

import dsl
from dsl.machine_shape import MachineShape
from legion_bridge.applications import application_names
from legion_bridge.programs.application import Application

SHAPES = [(1, 4), (2, 4), (4, 1), (3, 6), (8, 4), (16, 8), (1, 1), (5, 3)]
FLAT = ("cannon", "summa", "pumma")


def machine(nodes: int, gpus: int) -> MachineShape:
    return MachineShape(nodes=nodes, processors={"GPU": gpus, "CPU": 1, "OMP": 1})


@pytest.mark.parametrize("name", application_names())
@pytest.mark.parametrize("text", ["expert", "default"])
@pytest.mark.parametrize("sized_for", [1, 2, 3, 8])
def test_no_point_leaves_any_machine(name: str, text: str, sized_for: int) -> None:
    application = Application.load(name, nodes=sized_for)
    program = dsl.parse(application.mappers[text])
    launches = {x.task: x for x in application.launches() if x.domain}.values()
    for nodes, gpus in SHAPES:
        mapper = dsl.load(program, machine(nodes, gpus))
        for launch in launches:
            variants = application.task_kinds[launch.task].variants
            kind = next(k for k in mapper.task_kinds(launch.task) if k in variants)
            if mapper.has_index_map(launch.task, kind):
                places = mapper.index_map(launch.task, kind, launch.domain).reshape(-1, 2)
                assert len(places) == launch.volume
                assert (places >= 0).all()
                assert (places < [nodes, mapper.shape.count(kind)]).all()


@pytest.mark.parametrize("name", application_names())
def test_experts_use_all_gpus_evenly(name: str) -> None:
    application = Application.load(name, nodes=2)
    mapper = dsl.load(dsl.parse(application.mappers["expert"]), machine(2, 4))
    heavy = max(application.loop, key=lambda launch: float(launch.work.flops.sum()))
    task = "task_1" if heavy.single else heavy.task
    places = np.concatenate(
        [
            mapper.index_map(task, "GPU", x.domain, lower=x.lower or None).reshape(-1, 2)
            for x in application.loop
            if x.task == task
        ]
    )
    load = np.bincount(places[:, 0] * 4 + places[:, 1], minlength=8)
    if name != "solomonik":  # its homes are on one face of the cube: four GPUs
        assert load.min() == load.max() > 0


@pytest.mark.parametrize("name", application_names())
@pytest.mark.parametrize("text", ["expert", "default"])
def test_data_has_the_order_in_which_tasks_use_it(name: str, text: str) -> None:
    """Last dimension fastest where a library needs it so, and nowhere else: tasks stream."""
    application = Application.load(name)
    mapper = dsl.load(dsl.parse(application.mappers[text]), machine(1, 4))
    used = [(x.task, i, r) for x in application.launches() for i, r in enumerate(x.requirements)]
    wanted = {r.region for _, _, r in used if r.need is not None and r.need.order == "C_order"}
    for task, index, requirement in used:
        if application.regions[requirement.region].dimension > 1:
            names = application.tasks[task].requirements[index].names
            layout = mapper.layout(task, names, "FBMEM", "GPU")
            assert (layout is not None and layout.c_order) == (requirement.region in wanted)


@pytest.mark.parametrize("name", application_names())
def test_the_default_maps_no_index_launch_that_decides(name: str) -> None:
    application = Application.load(name)
    shape = machine(1, 4)
    default = dsl.load(dsl.parse(application.mappers["default"]), shape)
    mapped = {
        x.task
        for x in application.launches()
        if x.domain and default.has_index_map(x.task, application.task_kinds[x.task].variants[0])
    }
    kept = {"johnson": {"init_cublas", "task_4"}, "cosma": {"init_cublas", "task_4"}}
    others = {"init_cublas"} if "task_4" in application.task_kinds else set()
    if name == "gpt":  # its default is data parallelism, which no runtime would choose by itself
        others = {x.task for x in application.launches()}
    assert mapped == kept.get(name, others)
    assert default.has_single_map("task_4", "GPU") == (name == "solomonik")


@pytest.mark.parametrize("name", ["cannon", "summa", "pumma", "solomonik"])
def test_leaves_are_limited_and_collected(name: str) -> None:
    mapper = dsl.load(dsl.parse(Application.load(name).mappers["expert"]), machine(1, 4))
    assert mapper.instance_limit("task_4") == 1
    assert mapper.instance_limit("task_6") == (0 if name == "solomonik" else 1)
    assert mapper.collects("task_4", ["B", "1"])
    assert not mapper.collects("task_1", ["A", "0"])


@pytest.mark.parametrize("name", FLAT)
@pytest.mark.parametrize("nodes", [1, 2, 4, 8, 16])
def test_flat_grids_place_by_coordinates(name: str, nodes: int) -> None:
    """Node in + gx jn, GPU il + 2 jl; task_7 on the same node."""
    application = Application.load(name, nodes=nodes)
    gx, gy = (int(application.parameters[key]) for key in ("gx", "gy"))
    mapper = dsl.load(dsl.parse(application.mappers["expert"]), machine(nodes, 4))
    places = mapper.index_map("task_1", "GPU", (2 * gx, 2 * gy))
    i, j = np.indices((2 * gx, 2 * gy))
    assert (places[..., 0] == i // 2 + gx * (j // 2)).all()
    assert (places[..., 1] == i % 2 + 2 * (j % 2)).all()
    places = mapper.index_map("task_7", "OMP", (gx, gy))
    i, j = np.indices((gx, gy))
    assert (places[..., 0] == i + gx * j).all()


@pytest.mark.parametrize("nodes", [1, 2, 4, 8, 16])
def test_solomonik_places_by_coordinates(nodes: int) -> None:
    application = Application.load("solomonik", nodes=nodes)
    rpoc, c = (int(application.parameters[key]) for key in ("rpoc", "c"))
    mapper = dsl.load(dsl.parse(application.mappers["expert"]), machine(nodes, 4))
    places = mapper.index_map("task_1", "GPU", (rpoc, rpoc, 1))
    i, j, _ = np.indices((rpoc, rpoc, 1))
    number = i + rpoc * j
    assert (places[..., 0] == number % nodes).all()
    assert (places[..., 1] == number // nodes % 4).all()
    places = mapper.index_map("task_5", "GPU", (rpoc, rpoc, c)).reshape(-1, 2)
    assert len({tuple(place) for place in places.tolist()}) == 4 * nodes


@pytest.mark.parametrize("ranks", [(4, 1), (1, 4)], ids=["4 a node", "1 a node"])
@pytest.mark.parametrize("nodes", [1, 2, 4, 8])
def test_johnson_places_by_coordinates(nodes: int, ranks: tuple[int, int]) -> None:
    application = Application.load("johnson", nodes=nodes)
    g = int(application.parameters["gdim"])
    shape = machine(nodes * ranks[0], ranks[1])
    mapper = dsl.load(dsl.parse(application.mappers["expert"]), shape)
    for task, domain in (("task_1", (g, g, 1)), ("task_2", (g, 1, g)), ("task_3", (1, g, g))):
        places = mapper.index_map(task, "GPU", domain)
        i, j, k = np.indices(domain)
        rank = places[..., 0] * ranks[1] + places[..., 1]
        assert (rank == (i + g * j + g * g * k) % (4 * nodes)).all()


@pytest.mark.parametrize("nodes", [1, 2, 4, 8, 16])
def test_cosma_has_its_homes_where_they_are_needed(nodes: int) -> None:
    application = Application.load("cosma", nodes=nodes)
    gx, gy, gz = (int(application.parameters[key]) for key in ("gx", "gy", "gz"))
    mapper = dsl.load(dsl.parse(application.mappers["expert"]), machine(4 * nodes, 1))
    i, j, k = np.indices((gx, gy, gz))
    points = mapper.index_map("task_4", "GPU", (gx, gy, gz))[..., 0]
    assert (points == i + gx * j + gx * gy * k).all()
    assert (mapper.index_map("task_1", "GPU", (gx, gy, 1))[:, :, 0, 0] == points[:, :, 0]).all()
    assert (mapper.index_map("task_2", "GPU", (gx, 1, gz))[:, 0, :, 0] == points[:, 0, :]).all()
    assert (mapper.index_map("task_3", "GPU", (1, gy, gz))[0, :, :, 0] == points[0, :, :]).all()
