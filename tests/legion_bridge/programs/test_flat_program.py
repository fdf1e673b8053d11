"""Atoms and slots: the smallest things whose validity a run keeps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from legion_bridge.programs.application import Application, Field, Partition, Region, Requirement
from legion_bridge.programs.flat_program import PRIVILEGE_CODES, FlatProgram, Ragged, flatten
from tests.legion_bridge.tiny import (
    application,
    launch,
    pieces,
    reads,
    reduces,
    region,
    run,
    updates,
    writes,
)

LINE = region("line", 100)


def slots_of(program: FlatProgram, requirement: int) -> list[int]:
    return program.slots.row(requirement).tolist()


def atoms_of(program: FlatProgram, slot: int) -> set[int]:
    return set(program.slot_atoms.row(slot).tolist())


def test_ragged_rows_keep_their_lengths() -> None:
    ragged = Ragged.of([[3, 1], [], [4]])
    assert [ragged.row(i).tolist() for i in range(3)] == [[3, 1], [], [4]]


def test_the_example_of_the_documentation() -> None:
    line = region("line", 10, ("a", "b"))
    halves = pieces("halves", "line", (0, 4), (5, 9))
    middle = pieces("middle", "line", (3, 6), (3, 4))
    loop = [
        launch("put", writes("line", "halves", "a", "b"), domain=(2,)),
        launch("get", reads("line", "middle", "a"), colors=[[0]]),
        launch("look", reads("line", "middle", "a"), colors=[[1]]),
    ]
    program = flatten(application([line], loop, partitions=[halves, middle]))
    assert [slots_of(program, r) for r in range(4)] == [[0, 1], [2, 3], [4], [5]]
    rows = [program.slot_atoms.row(slot).tolist() for slot in range(6)]
    assert rows == [[0, 1], [4], [2, 3], [5], [1, 2], [1]]
    assert program.slot_bytes.tolist() == [5.0, 5.0, 5.0, 5.0, 4.0, 2.0]
    assert [program.wider.row(slot).tolist() for slot in range(6)] == [[]] * 5 + [[4, 0]]
    copies = run(program.application).copies()  # the points of `put` are on two GPUs
    assert copies == [("line", "FB 0.0", "FB 0.0", 2.0), ("line", "FB 0.1", "FB 0.0", 2.0)]


def test_overlapping_pieces_share_atoms() -> None:
    halves = pieces("halves", "line", (0, 59), (40, 99))
    program = flatten(
        application([LINE], [launch("put", writes("line", "halves"), domain=(2,))],
                    partitions=[halves])
    )  # fmt: skip
    (left,), (right,) = slots_of(program, 0), slots_of(program, 1)
    assert program.slot_bytes[[left, right]].tolist() == [60.0, 60.0]
    assert sorted(program.atom_bytes.tolist()) == [20.0, 40.0, 40.0]
    (shared,) = atoms_of(program, left) & atoms_of(program, right)
    assert program.atom_bytes[shared] == 20.0


def test_points_take_the_pieces_of_their_colours() -> None:
    halves = pieces("halves", "line", (0, 49), (50, 99))
    loop = [launch("put", writes("line", "halves"), reads("line"), domain=(2,),
                   colors=[[1, 0], None])]  # fmt: skip
    program = flatten(application([LINE], loop, partitions=[halves]))
    rows = [slots_of(program, r) for r in range(4)]
    assert rows[1] == rows[3]  # both points take all of the line
    assert program.slot_bytes[rows[1][0]] == 100.0
    assert rows[0] != rows[2]
    assert set(program.wider.row(rows[0][0]).tolist()) == set(rows[1])


def test_wider_slots_come_the_smallest_first() -> None:
    nested = pieces("nested", "line", (0, 9), (0, 49), (0, 79))
    loop = [launch("put", writes("line", "nested"), domain=(3,)), launch("get", reads("line"))]
    program = flatten(application([LINE], loop, partitions=[nested]))
    (inmost,) = slots_of(program, 0)
    assert program.slot_bytes[program.wider.row(inmost)].tolist() == [50.0, 80.0, 100.0]


def test_fields_that_always_occur_together_are_one_group() -> None:
    many = region("many", 10, ("a", "b", "c", "d"), width=8)
    loop = [
        launch("one", reads("many", None, "a", "b", "c")),
        launch("two", reads("many", None, "b")),
    ]
    program = flatten(application([many], loop))
    first, second = slots_of(program, 0), slots_of(program, 1)
    assert sorted(program.slot_bytes[first].tolist()) == [80.0, 160.0]
    assert len(second) == 1
    assert set(second) < set(first)
    assert program.atom_bytes.sum() == 240.0  # nobody asks for d


def test_nothing_is_kept_for_what_has_no_data() -> None:
    some = pieces("some", "line", (0, -1), (0, 9))
    none = Requirement("line", None, "NO_ACCESS")
    virtual = Requirement("line", None, "READ_ONLY", ("value",), virtual=True)
    loop = [launch("put", writes("line", "some"), none, virtual, domain=(2,)),
            launch("above", reads("line"))]  # fmt: skip
    program = flatten(application([LINE], loop, partitions=[some], inner=["above"]))
    assert [len(slots_of(program, r)) for r in range(7)] == [0, 0, 0, 1, 0, 0, 0]


def test_sparse_pieces_are_as_large_as_their_volumes() -> None:
    bounds = np.array([[[0], [99]], [[0], [99]]])
    sparse = Partition("sparse", "line", bounds, volumes=np.array([30, 0]))
    loop = [launch("put", writes("line", "sparse"), domain=(2,))]
    program = flatten(application([LINE], loop, partitions=[sparse]))
    assert program.slot_bytes.tolist() == pytest.approx([30.0])
    assert slots_of(program, 1) == []


def test_launches_are_numbered_through_the_setup_and_the_loop() -> None:
    setup = [launch("fill", writes("line"))]
    loop = [launch("put", updates("line"), after=(1,)), launch("get", reads("line"), after=(0,))]
    program = flatten(application([LINE], loop, setup=setup))
    assert program.setup_launches == 1
    assert [program.after.row(i).tolist() for i in range(3)] == [[], [2], [1]]
    assert program.privilege.tolist() == [
        PRIVILEGE_CODES[name] for name in ("WRITE_ONLY", "READ_WRITE", "READ_ONLY")
    ]


def test_points_of_nested_launches_know_their_parents() -> None:
    loop = [launch("top", domain=(2,)),
            launch("middle", domain=(3,), parent=0, above=2),
            launch("leaf", domain=(), parent=1, above=6)]  # fmt: skip
    program = flatten(application([LINE], loop, setup=[launch("fill", writes("line"))]))
    assert program.launch_point.tolist() == [0, 1, 3, 9, 15]
    assert program.launch_parent.tolist() == [-1, -1, 1, 2]
    assert program.point_parent.tolist() == [-1, -1, -1, 1, 1, 1, 2, 2, 2, *range(3, 9)]
    assert np.flatnonzero(program.has_children).tolist() == list(range(1, 9))


def test_a_program_with_an_untimed_part_is_segmented() -> None:
    timed = [launch("work", updates("line"))]
    assert not flatten(application([LINE], timed)).segmented
    prepare = launch("prepare", writes("line"), timed=False)
    assert flatten(application([LINE], [prepare, *timed])).segmented
    assert not flatten(application([LINE], timed, setup=[prepare])).segmented


@st.composite
def boxes(draw: st.DrawFn) -> np.ndarray:
    dimension = draw(st.integers(1, 3))
    bound = st.integers(0, 6)
    corners = draw(
        st.lists(st.lists(st.tuples(bound, bound), min_size=dimension, max_size=dimension),
                 min_size=1, max_size=8)
    )  # fmt: skip
    found = np.array(corners).reshape(-1, dimension, 2)
    return np.stack([found.min(axis=2), found.max(axis=2)], axis=1)


def program_of(bounds: np.ndarray, width: int) -> Application:
    dimension = bounds.shape[2]
    space = Region("space", (0,) * dimension, (6,) * dimension, (Field("value", width),))
    loop = [launch("put", reduces("space", "parts"), domain=(len(bounds),))]
    return application([space], loop, partitions=[Partition("parts", "space", bounds)])


@given(boxes(), st.integers(1, 16))
def test_slots_consist_of_whole_atoms(bounds: np.ndarray, width: int) -> None:
    program = flatten(program_of(bounds, width))
    slots = [slots_of(program, point)[0] for point in range(len(bounds))]
    volumes = (bounds[:, 1] - bounds[:, 0] + 1).prod(axis=1)
    for a, slot in enumerate(slots):
        assert program.slot_bytes[slot] == volumes[a] * width
        for b, other in enumerate(slots):
            low = np.maximum(bounds[a, 0], bounds[b, 0])
            high = np.minimum(bounds[a, 1], bounds[b, 1])
            common = np.maximum(high - low + 1, 0).prod() * width
            shared = sorted(atoms_of(program, slot) & atoms_of(program, other))
            assert program.atom_bytes[shared].sum() == common
            contained = common == volumes[a] * width and slot != other
            assert (other in program.wider.row(slot)) == contained


def test_the_stencils_atoms_are_few() -> None:
    """A piece that no launch tells apart is one atom: halos are regions of their own."""
    program = flatten(Application.load("stencil"))
    assert len(program.atom_bytes) <= 3 * len(program.slot_bytes)
    assert program.launch_point[-1] == len(program.point_launch)
