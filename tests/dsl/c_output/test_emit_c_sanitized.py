"""Compiled mappers under the address and undefined-behaviour sanitizers."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

import dsl
from tests.dsl.c_output.compiled import SANITIZE, build_driver, compile_all, sanitizing_compiler
from tests.dsl.c_output.test_emit_c import ASKED, AWKWARD, GOLDEN, LIMITS, shape_of
from tests.dsl.random_programs import random_program

COMPILER = sanitizing_compiler()
SHAPE = dsl.MachineShape(nodes=3, processors={"GPU": 4, "CPU": 2})
# Of the vectors one of each kind, and all errors. Each takes a fifth of a second to compile.
CALLS = [case for case in ASKED if "ispace" in case or "parent" in case]
ERRORS = [case for case in CALLS if case["expected"] == "error"]
CASES = {
    "one of each kind": [
        *{case["category"]: case for case in CALLS if case["expected"] != "error"}.values(),
        *{case["error"]["class"]: case for case in ERRORS}.values(),
    ],
    "all errors": ERRORS,
}
DOMAINS = ((5,), (3, 4), (2, 3, 2), (1, 1), (40,))

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no compiler with sanitizers")


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert COMPILER is not None
    return build_driver(COMPILER, tmp_path_factory.mktemp("driver"))


def ask(driver: Path, lines: list[str]) -> list[str]:
    """The driver's answers; a report of a sanitizer is a failure."""
    done = subprocess.run(
        [driver], input="\n".join(lines), capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stderr[:3000]) == (0, "")
    return done.stdout.splitlines()


def built(texts: list[str], folder: Path) -> dict[str, Path]:
    assert COMPILER is not None
    return compile_all(texts, folder, flags=SANITIZE, compiler=COMPILER)


def load_line(library: Path, shape: dsl.MachineShape) -> str:
    counts = " ".join(str(shape.count(kind)) for kind in dsl.PROCESSOR_KINDS)
    return f"P {library} {shape.nodes} {counts}"


def kind_number(kind: str | None) -> int:
    return -1 if kind is None else dsl.PROCESSOR_KINDS.index(kind)


def question(case: dict[str, Any]) -> str:
    kind = kind_number(case["kind"])
    if "parent" in case:
        parent = " ".join(map(str, case["parent"]))
        return f"S {case['task']} {kind} {kind_number(case['parent_kind'])} {parent}"
    domain = " ".join(map(str, [len(case["ispace"]), *case["ispace"], *case["ipoint"]]))
    return f"I {case['task']} {kind} {domain}"


def expected(case: dict[str, Any]) -> list[str]:
    """What the driver answers to loading a case's mapper, and to its question."""
    error = case.get("error")
    if error and error["stage"] == "load":
        return [error["class"]]
    if error:
        return ["loaded", error["class"]]
    points = case.get("expected_set") or case["expected"]
    pairs = points if isinstance(points[0], list) else [points]
    return ["loaded", " ".join(f"{node},{proc}" for node, proc in pairs)]


def said(line: str) -> str:
    """The answer in a line of the driver's, without codes and lengths."""
    code, _, rest = line.partition(" ")
    return rest.split(" ")[0] if code != "0" else rest


@pytest.mark.parametrize(
    "kind", ["one of each kind", pytest.param("all errors", marks=pytest.mark.long)]
)
def test_vectors(driver: Path, kind: str, tmp_path: Path) -> None:
    cases = CASES[kind]
    libraries = built([case["program"] for case in cases], tmp_path)
    lines, wanted = [], []
    for case in cases:
        lines += [load_line(libraries[case["program"]], shape_of(case)), question(case)]
        wanted += expected(case)
    assert [said(line) for line in ask(driver, lines)] == wanted


def test_whatever_is_asked_of_any_mapper(driver: Path, tmp_path: Path) -> None:
    texts = [path.read_text(encoding="utf-8") for path in GOLDEN]
    texts += [*AWKWARD.values(), *LIMITS.values()]
    texts += [random_program(seed, functions=30, noise=0.03) for seed in (1, 2, 3)]
    lines = []
    for library in built(texts, tmp_path).values():
        lines.append(load_line(library, SHAPE))
        tasks = ("work", "solve", "leaf", "leaves", "a", "b", "w", "*", "init")
        for task in [*tasks, *(f"task_{k}" for k in range(30))]:
            lines += questions(task)
    assert len(ask(driver, lines)) > len(lines) / 2


def questions(task: str) -> list[str]:
    lines = [f"R {task} 0 {kind} {memory}" for kind in (-1, 1) for memory in (-1, 1)]
    for extents in DOMAINS:
        domain = " ".join(map(str, [len(extents), *extents]))
        outside = " ".join(str(-extent) for extent in extents)
        lines += [f"D {task} {kind} {domain}" for kind in (-1, 1, 99)]
        lines.append(f"I {task} -1 {domain} {outside}")
    return [*lines, f"S {task} 1 -1 -1 0", f"S {task} 1 1 2 3", f"S {task} 1 2 99 99"]
