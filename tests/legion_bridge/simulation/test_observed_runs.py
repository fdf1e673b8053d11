"""Real runs, from the mapper's logs: our experts put every point and requirement where they did.

``data/observed_runs.json`` holds the facts of four runs on two nodes of four GPUs each. The log
of node 1 is absent, so that of its points only the node is known.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dsl
from dsl.machine_shape import MachineShape
from legion_bridge.machines.machine import Machine
from legion_bridge.programs.application import Application, Launch

RUNS = json.loads((Path(__file__).parents[2] / "data" / "observed_runs.json").read_text())
NAMES = ("stencil", "circuit", "pennant", "cannon")
# The runtime's own slicing spreads task_5.
UNMAPPED = {("cannon", "task_5")}
# Names of single pieces, which our requirements take from a partition by colour.
SUBREGIONS = {"all_shared": "rp_all_nodes"}


def launches(*, index: bool) -> Iterator[Any]:
    for name in NAMES:
        for row in RUNS[name]["launches"]:
            if bool(row["domain"]) == index:
                yield pytest.param(name, row, id=f"{name}-{row['task']}")


def expert(name: str) -> tuple[Application, dsl.Mapper]:
    run = RUNS[name]
    application = Application.load(name, **run["parameters"])
    machine = run["machine"]
    shape = MachineShape(nodes=machine["nodes"], processors=machine["processors"])
    return application, dsl.load(dsl.parse(application.mappers["expert"]), shape)


@pytest.mark.parametrize(("name", "row"), list(launches(index=True)))
def test_points_go_to_the_observed_processors(name: str, row: Any) -> None:
    application, mapper = expert(name)
    kind = row["kind"]
    variants = application.task_kinds[row["task"]].variants
    assert next(k for k in mapper.task_kinds(row["task"]) if k in variants) == kind
    if (name, row["task"]) in UNMAPPED:
        assert not mapper.has_index_map(row["task"], kind)
        return
    places = mapper.index_map(row["task"], kind, row["domain"]).reshape(-1, 2).tolist()
    for place, (node, processor) in zip(places, row["placement"], strict=True):
        assert place[0] == node
        assert processor in {place[1], None}


@pytest.mark.parametrize(("name", "row"), [*launches(index=True), *launches(index=False)])
def test_requirements_lie_in_the_observed_memories(name: str, row: Any) -> None:
    application, mapper = expert(name)
    visible = Machine.load("p100x4").visible_memories(row["kind"])
    (launch, *_) = _launches_like(application, row)
    for index, observed in enumerate(row["memories"]):
        requirement = launch.requirements[index]
        if observed is None:
            assert requirement.privilege == "NO_ACCESS"
        elif observed == "VIRTUAL":
            assert requirement.virtual or requirement.privilege == "NO_ACCESS"
        else:
            names = (*requirement.semantic_names, str(index))
            wanted = mapper.memories(row["task"], names, row["kind"])
            assert next(memory for memory in wanted if memory in visible) == observed


def _launches_like(application: Application, row: Any) -> list[Launch]:
    """Launches of a task whose requirements are on the logged regions or partitions."""
    return [
        launch
        for launch in application.launches() + application.finish
        if launch.task == row["task"]
        and all(
            {*logged.split("|"), SUBREGIONS.get(logged)} & {*requirement.semantic_names}
            for logged, requirement in zip(row["regions"], launch.requirements, strict=True)
        )
    ]


@pytest.mark.parametrize("name", ["stencil", "circuit", "pennant"])
def test_pieces_have_the_observed_bounds(name: str) -> None:
    application, _ = expert(name)
    for partition, pieces in RUNS[name]["pieces"].items():
        ours = application.partitions[partition].pieces
        assert len(ours) == 8
        for color, bounds in pieces.items():
            piece = ours[int(color)]
            if bounds is None:
                assert (piece[1] < piece[0]).any()
            elif partition == "rp_ghost":  # which neighbours a wire reaches is drawn by chance
                assert piece[0, 0] <= bounds[0][0]
                assert bounds[1][0] <= piece[1, 0]
                assert piece[1, 0] - piece[0, 0] - (bounds[1][0] - bounds[0][0]) <= 50
            else:
                assert piece.tolist() == bounds


def test_leaves_of_cannon_take_the_observed_tiles() -> None:
    application, mapper = expert("cannon")
    homes = mapper.index_map("task_1", "GPU", (4, 2))
    leaves = [x for x in application.loop if x.task == "task_4"]
    for gpu, (il, jl), to, ti, *bounds in RUNS["cannon"]["leaves"]:
        point = 2 * il + jl  # of node (0, 0)
        launch = leaves[2 * to + ti]
        assert homes[il, jl].tolist() == [0, gpu]
        for index, tile in enumerate(bounds):
            colors = launch.colors[index]
            assert colors is not None
            pieces = application.piece_bounds(launch.requirements[index])
            assert np.array_equal(pieces[colors[point]], tile)


def test_a_leaf_stays_on_the_gpu_of_its_point() -> None:
    _, mapper = expert("cannon")
    for gpu, *_ in RUNS["cannon"]["leaves"]:
        assert mapper.single_map("task_4", "GPU", (0, gpu), "GPU") == [(0, gpu)]
