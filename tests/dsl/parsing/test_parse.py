"""From text to syntax tree."""

from __future__ import annotations

import pickle

import pytest

import dsl
from dsl import syntax
from dsl.limits import MAX_NESTING, MAX_TEXT
from dsl.parsing.statement_cache import StatementCache
from dsl.syntax import walk


def value(text: str) -> syntax.Expression:
    """The tree of an expression."""
    (statement,) = dsl.parse(f"x = {text};").statements
    assert isinstance(statement, syntax.Assignment)
    return statement.value


def same(text: str, grouped: str) -> bool:
    return value(text) == value(grouped)


@pytest.mark.parametrize(
    ("text", "grouped"),
    [
        ("a ? x : b ? y : z", "(a ? x : b) ? y : z"),
        ("a ? b ? 1 : 2 : 3", "a ? (b ? 1 : 2) : 3"),
        ("1 < 2 == True", "(1 < 2) == True"),
        ("a < b < c", "(a < b) < c"),
        ("a || b && c", "a || (b && c)"),
        ("a && b == c", "a && (b == c)"),
        ("a - b - c", "(a - b) - c"),
        ("a / b * c % d", "((a / b) * c) % d"),
        ("-a * b", "(-a) * b"),
        ("-t[0]", "-(t[0])"),
        ("(1, *a + b)", "(1, (*a) + b)"),
        ("(1, *a.size)", "(1, *(a.size))"),
        ("(1, *f(x)[0])", "(1, *(f(x)[0]))"),
        ("e[0 : c ? 1 : 2]", "e[0 : (c ? 1 : 2)]"),
        ("e[c ? 1 : 2 : ]", "e[(c ? 1 : 2) : ]"),
    ],
)
def test_precedence(text: str, grouped: str) -> None:
    assert same(text, grouped)


def test_a_star_before_an_operator_is_bare() -> None:
    assert value("*-1") == syntax.Binary("-", syntax.Star(), syntax.Integer(1))
    assert value("* * v") == syntax.Binary("*", syntax.Star(), syntax.Name("v"))
    assert value("(*, *[0](1).size)") == syntax.TupleLiteral(
        (
            syntax.Star(),
            syntax.Member(
                syntax.Call(
                    syntax.Index(syntax.Star(), (syntax.Integer(0),)), (syntax.Integer(1),)
                ),
                "size",
            ),
        )
    )


def test_a_colon_in_an_index_belongs_to_the_conditional() -> None:
    assert isinstance(value("e[c ? a : b]"), syntax.Index)
    assert isinstance(value("e[:]"), syntax.Slice)


@pytest.mark.parametrize(
    ("digits", "number"),
    [
        ("010", 10),
        ("2147483648", -(2**31)),
        ("4294967297", 1),
        ("9223372036854775807", -1),
        ("9223372036854775808", -1),
        ("9" * 5000, -1),
        ("0" * 30 + "7", 7),
    ],
)
def test_integers_are_read_as_c_reads_them(digits: str, number: int) -> None:
    assert value(digits) == syntax.Integer(number)


def test_machine_is_a_name_except_in_expressions() -> None:
    statements = dsl.parse("Task Machine GPU; Machine = Machine(GPU);").statements
    assert statements[0] == syntax.Task(("Machine",), ("GPU",))
    assert statements[1] == syntax.Assignment(
        "Machine", syntax.Call(syntax.MachineName(), (syntax.ProcessorKind("GPU"),))
    )


def test_every_statement() -> None:
    text = """
    Task a, b GPU, CPU;  Task * OMP;
    Region a, b 007 * FBMEM, VIRTUAL;
    Layout a 1 GPU AOS SOA C_order F_order Compact Exact Align <= 8 Align == 64 No_Align;
    Layout * r * Align >= 32;
    InstanceLimit a 4;  CollectMemory * r;
    IndexTaskMap a, b f;  SingleTaskMap OMP f;  ControlReplicate a, b;
    print("{} text # no comment", x, 1);
    """
    assert dsl.parse(text).statements == (
        syntax.Task(("a", "b"), ("GPU", "CPU")),
        syntax.Task(("*",), ("OMP",)),
        syntax.Region(("a", "b"), "7", "*", ("FBMEM", "VIRTUAL")),
        syntax.Layout(("a",), "1", "GPU", soa=True, compact=True, exact=True),
        syntax.Layout(("*",), "r", "*", align=syntax.Align(">=", 32)),
        syntax.InstanceLimit("a", 4),
        syntax.CollectMemory("*", "r"),
        syntax.IndexTaskMap(("a", "b"), "f"),
        syntax.SingleTaskMap(("OMP",), "f"),
        syntax.ControlReplicate(("a", "b")),
        syntax.Print("{} text # no comment", (syntax.Name("x"), syntax.Integer(1))),
    )


def test_a_function() -> None:
    text = 'def f(Task t, int n, MSpace m) { x = n; print("hi"); return m[x]; }'
    assert dsl.parse(text).statements == (
        syntax.FunctionDefinition(
            "f",
            (
                syntax.Parameter("Task", "t"),
                syntax.Parameter("int", "n"),
                syntax.Parameter("MSpace", "m"),
            ),
            (
                syntax.Assignment("x", syntax.Name("n")),
                syntax.Print("hi", ()),
                syntax.Return(syntax.Index(syntax.Name("m"), (syntax.Name("x"),))),
            ),
        ),
    )
    assert dsl.parse("def f() { return 1; }").statements[0].parameters == ()  # type: ignore[union-attr]


def test_blanks_and_comments() -> None:
    text = "# one\r\nTask\ta // two\n GPU\a,\r\nCPU; # é“\n"
    assert dsl.parse(text) == dsl.parse("Task a GPU,CPU;")


def test_positions_cover_the_text_of_each_node() -> None:
    text = "m = Machine(GPU);\ndef f(Task t) {\n  return m[*t.ipoint[:1], (1, -2)[0]];\n}\n"
    program = dsl.parse(text, filename="a.mapper")
    assert (program.source, program.filename) == (text, "a.mapper")
    lines = text.split("\n")
    nodes = [node for statement in program.statements for node in walk(statement)]
    texts = {
        lines[p.line - 1][p.column - 1 : p.end_column - 1]
        for node in nodes
        if (p := node.position).line == p.end_line
    }
    assert {"m = Machine(GPU);", "Task t", "*t.ipoint[:1]", "t.ipoint", "(1, -2)", "-2"} <= texts
    function = program.statements[1].position
    assert function == syntax.Position(2, 1, 4, 2)


def test_a_program_is_a_value() -> None:
    program = dsl.parse("x = (1, 2)[0] + 3;")
    assert pickle.loads(pickle.dumps(program)) == program  # noqa: S301  our own bytes
    assert hash(program) == hash(dsl.parse("x=(1,2)[0]+3; # the same"))


@pytest.mark.parametrize(
    "expression",
    ["1" + " + 1" * MAX_NESTING, "-" * MAX_NESTING + "1", "f(" * 300 + "1" + ")" * 300],
)
def test_nesting_is_bounded(expression: str) -> None:
    with pytest.raises(dsl.MapperSyntaxError) as caught:
        value(expression)
    assert caught.value.code == "too-deep"
    assert caught.value.line == 1


def test_redundant_parentheses_do_not_nest() -> None:
    assert value("(" * 500 + "1" + ")" * 500) == syntax.Integer(1)


def test_the_length_of_a_text_is_bounded() -> None:
    with pytest.raises(dsl.MapperSyntaxError) as caught:
        dsl.parse(" " * MAX_TEXT + "Task * GPU;")
    assert caught.value.code == "too-large"


@pytest.mark.parametrize("read", [dsl.parse, StatementCache().parse])
def test_a_byte_order_mark_is_skipped(read):
    text = "Task a GPU;\ndef f(Task t) { return 1; }\n"
    assert read("\ufeff" + text).statements == dsl.parse(text).statements
    with pytest.raises(dsl.MapperSyntaxError) as caught:
        read("\ufeffTask a GPU")
    assert (caught.value.line, caught.value.column) == (1, 11)
