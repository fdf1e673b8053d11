"""Replays on the real runtime: no mapper changes what they compute."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest

import dsl
from legion_bridge import LegionError, simulate
from legion_bridge.legion import read_replay
from legion_bridge.legion.scaled import scalable_names
from tests.legion_bridge.real_legion import legion_or_skip

from .replay_runs import CPU2, random_mappers, replay_of, small

pytestmark = pytest.mark.long  # builds programs, and runs them many times

FEW, MORE = 1, 4  # mappers of each application; `check_replays` runs 50


@pytest.fixture(autouse=True)
def _needs_legion() -> None:
    legion_or_skip()


@pytest.mark.parametrize("mappers", [FEW, pytest.param(MORE, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", scalable_names())
def test_no_mapper_changes_the_result(name: str, mappers: int) -> None:
    application = small(name)
    with replay_of(application, iterations=1) as replay:
        own = replay.run(None)
        assert own.seconds > 0
        for program in islice(random_mappers(application, seed=7), mappers):
            assert replay.run(program).checksum == own.checksum, program.source


def test_more_iterations_give_another_result() -> None:
    application = small("stencil")
    with replay_of(application, iterations=1) as one, replay_of(application, iterations=2) as two:
        assert one.run(None).checksum != two.run(None).checksum


NESTED = ("task_4", "task_5", "task_6", "task_7")  # each launches the one before it


@pytest.mark.parametrize("limited", [NESTED[:1], NESTED])
def test_limits_of_nested_tasks_do_not_clash(limited: tuple[str, ...]) -> None:
    """Points of one processor launch tasks that use each other's tiles, one at a time."""
    application = small("cannon")
    text = "Task * CPU; Layout * * * SOA C_order;\nm = Machine(CPU);\n"
    text += "def f(Task t) { return m[0, t.ipoint[1] % m.size[1]]; } IndexTaskMap task_5 f;\n"
    mapper = dsl.parse(text + "".join(f"InstanceLimit {task} 1;" for task in limited))
    assert simulate(application, CPU2, dsl.load(mapper, CPU2.shape)).ok
    with replay_of(application, iterations=1) as replay:
        assert replay.run(mapper).checksum == replay.run(None).checksum


def test_names_are_those_of_the_application() -> None:
    application = small("stencil")
    mapper = dsl.parse("Task * CPU; Region stencil private CPU FBMEM, RDMEM;")
    with replay_of(application, iterations=1) as replay:
        replay.command += ["-level", "mapper=2"]
        done = replay.complete(mapper, MAPPERTUNE_LOG="1")
    placed = [x for x in done.stderr.splitlines() if x.startswith("mappertune: instance stencil")]
    assert placed, done.stderr
    for line in placed:
        assert ("names=private,points" in line) == ("memory=RDMEM" in line)


@pytest.mark.parametrize(("kind", "mebibytes"), [("SYSMEM", 3000), ("RDMEM", 1)])
def test_a_run_has_the_memory_of_the_machine(kind: str, mebibytes: int) -> None:
    """A mapper asks for more of it than there is, and is told how much there is."""
    memory = replace(CPU2.memories[kind], capacity=mebibytes << 20)
    machine = replace(CPU2, memories={**CPU2.memories, kind: memory})
    mapper = dsl.parse(f"Task * CPU; Region * * CPU {kind}; Layout * * * Align=={1 << 30};")
    with replay_of(small("stencil"), iterations=1, machine=machine) as replay:
        done = replay.complete(mapper)
    assert f"{kind}, which has {memory.capacity} bytes in all" in done.stderr


@pytest.mark.parametrize(("mebibytes", "fits"), [(4, False), (64, True)])
def test_what_fits_in_the_simulator_fits_in_the_run(mebibytes: int, fits: bool) -> None:
    memory = replace(CPU2.memories["RDMEM"], capacity=mebibytes << 20)
    machine = replace(CPU2, memories={**CPU2.memories, "RDMEM": memory})
    application = small("stencil")
    mapper = dsl.parse("Task * CPU; Region * points CPU RDMEM;")
    outcome = simulate(application, machine, dsl.load(mapper, machine.shape))
    with replay_of(application, iterations=1, machine=machine) as replay:
        done = replay.complete(mapper)
    assert (outcome.ok, done.returncode == 0) == (fits, fits), outcome.raw + done.stderr


def test_what_is_no_plan_is_refused() -> None:
    with replay_of(small("cosma"), iterations=1) as replay:
        plan = replay.folder / "cosma.plan"
        plan.write_text(plan.read_text().replace("mappertune-replay 2", "mappertune-replay 9", 1))
        done = replay.complete(None)
    assert done.returncode == 2
    assert "is of version 9, but this program reads version 2" in done.stderr


def test_output_without_a_result_is_an_error() -> None:
    with pytest.raises(LegionError, match="printed no result, but: nothing"):
        read_replay("nothing")
