"""The figures of a profile add up, and none is above what the machine can do."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import dsl
from legion_bridge import Application, Evaluator, Machine, Outcome, application_names
from legion_bridge.outcome import floor_sentence, parts_of
from legion_bridge.simulation.kernel_arrays import OperationKind
from legion_bridge.simulation.simulator import Trace

ROUNDING = 1 + 1e-6  # times are multiples of 2^-40 s
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


@pytest.mark.parametrize(("name", "on"), RUNS)
def test_no_link_carries_more_than_it_can(name: str, on: tuple[str, int]) -> None:
    outcome, trace = run(name, on)
    assert outcome.profile is not None
    bandwidth = dict(zip(trace.machine.link_names, trace.machine.link_bandwidth, strict=True))
    for link in outcome.profile.links:
        assert link.busy <= outcome.profile.iteration * ROUNDING, link
        assert link.bytes <= bandwidth[link.name] * link.busy * ROUNDING, link


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
