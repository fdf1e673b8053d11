"""Collective operations: what they take, by the formulas of the field, and as measured."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings

from legion_bridge.machines.machine import Algorithm, Machine
from legion_bridge.programs.application import Application, Launch, Partition
from legion_bridge.simulation.kernel_arrays import OperationKind
from legion_bridge.traces.profile import profile_of
from legion_bridge.traces.spans import tracks
from tests.legion_bridge.tiny import (
    Run,
    application,
    launch,
    machine,
    pieces,
    reads,
    reduces,
    region,
    run,
    updates,
    writes,
)

from .random_runs import Case, spread_cases
from .reference_run import OutOfMemoryError, Plan, Replay

EXAMPLES = settings(max_examples=40, deadline=None)
RING = Algorithm("ring", 0.0, 0.0, 0.0, 1.0)
LINE = region("line", 96)
SPREAD = """
Task * GPU; Region * * GPU FBMEM;
gpus = Machine(GPU);
def spread(Task t) {
  all = gpus.merge(0, 1);
  return all[t.ipoint[0] % all.size[0]];
}
IndexTaskMap * spread;
"""


def nccl(gpus: int = 4, nodes: int = 1, *algorithms: Algorithm, **more: Any) -> Machine:
    """The tiny machine with collective operations, by rings without latency unless told."""
    plain = machine(gpus=gpus, nodes=nodes, **more)
    runtime = replace(plain.runtime, collective="nccl")
    return replace(plain, runtime=runtime, algorithms=algorithms or (RING,))


def cut(of: str, size: int, count: int) -> Partition:
    """Equal pieces."""
    each = size // count
    return pieces(f"{of}_pieces", of, *((i * each, (i + 1) * each - 1) for i in range(count)))


def summed(count: int, then: Launch) -> Application:
    """Points that all add to the line, and a launch that comes after."""
    add = launch("add", reduces("line"), domain=(count,))
    return application([LINE], [add, then], partitions=[cut("line", 96, count)])


def spans(found: Run) -> list[tuple[float, float]]:
    """Start and end of each operation of a collective operation."""
    operations = found.trace.operations
    chosen = np.flatnonzero(operations.kind == OperationKind.COLLECTIVE)
    return [(float(operations.start[n]), float(operations.end[n])) for n in chosen]


def seconds(program: Application, on: Machine) -> float:
    """What its only collective operation takes; all take part in it from beginning to end."""
    found = spans(run(program, SPREAD, on))
    assert found
    assert len(set(found)) == 1
    return found[0][1] - found[0][0]


@pytest.mark.parametrize("count", [2, 3, 4, 8])
def test_an_all_reduce_takes_two_turns_of_a_ring(count: int) -> None:
    program = summed(count, launch("use", reads("line"), domain=(count,)))
    assert seconds(program, nccl(count)) == pytest.approx(2 * (count - 1) / count * 9.6)


@pytest.mark.parametrize("count", [2, 4, 8])
def test_a_reduce_scatter_takes_one(count: int) -> None:
    program = summed(count, launch("use", updates("line", "line_pieces"), domain=(count,)))
    assert seconds(program, nccl(count)) == pytest.approx((count - 1) / count * 9.6)


@pytest.mark.parametrize("count", [2, 4, 8])
def test_a_reduction_to_one_takes_the_time_of_all_its_bytes(count: int) -> None:
    program = summed(count, launch("use", updates("line")))
    assert seconds(program, nccl(count)) == pytest.approx(9.6)


@pytest.mark.parametrize("count", [2, 4, 8])
def test_an_all_gather_takes_one_turn(count: int) -> None:
    put = launch("put", writes("line", "line_pieces"), domain=(count,))
    get = launch("get", reads("line"), domain=(count,))
    program = application([LINE], [put, get], partitions=[cut("line", 96, count)])
    if count == 2:
        found = run(program, SPREAD, nccl(count))
        assert not spans(found)  # each copies from the other
        return
    assert seconds(program, nccl(count)) == pytest.approx((count - 1) / count * 9.6)


# Between nodes


@pytest.mark.parametrize(("nodes", "gpus"), [(2, 1), (4, 1), (2, 2), (2, 4)])
def test_between_nodes_the_processors_of_a_node_share_what_enters_it(
    nodes: int, gpus: int
) -> None:
    """Each of their networks carries a part; the tiny machine has one network a node."""
    count = nodes * gpus
    program = summed(count, launch("use", reads("line"), domain=(count,)))
    found = spans(run(program, SPREAD, nccl(gpus, nodes, inward=1e6, outward=1e6)))
    part = (count - 1) / count + (nodes - 1) / nodes  # of the ring of sums, and of that for all
    assert max(end for _, end in found) - min(start for start, _ in found) == (
        pytest.approx(part * 9.6, rel=1e-3)
    )


def test_a_stage_that_sends_slices_sends_each_of_them_once() -> None:
    """Two GPUs of a node have a half each, and both GPUs of another node read all of it."""
    halves = cut("line", 96, 2)
    put = launch("put", writes("line", "line_pieces"), domain=(2,))
    get = launch("get", reads("line"), domain=(2,))
    text = SPREAD.replace(
        "IndexTaskMap * spread;",
        """
def next_node(Task t) { return gpus[1, t.ipoint[0]]; }
IndexTaskMap get next_node;
IndexTaskMap put spread;
""",
    )
    found = run(application([LINE], [put, get], partitions=[halves]), text, nccl(2, 2))
    operations = found.trace.operations
    chosen = operations.kind == OperationKind.COLLECTIVE
    assert operations.load[chosen].tolist() == [48.0] * 4
    assert operations.bytes[chosen].tolist() == [0.0, 0.0, 48.0, 48.0]


# Which algorithm


@pytest.mark.parametrize(("size", "kind"), [(96, "tree"), (960_000, "ring")])
def test_small_sums_take_a_tree_and_large_ones_a_ring(size: int, kind: str) -> None:
    both = Algorithm("ring", 0.0, 1.0, 1.0, 1.0), Algorithm("tree", 0.0, 0.5, 0.5, 0.5)
    add = launch("add", reduces("line"), domain=(8,))
    use = launch("use", reads("line"), domain=(8,))
    program = application([region("line", size)], [add, use])
    found = run(program, SPREAD, nccl(8, 1, *both, capacity=10_000_000, inward=1e3, outward=1e3))
    operations = found.trace.operations
    chosen = operations.kind == OperationKind.COLLECTIVE
    assert {both[n].kind for n in operations.lock[chosen].tolist()} == {kind}
    latency = {"tree": 2 * 7 * 0.5, "ring": 14.0}[kind]
    assert set(operations.seconds[chosen].tolist()) == {latency}


MEASURED = {
    ("all-reduce", 1 << 28): 208.7, ("all-reduce", 1 << 27): 195.3,
    ("all-reduce", 1 << 26): 165.9, ("all-reduce", 1 << 25): 144.3,
    ("all-gather", 1 << 28): 368.0, ("all-gather", 1 << 27): 338.0,
    ("all-gather", 1 << 26): 313.4, ("all-gather", 1 << 25): 232.4,
}  # fmt: skip
"""Gigabytes a second of the whole data on 8 H100 of a node, from the tables of OpenXLA's cost
model (xla/service/gpu/model/collective_interpolator_data.h, 2025)."""


def test_eight_gpus_of_a_node_are_about_as_fast_as_was_measured() -> None:
    on = Machine.load("h100x8-nccl")
    ratios = []
    for (operation, size), measured in MEASURED.items():
        line, parts = region("line", size), [cut("line", size, 8)]
        make = reduces("line") if operation == "all-reduce" else writes("line", "line_pieces")
        loop = [launch("make", make, domain=(8,)), launch("use", reads("line"), domain=(8,))]
        found = spans(run(application([line], loop, partitions=parts), SPREAD, on))
        took = max(end for _, end in found) - min(start for start, _ in found)
        ratios.append(size / took / 1e9 / measured)
    assert all(0.9 < ratio < 1.45 for ratio in ratios)
    assert np.median(ratios) < 1.2


# What is given is in use until all have it

MAKE = launch("make", writes("line"))
ADD = launch("add", reduces("line"), domain=(2,))
GIVEN = {
    "one gives and reads": ([MAKE, launch("use", reads("line"), domain=(3,))], "all[0"),
    "one only gives": ([MAKE, launch("use", reads("line"), domain=(2,))], "all[1"),
    "sums": ([ADD, launch("use", reads("line"), domain=(3,))], "all[0"),
    "a value and sums": ([MAKE, ADD, launch("use", reads("line"), domain=(3,))], "all[0"),
}


@pytest.mark.parametrize("given", GIVEN)
def test_nothing_changes_before_the_last_has_got_it(given: str) -> None:
    """One GPU reads what it got for so long that it gets the next value later than others."""
    loop, first = GIVEN[given]
    read_on = launch("read_on", reads("line"), seconds=20.0)
    program = application([LINE], [*loop, read_on], warmup=1, timed=3)
    text = f"""
{SPREAD.replace("IndexTaskMap", "IndexTaskMap make spread; IndexTaskMap add spread; #")}
def near(Task t) {{ all = gpus.merge(0, 1); return {first} + t.ipoint[0]]; }}
def third(Task t) {{ return gpus[0, 2]; }}
IndexTaskMap use near;
IndexTaskMap read_on third;
"""
    found = run(program, text, nccl(3, capacity=200))
    operations = found.trace.operations
    changes = OperationKind.FILL if loop[0] is ADD else OperationKind.TASK
    changing = (operations.kind == changes) & (operations.point <= int(loop[0] is ADD))
    for iteration in range(3):
        get = (operations.kind == OperationKind.COLLECTIVE) & (operations.iteration == iteration)
        change = changing & (operations.iteration == iteration + 1)
        assert operations.start[change].min() >= operations.end[get].max(), iteration
    assert len(set(operations.start[get].tolist())) > 1
    Replay(found)


@pytest.mark.parametrize(("capacity", "fits"), [(383, False), (384, True)])
def test_what_is_given_makes_no_room_for_others_of_its_launch(capacity: int, fits: bool) -> None:
    """Some of those may get it only once the others have ended."""
    fields = ("a", "b")
    loop = [
        launch("make", writes("line", None, *fields)),
        launch("add", reduces("line", None, *fields), domain=(2,)),
        launch("far", writes("other")),
        launch("use", reads("line", None, *fields), reads("other"), domain=(2,)),
    ]
    program = application([region("line", 48, fields), region("other", 96)], loop)
    text = f"""
Layout use line * AOS;
{SPREAD.replace("IndexTaskMap *", "IndexTaskMap use spread; IndexTaskMap add")}
def second(Task t) {{ return gpus[0, 1]; }}
IndexTaskMap far second;
"""
    found = run(program, text, nccl(2, capacity=capacity))
    assert found.outcome.ok == fits, found.outcome.raw
    if fits:
        Replay(found)
        return
    with pytest.raises(OutOfMemoryError):
        Plan(found)


# Sums that go on


def test_sums_that_nobody_has_read_go_on_in_the_same_instance() -> None:
    """Gradients of several micro-batches are added up where they are, and moved once."""
    add = launch("add", reduces("line"), domain=(2,))
    use = launch("use", reads("line"), domain=(2,))
    program = application([LINE], [add, add, add, use])
    found = run(program, SPREAD, nccl(2))
    assert len(spans(found)) == 2
    assert found.peaks() == {"FB 0.0": 192.0, "FB 0.1": 192.0}
    folded = run(program, SPREAD, replace(nccl(2), runtime=machine().runtime))
    assert folded.peaks()["FB 0.0"] == 4 * 96.0


# What holds for all runs


@EXAMPLES
@given(spread_cases())
def test_every_read_finds_the_newest_value(case: Case) -> None:
    found = case.run()
    assume(found.outcome.ok)
    Replay(found)


@EXAMPLES
@given(spread_cases(capacities=(30, 40, 60, 80, 100, 140)))
def test_memory_in_use_never_exceeds_capacity(case: Case) -> None:
    found = case.run()
    if "failed allocation" in found.outcome.raw:
        with pytest.raises(OutOfMemoryError):
            Plan(found)
        return
    assume(found.outcome.ok)
    for memory, most in Replay(found).most_in_use().items():
        assert most <= found.trace.machine.memory_capacity[memory]


@EXAMPLES
@given(spread_cases())
def test_no_iteration_takes_less_than_what_is_busy_or_than_the_floor(case: Case) -> None:
    found = case.run()
    assume(found.outcome.ok)
    end = float(np.max(found.trace.operations.end, initial=0.0))
    for track in tracks(found.trace):
        for first, second in pairwise(track.spans):
            assert first.end <= second.start + 1e-9, track.name
        assert sum(span.end - span.start for span in track.spans) <= end + 1e-9, track.name
    assert found.outcome.iteration is not None
    assert found.outcome.iteration >= found.simulator.floor.seconds - 1e-9
    assert sum(share.seconds for share in profile_of(found.trace).critical_path) == (
        pytest.approx(found.outcome.iteration, abs=1e-9)
    )
