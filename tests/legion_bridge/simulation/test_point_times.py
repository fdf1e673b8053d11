"""How long a point task takes by itself: a roofline."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from legion_bridge.machines.machine import Machine, Products
from legion_bridge.programs.application import Application, LayoutNeed, Work
from tests.legion_bridge.tiny import (
    application,
    launch,
    machine,
    mapper,
    reads,
    region,
    run,
    writes,
)

TWO = region("two", 100, ("a", "b"))
SQUARE = replace(region("square", 10), lower=(0, 0), upper=(9, 9))


def slow(**changes: Any) -> Machine:
    """The tiny machine whose GPU has a price for everything."""
    plain = machine()
    costs = {"start": 0.5, "kernel": 0.25, "fp64": 100.0, "cache": 1000.0, **changes}
    gpu = replace(plain.processors["GPU"], **costs)
    access = dict(plain.access)
    access["GPU", "FBMEM"] = replace(access["GPU", "FBMEM"], gather=0.01, update=0.1)
    access["GPU", "ZCMEM"] = replace(access["GPU", "ZCMEM"], gather=1.0, update=2.0)
    return replace(plain, processors={**plain.processors, "GPU": gpu}, access=access)


def program(privilege: Any = reads, of: Any = TWO, **work: Any) -> Application:
    names = [f.name for f in of.fields]
    needed = launch("work", privilege(of.name, None, *names))
    return application([of], [replace(needed, work=Work.of(1, 1, **work))])


def seconds(program: Application, text: str = "", on: Machine | None = None) -> float:
    found = run(program, mapper(text, work=(0, 0)), on or slow())
    return float(found.trace.times.seconds[0])


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        ({"kernels": 4}, 1.0),
        ({"flops": 200.0}, 2.0),
        ({"flops": 200.0, "traffic": 1000.0, "kernels": 4}, 2.0),
        ({"flops": 200.0, "traffic": 5000.0, "kernels": 4}, 5.0),
        ({"traffic": 1000.0, "accesses": 30.0}, 1.3),
    ],
    ids=["kernels", "arithmetic", "arithmetic above all", "streams", "gathers come on top"],
)
def test_the_slowest_of_kernels_arithmetic_and_streams_counts(
    work: dict[str, Any], expected: float
) -> None:
    assert seconds(program(**work)) == pytest.approx(0.5 + expected)


def test_what_does_not_overlap_is_added() -> None:
    work = program(flops=200.0, traffic=5000.0)
    assert seconds(work, on=slow(start=0.0)) == 5.0
    assert seconds(work, on=slow(start=0.0, overlap=0.25)) == 5.0 + 0.75 * 2.0
    assert seconds(work, on=slow(start=0.0, overlap=0.0)) == 7.0


def test_a_near_cache_holds_the_lines_that_fields_share() -> None:
    """Each line of a near hundred points has what eight of them need, both fields of each."""
    work, layout = program(traffic=1600.0), "Layout work * GPU AOS;"
    plain = seconds(work, on=slow(start=0.0, kernel=0.0))
    far = seconds(work, layout, slow(start=0.0, kernel=0.0, line=64.0))
    near = seconds(work, layout, slow(start=0.0, kernel=0.0, line=64.0, near=1600.0))
    outgrown = seconds(work, layout, slow(start=0.0, kernel=0.0, line=64.0, near=100.0))
    assert near == plain < far == outgrown


def test_updates_cost_more_than_gathers() -> None:
    assert seconds(program(writes, accesses=10.0)) == pytest.approx(0.5 + 0.25 + 1.0)


def test_arithmetic_runs_at_the_rate_of_its_kind() -> None:
    on = slow(fp32=400.0, dgemm=800.0)
    assert seconds(program(flops=800.0, rate="fp32"), on=on) == pytest.approx(2.5)
    assert seconds(program(flops=800.0, rate="dgemm"), on=on) == pytest.approx(1.5)


PRODUCTS = Products(fp16=1000.0, tf32=500.0, shares=((8.0, 0.2), (128.0, 0.8)))


@pytest.mark.parametrize(
    ("rate", "side", "expected"),
    [
        ("fp16", None, 1000.0 * 0.8),
        ("fp16", 1 << 20, 1000.0 * 0.8),
        ("fp16", 32, 1000.0 * 0.5),
        ("fp16", 8, 1000.0 * 0.2),
        ("fp16", 2, 1000.0 * 0.05),
        ("fp8", 128, 1000.0 * 0.8),
        ("bf16", 128, 500.0 * 0.8),
        ("tf32", 8, 500.0 * 0.2),
        ("dgemm", 32, 800.0 * 0.5 / 0.8),
        ("dgemm", None, 800.0),
        ("fp64", 8, 100.0),
    ],
)
def test_products_run_at_the_rate_of_their_elements_and_of_their_smallest_side(
    rate: str, side: int | None, expected: float
) -> None:
    """Elements that a processor lacks are computed with wider ones."""
    on = slow(dgemm=800.0, products=PRODUCTS)
    found = seconds(program(flops=8000.0, rate=rate, side=side), on=on)
    assert found == pytest.approx(0.5 + 8000.0 / expected)


def test_products_without_tensor_cores_run_in_fp32_or_as_those_of_fp64() -> None:
    for rates in ({"fp32": 400.0, "dgemm": 200.0}, {"fp32": 100.0, "dgemm": 400.0}):
        found = seconds(program(flops=800.0, rate="bf16", side=4), on=slow(**rates))
        assert found == pytest.approx(2.5)


def test_a_window_that_outgrows_the_cache_costs_traffic() -> None:
    work = {"traffic": 2000.0, "window_traffic": 1.5}
    assert seconds(program(window=1000.0, **work)) == pytest.approx(2.5)
    assert seconds(program(window=1001.0, **work)) == pytest.approx(3.5)


@pytest.mark.parametrize(
    ("layout", "factor"), [("SOA", 1.0), ("AOS", 1.25), ("AOS C_order", 1.25)]
)
def test_fields_together_cost_traffic(layout: str, factor: float) -> None:
    on = slow(together=1.25, strided=4.0)
    found = seconds(program(traffic=2000.0), f"Layout work * * {layout};", on)
    assert found == pytest.approx(0.5 + 2.0 * factor)


def test_one_field_is_never_together() -> None:
    on = slow(together=1.25)
    one = region("one", 100)
    found = seconds(program(of=one, traffic=2000.0), "Layout work * * AOS;", on)
    assert found == pytest.approx(2.5)


def test_the_other_order_costs_traffic_in_two_dimensions() -> None:
    on = slow(strided=4.0)
    square = program(of=SQUARE, traffic=2000.0)
    assert seconds(square, "Layout work * * C_order;", on) == pytest.approx(8.5)
    assert seconds(square, "Layout work * * F_order;", on) == pytest.approx(2.5)


def test_the_other_order_costs_less_where_a_near_cache_holds_the_data() -> None:
    """A hundred points of a byte, in a cache that holds them and in one that does not."""
    square, layout = program(of=SQUARE, traffic=2000.0), "Layout work * * C_order;"
    near = seconds(square, layout, slow(strided=4.0, near_strided=2.0, near=100.0))
    outgrown = seconds(square, layout, slow(strided=4.0, near_strided=2.0, near=99.0))
    untold = seconds(square, layout, slow(strided=4.0, near=100.0))
    assert near == pytest.approx(4.5)
    assert outgrown == untold == pytest.approx(8.5)


def test_a_task_compiled_for_an_order_pays_nothing_for_it() -> None:
    needed = replace(reads("square"), need=LayoutNeed("C_order", None, "wrong stride"))
    loop = [replace(launch("work", needed), work=Work.of(1, 1, traffic=2000.0))]
    found = seconds(application([SQUARE], loop), "Layout work * * C_order;", slow(strided=4.0))
    assert found == pytest.approx(2.5)


def test_zero_copy_traffic_goes_over_links_and_its_accesses_take_time() -> None:
    found = run(
        program(traffic=80.0, accesses=3.0), mapper("Region * * GPU ZCMEM;", work=(0, 0)), slow()
    )
    times = found.trace.times
    assert times.link_bytes.tolist() == [80.0]
    assert times.seconds.tolist() == pytest.approx([0.5 + 0.25 + 3.0])
    # What travels at 10 bytes a second takes longer.
    assert found.times("work") == [(0.0, pytest.approx(8.0))]


def test_measured_times_stand_for_all_else() -> None:
    work = {"flops": 1e9, "traffic": 1e9, "seconds": {"GPU": 3.0}}
    assert seconds(program(**work)) == pytest.approx(3.5)


def test_equal_decisions_are_timed_once() -> None:
    found = run(program(traffic=1000.0), mapper(work=(0, 0)), slow())
    again = found.simulator._timer.times(found.decisions.launches)
    assert again.seconds.tolist() == found.trace.times.seconds.tolist()
