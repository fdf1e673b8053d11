"""Large copies over a network share their links; folds of one reduction have no order."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from legion_bridge.machines.machine import Machine
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

# Sizes in bytes, ten bytes a second over each link; a chunk is 10 bytes.


def fetched(sizes: dict[str, tuple[int, tuple[int, int]]], on: Machine) -> Run:
    """Regions that are written on GPU 0 of node 0, and read elsewhere at once."""
    regions = [region(name, size) for name, (size, _) in sizes.items()]
    setup = [launch(f"write_{name}", writes(name), seconds=1.0) for name in sizes]
    loop = [launch(f"read_{name}", reads(name), seconds=1.0) for name in sizes]
    places = {f"write_{name}": (0, number) for number, name in enumerate(sizes)}
    places |= {f"read_{name}": place for name, (_, place) in sizes.items()}
    return Run(application(regions, loop, setup=setup), on, mapper(**places))


def ends(found: Run, kind: str = "copy") -> dict[str, float]:
    """When the last copy of each region ends, from when the first begins."""
    moves = [move for move in found.moves if move.kind == kind]
    begin = min(move.start for move in moves)
    return {move.region: move.end - begin for move in moves}


def test_equal_copies_share_a_link_and_end_together() -> None:
    two = {"a": (100, (1, 0)), "b": (100, (1, 1))}
    assert ends(fetched(two, machine(nodes=2, chunk=10.0))) == {"a": 20.0, "b": 20.0}
    assert ends(fetched(two, machine(nodes=2))) == {"a": 10.0, "b": 20.0}  # in turn


def test_what_one_cannot_use_the_other_gets() -> None:
    """The first is through after 100 bytes of each, the second goes on alone."""
    two = {"a": (100, (1, 0)), "b": (300, (1, 1))}
    assert ends(fetched(two, machine(nodes=2, chunk=10.0))) == {"a": 20.0, "b": 40.0}


def test_a_copy_has_no_more_than_its_stream() -> None:
    one = {"a": (100, (1, 0))}
    assert ends(fetched(one, machine(nodes=2, chunk=10.0, stream=4.0))) == {"a": 25.0}
    three = {"a": (60, (1, 0)), "b": (60, (1, 1)), "c": (60, (1, 1))}
    found = ends(fetched(three, machine(nodes=2, gpus=3, chunk=10.0, stream=4.0)))
    assert found == pytest.approx({"a": 18.0, "b": 18.0, "c": 18.0})


def test_a_large_copy_stands_still_while_another_has_one_of_its_links() -> None:
    """The other has come later, but is queued as a whole."""
    shared = machine(nodes=2, chunk=10.0)
    links = ("source.outward", "source.wide_out", "target.wide_in")
    routes = [r if r.where != "network" else replace(r, stream_links=links) for r in shared.routes]
    on = replace(shared, routes=tuple(routes))
    sizes = {"far": 100, "near": 50, "later": 20}
    program = application(
        [region(name, size) for name, size in sizes.items()],
        [launch(f"read_{name}", reads(name)) for name in sizes],
        setup=[launch(f"write_{name}", writes(name), seconds=1.0) for name in sizes],
    )
    places = {f"write_{name}": (0, 0) for name in sizes}
    places |= {"read_far": (1, 0), "read_near": (0, 1), "read_later": (0, 1)}
    found = ends(Run(program, on, mapper(**places)))
    assert found == {"near": 6.0, "later": 8.0, "far": 17.0}  # a second alone, and nine


def test_copies_of_a_chunk_go_in_turn_over_their_own_links() -> None:
    """And latency comes after the last byte."""
    two = {"a": (10, (1, 0)), "b": (10, (1, 1)), "c": (20, (1, 1))}
    found = ends(fetched(two, machine(nodes=2, gpus=3, chunk=10.0, latency=0.5)))
    assert found == {"a": 1.5, "b": 2.5, "c": 2.5}


def test_several_ranks_of_a_node_have_a_stream_of_their_own() -> None:
    lassen = Machine.load("lassen", nodes=2)
    one, four = lassen.route("FBMEM", "FBMEM", "network"), lassen.with_ranks(4)
    assert one.stream_on(1) == one.stream
    assert one.stream_on(four.ranks_per_node) == one.split_stream > one.stream


def test_collected_instances_are_no_sources_of_copies() -> None:
    """Both readers copy from the home, though the second lies beside the first."""
    program = application(
        [region("a", 20)],
        [launch("near", reads("a")), launch("far", reads("a"))],
        setup=[launch("home", writes("a"))],
    )
    places = {"home": (0, 0), "near": (1, 0), "far": (1, 1)}
    slow = machine(nodes=2, net_in=5.0)
    found = Run(program, slow, mapper("CollectMemory * *;", **places))
    assert [copy[1:3] for copy in found.copies()] == [("FB 0.0", "FB 1.0"), ("FB 0.0", "FB 1.1")]
    kept = Run(program, slow, mapper(**places))
    assert [copy[1:3] for copy in kept.copies()] == [("FB 0.0", "FB 1.0"), ("FB 1.0", "FB 1.1")]


def reduced(seconds: tuple[float, float, float], on: Machine) -> Run:
    """Three tasks reduce to a region, which is read where the first of them runs."""
    loop = [
        launch(f"add_{number}", reduces("a"), seconds=each) for number, each in enumerate(seconds)
    ]
    program = application(
        [region("a", 20)], [*loop, launch("use", updates("a"))], setup=[launch("set", writes("a"))]
    )
    places = {f"add_{number}": (0, number) for number in range(3)}
    return Run(program, on, mapper(set=(0, 3), use=(0, 3), **places))


@pytest.mark.parametrize("seconds", [(1.0, 20.0, 40.0), (40.0, 20.0, 1.0), (20.0, 1.0, 40.0)])
def test_folds_come_in_the_order_in_which_they_are_ready(seconds: tuple[float, ...]) -> None:
    found = reduced(seconds, machine(gpus=4))
    folds = sorted((m.start, m.end, m.source) for m in found.moves if m.kind == "fold")
    order = sorted(range(3), key=seconds.__getitem__)
    assert [source for *_, source in folds] == [f"FB 0.{number}" for number in order]
    assert all(first[1] <= second[0] for first, second in pairwise(folds))
    (last,) = (ran for ran in found.tasks if ran.task == "use")
    assert last.start == folds[-1][1]


def test_folds_over_a_network_exclude_each_other() -> None:
    """Each has the link alone, though copies would share it."""
    parts = pieces("p", "a", (0, 19))
    loop = [launch(f"add_{n}", reduces("a", "p"), seconds=1.0, colors=[[0]]) for n in range(2)]
    program = application(
        [region("a", 20)],
        [*loop, launch("use", updates("a"))],
        setup=[launch("set", writes("a"))],
        partitions=[parts],
    )
    places = {"add_0": (0, 0), "add_1": (0, 1), "set": (1, 0), "use": (1, 0)}
    found = Run(program, machine(nodes=2, chunk=10.0), mapper(**places))
    folds = sorted((m.start, m.end) for m in found.moves if m.kind == "fold")
    assert [end - start for start, end in folds] == [2.0, 2.0]  # the sums alone, as in a copy
    assert folds[0][1] == folds[1][0]


@pytest.mark.parametrize("seconds", [(1.0, 40.0), (40.0, 1.0)])
def test_nested_folds_come_in_the_order_in_which_they_are_ready(
    seconds: tuple[float, float],
) -> None:
    nested = [
        launch(f"add_{number}", reduces("a"), seconds=each, parent=0)
        for number, each in enumerate(seconds)
    ]
    program = application(
        [region("a", 20)],
        [launch("above", reduces("a")), *nested, launch("use", updates("a"))],
        setup=[launch("set", writes("a"))],
    )
    places = {"add_0": (0, 0), "add_1": (0, 1), "above": (0, 2)}
    found = Run(program, machine(gpus=4), mapper(set=(0, 3), use=(0, 3), **places))
    folds = sorted((m.start, m.end, m.source) for m in found.moves if m.kind == "fold")
    first = seconds.index(min(seconds))
    assert [source for *_, source in folds] == [f"FB 0.{first}", f"FB 0.{1 - first}", "FB 0.2"]
    assert all(first[1] <= second[0] for first, second in pairwise(folds))
