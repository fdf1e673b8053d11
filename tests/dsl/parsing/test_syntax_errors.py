"""Syntax errors that teach: the place, what was expected, and what to do."""

from __future__ import annotations

import pytest

import dsl


def error_of(text: str) -> dsl.MapperSyntaxError:
    with pytest.raises(dsl.MapperSyntaxError) as caught:
        dsl.parse(text)
    return caught.value


MISTAKES = [
    # Text, column (of line 1), part of the hint
    ("def f(Task t): return 1;", 14, "in braces"),
    ("def f(Task t)\n  return 1;", None, "in braces"),
    ("def f(t) { return 1; }", 7, "a type and a name"),
    ("def f(Point t) { return 1; }", 7, "did you mean IPoint?"),
    ("def f(Task t = 1) { return 1; }", 14, "no default"),
    ("def f(Task t) { }", 17, "at least one statement"),
    ("def f(Task t) { return 1; };", 28, "no ; follows the }"),
    ("def f(Task t) { return 1; }}", 28, "one } too many"),
    ("def f(Task t) { return 1;\nTask * GPU;", None, "close the function"),
    ("def f(Task t) { return 1;", 26, "close the function"),
    ("def f(Task t) { def g(int a) { return 1; } return 1; }", 17, "not nested"),
    ("return 1;", 1, "in functions only"),
    ("x = 1\ny = 2;", 6, "ends in ;"),
    ("def f(Task t) { return 1 }", 25, "ends in ;"),
    ("x = 1;;", 7, "no empty statements"),
    ("x = a // b;\ny = 1;", 6, "integer division is /"),
    ("x = a and b;", 7, "write && for and"),
    ("x = a or b;", 7, "write || for or"),
    ("x = not a;", 9, "no logical not"),
    ("x = !a;", 5, "no logical not"),
    ("x = a & b;", 7, "&&"),
    ("x = a | b;", 7, "||"),
    ("x = a ^ 2;", 7, "no bit operations"),
    ("x = ~a;", 5, "no bit operations"),
    ("if (a > 1) { x = 1; }", 4, "condition ? a : b"),
    ("def f(Task t) { if (a) { return 1; } }", 20, "condition ? a : b"),
    ("def f(Task t) { for (i = 0; i < 2; i++) { x = i; } }", 17, "no loops"),
    ("def f(Task t) { while (True) { x = 1; } }", 23, "no loops"),
    ("int x = 3;", 1, "write x = ...;"),
    ("def f(Task t) { int x = 3; return x; }", 17, "write x = ...;"),
    ("auto x = 3;", 6, "write x = ...;"),
    ("import os", 8, "nothing to import"),
    ("x += 1;", 3, "assigned once"),
    ("x++;", 2, "assigned once"),
    ("a = b = c;", 7, "== compares"),
    ("x = 0.5;", 7, "numbers are integers"),
    ("x = [1, 2];", 5, "in parentheses"),
    ("x = {1, 2};", 5, "in parentheses"),
    ("x = (1,);", 8, "two elements"),
    ("x = f();", 7, "at least one argument"),
    ("x = Machine();", 13, "Machine(GPU)"),
    ("x = m.size();", 12, ".size without parentheses"),
    ("x = m.spilt(0, 2);", 7, "did you mean split?"),
    ("x = m.shape;", 7, "members are size"),
    ("x = f(1, 2;", 11, "a ( is not closed"),
    ("x = 1);", 6, "one ) too many"),
    ("x = m[1;", 8, "a [ is not closed"),
    ("x = a ? b;", 10, "both branches"),
    ("x = size;", 5, "m.size"),
    ("size = 1;", 1, "reserved word"),
    ("Task size GPU;", 6, "reserved word"),
    ("Task solve gpu;", 12, "did you mean GPU?"),
    ("Task solve GPU CPU;", 16, "GPU, CPU"),
    ("Task a,* GPU;", 8, "Task NAME GPU"),
    ("Task a.b GPU;", 7, "letters, digits and _"),
    ("Task a-b GPU;", 7, "letters, digits and _"),
    ("task solve GPU;", 6, "did you mean Task?"),
    ("Here is the mapper:", 6, "begins with Task"),
    ("Region t r FBMEM;", 12, "the processor is missing"),
    ("Region t r GPU FB_MEM;", 16, "did you mean FBMEM?"),
    ("Layout t r FBMEM SoA;", 18, "did you mean SOA?"),
    ("Layout t r FBMEM Align 64;", 24, "Align == 64"),
    ("Layout t r FBMEM Align = 64;", 24, "Align == 64"),
    ("InstanceLimit * 4;", 15, "InstanceLimit TASK 4"),
    ("CollectMemory a 1;", 17, "CollectMemory TASK REGION"),
    ("IndexTaskMap f;", 15, "IndexTaskMap TASK FUNCTION"),
    ("IndexTaskMap IO f;", 14, "CPU, GPU, OMP"),
    ("ControlReplicate *;", 18, "ControlReplicate TASK"),
    ("print(x);", 7, 'print("{}", x)'),
    ("print('x');", 7, "in double quotes"),
    ('x = "abc";', 5, "only print takes a text"),
    ('print("abc);', 7, "ends on the line"),
    ("x = \N{LEFT DOUBLE QUOTATION MARK}a;", 5, "only print takes a text"),
    ("x = \N{GREEK SMALL LETTER ALPHA};", 5, "plain ASCII"),
    ("```\nTask * GPU;\n```", 1, "Markdown"),
    ("Task * ${kind};", 8, "template"),
    ("x = tuple(i for i in v);", 22, "tuple(... for i in (0, 1))"),
]


@pytest.mark.parametrize(("text", "column", "hint"), MISTAKES)
def test_hints(text: str, column: int | None, hint: str) -> None:
    error = error_of(text)
    assert error.hint is not None
    assert hint in error.hint
    if column is not None:
        assert (error.line, error.column) == (1, column)


def test_a_report_shows_the_place() -> None:
    with pytest.raises(dsl.MapperSyntaxError) as caught:
        dsl.parse("x = 1;\r\ny = (1 +\t);\r\n", filename="try.mapper")
    assert str(caught.value).split("\n") == [
        "try.mapper:2:10: ')' cannot stand here; expected an expression",
        "    y = (1 + );",
        "             ^",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = ;", ("an expression",)),
        ("Task t GPU", ("','", "';'")),
        ("x = y z;", ("';'", "an operator")),
        ("Region t r GPU", ("a memory kind (SYSMEM, FBMEM, RDMEM, ZCMEM, SOCKMEM, VIRTUAL)",)),
        ("}", ("a statement",)),
        ("Layout t r * Align 4;", ("a comparison (==, !=, <, <=, >, >=)",)),
    ],
)
def test_what_was_expected(text: str, expected: tuple[str, ...]) -> None:
    assert error_of(text).expected == expected


@pytest.mark.parametrize("text", ["", "  \n", "# nothing\n"])
def test_a_text_without_statements(text: str) -> None:
    assert error_of(text).sentence == "the text has no statement"


@pytest.mark.parametrize("character", ["\f", "\v", "\0", "\u2028", "\ud800"])
def test_characters_without_a_meaning(character: str) -> None:
    error = error_of(f"x = 1;\ny = {character}2;")
    assert (error.code, error.line, error.column) == ("lex", 2, 5)
    assert f"U+{ord(character):04X}" in error.sentence


def test_several_errors_in_one_pass() -> None:
    text = """\
Task solve;
def f(Task t) {
  x = 1
  y = = 2;
  return m[0, 0]
}
Region a b c;
def g(Task t) {
  if (t.ipoint[0] > 1) {
    return m[0, 0];
  } else {
    return m[1, 0];
  }
}
Task * GPU;
Task * gpu;
"""
    error = error_of(text)
    assert [each.line for each in (error, *error.others)] == [1, 3, 4, 5, 7, 9, 16]


def test_a_right_statement_after_an_error_is_not_blamed() -> None:
    assert error_of("Task solve;\nm = Machine(GPU);\nTask * CPU;").others == ()


def test_errors_of_one_pass_are_bounded() -> None:
    assert len(error_of("Task solve;\n" * 1000).others) == 9
