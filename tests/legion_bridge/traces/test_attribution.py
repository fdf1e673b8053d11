"""Whose data and whose points the time of a run went to."""

from __future__ import annotations

import pytest

import dsl
from legion_bridge import Application, Evaluator, Machine
from legion_bridge.applications import application_names
from legion_bridge.outcome import Profile
from legion_bridge.traces.profile import profile_of
from tests.legion_bridge.tiny import (
    application,
    launch,
    mapper,
    pieces,
    reads,
    region,
    run,
    updates,
)

LINE = region("line", 100)
PAIR = region("pair", 100, ("a", "b"))
HALVES = pieces("halves", "line", (0, 49), (50, 99))


def expert(name: str) -> Profile:
    program = Application.load(name)
    evaluator = Evaluator(program, Machine.load("p100x4"))
    found = evaluator.evaluate(dsl.parse(program.mappers["expert"]), profile=True).profile
    assert found is not None
    return found


@pytest.mark.parametrize("name", application_names())
def test_what_links_carry_is_all_of_some_region(name: str) -> None:
    found = expert(name)
    for link in found.links:
        carried = found.carried[link.name]
        assert sum(carried.values()) == pytest.approx(link.bytes)
    assert set(found.carried) == {link.name for link in found.links}


def test_tasks_share_a_link_with_copies() -> None:
    """A task reads one region in place, and another is copied over the same link."""
    loop = [
        launch("put", updates("pair", None, "a", "b")),
        launch("get", reads("line"), reads("pair", None, "a", "b"), traffic=40.0),
    ]
    program = application([LINE, PAIR], loop, warmup=2, timed=4)
    text = "Region get line * ZCMEM;"
    found = profile_of(run(program, mapper(text, put=(0, 0), get=(0, 1))).trace)
    carried = found.carried["inward GPU 1 of node 0"]
    assert carried["line"] == pytest.approx(40.0)
    assert carried["pair"] > 0


def test_conversions_stay_within_a_memory() -> None:
    loop = [
        launch("put", updates("pair", None, "a", "b")),
        launch("get", reads("pair", None, "a", "b")),
    ]
    program = application([PAIR], loop, warmup=2, timed=4)
    alike = profile_of(run(program, mapper(put=(0, 0), get=(0, 0))).trace)
    assert alike.within == {}
    text = mapper("Layout get * * AOS;", put=(0, 0), get=(0, 0))
    found = profile_of(run(program, text).trace)
    assert found.within == {"pair": pytest.approx(found.copies["pair"])}
    apart = profile_of(run(program, mapper(put=(0, 0), get=(0, 1))).trace)
    assert apart.within == {}
    assert apart.copies["pair"] > 0


def test_points_that_wait_for_a_limit_are_counted() -> None:
    loop = [launch("work", updates("line", "halves"), domain=(2,), seconds=3.0)]
    program = application([LINE], loop, partitions=[HALVES], warmup=2, timed=4)
    free = profile_of(run(program, mapper()).trace)
    assert free.limited == {}
    found = profile_of(run(program, mapper("InstanceLimit work 1;")).trace)
    # The second point, and the first of the next iteration, wait while another runs.
    assert found.limited == {"work": pytest.approx(6.0, rel=0.2)}
    assert found.iteration == pytest.approx(6.0, rel=0.1)


def test_tasks_are_where_the_mapper_put_them() -> None:
    loop = [launch("work", updates("line", "halves"), domain=(2,), seconds=3.0)]
    program = application([LINE], loop, partitions=[HALVES], warmup=2, timed=4)
    spread = profile_of(run(program, mapper()).trace).tasks["work"]
    assert (spread.kind, spread.points, spread.processors) == ("GPU", 2, 2)
    assert spread.busy == pytest.approx(6.0)
    assert spread.longest == pytest.approx(3.0)
    together = profile_of(run(program, mapper(work=(0, 1))).trace).tasks["work"]
    assert (together.points, together.processors) == (2, 1)
    assert together.longest == pytest.approx(6.0)


@pytest.mark.parametrize("name", ["circuit", "cannon"])
def test_critical_shares_name_their_task_and_region(name: str) -> None:
    program = Application.load(name)
    for share in expert(name).critical_path:
        assert share.task in program.tasks
        assert (share.region in program.regions) == (share.kind in ("copy", "fold", "fill"))
