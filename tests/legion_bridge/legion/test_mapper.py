"""What the mapper decides is what the language says, seen from inside the tasks that ran."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import pytest

import dsl
from dsl.tables import LayoutDecision, choose_memory

from .probe_runs import CHECKSUM, PIECES, SHAPE, SIZE, Run, run_policy, run_under

HEAD = "Task * CPU;\nm = Machine(CPU);\n"
MAPS = """\
def diagonal(Task t) { p = t.ipoint; return m[0, (p[0] + p[1]) % 2]; }
def rows(Task t) { p = t.ipoint; return m[0, p[0] * m.size[1] / t.ispace[0]]; }
def second(Task t) { return m[0, 1]; }
"""
# The names that the requirements of the probe's tasks have.
NAMES = {
    ("fill", 0): ["grid_blocks", "grid", "0"],
    ("smooth", 0): ["copy", "0"],
    ("smooth", 1): ["grid_blocks", "grid", "1"],
}
VISIBLE = ("SYSMEM", "RDMEM")

POLICIES = {
    "maps": HEAD + MAPS + "IndexTaskMap fill diagonal; IndexTaskMap smooth rows;",
    "one processor": HEAD + MAPS + "IndexTaskMap CPU second; SingleTaskMap CPU second;",
    "another kind": "Task fill GPU, IO; Task * CPU;",
    "orders": HEAD + "Layout fill * * C_order; Layout smooth copy * AOS F_order;",
    "fields together": HEAD + "Layout * * * AOS C_order; Layout smooth 1 * SOA F_order;",
    "memories": HEAD + "Region fill grid CPU FBMEM, RDMEM; Region smooth copy * SOCKMEM, RDMEM;",
    "memory by kind": "Task fill IO;\nTask * CPU;\nRegion * grid IO RDMEM;\n"
    "Region * * CPU SYSMEM;",
    "aligned": HEAD + "Layout * grid * SOA Align==256; Layout * copy * AOS Align==64;",
    "exact": HEAD + "Layout * * * C_order Compact Exact; Region * copy * RDMEM;",
    "layout by memory": HEAD + "Region smooth * * RDMEM; Layout * * RDMEM AOS C_order;",
    "partition": HEAD + "Region * grid_blocks * RDMEM; Layout smooth grid_blocks * C_order;",
}


def random_policy(seed: int) -> str:
    """Rules at random: which of them wins is the language's to say."""
    rng = random.Random(seed)
    names = ["*", "grid", "copy", "grid_blocks"]
    lines = [HEAD + MAPS]
    for _ in range(6):
        task, region = rng.choice(["fill", "smooth", "*"]), rng.choice([*names, "0", "1"])
        memories = ", ".join(rng.sample(["SYSMEM", "RDMEM", "FBMEM", "SOCKMEM"], 2))
        lines.append(f"Region {task} {region} {rng.choice(['CPU', '*', 'GPU'])} {memories};")
    for _ in range(6):
        words = [rng.choice(["SOA", "AOS"]), rng.choice(["C_order", "F_order"])]
        words += rng.sample(["Compact Exact", "Align==64", "Align==128"], rng.choice([0, 1]))
        memory = rng.choice(["*", "SYSMEM", "RDMEM"])
        task = rng.choice(["fill", "smooth", "*"])
        lines.append(f"Layout {task} {rng.choice(names)} {memory} {' '.join(words)};")
    keys, functions = ["fill", "smooth", "CPU"], ["diagonal", "rows", "second"]
    lines += [f"IndexTaskMap {key} {rng.choice(functions)};" for key in rng.sample(keys, 2)]
    return "\n".join(lines)


RANDOM = {f"random {seed}": random_policy(seed) for seed in range(10)}
FEW = 2


@pytest.fixture(
    scope="module",
    params=[
        *POLICIES,
        *list(RANDOM)[:FEW],
        *(pytest.param(name, marks=pytest.mark.long) for name in list(RANDOM)[FEW:]),
    ],
)
def case(request: pytest.FixtureRequest) -> Case:
    text = {**POLICIES, **RANDOM}[request.param]
    return Case(dsl.load(dsl.parse(text), SHAPE), run_under(text))


@dataclass(frozen=True)
class Case:
    mapper: dsl.Mapper
    run: Run

    def kind(self, task: str) -> str:
        wanted = self.mapper.task_kinds(task)
        has = ("CPU", "IO") if task == "fill" else ("CPU",)
        return next((kind for kind in wanted if kind in has), "CPU")

    def memory(self, task: str, index: int) -> str:
        kinds = self.mapper.memories(task, NAMES[task, index], self.kind(task))
        return choose_memory(kinds, VISIBLE)

    def layout(self, task: str, index: int) -> LayoutDecision:
        memory, kind = self.memory(task, index), self.kind(task)
        found = self.mapper.layout(task, NAMES[task, index], memory, kind)
        return found or LayoutDecision()


def test_the_result_is_the_same(case: Case) -> None:
    assert case.run.code == 0, case.run.errors
    assert case.run.said("CHECKSUM") == [CHECKSUM]


def test_tasks_run_where_the_language_says(case: Case) -> None:
    for task in ("fill", "smooth"):
        ran, kind = case.run.ran(task), case.kind(task)
        points = [(x, y) for x in range(PIECES) for y in range(PIECES)]
        assert set(points) <= set(ran)
        assert {where[0] for where in ran.values()} == {kind}
        if case.mapper.has_index_map(task, kind):
            wanted = case.mapper.index_map(task, kind, (PIECES, PIECES))
            assert {p: ran[p][1] for p in points} == {p: int(wanted[p][1]) for p in points}
    for task in ("alone", "child"):
        if case.mapper.has_single_map(task, "CPU"):
            places = case.mapper.single_map(task, "CPU", (0, 0), "CPU")
            assert list(case.run.ran(task).values()) == [("CPU", places[0][1])]


def test_instances_are_as_the_language_says(case: Case) -> None:
    seen = 0
    for task, index in NAMES:
        memory, layout = case.memory(task, index), case.layout(task, index)
        for (point, requirement), facts in case.run.got(task).items():
            if requirement != index or not point:
                continue
            seen += 1
            assert facts["memory"] == memory
            assert_strides(facts, layout)
    assert seen == 3 * PIECES * PIECES


def assert_strides(facts: dict[str, int | str], layout: LayoutDecision) -> None:
    """Instances cover the whole region, unless they have to be exact."""
    extent = SIZE // PIECES if layout.exact else SIZE
    alignment = layout.align.bytes if layout.align else 8
    if layout.soa:
        element = 8
        field = -(-8 * extent * extent // alignment) * alignment
    else:
        field = max(8, alignment)
        element = 2 * field
    fast, slow = ("y", "x") if layout.c_order else ("x", "y")
    assert (facts[fast], facts[slow], facts["f"]) == (element, element * extent, field)


def test_without_a_policy_the_library_keeps_out_of_the_way() -> None:
    run = run_policy(None, "-own")
    assert run.code == 0
    assert "OWN" in run.output


def test_a_program_s_own_mapper_is_replaced_and_keeps_its_tunables() -> None:
    run = run_under(POLICIES["one processor"], "-own")
    assert run.code == 0
    assert "OWN" not in run.output
    assert run.said("TUNABLE") == ["4711"]
    assert {where[1] for where in run.ran("fill").values()} == {1}


@pytest.mark.parametrize("aos", [False, True])
def test_what_variants_and_programs_ask_for_wins(aos: bool) -> None:
    """Layout constraints, co-location, copies, attached arrays, must-epoch launches."""
    layout = "Layout * * * AOS F_order Compact Exact; Region * * * RDMEM;" if aos else ""
    run = run_under(HEAD + MAPS + "IndexTaskMap CPU second;" + layout, "-special", "1")
    assert run.code == 0, run.errors
    assert run.said("CHECKSUM") == [CHECKSUM]
    assert run.said("ATTACHED") == ["63"]
    strict = run.got("strict")
    assert len(strict) == PIECES * PIECES
    assert all(facts["y"] == 8 for facts in strict.values()), "the variant wants C order"
    assert all(int(facts["f"]) % 128 == 0 for facts in strict.values())
    # Each piece starts aligned, as far as Realm's memories do.
    assert all(int(facts["align"]) >= 64 for facts in strict.values())
    assert len(run.decisions("colocate together")) >= 1
    assert {facts["f"] for facts in run.got("together").values()} == {8 if aos else 512}
    # One processor for both points would wait for ever.
    assert sorted(where[1] for where in run.ran("epoch").values()) == [0, 1]


@pytest.mark.parametrize("limit", [0, 1])
@pytest.mark.parametrize("mapped", [False, True])
def test_instance_limits_bound_what_is_in_flight(limit: int, mapped: bool) -> None:
    text = HEAD + "def cyclic(Task t) { return m[0, t.ipoint[0] % 2]; }\n"
    text += "IndexTaskMap slow cyclic;\n" if mapped else ""
    text += f"InstanceLimit slow {limit};\n" if limit else ""
    run = run_under(text, "-slow", "8")
    assert run.code == 0
    assert run.said("MOST") == [str(limit or 2)]
    started, ended = (len(run.decisions(word)) for word in ("start", "end"))
    assert started == ended == (8 if limit else 0)


def test_limits_above_one_fill_all_processors() -> None:
    run = run_under(HEAD + "InstanceLimit slow 2;", "-slow", "8")
    assert run.said("MOST") == ["2"]
    assert len(run.decisions("start")) == 8


@pytest.mark.parametrize("replicated", [False, True])
def test_limited_points_that_share_a_region_do_not_wait_for_each_other(replicated: bool) -> None:
    """Legion's default mapper has points that reduce into a region meet as they are mapped."""
    text = HEAD + "InstanceLimit sum 1;" + ("ControlReplicate top;" if replicated else "")
    run = run_under(text, variables={"MAPPERTUNE_SHARDS": "2"})
    assert run.code == 0
    assert set(run.said("CHECKSUM")) == {CHECKSUM}
    assert len(run.decisions("start sum")) == PIECES * PIECES


def test_limited_tasks_may_launch_themselves_and_wait() -> None:
    run = run_under(HEAD + "InstanceLimit deep 1; InstanceLimit together 1;", "-special", "1")
    assert run.code == 0
    assert len(run.said("RAN deep")) == 3
    assert len(run.decisions("start deep")) == 1, "the others count as part of the first"


@pytest.mark.parametrize(
    ("statement", "code"),
    [("", 87), ("CollectMemory smooth grid;", 0), ("CollectMemory smooth copy;", 87)],
)
def test_collected_memory_makes_room(statement: str, code: int) -> None:
    """Two instances of 4 MB do not fit into 6 MB at once; ``copy`` is written, so it stays."""
    text = "Task * CPU; Region smooth grid CPU RDMEM; Region sum copy CPU RDMEM;\n"
    text += "Region * * CPU SYSMEM;" + statement
    run = run_under(text, "-n", "512", "-ll:rsize", "6")
    assert run.code == code
    if code:
        assert run.failure.startswith("out-of-memory: task sum region 0: ")


def test_collected_memory_keeps_what_was_folded_into_it() -> None:
    """Reductions that the runtime folds into an instance are nowhere else."""
    run = run_under(HEAD + "Region peek total CPU RDMEM; CollectMemory peek total;")
    assert run.code == 0
    assert run.said("PEEKED") == ["0", CHECKSUM], "before and after"
    assert run.said("CHECKSUM") == [CHECKSUM]


def test_a_wildcard_names_several_processors() -> None:
    run = run_under(HEAD + "def any(Task t) { return m[0, *]; } IndexTaskMap fill any;")
    assert run.code == 0
    assert {line.split("processor=")[1] for line in run.decisions("map fill point=.0,0.")} == {
        "0,1"
    }


def test_virtual_regions_of_inner_tasks() -> None:
    run = run_under(HEAD + "Region inner grid CPU VIRTUAL;")
    assert (run.code, run.said("CHECKSUM")) == (0, [CHECKSUM])


def test_parents_are_told_to_maps_of_single_tasks() -> None:
    text = HEAD + MAPS + "def beside(Task t) { return m[0, 1 - t.parent.processor(m)[1]]; }\n"
    run = run_under(text + "SingleTaskMap alone second; SingleTaskMap child beside;")
    assert run.code == 0
    assert list(run.ran("alone").values()) == [("CPU", 1)]
    assert list(run.ran("child").values()) == [("CPU", 0)]


def test_shards_own_the_points_that_the_map_gives_them() -> None:
    """Two shards in the only node stand in for two nodes."""
    text = HEAD + "ControlReplicate top;\n"
    text += "def rows(Task t) { return m[0, t.ipoint[1]]; }\nIndexTaskMap fill rows;"
    run = run_under(text, variables={"MAPPERTUNE_SHARDS": "2"})
    assert run.code == 0
    assert run.said("CHECKSUM") == [CHECKSUM] * 2
    assert run.decisions("replicate") == ["top shards=2"]
    assert {point: where[1] for point, where in run.ran("fill").items() if point} == {
        (x, y): y for x in range(2) for y in range(2)
    }


@pytest.mark.parametrize("mode", ["bounds", "legate", "wrapped"])
def test_leaf_tasks_may_allocate_as_before(mode: str) -> None:
    """Bounds of variants must not be exceeded; legate's own mapper would have given some."""
    run = run_under("Task * CPU;", mode, program="pools")
    assert run.code == 0, run.errors
    assert run.said("ALLOCATED") == ["7"] * 4
    assert "WARNING" not in run.errors


def test_points_of_a_processor_that_fill_a_box_are_one_slice() -> None:
    """Else a tiny task costs more than under a mapper written by hand."""
    rows = run_under(POLICIES["maps"])
    slices = rows.decisions("slices")
    assert "smooth points=4 slices=2" in slices
    assert "fill points=4 slices=4" in slices


MAPPED = "def same(Task t) { return m[0, t.ipoint[0]]; } IndexTaskMap touch same;\n"
SINGLE_MAPS = {
    "none": ("", "0,1"),
    "one": ("def second(Task t) { return m[0, 1]; } SingleTaskMap touch second;", "1"),
    "several": ("def any(Task t) { return m[0, *]; } SingleTaskMap touch any;", "0,1"),
}


@pytest.mark.parametrize("order", ["alone-first", "points-first"])
@pytest.mark.parametrize("single", SINGLE_MAPS)
def test_index_and_single_launches_of_a_task_keep_their_own_answers(
    single: str, order: str
) -> None:
    """Both take the same regions, and are to run on different processors."""
    text, processors = SINGLE_MAPS[single]
    run = run_under(HEAD + MAPPED + text, order, program="answers")
    assert run.code == 0, run.errors
    mapped = [line.split() for line in run.decisions("map touch")]
    found = {(point, where.removeprefix("processor=")) for point, _, _, where in mapped}
    alone = ("point=-", processors)
    assert found == {alone, ("point=(0)", "0"), ("point=(1)", "1")}
    assert {line for line in run.said("RAN") if line[0] != "-"} == {"0 0", "1 1"}


def test_a_report_tells_which_policy_is_in_force(tmp_path: Path) -> None:
    report = tmp_path / "report"
    run_under("Task * CPU;", variables={"MAPPERTUNE_REPORT": str(report)})
    assert report.read_text().startswith("policy test.mapper ")
