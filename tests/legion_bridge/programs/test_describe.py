"""Applications explained in text, and their data flow as a graph."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from legion_bridge.applications import application_names
from legion_bridge.programs.application import Application
from legion_bridge.programs.data_flow import Flow, data_flow
from legion_bridge.programs.describe import data_flow_dot, describe


def test_stencil_in_words() -> None:
    text = describe(Application.load("stencil"))
    for line in (
        "stencil: Star-shaped stencil on a square grid, one tile a GPU",
        "  1e+08 points an iteration, replayed from a trace",
        "  points: 10004 x 10004 points of 24 bytes, 2.4 GB: input, input1, output",
        "    private: 4 pieces of up to 25020004 points",
        "  stencil (CPU, GPU): launched over 4 points",
        "    0 private: read_write input, input1, output, up to 600 MB a point, wants F_order",
        "    1 interior: no access",
        "  increment -> stencil: xm, input (next iteration)",
        "Reference mappers: expert, default",
    ):
        assert line in text.splitlines()


@pytest.mark.parametrize("name", application_names())
def test_every_task_and_region_is_named(name: str) -> None:
    application = Application.load(name)
    text = describe(application)
    graph = data_flow_dot(application)
    assert all(task in text and f'"{task}"' in graph for task in application.tasks)
    assert all(region in text for region in application.regions)


def test_nested_launches_name_their_parents() -> None:
    text = describe(Application.load("cannon"))
    assert "  task_6 (OMP; only launches others): launched as a single task by task_7" in text
    assert "  task_4 (GPU): launched as a single task by task_5, 2 times" in text


def test_flow_of_circuit() -> None:
    flows = data_flow(Application.load("circuit"))
    names = [(f.source, f.target, f.region, f.next_iteration) for f in flows]
    loop = [
        ("calculate_new_currents", "distribute_charge", "all_wires", False),
        ("distribute_charge", "update_voltages", "all_nodes", False),
        ("update_voltages", "calculate_new_currents", "all_nodes", True),
    ]
    assert [name for name in names if name in loop] == loop
    voltage = flows[names.index(loop[2])]
    assert voltage.fields == ("node_voltage",)
    assert ("distribute_charge", "calculate_new_currents", "all_nodes", True) not in names


def test_a_task_that_only_launches_others_hands_nothing_on() -> None:
    flows = data_flow(Application.load("solomonik"))
    assert "task_5" not in {f.source for f in flows} | {f.target for f in flows}
    assert Flow("task_4", "task_1", "A", ("vals",), next_iteration=False) in flows


def test_a_matrix_that_is_filled_anew_does_not_reach_the_next_iteration() -> None:
    assert not any(f.next_iteration for f in data_flow(Application.load("cannon")))


@pytest.mark.skipif(not shutil.which("dot"), reason="graphviz is not installed")
def test_dot_draws_the_graph() -> None:
    graph = data_flow_dot(Application.load("pennant"))
    drawn = subprocess.run(
        ["dot", "-Tsvg"], input=graph, capture_output=True, text=True, check=True
    )
    assert "calc_dt_hydro" in drawn.stdout
