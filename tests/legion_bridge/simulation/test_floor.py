"""No mapper beats the floor, and good ones come near."""

from __future__ import annotations

import json
import math
import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings

import dsl
from legion_bridge import Application, Evaluator, Machine, application_names
from legion_bridge.machines.machine import Runtime
from legion_bridge.simulation.floor import Bounds, bounds_of
from legion_bridge.simulation.simulator import Simulator
from tests.legion_bridge.simulation.random_runs import Case, cases
from tests.legion_bridge.tiny import (
    Run,
    application,
    launch,
    machine,
    mapper,
    reads,
    region,
    updates,
    writes,
)

ROUNDING = 1 - 1e-9
MACHINES = (("p100x4", 1), ("lassen", 1), ("lassen", 4), ("h100x8", 1))
KNOWN = json.loads(
    (Path(__file__).parents[2] / "data/known_mappers.json").read_text(encoding="utf-8")
)
RUNS = [
    *((name, *on) for name in application_names() for on in MACHINES),
    ("circuit", "cpu2", 1),  # the others have tasks for GPUs alone
    ("stencil", "cpu2", 1),
]

# As the experts' mappers, but that limits and collection are left out and the placement tasks
# leave every tile where the multiplication needs it: before the program's clock starts.
PARTNERS = """
def home(Task task) {
  gpus = mgpu.merge(0, 1);
  return gpus[(task.ipoint[0] * task.ispace[1] + task.ipoint[1]) % gpus.size[0]];
}
def beside(Task task) {
  gpus = mgpu.merge(0, 1);
  column = (task.ipoint[1] + 1) % task.ispace[1];
  return gpus[(task.ipoint[0] * task.ispace[1] + column) % gpus.size[0]];
}
def below(Task task) {
  gpus = mgpu.merge(0, 1);
  row = (task.ipoint[0] + 1) % task.ispace[0];
  return gpus[(row * task.ispace[1] + task.ipoint[1]) % gpus.size[0]];
}
IndexTaskMap taco_fill,task_1,task_5 home;
IndexTaskMap task_2 beside;
IndexTaskMap task_3 below;
"""
# All products for a tile of A where that tile is; B and C skewed, so that what a GPU multiplies
# first is its own.
SKEWED = """
def sums(Task task) {
  gpus = mgpu.merge(0, 1);
  return gpus[(2 * task.ipoint[0] + task.ipoint[1]) % gpus.size[0]];
}
def skewed_b(Task task) {
  gpus = mgpu.merge(0, 1);
  return gpus[(2 * task.ipoint[0] + (task.ipoint[0] + task.ipoint[2]) % 2) % gpus.size[0]];
}
def skewed_c(Task task) {
  gpus = mgpu.merge(0, 1);
  return gpus[((task.ipoint[1] + task.ipoint[2]) % 2 * 2 + task.ipoint[1]) % gpus.size[0]];
}
IndexTaskMap task_1,task_4 sums;
IndexTaskMap task_2 skewed_b;
IndexTaskMap task_3 skewed_c;
"""


def good_mapper(name: str) -> str:
    """The best mapper that is known for an application on one node."""
    if name in ("circuit", "stencil", "pennant"):
        return "Task * GPU,CPU;"
    limits = r"(?m)^(InstanceLimit|CollectMemory) .*\n"
    text = re.sub(limits, "", Application.load(name).mappers["expert"])
    maps = {"cannon": PARTNERS, "summa": PARTNERS, "pumma": PARTNERS, "johnson": SKEWED}
    if name not in maps:
        return text
    return re.sub(r"(?m)^IndexTaskMap .*task_[1-4] .*\n", "", text) + maps[name]


def floor(program: Application, on: Machine) -> Bounds:
    simulator = Simulator(program, on)
    return bounds_of(simulator.program, simulator.flat_machine)


@settings(max_examples=150, deadline=None)
@given(cases())
def test_no_random_run_is_below_its_floor(case: Case) -> None:
    run = case.run()
    assume(run.outcome.ok)
    assert run.outcome.elapsed is not None
    found = bounds_of(run.simulator.program, run.simulator.flat_machine)
    assert run.outcome.elapsed / case.program.timed >= found.seconds * ROUNDING


def test_a_setup_that_goes_on_beside_the_loop_hides_nothing_of_it() -> None:
    """A copy of the setup is under way for 2.4 s; each iteration is a chain of 2 s beside it."""
    program = application(
        [region("x", 12, ("a",))],
        [launch("task", blocking=True), launch("below", parent=0)],
        setup=[launch("task", reads("x", None, "a"), domain=(2,))],
        warmup=1,
        timed=2,
    )
    links = dict.fromkeys(("inward", "outward", "inside", "host", "net_in", "net_out"), 5.0)
    text = mapper("Task task CPU; Region task x CPU SYSMEM;")
    run = Run(program, machine(nodes=2, gpus=1, root=5.0, **links), text)
    assert run.outcome.iteration == 2.0
    assert run.simulator.floor.seconds == 2.0


@pytest.mark.parametrize(("name", "on", "nodes"), RUNS)
def test_no_mapper_of_an_application_is_below_its_floor(name: str, on: str, nodes: int) -> None:
    program, runs_on = Application.load(name, nodes=nodes), Machine.load(on, nodes=nodes)
    evaluator = Evaluator(program, runs_on)
    simulator = evaluator.simulator
    found = bounds_of(simulator.program, simulator.flat_machine)
    assert found.seconds > 0
    template = dsl.template_for(program, runs_on)
    rng = random.Random(f"{name} {on} {nodes}")
    texts = [*program.mappers.values(), good_mapper(name), "Task * GPU,OMP,CPU;", "Task * CPU;"]
    for _ in range(20):
        values = {key: rng.choice(each.values) for key, each in template.parameters.items()}
        texts.append(template.render(values))
    for text in texts:
        outcome = evaluator.evaluate_text(text)
        if outcome.ok:
            assert outcome.elapsed is not None
            assert outcome.elapsed / program.timed >= found.seconds * ROUNDING, text


@pytest.mark.parametrize(
    "known", KNOWN, ids=lambda known: f"{known['application']}-{known['nodes']}"
)
def test_no_known_mapper_is_below_its_floor_or_far_above_on_one_node(
    known: dict[str, Any],
) -> None:
    """The best mappers that models and tuners have found."""
    nodes = known["nodes"]
    program = Application.load(known["application"], nodes=nodes, **known["parameters"])
    on = Machine.load(known["machine"], nodes=nodes)
    evaluator = Evaluator(program, on)
    texts = ["\n".join(known["mapper"]), *program.mappers.values()]
    usual = known["machine"] == "p100x4" and not known["parameters"]
    texts += [good_mapper(known["application"])] if usual else []
    outcomes = [outcome for text in texts if (outcome := evaluator.evaluate_text(text)).ok]
    fastest = min(outcome.iteration or math.inf for outcome in outcomes)
    least = floor(program, on).seconds
    assert least * ROUNDING <= fastest < math.inf
    if usual:
        assert least > 0.95 * fastest


def test_points_of_one_launch_are_not_divided() -> None:
    """Four points of a second on two GPUs or one CPU: two turns, though there is a third."""
    found = floor(application([], [launch("a", domain=(4,))]), machine())
    assert (found.work, found.bound) == (2.0, "work")


def test_launches_are_divided_among_all_kinds_of_processors() -> None:
    """Six seconds of work for three processors."""
    program = application([], [launch(task, domain=(2,)) for task in "abc"])
    assert floor(program, machine()).work == pytest.approx(2.0)


def test_what_a_kind_cannot_run_is_not_divided_with_it() -> None:
    program = application([], [launch(task, domain=(2,)) for task in "abc"])
    kinds = {task: replace(kind, variants=("GPU",)) for task, kind in program.task_kinds.items()}
    assert floor(replace(program, task_kinds=kinds), machine()).work == 3.0


def test_the_longest_cycle_of_dependences_is_a_floor() -> None:
    """Two tasks that update the same data in turn, beside one that nothing waits for."""
    loop = [launch("a", updates("x")), launch("b", updates("x")), launch("c", reads("x"))]
    found = floor(application([region("x", 10)], loop), machine(gpus=4))
    assert (found.critical_path, found.bound) == (2.0, "critical path")


def test_data_that_is_only_read_makes_no_cycle() -> None:
    loop = [launch("a", reads("x")), launch("b", reads("x"))]
    assert floor(application([region("x", 10)], loop), machine()).critical_path == 0.0


def test_a_future_of_the_iteration_before_makes_a_cycle() -> None:
    """The first launch takes what the last one of the iteration before gives."""
    loop = [launch("a", after=(1,)), launch("b", after=(0,))]
    assert floor(application([], loop), machine()).critical_path == 2.0


def test_the_runtime_analyses_every_launch_and_point() -> None:
    costly = Runtime(launch=0.25, point=0.125, requirement=0.0, untraced=1.0, message=0.0)
    loop = [launch("a", domain=(4,), seconds=0.01), launch("b", domain=(2,), seconds=0.01)]
    found = floor(application([], loop), machine(runtime=costly))
    assert (found.runtime, found.bound) == (2 * 0.25 + 6 * 0.125, "runtime")


@pytest.mark.parametrize(("blocking", "work"), [(True, 1.0), (False, 0.0)])
def test_where_the_clock_may_start_late_there_is_no_floor(blocking: bool, work: float) -> None:
    """Nothing keeps the timed task from running beside the untimed one but waiting for that."""
    loop = [
        launch("place", writes("x"), timed=False, blocking=blocking),
        launch("use", reads("y")),
    ]
    found = floor(application([region("x", 10), region("y", 10)], loop), machine())
    assert found.work == work
