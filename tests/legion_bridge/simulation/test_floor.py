"""No mapper beats the floor, and good ones come near."""

from __future__ import annotations

import itertools
import json
import pickle
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import dsl
from legion_bridge import Application, Evaluator, Machine, Outcome, application_names
from legion_bridge.machines.machine import Runtime
from legion_bridge.programs.application import Work
from legion_bridge.simulation.floor import Bounds, Floor, bounds_of
from legion_bridge.simulation.simulator import Simulator
from tests.legion_bridge.simulation.random_runs import Case, cases, clocked_cases
from tests.legion_bridge.tiny import (
    Run,
    application,
    launch,
    machine,
    mapper,
    pieces,
    reads,
    reduces,
    region,
    updates,
    writes,
)

ROUNDING = 1 - 1e-9
MACHINES = (("p100x4", 1), ("lassen", 1), ("lassen", 4), ("h100x8", 1))
LARGE = ("transformer",)
RUNS = [
    *((name, *on) for name in application_names() for on in MACHINES),
    ("circuit", "cpu2", 1),  # the others have tasks for GPUs alone
    ("stencil", "cpu2", 1),
]

KNOWN = json.loads((Path(__file__).parents[2] / "data" / "known_mappers.json").read_text())
"""The best mappers that are known, most of them found by language models."""


def known_name(known: dict[str, Any]) -> str:
    tight = "-tight" * bool(known["parameters"])
    return f"{known['application']}{tight}-{known['machine']}-{known['nodes']}"


def known_run(known: dict[str, Any]) -> Outcome:
    program = Application.load(known["application"], nodes=known["nodes"], **known["parameters"])
    evaluator = Evaluator(program, Machine.load(known["machine"], nodes=known["nodes"]))
    return evaluator.evaluate_text("\n".join(known["mapper"]))


def floor(program: Application, on: Machine) -> Bounds:
    simulator = Simulator(program, on)
    return bounds_of(simulator.program, simulator.flat_machine)


def check_floor(case: Case) -> None:
    run = case.run()
    assume(run.outcome.ok)
    assert run.outcome.iteration is not None
    assert run.outcome.floor is not None
    assert run.outcome.iteration >= run.outcome.floor.seconds * ROUNDING


@settings(max_examples=60, deadline=None)
@given(cases())
def test_no_random_run_is_below_its_floor(case: Case) -> None:
    check_floor(case)


@settings(max_examples=60, deadline=None)
@given(clocked_cases())
def test_no_run_with_a_clock_in_each_iteration_is_below_its_floor(case: Case) -> None:
    check_floor(case)


@pytest.mark.long
@settings(max_examples=250, deadline=None)
@given(st.one_of(cases(), clocked_cases(), cases(capacities=(30, 60, 100))))
def test_no_run_of_many_is_below_its_floor(case: Case) -> None:
    check_floor(case)


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


def adversarial(program: Application) -> list[str]:
    """Mappers that some part of a bound might have forgotten."""
    texts = ["Task * GPU,OMP,CPU;", "Task * CPU;", "Task * GPU,OMP,CPU; InstanceLimit * 1;"]
    texts.append("Task * GPU,OMP,CPU; Region * * GPU ZCMEM; CollectMemory * *;")
    texts += [
        "\n".join(line for line in text.splitlines() if not line.startswith(without))
        for text in program.mappers.values()
        for without in ("IndexTaskMap", ("InstanceLimit", "CollectMemory"))
    ]
    texts += ["\n".join(each["mapper"]) for each in KNOWN if each["application"] == program.name]
    return texts


@pytest.mark.parametrize(
    ("name", "on", "nodes"),
    [
        pytest.param(*each, marks=pytest.mark.long) if each[0] in LARGE and each[2] > 1 else each
        for each in RUNS
    ],
)
def test_no_mapper_of_an_application_is_below_its_floor(name: str, on: str, nodes: int) -> None:
    program, runs_on = Application.load(name, nodes=nodes), Machine.load(on, nodes=nodes)
    evaluator = Evaluator(program, runs_on)
    simulator = evaluator.simulator
    found = bounds_of(simulator.program, simulator.flat_machine)
    assert found.seconds > 0
    template = dsl.template_for(program, runs_on)
    rng = random.Random(f"{name} {on} {nodes}")
    texts = [*program.mappers.values(), *adversarial(program)]
    for _ in range(10):
        values = {key: rng.choice(each.values) for key, each in template.parameters.items()}
        texts.append(template.render(values))
    for text in texts:
        outcome = evaluator.evaluate_text(text)
        if outcome.ok:
            assert outcome.elapsed is not None
            assert outcome.elapsed / program.timed >= found.seconds * ROUNDING, text


@pytest.mark.parametrize("known", KNOWN, ids=known_name)
def test_no_known_mapper_is_below_the_floor_and_most_are_near(known: dict[str, Any]) -> None:
    outcome = known_run(known)
    assert outcome.ok, outcome.raw
    assert outcome.of_floor is not None
    near = 0.95 if known["machine"] == "p100x4" else 0.88
    loose = known["application"] in ("stencil", "transformer") and known["nodes"] > 1
    assert (0.5 if loose else near) < outcome.of_floor <= 1 / ROUNDING


@pytest.mark.parametrize("name", application_names())
def test_a_leaf_task_without_instances_is_refused(name: str) -> None:
    """It would take no time to reach its data; Legion refuses it, and so does the simulator."""
    evaluator = Evaluator(Application.load(name), Machine.load("p100x4"))
    outcome = evaluator.evaluate_text("Task * GPU,OMP,CPU; Region * * * VIRTUAL;")
    assert "Illegal implicit mapping of a virtual mapped region" in outcome.raw


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


# What points that share data must send


ON_GPUS = """
Task * GPU; Region * * GPU FBMEM;
gpus = Machine(GPU);
"""


def all_maps(program: Application, on: Machine, tasks: Sequence[str]) -> Iterator[str]:
    """Mappers with every placement of the points of some tasks on the GPUs of a node."""
    gpus = on.processors["GPU"].count
    points = {task: next(x.volume for x in program.loop if x.task == task) for task in tasks}
    for choice in itertools.product(range(gpus), repeat=sum(points.values())):
        left, lines = list(choice), [ON_GPUS]
        for task, count in points.items():
            place = "0"
            for point in range(count):
                place = f"(t.ipoint[0] == {point} ? {left.pop()} : {place})"
            lines.append(f"def map_{task}(Task t) {{ return gpus[0, {place}]; }}")
            lines.append(f"IndexTaskMap {task} map_{task};")
        yield "\n".join(lines)


def least_simulated(program: Application, on: Machine, tasks: Sequence[str]) -> float:
    found = [Run(program, on, text).outcome.iteration for text in all_maps(program, on, tasks)]
    return min(seconds for seconds in found if seconds is not None)


def test_folds_of_what_several_points_reduce_come_one_after_the_other() -> None:
    """Two tasks of 8 s reduce 10 bytes each: 2 s to fold beside the data, 4 s from elsewhere."""
    loop = [
        launch("make", writes("x"), timed=False, blocking=True),
        launch("sum", reduces("x"), domain=(2,), seconds=8.0),
        launch("look", reads("x"), blocking=True),
    ]
    program, on = application([region("x", 10)], loop), machine(outward=5.0, shared=5)
    assert floor(program, on).seconds == 8.0 + 2.0 + 4.0 + 1.0
    filled = 1.0  # before each reduction, which the floor leaves out
    assert least_simulated(program, on, ["sum", "look"]) == 15.0 + filled


def test_points_that_read_the_same_on_two_processors_wait_for_a_copy() -> None:
    """Two tasks of 8 s read 30 bytes that lie in one place when the clock starts."""
    loop = [
        launch("make", writes("x"), timed=False, blocking=True),
        launch("use", reads("x"), domain=(2,), seconds=8.0, blocking=True),
    ]
    program, on = application([region("x", 30)], loop), machine()
    assert floor(program, on).seconds == 8.0  # in zero-copy memory both may read it
    small = machine(shared=20)
    assert floor(program, small).seconds == 8.0 + 3.0
    assert least_simulated(program, small, ["make", "use"]) == 11.0


def test_data_that_was_read_in_two_places_before_the_clock_need_not_be_copied() -> None:
    loop = [
        launch("make", writes("x"), timed=False, blocking=True),
        launch("look", reads("x"), timed=False, blocking=True),
        launch("use", reads("x"), domain=(2,), seconds=8.0, blocking=True),
    ]
    program, on = application([region("x", 30)], loop), machine(shared=20)
    assert floor(program, on).seconds == 8.0
    assert least_simulated(program, on, ["make", "look", "use"]) == 8.0


def test_what_follows_on_the_last_point_counts() -> None:
    """Four tasks of 8 s on two GPUs, and a fold of 2 s and a task of 1 s behind the last."""
    loop = [
        launch("make", writes("x"), timed=False, blocking=True),
        launch("sum", reduces("x", "quarters"), domain=(4,), seconds=8.0),
        launch("look", reads("x", "quarters"), domain=(4,), blocking=True),
    ]
    quarters = pieces("quarters", "x", (0, 9), (10, 19), (20, 29), (30, 39))
    program = application([region("x", 40)], loop, partitions=[quarters])
    assert floor(program, machine()).seconds == 16.0 + 2.0 + 1.0


def test_what_more_points_share_than_a_node_can_run_crosses_the_network() -> None:
    """Two tasks of 20 s on two nodes of one GPU read the same 30 bytes, over a slow link."""
    loop = [
        launch("make", writes("x"), timed=False, blocking=True),
        launch("use", reads("x"), domain=(2,), seconds=20.0, blocking=True),
    ]
    program = application([region("x", 30)], loop)
    on = machine(nodes=2, gpus=1, net_in=2.0)
    assert floor(program, on).seconds == 20.0 + 15.0


def test_a_processor_whose_memories_have_no_room_does_not_count() -> None:
    """A task of a second on a GPU, of ten on a CPU, where alone there is room for its data."""
    use = replace(launch("use", reads("x")), work=Work.of(1, 1, seconds={"CPU": 10.0, "GPU": 1.0}))
    program = application([region("x", 30)], [use])
    assert floor(program, machine()).seconds == 1.0
    assert floor(program, machine(capacity=20, shared=40)).seconds == 1.0  # zero-copy memory
    host = machine(capacity=20, shared=20)
    roomy = replace(host.memories["SYSMEM"], capacity=40)
    assert floor(program, replace(host, memories={**host.memories, "SYSMEM": roomy})).work == 10.0


def test_a_floor_is_worked_out_when_it_is_asked_for_and_travels_as_numbers() -> None:
    found: list[int] = []

    def find() -> Bounds:
        found.append(1)
        return Bounds(work=2.0)

    lazy = Floor(find)
    assert not found
    assert (lazy.seconds, lazy.seconds, found) == (2.0, 2.0, [1])
    assert pickle.loads(pickle.dumps(lazy)).bounds == lazy.bounds  # noqa: S301  (our own)
