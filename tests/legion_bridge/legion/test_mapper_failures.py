"""What the mapper refuses, in one line and with a code of its own; what its parent survives."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path

import pytest

import dsl
from dsl.c_output.compiled_policy import compile_policy

from .probe_runs import run_policy, run_under

EXIT_CODE = 87
HEAD = "Task * CPU;\nm = Machine(CPU);\n"

REFUSED = {
    "processor-range: task fill": HEAD + "q = m.merge(0, 1);\n"
    "def f(Task t) { return q[-1]; } IndexTaskMap fill f;",
    "proc-bounds: task fill": HEAD
    + "def f(Task t) { return m[0, 1 + t.ipoint[0]]; } IndexTaskMap fill f;",
    "kind-mismatch: task fill": HEAD
    + "o = Machine(IO); def f(Task t) { return o[0, 0]; } IndexTaskMap fill f;",
    "division-by-zero: task fill": HEAD
    + "def f(Task t) { return m[0, 1 / t.ipoint[0]]; } IndexTaskMap fill f;",
    "no-parent: task top": HEAD
    + "def f(Task t) { return m[*t.parent.processor(m)]; } SingleTaskMap top f;",
    "processor-range: task alone": HEAD + "q = m.merge(0, 1);\n"
    "def f(Task t) { return q[-1]; } SingleTaskMap alone f;",
    "division-by-zero: policy": "x = 1 / 0; Task * CPU;",
    "virtual-leaf: task fill region 0": HEAD + "Region fill * * VIRTUAL;",
    "not-replicable: task alone": HEAD + "ControlReplicate alone;",
    "alignment: task fill": HEAD + "Layout fill * * Align==0;",
    "alignment: task smooth": HEAD + "Layout smooth * * Align==3;",
    "alignment: task sum": HEAD + "Layout sum * * AOS Align==24;",
    "out-of-memory: task fill region 0": HEAD + "Region fill * * RDMEM; # 32 MB",
}


@pytest.mark.parametrize("wanted", REFUSED)
def test_a_refusal_is_one_line_and_a_code_of_its_own(wanted: str) -> None:
    text = REFUSED[wanted]
    run = run_under(text, *(("-n", "1440") if "32 MB" in text else ()))
    assert run.code == EXIT_CODE
    assert re.match(rf"{wanted}: \S.*", run.failure)
    assert "Legion" not in run.failure


def test_the_report_holds_the_line_of_a_failure(tmp_path: Path) -> None:
    report = tmp_path / "report"
    text = REFUSED["not-replicable: task alone"]
    run = run_under(text, variables={"MAPPERTUNE_REPORT": str(report), "MAPPERTUNE_LOG": "0"})
    installed, failure = report.read_text().splitlines()
    assert installed.startswith("policy ")
    assert failure == f"mappertune: error: {run.failure}"


def sabotaged(folder: Path, question: str, body: str) -> Path:
    """A policy one of whose answers is replaced by the body of a C function."""
    text = HEAD + "def f(Task t) { return m[0, 0]; } IndexTaskMap CPU f; Layout * * * Align==64;"
    source = dsl.emit_c(dsl.parse(text))
    # What was the answer stays there under another name; the new one takes its parameters.
    head = re.search(rf"static int32_t {question}\([^)]*\)\n", source)
    assert head is not None
    whole = head[0].rstrip()
    source = source.replace(
        whole, whole + ";\n" + whole.replace(f" {question}(", f" old_{question}(", 1), 1
    )
    source += f"\n{whole}\n{{\n    (void)old_{question};\n    {body}\n}}\n"
    return compile_policy(source, folder / "policy.so", flags=("-w",))


@pytest.mark.parametrize(
    "shards", ["0", "1025", "-1", "two", "2x", " 2", "1e3", "99999999999999999999"]
)
def test_shards_that_make_no_sense_are_refused(shards: str, tmp_path: Path) -> None:
    report = tmp_path / "report"
    variables = {"MAPPERTUNE_SHARDS": shards, "MAPPERTUNE_REPORT": str(report)}
    run = run_under("Task * CPU;", variables=variables)
    assert run.code == EXIT_CODE
    assert run.failure == (
        f"bad-setting: MAPPERTUNE_SHARDS: '{shards}' is no whole number from 1 to 1024: "
        "set it to one, or unset it"
    )
    assert report.read_text() == f"mappertune: error: {run.failure}\n"


def test_no_shards_are_one() -> None:
    run = run_under(HEAD + "ControlReplicate top;", variables={"MAPPERTUNE_SHARDS": ""})
    assert run.code == 0
    assert run.decisions("replicate") == ["top shards=0"]


NONSENSE = {
    "index_point": "*count = 1; points[0] = (mapper_point){7, 99}; return 0;",
    "task_kinds": "static const int8_t k[] = {42}; *kinds = k; *count = 1; return 0;",
    "memories": "memories[0] = 99; *count = 1; return 0;",
    "layout": "memset(layout, 1, sizeof *layout); return 0;",
    "instance_limit": "*limit = -3; return 0;",
    "has_map": "return 12345;",
}


@pytest.mark.parametrize("question", NONSENSE)
def test_nonsense_is_refused(question: str, tmp_path: Path) -> None:
    run = run_policy(sabotaged(tmp_path, question, NONSENSE[question]))
    assert run.code == EXIT_CODE
    assert re.match(r"(bad-call|processor-range): task \w+: \S", run.failure)


def test_a_count_without_sense_is_refused(tmp_path: Path) -> None:
    run = run_policy(sabotaged(tmp_path, "index_point", "*count = -5; return 0;"))
    assert (run.code, run.failure.split(":")[0]) == (EXIT_CODE, "bad-call")


def test_a_policy_that_crashes_ends_the_run_by_a_signal(tmp_path: Path) -> None:
    policy = sabotaged(tmp_path, "index_point", "*(volatile int *)8 = 1; return 0;")
    assert run_policy(policy).code in {-signal.SIGSEGV, -signal.SIGABRT}


def test_a_policy_that_loops_is_stopped(tmp_path: Path) -> None:
    policy = sabotaged(tmp_path, "index_point", "for (;;) *(volatile int32_t *)count = 1;")
    with pytest.raises(subprocess.TimeoutExpired):
        run_policy(policy, timeout=3.0)


def test_a_policy_that_is_none_is_refused(tmp_path: Path) -> None:
    missing = run_policy(tmp_path / "missing.so")
    assert missing.failure.startswith("no-policy: policy: it cannot be loaded: ")
    other = run_policy(compile_policy("int answer = 42;", tmp_path / "other.so"))
    assert "it lacks mapper_policy_api" in other.failure
    assert {missing.code, other.code} == {EXIT_CODE}


def test_a_policy_of_another_version_is_refused(tmp_path: Path) -> None:
    source = dsl.emit_c(dsl.parse("Task * CPU;"))
    newer = source.replace("#define MAPPER_ABI_VERSION 2", "#define MAPPER_ABI_VERSION 3")
    run = run_policy(compile_policy(newer, tmp_path / "newer.so"))
    assert run.code == EXIT_CODE
    assert run.failure.startswith("policy-version: policy: ")


def test_every_code_of_the_mapper_is_documented() -> None:
    root = Path(__file__).parents[3]
    page = (root / "docs/legion.md").read_text()
    sources = (root / "legion_bridge/legion/mapper").glob("*.cc")
    codes = {
        code for path in sources for code in re.findall(r'fail\(\s*"([a-z-]+)"', path.read_text())
    }
    assert len(codes) > 15
    assert {code for code in codes if f"`{code}`" not in page} == set()
