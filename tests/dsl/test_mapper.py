"""Loading, and the answers of a loaded mapper (sections 8, 10 and 11)."""

from __future__ import annotations

import numpy as np
import pytest

import dsl
from dsl.limits import MAX_POINTS

SHAPE = dsl.MachineShape(nodes=2, processors={"GPU": 4, "CPU": 2, "OMP": 1})
FUNCTIONS = """
g = Machine(GPU);
def f(Task t) { return g[0, t.ipoint[0] % 4]; }
def h(Task t) { return g[1, 3]; }
def one(int a) { return a; }
"""


def load(text: str) -> dsl.Mapper:
    return dsl.load(dsl.parse(text), SHAPE)


def load_error(text: str) -> dsl.MapperLoadError:
    with pytest.raises(dsl.MapperLoadError) as caught:
        load(text)
    return caught.value


# Loading


@pytest.mark.parametrize(
    ("text", "code", "line", "hint"),
    [
        ("x = 1;\nx = 2;", "duplicate-global", 2, "another name"),
        ("def x(int a) { return a; }\nx = 2;", "duplicate-global", 2, "another name"),
        ("x = 1;\ny = x / 0;", "division-by-zero", 2, None),
        ("IndexTaskMap work f;", "undefined-function", 1, "above the statement"),
        ("def g(Task t) { return 1; } IndexTaskMap work gg;", "undefined-function", 1, "g?"),
        ("IndexTaskMap work f;\ndef f(Task t) { return 1; }", "undefined-function", 1, "above"),
        ("f = 1; SingleTaskMap work f;", "not-a-function", 1, None),
        ("def f(int a) { return a; } IndexTaskMap work f;", "entry-signature", 1, "Task task"),
        ("def f(Task a, int b) { return b; } SingleTaskMap w f;", "entry-signature", 1, "Task"),
        ("def f() { return 1; } IndexTaskMap w f;", "entry-signature", 1, "Task"),
        ("v = tuple(k for k in (1, 2));", "comprehension-at-top-level", 1, "function"),
        ("x = Machine(GPU, CPU);", "method-arity", 1, "Machine(GPU)"),
        ("x = GPU;", "bad-assign", 1, None),
        ("x = y;", "undefined-name", 1, None),
        ('print("{}");', "print-args", 1, None),
        ('print("{}", GPU);', "print-args", 1, None),
        ("def f(int n) { return f(n); }\nx = f(1);", "too-deep", 1, "ends it"),
    ],
)
def test_what_cannot_be_loaded(text: str, code: str, line: int, hint: str | None) -> None:
    error = load_error(text)
    assert (error.code, error.line) == (code, line)
    if hint is not None:
        assert error.hint is not None
        assert hint in error.hint


def test_what_the_top_level_may_do() -> None:
    mapper = load(
        """
        def v(int a) { return tuple(a + k for k in (0, 1)); }
        x = v(3)[1];
        y = True ? x : tuple(k for k in (1, 2));
        w = Machine;
        print("{} {}", x, y + 1);
        """
    )
    assert mapper.printed == "4 5\n"


def test_the_first_definition_of_a_function_wins() -> None:
    text = f"{FUNCTIONS} def f(Task t) {{ return 1; }} def g(Task t) {{ return 1; }}"
    assert load(text + "IndexTaskMap w f;").index_point("w", "GPU", (8,), (5,)) == (0, 1)


def test_a_function_is_checked_when_it_is_called() -> None:
    mapper = load("def f(Task t) { return nowhere[twice(1)]; } IndexTaskMap w f;")
    with pytest.raises(dsl.MapperEvaluationError, match="not defined"):
        mapper.index_point("w", None, (4,), (0,))


# Look-ups


def test_kinds_of_the_exact_task_hide_those_of_all() -> None:
    mapper = load("Task a GPU, CPU; Task * OMP; Task a OMP; Task b, c CPU;")
    assert mapper.task_kinds("a") == ("GPU", "CPU")
    assert mapper.task_kinds("c") == ("CPU",)
    assert mapper.task_kinds("d") == ("OMP",)
    assert load("Task a GPU;").task_kinds("d") == ()


def test_memories_of_all_keys_follow_each_other() -> None:
    mapper = load(
        """
        Region * * * SYSMEM;  Region * r GPU ZCMEM;  Region * s GPU RDMEM;
        Region a * * SOCKMEM; Region a s GPU FBMEM, VIRTUAL; Region a r CPU SYSMEM;
        Region a r * FBMEM;   Region a 00 GPU ZCMEM;
        """
    )
    assert mapper.memories("a", ["r", "s"], "GPU") == (
        *("FBMEM", "FBMEM", "VIRTUAL", "SOCKMEM"),
        *("ZCMEM", "RDMEM", "SYSMEM"),
    )
    assert mapper.memories("a", ("r",), "CPU") == ("SYSMEM", "SOCKMEM", "SYSMEM")
    assert mapper.memories("a", ["0"], "GPU") == ("ZCMEM", "SOCKMEM", "SYSMEM")
    assert mapper.memories("b", [], "OMP") == ("SYSMEM",)
    assert load("Region a r GPU FBMEM;").memories("b", ["r"], "GPU") == ()


def test_lists_of_tasks_in_regions_and_layouts() -> None:
    mapper = load("Region a, b r GPU FBMEM; Layout a, b 0 FBMEM AOS;")
    assert mapper.memories("b", ["r"], "GPU") == ("FBMEM",)
    assert mapper.layout("b", ["r", "0"], "FBMEM") == dsl.LayoutDecision(soa=False)


def test_the_first_layout_counts_alone() -> None:
    mapper = load(
        """
        Layout * * * C_order;  Layout a * * Compact; Layout a r FBMEM AOS;
        Layout a r * Exact;    Layout a s GPU C_order Align == 64;  Layout b r VIRTUAL AOS;
        """
    )
    assert mapper.layout("a", ["r"], "FBMEM") == dsl.LayoutDecision(soa=False)
    assert mapper.layout("a", ["r"], "SYSMEM") == dsl.LayoutDecision(exact=True)
    assert mapper.layout("a", ["t"], "FBMEM") == dsl.LayoutDecision(compact=True)
    assert mapper.layout("b", ["r"], "ZCMEM") == dsl.LayoutDecision(soa=False)
    assert mapper.layout("c", ["r"], "ZCMEM") == dsl.LayoutDecision(c_order=True)
    assert load("Layout a r * AOS;").layout("b", ["r"], "FBMEM") is None


def test_layouts_by_processor_kind() -> None:
    mapper = load("Layout a r GPU AOS; Layout a r FBMEM Compact; Layout a r * Exact;")
    assert mapper.layout("a", ["r"], "FBMEM", "GPU") == dsl.LayoutDecision(compact=True)
    assert mapper.layout("a", ["r"], "ZCMEM", "GPU") == dsl.LayoutDecision(soa=False)
    assert mapper.layout("a", ["r"], "ZCMEM", "CPU") == dsl.LayoutDecision(exact=True)
    assert mapper.layout("a", ["r"], "ZCMEM") == dsl.LayoutDecision(exact=True)


def test_limits_collection_and_replication() -> None:
    mapper = load(
        """
        InstanceLimit a 2; InstanceLimit a 5;
        CollectMemory a r; CollectMemory * s; CollectMemory b *;
        ControlReplicate top, other;
        """
    )
    assert [mapper.instance_limit(task) for task in "ab"] == [2, 0]
    asked = [("a", "r"), ("b", "x"), ("c", "s"), ("c", "r")]
    assert [mapper.collects(task, [name]) for task, name in asked] == [True, True, True, False]
    assert mapper.control_replicated("other")
    assert not mapper.control_replicated("a")


# Maps


def test_a_map_by_name_comes_before_one_by_kind_and_a_star_has_no_effect() -> None:
    mapper = load(f"{FUNCTIONS} IndexTaskMap GPU h; IndexTaskMap a f; IndexTaskMap * h;")
    assert mapper.index_function("a", "GPU") == "f"
    assert mapper.index_function("b", "GPU") == "h"
    assert mapper.index_function("b", "CPU") is None
    assert mapper.index_function("b", None) is None
    assert mapper.has_index_map("a", None)
    assert not mapper.has_single_map("a", "GPU")


def test_without_a_map_the_runtime_decides() -> None:
    mapper = load(f"{FUNCTIONS} IndexTaskMap * f; SingleTaskMap * f;")
    for ask in (
        lambda: mapper.index_map("a", "GPU", (4,)),
        lambda: mapper.index_point("a", "GPU", (4,), (0,)),
        lambda: mapper.single_map("a", "GPU", (0, 0), "GPU"),
    ):
        with pytest.raises(dsl.MapperEvaluationError) as caught:
            ask()
        assert caught.value.code == "no-map-for-task"


def test_an_index_map_is_an_array_of_the_launch_domain() -> None:
    mapper = load("g = Machine(GPU); def f(Task t) { return g[*t.ipoint]; } IndexTaskMap a f;")
    found = mapper.index_map("a", "GPU", (2, 4))
    assert found.dtype == np.int64
    assert found.shape == (2, 4, 2)
    assert np.array_equal(found, np.moveaxis(np.indices((2, 4)), 0, -1))
    assert mapper.index_map("a", "GPU", [2, 4]) is found
    with pytest.raises(ValueError, match="read-only"):
        found[0, 0, 0] = 1


def test_an_empty_launch() -> None:
    mapper = load(f"{FUNCTIONS} IndexTaskMap a f;")
    assert mapper.index_map("a", "GPU", (0,)).shape == (0, 2)


def test_a_launch_of_several_chunks() -> None:
    mapper = load(
        """
        g = Machine(GPU);
        def f(Task t) { return g[t.ipoint[0] / 200 % 2, t.ipoint[1] % 4]; }
        def late(Task t) { return g[t.ipoint[0] / 390, 0]; }
        IndexTaskMap a f; IndexTaskMap b late;
        """
    )
    found = mapper.index_map("a", "GPU", (400, 300))
    x, y = np.indices((400, 300))
    assert np.array_equal(found, np.stack([x // 200 % 2, y % 4], axis=-1))
    assert mapper.index_map("b", "GPU", (780, 300))[-1, 0].tolist() == [1, 0]
    with pytest.raises(dsl.MapperEvaluationError) as caught:
        mapper.index_map("b", "GPU", (800, 300))
    assert caught.value.point == (780, 0)


def test_points_may_lie_outside_of_a_domain_that_starts_at_zero() -> None:
    mapper = load(
        "g = Machine(GPU); def f(Task t) { return g[0, t.ipoint[0] - 9]; }IndexTaskMap a f;"
    )
    assert mapper.index_point("a", "GPU", (4,), (10,)) == (0, 1)


def test_the_kind_is_checked_where_one_is_given() -> None:
    mapper = load(
        """
        g = Machine(GPU);
        def point(Task t) { return g[1, 2]; }
        def ints(Task t) { return (1, 2); }
        def longer(Task t) { return (1, 2, 3); }
        def empty(Task t) { return (1, 2)[1:1]; }
        def general(Task t) { return (1, 1 + 1); }
        IndexTaskMap a point; IndexTaskMap b ints; IndexTaskMap c longer; IndexTaskMap d general;
        IndexTaskMap e empty;
        """
    )

    def code(task: str, kind: str | None) -> str:
        with pytest.raises(dsl.MapperEvaluationError) as caught:
            mapper.index_point(task, kind, (4,), (0,))
        return caught.value.code

    assert mapper.index_point("a", "GPU", (4,), (0,)) == (1, 2)
    assert mapper.index_point("a", None, (4,), (0,)) == (1, 2)
    assert code("a", "CPU") == "kind-mismatch"
    assert mapper.index_point("b", None, (4,), (0,)) == (1, 2)
    assert code("b", "GPU") == "bad-return-type"
    assert mapper.index_point("c", None, (4,), (0,)) == (1, 2, 3)
    assert code("d", None) == "bad-return-type"
    assert code("e", None) == "bad-return-type"
    with pytest.raises(dsl.MapperEvaluationError, match="not a pair"):
        mapper.index_map("c", None, (4,))


def test_single_tasks_ask_for_the_place_of_their_parent() -> None:
    mapper = load(
        """
        g = Machine(GPU);
        def own(Task t) { return g[*t.processor(g)]; }
        def parents(Task t) { p = t.parent; return g[*p.processor(g)]; }
        def all(Task t) { return g[1, *]; }
        SingleTaskMap own own; SingleTaskMap parents parents; SingleTaskMap GPU all;
        """
    )
    assert mapper.single_map("own", "GPU", (1, 2), "GPU") == [(1, 2)]
    assert mapper.single_map("parents", "GPU", (1, 2), "GPU") == [(1, 2)]
    assert mapper.single_map("other", "GPU", (0, 0), "CPU") == [(1, 0), (1, 1), (1, 2), (1, 3)]
    assert mapper.single_map("own", "GPU", None) == [(0, 0)]
    for task, parent, kind, code in (
        ("parents", None, None, "no-parent"),
        ("own", (0, 0), "IO", "processor-outside-machine"),
        ("own", (2, 0), "GPU", "processor-outside-machine"),
    ):
        with pytest.raises(dsl.MapperEvaluationError) as caught:
            mapper.single_map(task, "GPU", parent, kind)
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("ispace", "code"),
    [
        ((MAX_POINTS + 1,), "too-large"),
        ((1000, 1001), "too-large"),
        ((-1,), "launch-domain"),
        ((), "launch-domain"),
        ((1,) * 10, "launch-domain"),
        ((2**31,), "overflow"),
    ],
)
def test_launch_domains_are_bounded(ispace: tuple[int, ...], code: str) -> None:
    mapper = load(f"{FUNCTIONS} IndexTaskMap a f;")
    with pytest.raises(dsl.MapperEvaluationError) as caught:
        mapper.index_map("a", "GPU", ispace)
    assert caught.value.code == code


def test_an_error_of_a_launch_is_remembered_whole() -> None:
    mapper = load("def f(Task t) { return 1 / 0; } IndexTaskMap a f;")
    reports = []
    for _ in range(2):
        with pytest.raises(dsl.MapperEvaluationError) as caught:
            mapper.index_map("a", None, (4,))
        reports.append(str(caught.value))
    assert reports[0] == reports[1]
    assert "return 1 / 0;" in reports[0]


def test_windows_line_ends_leave_no_trace_in_reports() -> None:
    mapper = load("def f(Task t) {\r\n  return 1 / 0;\r\n}\r\nIndexTaskMap a f;\r\n")
    with pytest.raises(dsl.MapperEvaluationError) as caught:
        mapper.index_point("a", None, (4,), (0,))
    assert caught.value.source_line == "  return 1 / 0;"
