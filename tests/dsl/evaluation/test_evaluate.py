"""What expressions, functions and scopes mean (sections 3, 4, 8 and 9)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dsl
from dsl.evaluation.methods import INDEX_LAUNCH_WARNING
from dsl.limits import MAX_CALL_DEPTH

SHAPE = dsl.MachineShape(nodes=3, processors={"GPU": 4, "CPU": 2})
HEAD = """
m = Machine(GPU);
def twice(int a) { return a * 2; }
def pair(int a) { return (a, a); }
def row(IPoint p) { return p[0]; }
def both(bool b, bool c) { return b && c; }
def nodes(MSpace s) { return s.size[0]; }
def factorial(int n) { return n < 2 ? 1 : n * factorial(n - 1); }
def gcd(int a, int b) { return b == 0 ? a : gcd(b, a % b); }
def forever(int n) { return forever(n + 1); }
def taken(Task t) { return m[0, 0]; }
def quiet(int a) { x = a; }
def space(int a) { return m; }
"""


def mapper_of(body: str) -> dsl.Mapper:
    text = f"{HEAD}def f(Task t) {{ {body} }}\nIndexTaskMap work f;"
    return dsl.load(dsl.parse(text), SHAPE)


def printed(expression: str) -> str:
    """How print shows the value of an expression, in a launch of 4 x 6 at its point (1, 5)."""
    mapper = mapper_of(f'print("{{}}", {expression}); return m[0, 0];')
    assert mapper.index_point("work", "GPU", (4, 6), (1, 5)) == (0, 0)
    return mapper.printed.removesuffix("\n")


def code_of(expression: str) -> str:
    """The code of the error that an expression gives."""
    mapper = mapper_of(f"x = {expression}; return m[0, 0];")
    with pytest.raises(dsl.MapperEvaluationError) as caught:
        mapper.index_point("work", "GPU", (4, 6), (1, 5))
    return caught.value.code


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        # Integers are those of C
        ("-7 / 2", "-3"),
        ("-7 % 3", "-1"),
        ("7 % -3", "1"),
        ("7 / -2", "-3"),
        ("2147483647 - 1", "2147483646"),
        ("-2147483647 - 1", "-2147483648"),
        ("- -1", "1"),
        ("-(2 + 3)", "-5"),
        ("-(1, 2)", "-1,-2"),
        ("-t.ipoint[1]", "-5"),
        # Bools
        ("True && False || True", "BoolValNode: true\n"),
        ("True == False", "BoolValNode: false\n"),
        ("1 < 2 == True", "BoolValNode: true\n"),
        # Conditionals
        ("t.ipoint[0] > 0 ? 1 : nowhere", "1"),
        ("True ? False ? 1 : 2 : 3", "2"),
        # Tuples
        ("(1, 2) + (3, 4) * (5, 6)", "16,26"),
        ("(1, (2, 3))", "1,2,3"),
        ("t.ipoint * (6, 1)", "6,5"),
        ("(t.ipoint[0], 2).volume", "2"),
        ("(4, 5, 6)[-1]", "6"),
        ("(4, 5, 6)[0:2]", "4,5"),
        ("(4, 5, 6)[:]", "4,5,6"),
        ("(4, 5, 6)[1:]", "5,6"),
        ("(4, 5, 6)[0:0]", "4,5,6"),
        ("(4, 5, 6)[:-1]", "4,5"),
        ("(4, 5, 6)[-2:-1]", "5"),
        ("(4, 5, 6)[2:1].len", "0"),
        ("(4, 5, 6)[2:1].volume", "1"),
        ("(4, 5, 6)[9:].len", "0"),
        ("(0, *(1, 2), 3).len", "4"),
        ("t.ispace.volume", "24"),
        ("(True, 1)[1]", "1"),
        # Comprehensions
        ("tuple(k * 2 for k in (1, 2, t.ipoint[1]))", "2,4,10"),
        ("tuple(tuple(i + j for j in (0, 1)) for i in (10, 20))", "10,11,20,21"),
        ("tuple(x.size[0] for x in (m, m.split(0, 1)))", "3,1"),
        ("tuple(Machine(k).size[1] for k in (GPU, CPU))", "4,2"),
        # Functions
        ("twice(t.ipoint[1])", "10"),
        ("gcd(*(12, 18))", "6"),
        ("row(t.ipoint + (3, 0))", "4"),
        ("row(m[1, 2])", "1"),
        ("nodes(m.swap(0, 1))", "4"),
        ("factorial(12)", "479001600"),
        ("(pair(1) + (0, 0)).len", "2"),
        # Machines
        ("m", "Processor GPU: 3 4 \n"),
        ("m.len", "2"),
        ("m.volume", "12"),
        ("m[:-1]", "3"),
        ("Machine(OMP).size", "3,0"),
        ("m[1, 2] + (0, 1)", "1,3"),
        ("m[1, *]", "1,0\n1,1\n1,2\n1,3\n"),
        ("t.processor(m)", "0,0"),
    ],
)
def test_values(expression: str, value: str) -> None:
    assert printed(expression).removeprefix(INDEX_LAUNCH_WARNING) == value


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ("2147483647 + 1", "overflow"),
        ("-2147483647 - 2", "overflow"),
        ("65536 * 65536", "overflow"),
        ("(-2147483647 - 1) / -1", "overflow"),
        ("(-2147483647 - 1) % -1", "overflow"),
        ("-(-2147483647 - 1)", "overflow"),
        ("(65536, 65536).volume", "overflow"),
        ("1 / 0", "division-by-zero"),
        ("1 % (t.ipoint[0] - 1)", "division-by-zero"),
        ("1 && 2", "type-mismatch"),
        ("1 < 2 < 3", "type-mismatch"),
        ("True < False", "type-mismatch"),
        ("1 == True", "type-mismatch"),
        ("t.ipoint * 2", "type-mismatch"),
        ("t.ipoint == t.ipoint", "type-mismatch"),
        ("(1, 2) + (1, 2, 3)", "type-mismatch"),
        ("((1, 2), 3) + (1, 2)", "type-mismatch"),
        ("*-1", "type-mismatch"),
        ("(1, *t.ipoint + (0, 0))", "type-mismatch"),
        ("False && nowhere", "undefined-name"),
        ("True || 1 / 0 == 1", "division-by-zero"),
        ("1 ? 2 : 3", "condition-not-bool"),
        ("True ? 1 : 2 ? 3 : 4", "condition-not-bool"),
        ("-(t.ipoint[0], 1)", "bad-negate"),
        ("-(1, -2)", "bad-negate"),
        ("-True", "bad-negate"),
        ("-m", "bad-negate"),
        ("*", "bad-assign"),
        ("*t.ipoint", "bad-assign"),
        ("GPU", "bad-assign"),
        ("FBMEM", "bad-assign"),
        ("twice", "bad-assign"),
        ("m[*, 0]", "bad-assign"),
        ("(1, *3)", "bad-unpack"),
        ("(1, *m[*, 0])", "bad-unpack"),
        ("(4, 5)[2]", "index-bounds"),
        ("(4, 5)[-3]", "index-bounds"),
        ("(4, 5)[(0, 1)]", "bad-index"),
        ("(4, 5)[0, 1]", "bad-index"),
        ("(4, 5)[True]", "bad-index"),
        ("3[0]", "bad-index"),
        ("(4, 5, 6)[0:3]", "slice-bounds"),
        ("(4, 5, 6)[-4:]", "slice-bounds"),
        ("(4, 5)[1:1][:]", "slice-bounds"),
        ("(4, 5)[True:]", "bad-index"),
        ("((1, 2), m).len", "bad-member"),
        ("t.size", "bad-member"),
        ("m.ipoint", "bad-member"),
        ("m.split", "bad-member"),
        ("t.parent", "no-parent"),
        ("m.size(0)", "method-arity"),
        ("m.split(0)", "method-arity"),
        ("m.split(True, 1)", "arg-type"),
        ("m.auto_split(0, 3)", "autosplit-arg"),
        ("m.auto_split(0, (4, 5)[1:1])", "autosplit-arg"),
        ("m[0, 0].has(FBMEM)", "has-always-fails"),
        ("t.ipoint.merge(0, 1)", "method-on-non-machine"),
        ("Machine(3)", "machine-arg"),
        ("Machine.size", "machine-arg"),
        ("twice(1, 2)", "arity"),
        ("twice(True)", "arg-type"),
        ("row(pair(1))", "arg-type"),
        ("row((1, 2 + 0))", "arg-type"),
        ("taken(t)", "arg-type"),
        ("nowhere(1)", "undefined-function"),
        ("m(1)", "not-a-function"),
        ("(twice, 1)[0](1)", "not-a-function"),
        ("quiet(1)", "no-return"),
        ("space(1)", "bad-return-type"),
        ("forever(0)", "too-deep"),
        ("tuple(x for x in (x, 1))", "too-deep"),
    ],
)
def test_errors(expression: str, code: str) -> None:
    assert code_of(expression) == code


def test_hints_of_evaluation() -> None:
    def hint(expression: str) -> str:
        mapper = mapper_of(f"x = {expression}; return m[0, 0];")
        with pytest.raises(dsl.MapperEvaluationError) as caught:
            mapper.index_point("work", "GPU", (4, 6), (1, 5))
        return caught.value.hint or ""

    assert "mgpu = Machine(GPU);" in hint("mgpu[0, 0]")
    assert "did you mean twice?" in hint("twise(1)")
    assert "compare the ints first" in hint("1 && 2")
    assert "parentheses" in hint("True ? 1 : 2 ? 3 : 4")
    assert "m[*t]" in hint("m[t.ipoint]")
    assert "v + (0, 0)" in hint("row(pair(1))")
    assert "same length" in hint("t.ipoint * 2")
    assert "a < b && b < c" in hint("1 < 2 < 3")


def test_an_error_names_its_place() -> None:
    text = "m = Machine(GPU);\ndef f(Task t) {\n  i = t.ipoint[0];\n  return m[i, 0];\n}\n"
    mapper = dsl.load(dsl.parse(text + "IndexTaskMap work f;", filename="a.mapper"), SHAPE)
    with pytest.raises(dsl.MapperEvaluationError) as caught:
        mapper.index_map("work", "GPU", (8,))
    error = caught.value
    assert (error.code, error.point, error.line, error.column) == ("node-bounds", (3,), 4, 10)
    assert str(error).split("\n") == [
        "a.mapper:4:10: node 3 is out of range: the machine has 3 nodes",
        "      return m[i, 0];",
        "             ^^^^^^^",
        "hint: take the index modulo the size, as in i % m.size[0]",
    ]


def test_the_first_assignment_of_a_local_wins() -> None:
    mapper = mapper_of("x = 1; x = 2; t = 3; return m[x, t.ipoint[0]];")
    assert mapper.index_point("work", "GPU", (4,), (2,)) == (1, 2)


def test_the_first_of_two_parameters_of_one_name_counts() -> None:
    text = "m = Machine(GPU); def g(int a, int a) { return a; }"
    text += "def f(Task t) { return m[g(1, 2), 0]; } IndexTaskMap work f;"
    mapper = dsl.load(dsl.parse(text), SHAPE)
    assert mapper.index_point("work", "GPU", (4,), (2,)) == (1, 0)


def test_a_callee_sees_globals_and_not_the_locals_of_its_caller() -> None:
    text = "c = 2; def g(int a) { return a + c + d; } def f(Task t) { d = 1; return m[g(0), 0]; }"
    mapper = dsl.load(dsl.parse(text + "m = Machine(GPU); IndexTaskMap work f;"), SHAPE)
    with pytest.raises(dsl.MapperEvaluationError, match="d is not defined"):
        mapper.index_point("work", "GPU", (4,), (2,))


def test_surplus_arguments_of_print_are_not_evaluated() -> None:
    mapper = mapper_of('print("{}", 1, 1 / 0); print("a {} b"); return m[0, 0];')
    with pytest.raises(dsl.MapperEvaluationError) as caught:
        mapper.index_point("work", "GPU", (4,), (2,))
    assert caught.value.code == "print-args"


def test_a_launch_prints_point_by_point() -> None:
    body = """
    i = t.ipoint[0];
    x = i % 2 == 0 ? even(i) : i;
    print("{} {}", i, x);
    return m[0, i];
    """
    text = 'm = Machine(GPU); def even(int i) { print("even {}", i); return 0 - i; }'
    text += f"def f(Task t) {{ {body} }} IndexTaskMap work f;"
    mapper = dsl.load(dsl.parse(text), SHAPE)
    mapper.index_map("work", "GPU", (4,))
    assert mapper.printed == "even 0\n0 0\n1 1\neven 2\n2 -2\n3 3\n"


# Many points at once


def outcome(ask: Callable[..., Any], *arguments: Any) -> Any:
    """An answer, or what an error says."""
    try:
        return ask(*arguments)
    except dsl.MapperEvaluationError as error:
        return error.point, str(error)


DIVIDED = {
    "nested conditionals": "i = t.ipoint[0]; x = i > 2 ? (i > 5 ? 2 : 1) : 0; return m[x, i % 4];",
    "recursion": "i = t.ipoint[0]; return m[gcd(i, 6) % 3, factorial(i) % 4];",
    "tuples of two lengths": "v = t.ipoint[0] > 3 ? (1, 2) : (1, 2, 3); return m[0, v.len];",
    "ints and bools": "i = t.ipoint[0]; v = i > 3 ? i : i > 1; return m[0, i > 3 ? v - 4 : 0];",
    "machines": "q = t.ipoint[0] > 3 ? m : m.swap(0, 1); return q[0, q.len];",
    "factors": "q = m.split(1, t.ipoint[0] % 4 + 1); return q[0, 0, q.size[2] - 1];",
    "extents": "q = m.auto_split(1, (t.ipoint[0] % 3 + 1, 2)); return q[0, 0, q.size[2] - 1];",
    "dimensions": "q = m.split(t.ipoint[0] % 2, 1); return q[0, 0, 0];",
    "indices of tuples": "i = t.ipoint[0]; return m[(2, 0, 1, 2)[i % 4], (3, 1)[0 - i % 2 - 1]];",
    "mixed tuples": "i = t.ipoint[0]; w = (m, 1)[i / 4]; return m[0, i > 3 ? w : w.len];",
    "slices": "v = (1, 2, 3, 0); return m[0, v[t.ipoint[0] % 4:].len % 4];",
    "stars by value": "return m[t.ipoint[0] % 3, t.ipoint[0] - 1 > 3 ? 0 - 1 : 0];",
    "stars": "return m[t.ipoint[0] % 3, *];",
    "single values": "return t.ipoint[0] > 3 ? m[1, *] : m[2, 2];",
    "uniform": "return m[t.ispace[0] % 3, 1];",
    "a failing branch": "i = t.ipoint[0]; return m[i > 3 ? i / (i - 6) : 0, 0];",
    "a late failure first": "i = t.ipoint[0]; x = 1 / (i - 5); return m[0, i == 2 ? 9 : 0];",
    "overflow": "i = t.ipoint[0]; return m[0, i * 400000000 / 400000000 % 4];",
    "shapes then failure": "v = t.ipoint[0] > 3 ? (1, 2) : (1, 2, 3); return m[0, v[2]];",
    "not a point": "return t.ipoint[0] > 3 ? m[0, 0] : (0, 0);",
    "slice of a machine": "q = m.slice(1, 1, 2); return q[0, t.ipoint[0]];",
    "spliced branches": "return m[*(t.ipoint[0] > 3 ? (0, 1) : (1, 2))];",
    "tasks in tuples": "v = (t, 1); w = t.ipoint[0] > 3 ? v : (t, 2); return m[0, w[1]];",
    "sets in tuples": "v = (m[*, 0], 1); return m[0, t.ipoint[0] > 3 ? v[1] : 0];",
}


@pytest.mark.parametrize("body", DIVIDED.values(), ids=DIVIDED.keys())
@pytest.mark.parametrize("ispace", [(8,), (1,), (3,)], ids=str)
def test_a_launch_agrees_with_its_points(body: str, ispace: tuple[int, ...]) -> None:
    mapper = mapper_of(body)
    alone = [
        outcome(mapper.index_point, "work", "GPU", ispace, point) for point in np.ndindex(*ispace)
    ]
    failures = [answer for answer in alone if isinstance(answer[1], str)]
    whole = outcome(mapper.index_map, "work", "GPU", ispace)
    assert whole == failures[0] if failures else whole.tolist() == [list(p) for p in alone]


def test_many_conditionals_of_many_points_stay_fast() -> None:
    lines = [f"x{i} = t.ipoint[0] / {2**i} % 2 == 0 ? {i} : t.ipoint[0] % 7;" for i in range(16)]
    total = " + ".join(f"x{i}" for i in range(16))
    mapper = mapper_of(f"{' '.join(lines)} return m[({total}) % 3, 0];")
    start = time.perf_counter()
    assert mapper.index_map("work", "GPU", (65536,)).shape == (65536, 2)
    assert time.perf_counter() - start < 5


# Bounds


def test_recursion_is_bounded() -> None:
    text = "m = Machine(GPU); def g(int n) { return n == 0 ? 0 : 1 + g(n - 1); }"
    text += "def f(Task t) { return m[0, g(t.ispace[0]) - t.ispace[0]]; } IndexTaskMap work f;"
    mapper = dsl.load(dsl.parse(text), SHAPE)
    deepest = MAX_CALL_DEPTH - 2
    assert mapper.index_point("work", "GPU", (deepest,), (0,)) == (0, 0)
    with pytest.raises(dsl.MapperEvaluationError) as caught:
        mapper.index_point("work", "GPU", (deepest + 1,), (0,))
    assert caught.value.code == "too-deep"


@pytest.mark.parametrize(
    ("helper", "code"),
    [
        ("def g(int n) { return n == 0 ? 1 : g(n - 1) + g(n - 1); }", "too-many-steps"),
        (
            "def g(int n) { return n == 0 ? 1 : h(n); } def h(int n) { return g(n) + 1; }",
            "too-deep",
        ),
        (
            "def d(int n) { return n == 0 ? (1, 1) : (*d(n - 1), *d(n - 1)); }\
             def g(int n) { return d(n).len; }",
            "too-large",
        ),
        (
            "def d(int n) { return n == 0 ? (1, m) : (d(n - 1), m); }\
             def g(int n) { return d(n)[0][1].len; }",
            "too-deep",
        ),
    ],
    ids=["exponential", "mutual", "doubling", "nested"],
)
@pytest.mark.parametrize("ispace", [(1,), (100_000,)], ids=["one", "many"])
def test_evaluation_is_bounded(helper: str, code: str, ispace: tuple[int, ...]) -> None:
    text = f"m = Machine(GPU); {helper} def f(Task t) {{ return m[0, g(60)]; }} IndexTaskMap w f;"
    mapper = dsl.load(dsl.parse(text), SHAPE)
    start = time.perf_counter()
    with pytest.raises(dsl.MapperEvaluationError) as caught:
        mapper.index_map("w", "GPU", ispace)
    assert caught.value.code == code
    assert time.perf_counter() - start < 30
