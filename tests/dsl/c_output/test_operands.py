"""Operands of every kind in every place: the C file and the evaluator answer or fail alike.

Which of two wrong operands is told, and whether an operand is looked at at all, is what differs
easily: a constant is known while the C file is written, and ``&&``, ``||`` and ``? :`` need not
evaluate what stands on their right.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pytest

import dsl
from dsl.c_output.compiled_policy import CompiledPolicy, compile_policy
from tests.dsl.c_output.compiled import STRICT
from tests.dsl.c_output.test_emit_c import outcome

Extents: TypeAlias = tuple[int, ...]
SHAPE = dsl.MachineShape(nodes=2, processors={"GPU": 4})
HEAD = """\
m = Machine(GPU);
yes = True;
two = 2;
pair = (3, 0);
def half(int a) { return 4 / a; }
def positive(int a) { return a > 0; }
"""
ATOMS = (
    *("0", "1", "4", "two", "2147483647", "True", "False", "yes", "(1, 2)", "(0, True)", "pair"),
    *("t.ipoint", "t.ipoint[0]", "t.ipoint[1]", "t.ipoint[-3]", "m.size", "m", "m[0, 0]", "t"),
    *("GPU", "nowhere", "1 / 0", "half(t.ipoint[0])", "positive(t.ipoint[0])", "pair[2]"),
    *("positive(yes)", "m[9, 9]", "-True", "-pair", "tuple(i / two for i in (4, 2))", "t.parent"),
)
BINARY = ("||", "&&", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%")
FORMS = (
    *(f"({{}} {operator} {{}})" for operator in BINARY),
    *("({} || {})", "({} && {})", "({} ? {} : {})", "({} ? {} : {})", "-{}", "({}, {})", "{}[{}]"),
    *("half({})", "positive({})", "tuple({} for i in ({}, {}))"),
)
# Where the domain is of one dimension, t.ipoint[1] is out of range.
QUESTIONS = (((3,), (1,)), ((3,), (0,)), ((2, 3), (1, 0)), ((2, 3), (0, 2)))


def every_pair() -> list[str]:
    """Each operator between any two atoms of different kinds."""
    kinds = ("4", "t.ipoint[1]", "True", "positive(t.ipoint[0])", "t.ipoint", "m", "1 / 0")
    pairs = list(itertools.product(kinds, repeat=2))
    return [
        *(f"{one} {operator} {other}" for operator in BINARY for one, other in pairs),
        *(f"{one} ? {other} : 4" for one, other in pairs),
        *(f"yes ? {one} : {other}" for one, other in pairs),
        *(
            f"(1, 2) {operator} {other}"
            for operator in BINARY
            for other in ("pair", "4", "nowhere")
        ),
        *(
            "t.ipoint[1] || 4",
            "t.ipoint[1] && 4",
            "1 / 0 || 4",
            "1 / 0 && 4",
            "True || 4 && 1 / 0",
        ),
    ]


def random_expressions(seed: int, count: int) -> list[str]:
    rng = random.Random(seed)

    def expression(depth: int) -> str:
        if depth == 0 or rng.random() < 0.2:
            return rng.choice(ATOMS)
        form = rng.choice(FORMS)
        return form.format(*(expression(depth - 1) for _ in range(form.count("{}"))))

    return [expression(rng.randint(1, 3)) for _ in range(count)]


def assert_alike(expressions: list[str], folder: Path) -> None:
    """Asks both for all expressions, in one compilation."""
    functions = "".join(
        f'def f{n}(Task t) {{ x = {text}; print("{{}}", x); return m[0, 0]; }} '
        f"IndexTaskMap task_{n} f{n};\n"
        for n, text in enumerate(expressions)
    )
    program = dsl.parse(HEAD + functions)
    library = compile_policy(dsl.emit_c(program), folder / "m.so", flags=STRICT)
    compiled, mapper = CompiledPolicy(library, SHAPE, program=program), dsl.load(program, SHAPE)

    def differing(question: str, arguments: tuple[tuple[Extents, ...], ...]) -> list[object]:
        ask = [getattr(each, question) for each in (compiled, mapper)]
        return [
            (text, where, *answers)
            for number, text in enumerate(expressions)
            for where in arguments
            if len(set(map(repr, answers := _answers(ask, f"task_{number}", where)))) > 1
        ]

    assert not differing("index_points", QUESTIONS)
    assert compiled.printed.splitlines() == mapper.printed.splitlines()
    assert not differing("index_map", tuple((extents,) for extents, _ in QUESTIONS[1:3]))


def _answers(ask: Sequence[Any], task: str, where: tuple[Extents, ...]) -> list[object]:
    return [outcome(each, task, "GPU", *where) for each in ask]


def test_every_operator_takes_or_refuses_every_pair(tmp_path: Path) -> None:
    assert_alike(every_pair(), tmp_path)


def test_random_expressions(tmp_path: Path) -> None:
    assert_alike(random_expressions(0, 250), tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 4))
def test_many_random_expressions(seed: int, tmp_path: Path) -> None:
    assert_alike(random_expressions(seed, 800), tmp_path)
