"""Sparse pieces whose boxes overlap, though they have no point in common.

Legion lets no two requirements of a task share what one of them writes, nor the points of a launch
share what one of them writes: where only boxes are known, such overlaps are no dependences.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from legion_bridge.programs.application import Launch, Partition, Requirement
from tests.legion_bridge.tiny import (
    Run,
    application,
    launch,
    mapper,
    pieces,
    reads,
    reduces,
    region,
    run,
    updates,
    writes,
)

from .random_runs import Case, cases

DATA = region("data", 10)
BOTH = "gpus = Machine(GPU);\ndef own(Task t) { return gpus[0, t.ipoint[0]]; }\n"


def sparse(name: str, volume: int, *bounds: tuple[int, int]) -> Partition:
    made = pieces(name, "data", *bounds)
    return replace(made, volumes=np.full(len(bounds), volume))


# Neither box lies in the other: each piece has an instance of its own.
PARTS = (sparse("private", 7, (0, 6)), sparse("shared", 6, (4, 9)))
MADE = (launch("make", writes("data", "private")), launch("make", writes("data", "shared")))


def of_one_task(*requirements: Requirement, steps: int = 1) -> Run:
    loop = [launch("step", *requirements) for _ in range(steps)]
    return run(application([DATA], loop, setup=MADE, partitions=PARTS))


ONE_TASK = {
    "both updated": (updates("data", "private"), updates("data", "shared")),
    "written, then read": (writes("data", "private"), reads("data", "shared")),
    "read, then written": (reads("data", "private"), writes("data", "shared")),
    "updated, then read": (updates("data", "private"), reads("data", "shared")),
    "updated, then reduced": (updates("data", "private"), reduces("data", "shared")),
    "reduced, then updated": (reduces("data", "private"), updates("data", "shared")),
    "reduced, then read": (reduces("data", "private"), reads("data", "shared")),
    "reduced, then written": (reduces("data", "private"), writes("data", "shared")),
    "both reduced": (reduces("data", "private"), reduces("data", "shared")),
}


@pytest.mark.parametrize("case", ONE_TASK)
@pytest.mark.parametrize("swapped", [False, True])
def test_a_task_does_not_wait_for_itself(case: str, swapped: bool) -> None:
    requirements = ONE_TASK[case]
    done = of_one_task(*(reversed(requirements) if swapped else requirements))
    assert done.outcome.ok
    (times,) = done.times("step")
    assert times[1] == times[0] + 1.0


def test_what_a_task_has_written_by_one_requirement_stays_beside_the_other() -> None:
    """Only the first step has to bring together what the setup has made one after the other."""
    done = of_one_task(updates("data", "private"), updates("data", "shared"), steps=4)
    assert [copy[:3] for copy in done.copies()] == [("data", "FB 0.0", "FB 0.0")]
    starts = [start for start, _ in done.times("step")]
    assert np.diff(starts).tolist() == [1.0] * 3


def test_what_a_task_reduces_is_folded_by_the_next() -> None:
    done = of_one_task(reduces("data", "private"), updates("data", "shared"), steps=2)
    folds = [move for move in done.moves if move.kind == "fold"]
    (_, first_end), (second_start, _) = done.times("step")
    assert len(folds) == 1
    assert first_end <= folds[0].start < folds[0].end <= second_start


def test_points_of_a_launch_do_not_wait_for_reductions_of_each_other() -> None:
    """As in a circuit: each piece updates its private nodes, and adds to those of others."""
    parts = (sparse("private", 4, (0, 4), (5, 9)), sparse("ghost", 2, (3, 9), (0, 6)))
    step = launch("step", updates("data", "private"), reduces("data", "ghost"), domain=(2,))
    look = launch("look", reads("data"))
    program = application([DATA], [step, look], setup=[launch("make", writes("data"))],
                          partitions=parts)  # fmt: skip
    done = run(program, mapper(f"{BOTH}IndexTaskMap step own;"))
    (first, end), (second, _) = done.times("step")
    assert max(first, second) < end
    folds = [move for move in done.moves if move.kind == "fold"]
    assert len(folds) == 2
    assert min(fold.start for fold in folds) >= end


def circuit() -> list[Launch]:
    """Its steps: the private, shared and ghost nodes of a piece have overlapping boxes."""
    nodes = [f"nodes_{each}" for each in ("private", "shared", "ghost")]
    private, shared, ghost = nodes
    return [
        launch("currents", *(reads("data", each, "voltage") for each in nodes), domain=(2,)),
        launch(
            "charge",
            updates("data", private, "charge"),
            reduces("data", shared, "charge"),
            reduces("data", ghost, "charge"),
            domain=(2,),
        ),
        launch(
            "voltages",
            *(updates("data", each, "charge", "voltage") for each in (private, shared)),
            *(reads("data", each, "leakage") for each in (private, shared)),
            domain=(2,),
            seconds=3.0,
        ),
    ]


@pytest.mark.parametrize("layout", ["SOA", "AOS", "SOA Compact Exact"])
def test_a_circuit_of_sparse_pieces_runs(layout: str) -> None:
    parts = (
        sparse("nodes_private", 4, (0, 4), (5, 9)),
        sparse("nodes_shared", 2, (1, 3), (5, 8)),
        sparse("nodes_ghost", 2, (5, 8), (1, 3)),
        sparse("nodes_all", 5, (0, 4), (5, 9)),
    )
    fields = ("charge", "voltage", "leakage")
    make = launch("make", writes("data", "nodes_all", *fields), domain=(2,))
    program = application([region("data", 10, fields)], circuit(), setup=[make],
                          partitions=parts, timed=3)  # fmt: skip
    rules = f"{BOTH}IndexTaskMap GPU own;\nLayout * * * {layout};"
    done = run(program, mapper(rules))
    assert done.outcome.ok
    assert [len(done.times(name)) for name in ("currents", "charge", "voltages")] == [6, 6, 6]
    (first, _), (second, _), *_ = done.times("charge")
    assert first == second, "no point waits for what the other reduces"
    voltages = done.times("voltages")
    for (_, end), (start, _) in zip(voltages[::2], voltages[1::2], strict=True):
        assert start < end, "no point waits for what the other updates"


@settings(max_examples=150, deadline=None)
@given(cases(overlapping=True))
def test_no_program_waits_for_itself(case: Case) -> None:
    done = case.run()
    assert done.outcome.ok, done.outcome.raw
