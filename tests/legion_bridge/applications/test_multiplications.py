"""The six multiplications: one formulation, checked against the formulas of each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dsl
from legion_bridge.errors import ApplicationError
from legion_bridge.evaluator import Evaluator
from legion_bridge.machines.machine import Machine
from legion_bridge.programs.application import Application, Launch

FLAT = ("cannon", "summa", "pumma")
REDUCING = ("johnson", "solomonik", "cosma")
ALL = FLAT + REDUCING
GRIDS = {
    "cannon": [(1, 1), (2, 1), (2, 2), (4, 2), (4, 4), (8, 4), (8, 8)],
    "summa": [(1, 1), (1, 2), (2, 2), (2, 4), (4, 4), (4, 8), (8, 8)],
    "pumma": [(1, 1), (1, 2), (2, 2), (2, 4), (4, 4), (4, 8), (8, 8)],
    "johnson": [(2,), (2,), (4,), (4,), (4,), (6,), (7,)],
    "solomonik": [
        (2, 1, 2),
        (2, 2, 2),
        (4, 1, 4),
        (4, 2, 4),
        (8, 1, 8),
        (8, 2, 8),
        (16, 1, 16),
    ],
    "cosma": [(1, 2, 2), (2, 2, 2), (2, 2, 4), (2, 4, 4), (4, 4, 4), (4, 4, 8), (4, 8, 8)],
}
NAMES = {"johnson": ("gdim",), "solomonik": ("rpoc", "c", "rpoc3"), "cosma": ("gx", "gy", "gz")}
SIZES = [20000, 28284, 40000, 56568, 80000, 113136, 160000]
# Leaves per GPU, and billions of operations of each, at 1, 2, 4, 8 and 16 nodes.
LEAVES = {
    "cannon": [(2, 2000), (4, 1414), (4, 2000), (8, 1414), (8, 2000)],
    "summa": [(2, 2000), (2, 2828), (4, 2000), (4, 2828), (8, 2000)],
    "pumma": [(2, 2000), (2, 2828), (4, 2000), (4, 2828), (8, 2000)],
    "solomonik": [(2, 2000), (2, 2828), (4, 2000), (4, 2828), (8, 2000)],
    "johnson": [(2, 2000), (1, 5657), (4, 2000), (2, 5657), (1, 16000)],
    "cosma": [(1, 4000), (1, 5657), (1, 8000), (1, 11313), (1, 16000)],
}


def leaves(application: Application) -> list[Launch]:
    return [launch for launch in application.loop if launch.task == "task_4"]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("step", range(7))
def test_grids_and_sizes_by_node(name: str, step: int) -> None:
    application = Application.load(name, nodes=2**step)
    keys = NAMES.get(name, ("gx", "gy"))
    assert application.parameters["n"] == SIZES[step]
    assert tuple(application.parameters[key] for key in keys) == GRIDS[name][step]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("step", range(5))
def test_leaves_of_each_gpu(name: str, step: int) -> None:
    application = Application.load(name, nodes=2**step)
    count = sum(len(launch.work.flops) for launch in leaves(application))
    expected, billions = LEAVES[name][step]
    assert count / (4 * 2**step) == expected
    assert leaves(application)[0].work.flops[0] / 1e9 == pytest.approx(billions, rel=1e-3)


@pytest.mark.parametrize("name", ALL)
def test_a_leaf_at_one_node_reads_and_writes_whole_tiles(name: str) -> None:
    traffic = leaves(Application.load(name))[0].work.traffic[0] / 1e9
    # A is read and written; 0.8 GB a tile, COSMA has fewer of A and B.
    expected = [3.2, 1.6, 0.8] if name == "cosma" else [1.6, 0.8, 0.8]
    assert traffic == pytest.approx(expected)


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=25, deadline=None)
@given(n=st.integers(40, 400), nodes=st.sampled_from([1, 2, 3, 4, 6, 8]))
def test_all_products_are_done_once(name: str, n: int, nodes: int) -> None:
    """Every element of A gets every product, for sizes that do not divide evenly too."""
    application = Application.load(name, n=n, nodes=nodes)
    done = np.zeros((n, n), int)
    for launch in leaves(application):
        bounds = [
            application.partitions[str(r.partition)].pieces[launch.colors[i]]
            for i, r in enumerate(launch.requirements)
        ]
        for a, b, c in zip(*bounds, strict=True):
            empty = (b[1] < b[0]).any() or (a[1] < a[0]).any() or (c[1] < c[0]).any()
            if empty:
                continue
            assert (a[:, 0] == b[:, 0]).all()  # rows
            assert (a[:, 1] == c[:, 1]).all()  # columns
            assert (b[:, 1] == c[:, 0]).all()  # inner dimension
            rows, columns = (slice(a[0, d], a[1, d] + 1) for d in (0, 1))
            done[rows, columns] += b[1, 1] - b[0, 1] + 1
    assert (done == n).all()
    flops = sum(launch.work.flops.sum() for launch in leaves(application))
    assert flops == pytest.approx(2.0 * n**3)


Chunk = Callable[[int, int, int, int, int, int, int], int]
CHUNKS: dict[str, Chunk] = {
    "cannon": lambda in_, jn, il, jl, to, ti, gx: 2 * ((in_ + jn + to) % gx) + (il + jl + ti) % 2,
    "summa": lambda in_, jn, il, jl, to, ti, gx: 2 * to + ti,
    "pumma": lambda in_, jn, il, jl, to, ti, gx: 2 * ((in_ + to) % gx) + ti,
}


@pytest.mark.parametrize("name", FLAT)
@pytest.mark.parametrize("shape", [(1, 1), (2, 1), (1, 2), (3, 2), (2, 3), (4, 4)])
def test_order_of_chunks_on_a_flat_grid(name: str, shape: tuple[int, int]) -> None:
    gx, gy = shape
    application = Application.load(name, n=960, gx=gx, gy=gy)
    for step, launch in enumerate(leaves(application)):
        to, ti = divmod(step, 2)
        point = 0
        for in_ in range(gx):
            for jn in range(gy):
                for il in (0, 1):
                    for jl in (0, 1):
                        i, j = 2 * in_ + il, 2 * jn + jl
                        q = CHUNKS[name](in_, jn, il, jl, to, ti, gx)
                        expected = (i * 2 * gy + j, i * 2 * gx + q, q * 2 * gy + j)
                        found = tuple(int(c[point]) for c in launch.colors if c is not None)
                        assert found == expected
                        point += 1


@pytest.mark.parametrize("sizes", [(2, 1, 2), (2, 2, 2), (3, 2, 2), (4, 2, 4)])
def test_order_of_chunks_of_solomonik(sizes: tuple[int, int, int]) -> None:
    rpoc, c, rpoc3 = sizes
    application = Application.load("solomonik", n=480, rpoc=rpoc, c=c, rpoc3=rpoc3)
    for t, launch in enumerate(leaves(application)):
        point = 0
        for i in range(rpoc):
            for j in range(rpoc):
                for k in range(c):
                    q = k * rpoc3 + (i + j + t) % rpoc3
                    b_colors = launch.colors[1]
                    assert b_colors is not None
                    assert b_colors[point] == i * (c * rpoc3) + q
                    point += 1


@pytest.mark.parametrize("name", FLAT)
def test_nesting_of_a_flat_grid(name: str) -> None:
    application = Application.load(name, nodes=8)
    gx, gy = (int(application.parameters[key]) for key in ("gx", "gy"))
    points = {
        task: sum(
            application.points(application.loop, i)
            for i, launch in enumerate(application.loop)
            if launch.task == task
        )
        for task in ("task_7", "task_6", "task_5", "task_4")
    }
    assert points == {
        "task_7": gx * gy,
        "task_6": gx * gx * gy,
        "task_5": 4 * gx * gx * gy,
        "task_4": 8 * gx * gx * gy,
    }
    parents = {task: application.tasks[task].parents for task in points}
    assert parents == {
        "task_7": (),
        "task_6": ("task_7",),
        "task_5": ("task_6",),
        "task_4": ("task_5",),
    }


@pytest.mark.parametrize("name", FLAT)
def test_only_the_multiplication_is_timed_on_a_flat_grid(name: str) -> None:
    application = Application.load(name)
    untimed = [launch.task for launch in application.loop if not launch.timed]
    assert untimed == ["taco_fill"] * 3 + ["task_1", "task_2", "task_3"]
    assert (application.warmup, application.timed) == (0, 10)


@pytest.mark.parametrize("name", REDUCING)
def test_the_reduction_is_timed_too(name: str) -> None:
    application = Application.load(name)
    timed = [launch.task for launch in application.loop if launch.timed]
    assert timed[-1] == "task_1"
    assert application.loop[-1].blocking
    assert [launch.task for launch in application.loop[:3]] == ["task_1", "task_2", "task_3"]
    assert (application.warmup, application.timed) == (1, 10)


@pytest.mark.parametrize("name", ALL)
def test_leaves_insist_on_row_major_tiles(name: str) -> None:
    for launch in leaves(Application.load(name)):
        for requirement in launch.requirements:
            assert requirement.need is not None
            assert requirement.need.order == "C_order"
            assert "DGEMM parameter number 8 had an illegal value" in requirement.need.message


@pytest.mark.parametrize("name", ALL)
def test_who_shares_tiles_of_a_adds_up(name: str) -> None:
    a = leaves(Application.load(name))[0].requirements[0]
    expected = ("READ_WRITE", None) if name in FLAT else ("REDUCE", "sum<double>")
    assert (a.privilege, a.reduction) == expected


@pytest.mark.parametrize("name", ALL)
def test_inner_tasks_have_virtual_requirements_but_for_reductions(name: str) -> None:
    application = Application.load(name)
    for launch in application.loop:
        if application.task_kinds[launch.task].inner:
            assert all(r.virtual == (r.privilege != "REDUCE") for r in launch.requirements)


def test_one_node_of_summa_and_pumma_are_the_same() -> None:
    summa, pumma = Application.load("summa"), Application.load("pumma")
    for one, other in zip(leaves(summa), leaves(pumma), strict=True):
        assert all(
            x is not None and y is not None and (x == y).all()
            for x, y in zip(one.colors, other.colors, strict=True)
        )


@pytest.mark.parametrize("name", ["johnson", "cosma"])
def test_published_runs_had_four_processes_a_node(name: str) -> None:
    assert Application.load(name).ranks_per_node == 1
    assert Application.load(name, ranks_per_node=4).ranks_per_node == 4


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("cannon", {"n": 3, "gx": 4}),
        ("johnson", {"n": 2, "gdim": 5}),
        ("solomonik", {"n": 2, "rpoc": 3}),
        ("cosma", {"n": 1}),
    ],
)
def test_matrices_too_small_for_their_grid_are_refused(name: str, sizes: dict[str, int]) -> None:
    with pytest.raises(ApplicationError, match="cannot be cut"):
        Application.load(name, **sizes)


def test_homes_of_sums_where_data_arrives_late_gain_a_tenth_over_the_expert_of_cosma():
    """The sums of a tile are folded into its home as they come, not in the order of the points.

    So a tile of A gains where its home is the GPU that waits longest for B: the sum of the other
    is there by the time that its own is done.
    """
    program = Application.load("cosma")
    expert = program.mappers["expert"]
    homes = """
    def late_home_of_a(Task task) { return mgpu.merge(0, 1)[3 * task.ipoint[1]]; }
    def late_home_of_b(Task task) { return mgpu.merge(0, 1)[1 + task.ipoint[2]]; }
    """
    late = expert.replace("task_1 home_of_a", "task_1 late_home_of_a")
    late = late.replace("task_2 home_of_b", "task_2 late_home_of_b")
    late = late.replace("IndexTaskMap init_cublas", homes + "IndexTaskMap init_cublas")
    evaluator = Evaluator(program, Machine.load("p100x4"))
    before, after = (evaluator.evaluate(dsl.parse(text)).elapsed for text in (expert, late))
    assert before / after > 1.1
