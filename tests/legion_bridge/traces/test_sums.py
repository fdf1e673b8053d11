"""The figures of a profile add up, and none is above what the machine can do."""

from __future__ import annotations

from dataclasses import astuple, replace
from functools import cache

import numpy as np
import pytest

import dsl
from legion_bridge import Application, Evaluator, Machine, Outcome, application_names
from legion_bridge.outcome import (
    Hidden,
    Parts,
    Profile,
    floor_sentence,
    left_of,
    parts_of,
    parts_sentence,
)
from legion_bridge.simulation.kernel_arrays import OperationKind
from legion_bridge.simulation.simulator import Trace
from legion_bridge.traces.profile import profile_of
from legion_bridge.traces.tables import profile_tables
from tests.legion_bridge import tiny

GRID = 2.0**-40  # seconds: times are multiples of it
ROUNDING = 1 + 1e-6
RUNS = [(name, on) for name in application_names() for on in (("p100x4", 1), ("lassen", 4))]


@cache
def run(name: str, on: tuple[str, int]) -> tuple[Outcome, Trace]:
    machine, nodes = on
    program = Application.load(name, nodes=nodes)
    evaluator = Evaluator(program, Machine.load(machine, nodes=nodes))
    outcome, trace = evaluator.trace(dsl.parse(program.mappers["expert"]))
    assert trace is not None, outcome.raw
    return outcome, trace


@pytest.mark.parametrize(("name", "on"), RUNS)
def test_parts_add_up_to_the_iteration(name: str, on: tuple[str, int]) -> None:
    outcome, _ = run(name, on)
    assert outcome.profile is not None
    parts = parts_of(outcome)
    assert sum(part.seconds for part in parts) == pytest.approx(outcome.profile.iteration)
    assert outcome.iteration == outcome.profile.iteration
    assert all(part.seconds > 0 for part in parts)
    assert floor_sentence(outcome).startswith("at ")
    left = left_of(outcome)
    assert outcome.floor is not None
    assert outcome.iteration is not None
    gap = outcome.iteration - outcome.floor.seconds
    assert sum(part.seconds for part in left) == pytest.approx(gap, rel=1e-6)
    assert all(part.seconds > 0 for part in left)


@pytest.mark.parametrize(("name", "on"), RUNS)
def test_no_link_carries_more_than_it_can(name: str, on: tuple[str, int]) -> None:
    outcome, trace = run(name, on)
    assert outcome.profile is not None
    bandwidth = dict(zip(trace.machine.link_names, trace.machine.link_bandwidth, strict=True))
    rounded = len(trace.operations.kind) * GRID
    for link in outcome.profile.links:
        assert link.busy <= outcome.profile.iteration * ROUNDING, link
        assert link.bytes <= bandwidth[link.name] * (link.busy + rounded) * ROUNDING, link


@pytest.mark.parametrize(("name", "on"), RUNS)
def test_bytes_are_those_of_the_copies_in_and_beside_the_clock(
    name: str, on: tuple[str, int]
) -> None:
    outcome, trace = run(name, on)
    assert outcome.profile is not None
    operations = trace.operations
    inside = operations.iteration >= trace.first
    inside &= operations.iteration < trace.first + trace.iterations
    inside &= np.isin(operations.kind, (OperationKind.COPY, OperationKind.FOLD))
    timed = trace.program.launch_timed[trace.program.point_launch[operations.point]] != 0
    for found, chosen in (
        (outcome.profile.copies, inside & timed),
        (outcome.profile.untimed, inside & ~timed),
    ):
        whole = operations.bytes[chosen].sum() / trace.iterations
        assert sum(found.values()) == pytest.approx(whole)


def test_what_the_clock_does_not_show_is_told() -> None:
    """The multiplications place their data in a part of each iteration that is not timed."""
    outcome, _ = run("cannon", ("lassen", 4))
    assert outcome.setup is not None
    assert outcome.elapsed is not None
    assert outcome.whole == pytest.approx(outcome.setup + outcome.elapsed)
    assert 0 < outcome.setup < outcome.elapsed


def test_an_iteration_of_a_program_that_is_timed_whole_follows_its_setup() -> None:
    outcome, trace = run("stencil", ("p100x4", 1))
    program = trace.program.application
    assert outcome.profile is not None
    assert outcome.profile.untimed == {}
    assert outcome.setup is not None
    assert outcome.whole is not None
    assert outcome.elapsed is not None
    warm = program.warmup / program.timed * outcome.elapsed
    assert outcome.whole >= outcome.setup + outcome.elapsed + 0.9 * warm


LINE = tiny.region("line", 100)
HALVES = tiny.pieces("halves", "line", (0, 49), (50, 99))


def test_bytes_are_those_that_travel_whatever_they_count_for_in_time() -> None:
    """A copy to memory that was just given takes three times as long, and is of 100 bytes."""
    fresh = replace(tiny.FREE, fresh=2.0)
    loop = [tiny.launch("put", tiny.updates("line")), tiny.launch("get", tiny.reads("line"))]
    program = tiny.application([LINE], loop, warmup=2, timed=4)
    text = tiny.mapper("CollectMemory get line;", put=(0, 0), get=(0, 1))
    plain = profile_of(tiny.Run(program, tiny.machine(), text).trace)
    found = profile_of(tiny.Run(program, tiny.machine(runtime=fresh), text).trace)
    assert (plain.parts.copies, found.parts.copies) == (10.0, 30.0)
    for each in (plain, found):
        assert each.copies == {"line": 100.0}
        assert {link.bytes for link in each.links} == {100.0}


def test_a_limit_is_waited_for_where_a_processor_has_nothing_to_do() -> None:
    loop = [tiny.launch("work", tiny.updates("line", "halves"), domain=(2,), seconds=3.0)]
    program = tiny.application([LINE], loop, partitions=[HALVES], warmup=2, timed=4)
    free = profile_of(tiny.run(program, tiny.mapper()).trace)
    assert free.parts == Parts(computing=3.0)
    apart = profile_of(tiny.run(program, tiny.mapper("InstanceLimit work 1;")).trace)
    assert apart.parts == Parts(computing=3.0, limits=3.0)
    assert apart.processors[1].parts == apart.parts
    together = tiny.mapper("InstanceLimit work 1;", work=(0, 1))
    assert profile_of(tiny.run(program, together).trace).parts == Parts(computing=6.0)


def test_what_is_hidden_is_told_apart() -> None:
    """While 20 s are computed, data that another task reads is copied in 10 s."""
    loop = [
        tiny.launch("put", tiny.updates("line")),
        tiny.launch("get", tiny.reads("line")),
        tiny.launch("long", tiny.updates("other"), seconds=20.0, blocking=True),
    ]
    program = tiny.application([LINE, tiny.region("other", 10)], loop, warmup=2, timed=4)
    text = tiny.mapper("CollectMemory get line;", put=(0, 0), long=(0, 2), get=(0, 1))
    found = profile_of(tiny.Run(program, tiny.machine(gpus=3), text).trace)
    assert found.parts == Parts(computing=20.0)
    assert found.hidden == Hidden(copies=10.0)


@pytest.mark.parametrize(("name", "on"), RUNS)
def test_the_parts_add_up_on_each_processor(name: str, on: tuple[str, int]) -> None:
    outcome, _ = run(name, on)
    assert outcome.profile is not None
    iteration = outcome.profile.iteration
    assert sum(astuple(outcome.profile.parts)) == pytest.approx(iteration)
    for each in outcome.profile.processors:
        assert each.parts is not None
        assert sum(astuple(each.parts)) == pytest.approx(iteration)
        assert each.fraction == pytest.approx(each.busy / iteration)
    assert max(astuple(outcome.profile.hidden)) <= iteration


def test_a_share_is_that_of_the_iteration() -> None:
    shown = Profile(0.8865, parts=Parts(0.8865 - 0.066679, copies=0.066679))
    assert parts_sentence(shown).endswith("66.679 ms waiting for copies (7.5 %)")
    (first, *_) = profile_tables(shown)
    assert ("waiting for copies", "66.679 ms", "7.5 %") in first.rows
