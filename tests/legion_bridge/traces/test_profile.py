"""Where the time of a run went, and the tables that say so."""

from __future__ import annotations

import pytest

import dsl
from legion_bridge import Application, Evaluator, Machine
from legion_bridge.applications import application_names
from legion_bridge.outcome import CriticalShare, MemoryPeak, Profile, Usage
from legion_bridge.traces.parts import PARTS
from legion_bridge.traces.profile import profile_of
from legion_bridge.traces.tables import profile_tables
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

LINE = region("line", 100)
HALVES = pieces("halves", "line", (0, 49), (50, 99))


def profile(name: str, text: str = "expert", **parameters: int) -> Profile:
    program = Application.load(name, **parameters)
    evaluator = Evaluator(program, Machine.load("p100x4"))
    found = evaluator.evaluate(dsl.parse(program.mappers.get(text, text)), profile=True).profile
    assert found is not None
    return found


@pytest.fixture(scope="module")
def there_and_back() -> Run:
    """A second of writing, 10 of copying, a second of reading, and the same way back."""
    loop = [launch("put", updates("line")), launch("get", updates("line"))]
    program = application([LINE], loop, warmup=2, timed=4)
    return run(program, mapper(put=(0, 0), get=(0, 1)))


def test_an_iteration_is_the_mean_of_the_measured_ones(there_and_back: Run) -> None:
    assert profile_of(there_and_back.trace).iteration == pytest.approx(22.0)


def test_processors_and_links_are_busy_for_so_long(there_and_back: Run) -> None:
    found = profile_of(there_and_back.trace)
    assert {u.name: u.busy for u in found.processors} == {
        "GPU 0 of node 0": pytest.approx(1.0),
        "GPU 1 of node 0": pytest.approx(1.0),
    }
    assert [u.fraction for u in found.processors] == pytest.approx([1 / 22, 1 / 22])
    assert [u.bytes for u in found.processors] == [0.0, 0.0]
    assert {u.name: (u.busy, u.bytes) for u in found.links} == {
        f"{way} GPU {gpu} of node 0": (pytest.approx(10.0), pytest.approx(100.0))
        for way in ("inward", "outward")
        for gpu in (0, 1)
    }


def test_the_critical_path_names_tasks_and_copies(there_and_back: Run) -> None:
    found = profile_of(there_and_back.trace).critical_path
    assert {(s.kind, s.name): s.seconds for s in found} == {
        ("copy", "line (FBMEM to FBMEM over outward) for put"): pytest.approx(10.0),
        ("copy", "line (FBMEM to FBMEM over outward) for get"): pytest.approx(10.0),
        ("task", "put"): pytest.approx(1.0),
        ("task", "get"): pytest.approx(1.0),
    }
    assert [s.seconds for s in found] == sorted((s.seconds for s in found), reverse=True)


def test_memories_hold_at_most_so_much(there_and_back: Run) -> None:
    assert profile_of(there_and_back.trace).memories == (
        MemoryPeak("FBMEM of GPU 0 of node 0", 100.0, 1000.0),
        MemoryPeak("FBMEM of GPU 1 of node 0", 100.0, 1000.0),
    )


def test_copies_and_folds_count_by_region(there_and_back: Run) -> None:
    assert profile_of(there_and_back.trace).copies == {"line": pytest.approx(200.0)}
    loop = [launch("add", reduces("line", "halves"), domain=(2,)), launch("get", reads("line"))]
    program = application([LINE], loop, partitions=[HALVES], warmup=2, timed=4)
    found = profile_of(run(program, mapper(get=(0, 0))).trace)
    assert found.copies == {"line": pytest.approx(100.0)}
    (share,) = [s for s in found.critical_path if s.kind == "fold"]
    assert share.name == "line (FBMEM to FBMEM over outward) for get"


def test_zero_copy_traffic_counts_by_task_and_region() -> None:
    loop = [launch("scan", updates("line", "halves"), domain=(2,), traffic=40.0)]
    program = application([LINE], loop, partitions=[HALVES], warmup=2, timed=4)
    in_place = profile_of(run(program, mapper()).trace)
    assert in_place.zero_copy == {}
    found = profile_of(run(program, mapper("Region * * GPU ZCMEM;")).trace)
    assert found.zero_copy == {"scan halves": pytest.approx(80.0)}
    links = {u.name: u.bytes for u in found.links}
    assert links["inward GPU 0 of node 0"] == pytest.approx(40.0)
    assert links["root node 0"] == pytest.approx(80.0)


def test_a_clock_that_stands_still_in_between_is_followed() -> None:
    loop = [
        launch("work", writes("line"), seconds=2.0),
        launch("after", updates("line"), seconds=5.0, timed=False),
    ]
    program = application([LINE], [loop[1], loop[0]], warmup=1, timed=3)
    found = profile_of(run(program, mapper(work=(0, 0), after=(0, 0))).trace)
    assert found.iteration == pytest.approx(2.0)
    assert [(s.kind, s.name, s.fraction) for s in found.critical_path] == [("task", "work", 1.0)]


@pytest.mark.parametrize("name", application_names())
def test_shares_add_up_to_the_iteration(name: str) -> None:
    found = profile(name)
    shares = found.critical_path
    assert sum(s.seconds for s in shares) == pytest.approx(found.iteration)
    assert sum(s.fraction for s in shares) == pytest.approx(1.0)
    assert {s.kind for s in shares} <= PARTS.keys()
    assert all(0 <= u.fraction <= 1 for u in (*found.processors, *found.links))
    assert all(0 < m.peak <= m.capacity for m in found.memories)


def test_the_stencil_is_made_of_its_two_tasks() -> None:
    found = profile("stencil")
    parts = {s.name: s.fraction for s in found.critical_path if s.kind == "task"}
    assert set(parts) == {"stencil", "increment"}
    assert parts["stencil"] > parts["increment"] > 0.3


def test_small_tiles_wait_for_the_runtime() -> None:
    found = profile("stencil", nx=400, ny=400)
    assert found.critical_path[0].kind == "runtime"
    assert {s.name for s in found.critical_path if s.kind == "runtime"} == {"stencil", "increment"}
    assert sum(s.fraction for s in found.critical_path if s.kind == "runtime") > 0.5


class TestTables:
    PROFILE = Profile(
        iteration=2e-3,
        processors=(Usage("GPU 0 of node 0", 1e-3, 0.0, 0.5),),
        links=(Usage("PCIe into GPU 0 of node 0", 5e-6, 2e9, 0.0025),),
        memories=(MemoryPeak("A", 1e9, 4e9), MemoryPeak("B", 3e9, 4e9)),
        critical_path=tuple(CriticalShare("task", f"t{n}", 1e-3 / 2**n, 0.5**n) for n in range(5)),
        copies={"small": 10.0, "large": 2e6},
    )

    def test_units_suit_the_numbers(self) -> None:
        tables = {table.columns[0]: table for table in profile_tables(self.PROFILE)}
        assert tables["link"].rows == (("PCIe into GPU 0 of node 0", "5.000 µs", "0.2 %", "2 GB"),)
        assert tables["memory"].rows[0] == ("B", "3 GB", "4 GB", "75.0 %")
        assert tables["region"].rows == (("large", "2 MB"), ("small", "10 B"))
        assert tables["region"].numeric == (False, True)

    def test_processors_carry_no_bytes(self) -> None:
        tables = {table.columns[0]: table for table in profile_tables(self.PROFILE)}
        assert tables["processor"].columns == ("processor", "busy", "share")

    def test_long_tables_are_summed_up(self) -> None:
        first = next(profile_tables(self.PROFILE, most=3))
        assert [row[0] for row in first.rows] == ["t0", "t1", "t2", "2 more"]
        assert first.rows[-1] == ("2 more", "", "187.500 µs", "18.8 %")

    def test_empty_tables_are_left_out(self) -> None:
        assert list(profile_tables(Profile(1.0))) == []
        assert "task and region" not in {t.columns[0] for t in profile_tables(self.PROFILE)}

    @pytest.mark.parametrize("name", ["stencil", "pennant", "cannon"])
    def test_every_row_has_a_cell_a_column(self, name: str) -> None:
        for table in profile_tables(profile(name)):
            assert {len(row) for row in table.rows} == {len(table.columns)} == {len(table.numeric)}
