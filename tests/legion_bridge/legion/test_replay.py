"""Replays on the real runtime: no mapper changes what they compute."""

from __future__ import annotations

from itertools import islice

import pytest

import dsl
from legion_bridge import LegionError, application_names
from legion_bridge.legion.replay import read_replay

from .probe_runs import legion_or_skip
from .replay_runs import random_mappers, replay_of, small

MAPPERS = 2  # of each application; `check_replays` runs 50


@pytest.fixture(autouse=True)
def _needs_legion() -> None:
    legion_or_skip()


@pytest.mark.parametrize("name", application_names())
def test_no_mapper_changes_the_result(name: str) -> None:
    application = small(name)
    with replay_of(application, iterations=1) as replay:
        own = replay.run(None)
        assert own.seconds > 0
        for program in islice(random_mappers(application, seed=7), MAPPERS):
            assert replay.run(program).checksum == own.checksum, program.source


def test_more_iterations_give_another_result() -> None:
    application = small("stencil")
    with replay_of(application, iterations=1) as one, replay_of(application, iterations=2) as two:
        assert one.run(None).checksum != two.run(None).checksum


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


def test_what_is_no_plan_is_refused() -> None:
    with replay_of(small("cosma"), iterations=1) as replay:
        plan = replay.folder / "cosma.plan"
        plan.write_text(plan.read_text().replace("mappertune-replay 1", "mappertune-replay 9", 1))
        done = replay.complete(None)
    assert done.returncode == 2
    assert "is of version 9, but this program reads version 1" in done.stderr


def test_output_without_a_result_is_an_error() -> None:
    with pytest.raises(LegionError, match="printed no result, but: nothing"):
        read_replay("nothing")
