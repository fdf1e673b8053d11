"""Nothing but a MapperError comes of any text, and a launch agrees with its points."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dsl
from tests.dsl.mapper_texts import any_texts, mappers

SHAPE = dsl.MachineShape(nodes=2, processors={"GPU": 4, "CPU": 1})
VECTORS = json.loads(
    (Path(__file__).parents[1] / "data" / "dsl_vectors.json").read_text(encoding="utf-8")
)
PROGRAMS = [case["program"] for case in [*VECTORS["index_maps"], *VECTORS["policies"]]]


def outcome(ask: Callable[..., Any], *arguments: Any) -> Any:
    """An answer, or what an error says: a pair of the point and the report."""
    try:
        return ask(*arguments)
    except dsl.MapperEvaluationError as error:
        return error.point, str(error)


def ask_everything(text: str) -> None:
    """Asks all there is to ask of a text; only a MapperError may come of it."""
    try:
        mapper = dsl.load(dsl.parse(text), SHAPE)
    except dsl.MapperError as error:
        str(error)
        return
    for task in ("work", "a", "GPU"):
        kinds = mapper.task_kinds(task)
        assert set(kinds) <= set(dsl.PROCESSOR_KINDS)
        for kind in ("GPU", None):
            outcome(mapper.index_map, task, kind, (3, 2))
            outcome(mapper.index_point, task, kind, (3, 2), (-1, 7))
            outcome(mapper.single_map, task, kind, (1, 2), "GPU")
        mapper.memories(task, ["r", "0"], "GPU")
        mapper.layout(task, ["r", "0"], "FBMEM", "GPU")
        assert isinstance(mapper.printed, str)


@settings(max_examples=200, deadline=None)
@given(any_texts)
def test_any_text_is_a_program_or_a_syntax_error(text: str) -> None:
    ask_everything(text)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(PROGRAMS), st.data())
def test_programs_with_a_piece_changed(program: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(program)))
    end = data.draw(st.integers(start, min(len(program), start + 12)))
    piece = data.draw(
        st.sampled_from(["", ";", "}", "{", "(", ")", "*", ":", "GPU", "9", "//", "x"])
    )
    ask_everything(program[:start] + piece + program[end:])


@settings(max_examples=200, deadline=None)
@given(mappers)
def test_a_launch_agrees_with_its_points(text: str) -> None:
    mapper = dsl.load(dsl.parse(text), SHAPE)
    asked = ("work", "GPU", (3, 4))
    alone = [outcome(mapper.index_point, *asked, point) for point in np.ndindex(3, 4)]
    failures = [answer for answer in alone if isinstance(answer[1], str)]
    whole = outcome(mapper.index_map, *asked)
    if failures:
        assert whole == failures[0]
    else:
        assert whole.reshape(-1, 2).tolist() == [list(point) for point in alone]


@settings(max_examples=200, deadline=None)
@given(mappers)
def test_random_mappers_answer_everything(text: str) -> None:
    ask_everything(text)


HUGE = {
    "parentheses": "x = " + "(" * 20_000 + "1" + ")" * 20_000 + ";",
    "open parentheses": "x = " + "(" * 20_000,
    "minuses": "x = " + "-" * 20_000 + "1;",
    "stars": "x = " + "*" * 20_000 + "1;",
    "sums": "x = 1" + " + 1" * 20_000 + ";",
    "indices": "x = m" + "[0]" * 20_000 + ";",
    "calls": "x = " + "f(" * 10_000 + "1" + ")" * 10_000 + ";",
    "conditionals": "x = " + "a ? " * 10_000 + "1" + " : 1" * 10_000 + ";",
    "braces": "{" * 20_000,
    "digits": "x = " + "9" * 300_000 + ";",
    "names": "Task " + ",".join(["a"] * 20_000) + " GPU;",
    "elements": "x = (" + "1," * 20_000 + "1);",
    "computed elements": "x = (" + "1 + 1," * 10_000 + "1);",
    "statements": "Task a GPU;\n" * 10_000,
    "mistakes": "Task a GPU\n" * 10_000,
    "bad characters": "!" * 50_000,
    "open text": 'print("' * 20_000,
    "comprehensions": (
        "def f(int a) { return "
        + "".join(f"tuple({'' if i < 5 else 'a'}" for i in range(6))
        + "".join(f" for x{i} in ({','.join('1' * 50)}))" for i in range(6))
        + "; } x = f(1);"
    ),
    "names within names": (
        "def f(int a) { return tuple(x for x in (tuple(y for y in (x, x)), 1)); } x = f(1);"
    ),
    "dimensions": "m = Machine(GPU); m1 = m" + "".join(".split(0, 1)" for _ in range(80)) + ";",
}


@pytest.mark.parametrize("text", HUGE.values(), ids=HUGE.keys())
def test_huge_texts_end_soon(text: str) -> None:
    start = time.perf_counter()
    ask_everything(text)
    assert time.perf_counter() - start < 20


DEEP = [text[:4000] + text[-4000:] for text in HUGE.values()]


def test_deep_texts_need_no_deep_stack() -> None:
    def deeper(levels: int) -> None:
        if levels:
            deeper(levels - 1)
            return
        for text in DEEP:
            ask_everything(text)

    deeper(300)


def test_evaluation_needs_no_deep_stack() -> None:
    nested = "(n < 1 ? 0 : 1 + " * 40 + "g(n - 1)" + ")" * 40
    text = f"m = Machine(GPU); def g(int n) {{ return n < 1 ? 0 : {nested} - 40; }}"
    text += "def f(Task t) { return m[0, g(t.ipoint[0])]; } IndexTaskMap work f;"
    program = dsl.parse(text)

    def deeper(levels: int) -> object:
        if levels:
            return deeper(levels - 1)
        return dsl.load(program, SHAPE).index_map("work", "GPU", (150,)).tolist()

    assert deeper(600) == [[0, 0]] * 150


@pytest.mark.parametrize("extent", [17_161, 17_159, 16_384, 30_030 // 2])
def test_large_primes_and_rich_numbers_split_fast(extent: int) -> None:
    text = "m = Machine(GPU); def f(Task t) { q = m.auto_split(1, (7, 5, t.ipoint[0] + 1));"
    text += "return q[0, 0, 0, 0]; } IndexTaskMap work f;"
    shape = dsl.MachineShape(nodes=1, processors={"GPU": extent})
    start = time.perf_counter()
    mapper = dsl.load(dsl.parse(text), shape)
    assert mapper.index_map("work", "GPU", (4,)).tolist() == [[0, 0]] * 4
    assert time.perf_counter() - start < 5
