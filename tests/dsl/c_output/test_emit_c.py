"""Mappers as C: what it looks like, and that it compiles and decides as the evaluator does."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dsl
from dsl.c_output.compiled_policy import CompiledPolicy, compile_policy
from dsl.c_output.emit_c import ABI_VERSION
from tests.dsl.c_output.compiled import STRICT, compile_all
from tests.dsl.random_programs import random_program
from tests.dsl.test_vectors import _ASKED, ANY_MACHINE, INDEX_MAPS, POLICIES, _index_point

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.mapper"))
HEADER = Path(dsl.__file__).parent / "c_output" / "mapper_abi.h"
SHAPE = dsl.MachineShape(nodes=4, processors={"GPU": 6, "CPU": 2})
BLOCK = """\
m = Machine(GPU);
def block(Task t) {
  return m[*(t.ipoint * m.size / t.ispace)];
}
IndexTaskMap work block;
"""


def shape_of(case: dict[str, Any]) -> dsl.MachineShape:
    machine = dict(case.get("machine", ANY_MACHINE))
    return dsl.MachineShape(nodes=machine.pop("nodes"), processors=machine)


def policy(text: str, shape: dsl.MachineShape = SHAPE) -> CompiledPolicy:
    return CompiledPolicy.of(dsl.parse(text), shape)


# What it looks like


def golden_text(path: Path) -> str:
    """The whole file of the block map; of the others, what the mapper itself becomes."""
    program = dsl.parse(path.read_text(encoding="utf-8"), filename=path.name)
    text = dsl.emit_c(program)
    if path.stem == "block":
        return text
    own = text[text.index("/* ---- The mapper:") : text.index("/* ---- Questions that")]
    rules = own.index("/* ---- Rules")
    return own[:rules] + own[own.index("static const task_rule") :]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_the_c_text_is_as_reviewed(path: Path, *, refresh_golden: bool) -> None:
    reviewed = path.with_suffix(".c")
    if refresh_golden:
        reviewed.write_text(golden_text(path), encoding="utf-8")
    assert golden_text(path) == reviewed.read_text(encoding="utf-8")


def test_the_head_names_the_mapper_and_its_digest() -> None:
    program = dsl.parse("Task * GPU;", filename="best.mapper")
    head = dsl.emit_c(program).splitlines()[:2]
    assert "best.mapper" in head[0]
    assert hashlib.sha256(program.source.encode()).hexdigest()[:16] in head[1]
    assert dsl.emit_c(program, name="a\n*/ b").startswith("/* The mapper a * / b, as C.")


def test_helpers_that_are_not_used_are_left_out() -> None:
    text = dsl.emit_c(dsl.parse("Task * GPU;"))
    assert "space_index" not in text
    assert "auto_split" not in text
    assert len(text) < len(dsl.emit_c(dsl.parse(BLOCK)))


def test_only_the_standard_library_is_included() -> None:
    included = set(re.findall(r"#include (\S+)", dsl.emit_c(dsl.parse(random_program(1)))))
    standard = "setjmp stdarg stdbool stddef stdint stdio stdlib string"
    assert included == {f"<{name}.h>" for name in standard.split()}


# That it compiles


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_compiles_without_a_warning(path: Path, compiler: str, tmp_path: Path) -> None:
    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is not installed")
    text = dsl.emit_c(dsl.parse(path.read_text(encoding="utf-8")))
    flags = ["-Wall", "-Wextra", "-Werror"]
    assert compile_policy(text, tmp_path / "m.so", compiler=[compiler], flags=flags).exists()


AWKWARD = {
    "names": (
        'm = Machine(GPU); # ??/ */ \\\n// é */ \ndef f(Task t) { print("??/ %s {}é */", 1);'
        " return m[0, 0]; }\nIndexTaskMap COUNT f; COUNT = 3; GLOBALS = 4; int32_t = 2;"
        " main = 1; p = 3; value = 4; NULL = 5; printf = 6;"
    ),
    "parameters": (
        "m = Machine(GPU);\n"
        "def f(int a, int a, int a_1, int hidden_1) { value = a; p = a; return value; }\n"
        "def g(Task t) { fail = f(1, 2, 3, 4); return m[fail, 0]; }\nIndexTaskMap w g;"
    ),
    "many locals": (
        "m = Machine(GPU);\ndef f(Task t) { "
        + " ".join(f"v{i} = {i} + m.size[0];" for i in range(300))
        + " return m[v299 % 2, 0]; }\nIndexTaskMap w f;"
    ),
    "uncallable": "a = 2147483648; def no() { return 1; } def nor(Task t, int i) { return i; }",
    "comparison with itself": "def f(Task t) { return 3 == 3 ? (1, 2) : t; } IndexTaskMap w f;",
    "no end": (
        "def f(int a) { return g(a); } def g(int a) { return f(a); }\n"
        "def h(Task t) { return f(1); } IndexTaskMap w h;"
    ),
}


@pytest.mark.parametrize("text", AWKWARD)
def test_awkward_texts_compile(text: str, tmp_path: Path) -> None:
    source = dsl.emit_c(dsl.parse(AWKWARD[text]), name="a\n\\ */ ??/ é")
    assert compile_policy(source, tmp_path / "m.so", flags=STRICT).exists()


# That it decides as the reference does


@pytest.fixture(scope="session")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The mappers of all vectors that parse, compiled."""
    texts = [case["program"] for case in [*INDEX_MAPS, *POLICIES]]
    return compile_all(texts, tmp_path_factory.mktemp("vectors"))


def loaded(case: dict[str, Any], libraries: dict[str, Path]) -> CompiledPolicy:
    program = dsl.parse(case["program"])
    return CompiledPolicy(libraries[case["program"]], shape_of(case), program=program)


ASKED = [
    case
    for case in [*INDEX_MAPS, *POLICIES]
    if case.get("error", {}).get("stage") != "parse"
    and "reference-crash" not in case.get("flags", ())
]


@pytest.mark.parametrize("case", ASKED, ids=lambda case: case["id"])
def test_agrees_with_the_reference(case: dict[str, Any], libraries: dict[str, Path]) -> None:
    family = case["category"].split("/")[0]
    if case["expected"] == "error":
        stage = {"load": dsl.MapperLoadError, "run": dsl.MapperEvaluationError}
        with pytest.raises(stage[case["error"]["stage"]]) as caught:
            _ASKED.get(family, _index_point)(loaded(case, libraries), case)
        assert caught.value.code == case["error"]["class"]
    elif family == "load":
        assert_tables(loaded(case, libraries), case["expected"])
    else:
        answer = _ASKED.get(family, _index_point)(loaded(case, libraries), case)
        assert answer == case["expected"]


def assert_tables(policy: CompiledPolicy, expected: dict[str, Any]) -> None:
    for task, kinds in expected["task_policies"].items():
        assert list(policy.task_kinds(task)) == kinds
    for task, limit in expected["limits"].items():
        assert policy.instance_limit(task) == limit
    for task, region in expected["collect"]:
        assert policy.collects(task, [region])
    for task in expected["control_replicate"]:
        assert policy.control_replicated(task)
    for has, maps in (
        (policy.has_index_map, expected["index_maps"]),
        (policy.has_single_map, expected["single_maps"]),
    ):
        assert not has("a_task_without_a_map", None)
        for key in maps:
            by_kind = key in dsl.PROCESSOR_KINDS
            assert has("some_task" if by_kind else key, key if by_kind else None) == (key != "*")


@pytest.mark.parametrize(
    "case", [case for case in INDEX_MAPS if "printed" in case], ids=lambda case: case["id"]
)
def test_prints_what_the_reference_prints(
    case: dict[str, Any], libraries: dict[str, Path]
) -> None:
    policy = loaded(case, libraries)
    _index_point(policy, case)  # type: ignore[arg-type]
    assert policy.printed == case["printed"]


@pytest.mark.parametrize(
    "case", [case for case in INDEX_MAPS if "expected_set" in case], ids=lambda case: case["id"]
)
def test_a_star_stands_for_all_its_points(
    case: dict[str, Any], libraries: dict[str, Path]
) -> None:
    question = (case["task"], case["kind"], case["ispace"], case["ipoint"])
    points = loaded(case, libraries).index_points(*question)
    assert [list(point) for point in points] == case["expected_set"]


# That it decides as the evaluator does


def outcome(ask: Any, *question: Any, **more: Any) -> Any:
    """An answer, or the code, line and point of the error."""
    try:
        answer = ask(*question, **more)
    except dsl.MapperError as error:
        return error.code, error.line, getattr(error, "point", None)
    return answer.tolist() if hasattr(answer, "tolist") else answer


@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32 - 1), nodes=st.integers(1, 6), gpus=st.integers(0, 8))
def test_random_mappers_decide_alike(seed: int, nodes: int, gpus: int) -> None:
    program = dsl.parse(random_program(seed))
    shape = dsl.MachineShape(nodes=nodes, processors={"GPU": gpus, "CPU": 2})
    mapper, compiled = dsl.load(program, shape), CompiledPolicy.of(program, shape)
    for k in range(12):
        task = f"task_{k}"
        for extents in ((5,), (3, 4), (2, 1, 3)):
            launch = (task, "GPU", extents)
            assert outcome(compiled.index_map, *launch) == outcome(mapper.index_map, *launch)
            last = (task, "GPU", extents, extents)
            assert outcome(compiled.index_points, *last) == outcome(mapper.index_points, *last)
            lower = {"lower": (-3, 2, 7)[: len(extents)]}
            assert outcome(compiled.index_map, *launch, **lower) == outcome(
                mapper.index_map, *launch, **lower
            )
            assert outcome(compiled.index_points, *last, **lower) == outcome(
                mapper.index_points, *last, **lower
            )
        for parent, kind in ((None, None), ((1, 1), "GPU"), ((0, 1), "IO")):
            single = (task, "GPU", parent, kind)
            assert outcome(compiled.single_map, *single) == outcome(mapper.single_map, *single)


# Errors


def test_an_error_says_where_what_and_for_which_point() -> None:
    text = BLOCK.replace("t.ispace", "(t.ispace - (2, 2))")
    compiled = CompiledPolicy.of(dsl.parse(text, filename="best.mapper"), SHAPE)
    with pytest.raises(dsl.MapperEvaluationError) as caught:
        compiled.index_map("work", "GPU", (2, 3))
    error = caught.value
    assert (error.code, error.line, error.point) == ("division-by-zero", 3, (0, 0))
    assert error.source_line == "  return m[*(t.ipoint * m.size / (t.ispace - (2, 2)))];"
    assert str(error).startswith("best.mapper:3:")


LIMITS = {
    "too-deep": "def f(int i) { return f(i + 1); } x = f(1);",
    "too-many-steps": "def f(int i) { return i == 0 ? 1 : f(i - 1) + f(i - 1); } x = f(60);",
    "too-large": "def f(ISpace t) { return f((*t, *t) + (*t, *t)); } x = f((1, 2));",
    "overflow": "def f(int i) { return i * i; } x = f(65536);",
    "auto-split-zero-extent": "x = Machine(GPU).auto_split(0, (0, 1));",
    "balance-split-extent": "x = Machine(OMP).balance_split(1, 2);",
    "duplicate-global": "x = 1; x = 2;",
    "entry-signature": "def f(int i) { return i; } IndexTaskMap a f;",
    "undefined-function": "def f(int i) { return g(i); } x = f(1); def g(int i) { return i; }",
    "undefined-name": "def f(int i) { return y; } x = f(1); y = 2;",
}
# Two things are wrong: which of them is said must not be left to the C compiler.
ORDERS = {
    "division-by-zero": "x = (1, 2) * (1 / 0);",
    "method-on-non-machine": "x = (1, 2).split(True, 1);",
}


@pytest.mark.parametrize("code", [*LIMITS, *ORDERS])
def test_loading_fails_as_the_evaluator_fails(code: str) -> None:
    program = dsl.parse({**LIMITS, **ORDERS}[code])
    with pytest.raises(dsl.MapperLoadError) as expected:
        dsl.load(program, SHAPE)
    with pytest.raises(dsl.MapperLoadError) as caught:
        CompiledPolicy.of(program, SHAPE)
    assert (caught.value.code, caught.value.line) == (code, expected.value.line)


def test_every_code_of_the_evaluator_is_in_the_header() -> None:
    labels = set(re.findall(r'X\(\w+, "([\w-]+)"\)', HEADER.read_text(encoding="utf-8")))
    folder = Path(dsl.__file__).parent
    raised = set()
    for module in (folder / "load.py", *(folder / "evaluation").glob("*.py")):
        text = module.read_text(encoding="utf-8")
        raised |= set(re.findall(r'(?:Fault\(|require\([^"]*?)\s*"([a-z]+(?:-[a-z]+)+)"', text))
    assert "division-by-zero" in raised
    assert raised <= labels


def test_the_version_is_that_of_the_header() -> None:
    found = re.search(r"MAPPER_ABI_VERSION (\d+)", HEADER.read_text(encoding="utf-8"))
    assert found is not None
    assert int(found[1]) == ABI_VERSION


# Compiled policies


def test_a_layout_by_processor_kind_yields_to_one_by_memory() -> None:
    text = "Layout * * GPU AOS; Layout * * FBMEM C_order; Layout * * * Align == 64;"
    mapper, compiled = dsl.load(dsl.parse(text), SHAPE), policy(text)
    for memory in ("FBMEM", "ZCMEM"):
        for kind in ("GPU", "CPU", None):
            place = ("work", ["r"], memory, kind)
            assert compiled.layout(*place) == mapper.layout(*place)


def test_control_replication_and_names() -> None:
    compiled = policy("ControlReplicate top, main; InstanceLimit top 3;")
    assert compiled.control_replicated("main")
    assert not compiled.control_replicated("other")
    assert compiled.instance_limit("other") == 0
    assert compiled.name == "mapper"


def test_long_lists_of_memories_are_whole() -> None:
    text = f"Region * * * {', '.join(['FBMEM', 'ZCMEM'] * 50)};"
    assert policy(text).memories("work", ["r"], "GPU") == ("FBMEM", "ZCMEM") * 50


def test_what_is_no_compiled_mapper_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "no.so"
    path.write_text("not a library")
    with pytest.raises(dsl.MapperLoadError, match="no compiled mapper"):
        CompiledPolicy(path, SHAPE)
    old = dsl.emit_c(dsl.parse("Task * GPU;")).replace("    MAPPER_ABI_VERSION,", "    99,")
    with pytest.raises(dsl.MapperLoadError, match="version 99"):
        CompiledPolicy(compile_policy(old, tmp_path / "old.so"), SHAPE)


def test_a_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(dsl.MapperError, match="no-such-compiler cannot be started"):
        policy("Task * GPU;")
    monkeypatch.setenv("CC", "false")
    with pytest.raises(dsl.MapperError, match="fails"):
        policy("Task * GPU;")
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(dsl.MapperError, match="no C compiler"):
        policy("Task * GPU;")


def test_a_compiler_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    source = dsl.emit_c(dsl.parse(BLOCK))
    with pytest.raises(dsl.MapperError, match="takes more than"):
        compile_policy(source, tmp_path / "m.so", timeout=0.001)


def test_impossible_questions_are_refused() -> None:
    compiled = policy(BLOCK)
    with pytest.raises(dsl.MapperEvaluationError) as caught:
        compiled.index_map("work", "GPU", (2000, 2000))
    assert caught.value.code == "too-large"
    assert compiled.index_map("work", "GPU", (0, 3)).shape == (0, 3, 2)


@pytest.mark.parametrize(
    ("ispace", "lower", "point", "code"),
    [
        ((4, 4), (1,), (1, 1), "launch-domain"),
        ((4, 4), (1, 1, 1), (1, 1), "launch-domain"),
        ((4, 4), None, (1,), "launch-domain"),
        ((4, 4), (1, 1), (1, 1, 1), "launch-domain"),
        ((4, 4), (0, 2**31), (0, 0), "overflow"),
        ((4, 2**31), None, (0, 0), "overflow"),
        ((4, 4), None, (0, -(2**31) - 1), "overflow"),
    ],
)
def test_points_that_are_none_of_a_domain_are_refused_as_the_mapper_does(
    ispace: tuple[int, ...], lower: tuple[int, ...] | None, point: tuple[int, ...], code: str
) -> None:
    """Compiled code would read beyond its arrays, or other numbers than were given."""
    for asked in (policy(BLOCK), dsl.load(dsl.parse(BLOCK), SHAPE)):
        with pytest.raises(dsl.MapperEvaluationError) as caught:
            asked.index_points("work", "GPU", ispace, point, lower=lower)
        assert caught.value.code == code
        if len(point) == len(ispace) and max(map(abs, point)) < 2**31:
            with pytest.raises(dsl.MapperEvaluationError) as caught:
                asked.index_map("work", "GPU", ispace, lower=lower)
            assert caught.value.code == code
