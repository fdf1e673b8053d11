"""Text that is written from a syntax tree reads back as that tree."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dsl
from dsl import syntax
from dsl.limits import MAX_NESTING
from dsl.machine_shape import MEMORY_KINDS, PROCESSOR_KINDS
from dsl.unparse import unparse_expression
from tests.dsl.random_programs import random_program

NAMES = st.sampled_from(["a", "b_1", "_c", "size_", "Tasks"])
MEMBERS = st.sampled_from(["size", "len", "ipoint", "ispace", "parent", "merge", "auto_split"])
OPERATORS = ["||", "&&", "==", "!=", "<", ">", "<=", ">=", "+", "-", "*", "/", "%"]

LEAVES = st.one_of(
    st.integers(-(2**31), 2**31 - 1).map(syntax.Integer),
    st.booleans().map(syntax.Boolean),
    NAMES.map(syntax.Name),
    st.just(syntax.MachineName()),
    st.sampled_from(PROCESSOR_KINDS).map(syntax.ProcessorKind),
    st.sampled_from(MEMORY_KINDS).map(syntax.MemoryKind),
    st.just(syntax.Star()),
)


def longer(inner: st.SearchStrategy[syntax.Expression]) -> st.SearchStrategy[syntax.Expression]:
    some = st.lists(inner, min_size=1, max_size=3).map(tuple)
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        st.builds(syntax.TupleLiteral, several),
        st.builds(syntax.Binary, st.sampled_from(OPERATORS), inner, inner),
        st.builds(syntax.Negate, inner),
        st.builds(syntax.Conditional, inner, inner, inner),
        st.builds(syntax.Call, inner, some),
        st.builds(syntax.Index, inner, some),
        st.builds(syntax.Slice, inner, st.none() | inner, st.none() | inner),
        st.builds(syntax.Member, inner, MEMBERS),
        st.builds(syntax.Unpack, inner),
        st.builds(syntax.Comprehension, inner, NAMES, several),
    )


EXPRESSIONS = st.recursive(LEAVES, longer, max_leaves=12)
ANY = NAMES | st.just("*")
TASKS = st.just(("*",)) | st.lists(NAMES, min_size=1, max_size=3).map(tuple)
KEYS = TASKS | st.sampled_from(["CPU", "GPU", "OMP"]).map(lambda kind: (kind,))
KINDS = st.lists(st.sampled_from(PROCESSOR_KINDS), min_size=1, max_size=3).map(tuple)
MEMORIES = st.lists(st.sampled_from(MEMORY_KINDS), min_size=1, max_size=3).map(tuple)
REGIONS = ANY | st.integers(0, 20).map(str)
COUNTS = st.integers(-(2**31), 2**31 - 1)
ALIGN = st.builds(syntax.Align, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), COUNTS)
ASSIGNMENTS = st.builds(syntax.Assignment, NAMES, EXPRESSIONS)
PRINTS = st.builds(
    syntax.Print,
    st.text(st.characters(exclude_characters='"\n', max_codepoint=126), max_size=8),
    st.lists(EXPRESSIONS, max_size=2).map(tuple),
)
PARAMETERS = st.builds(
    syntax.Parameter, st.sampled_from(["int", "bool", "IPoint", "ISpace", "MSpace", "Task"]), NAMES
)
STATEMENTS = st.one_of(
    st.builds(syntax.Task, TASKS, KINDS),
    st.builds(
        syntax.Region, TASKS, REGIONS, st.sampled_from(PROCESSOR_KINDS) | st.just("*"), MEMORIES
    ),
    st.builds(
        syntax.Layout,
        TASKS,
        REGIONS,
        st.sampled_from((*MEMORY_KINDS, *PROCESSOR_KINDS, "*")),
        st.booleans(),
        st.booleans(),
        st.booleans(),
        st.booleans(),
        st.none() | ALIGN,
    ),
    st.builds(syntax.InstanceLimit, NAMES, COUNTS),
    st.builds(syntax.CollectMemory, ANY, ANY),
    st.builds(syntax.IndexTaskMap, KEYS, NAMES),
    st.builds(syntax.SingleTaskMap, KEYS, NAMES),
    st.builds(syntax.ControlReplicate, st.lists(NAMES, min_size=1, max_size=3).map(tuple)),
    ASSIGNMENTS,
    PRINTS,
    st.builds(
        syntax.FunctionDefinition,
        NAMES,
        st.lists(PARAMETERS, max_size=3).map(tuple),
        st.lists(
            ASSIGNMENTS | PRINTS | st.builds(syntax.Return, EXPRESSIONS), min_size=1, max_size=3
        ).map(tuple),
    ),
)
PROGRAMS = st.lists(STATEMENTS, min_size=1, max_size=4).map(
    lambda statements: syntax.Program(tuple(statements))
)


@given(PROGRAMS)
@settings(max_examples=300, deadline=None)
def test_text_reads_back_as_the_same_tree(program: syntax.Program) -> None:
    text = dsl.unparse(program)
    assert dsl.parse(text) == program
    assert dsl.unparse(dsl.parse(text)) == text


@pytest.mark.parametrize("seed", range(20))
def test_written_programs_read_back(seed: int) -> None:
    program = dsl.parse(random_program(seed))
    assert dsl.parse(dsl.unparse(program)) == program


@pytest.mark.parametrize(
    "text",
    [
        "a + b * c",
        "(a + b) * c",
        "a - b - c",
        "a - (b - c)",
        "a ? b : c ? d : e",
        "a ? b : (c ? d : e)",
        "a ? (b ? c : d) : e",
        "a < b == True",
        "-a[0]",
        "-(a + b)",
        "(-a)[0]",
        "m[*(p * s / t)]",
        "m[*f(x), *]",
        "(1, *)",
        "tuple(i + 1 for i in (1, *x))",
        "e[a:(b ? c : d)]",
        "m.merge(0, 1).size[0]",
    ],
)
def test_parentheses_stand_where_they_are_needed(text: str) -> None:
    expression = dsl.parse(f"x = {text};").statements[0].value  # type: ignore[union-attr]
    assert unparse_expression(expression) == text


def test_statements_are_written_one_a_line() -> None:
    text = """\
Task * GPU,CPU;
Task a,b OMP;
Region a 0 GPU FBMEM,ZCMEM;
Layout * * * SOA C_order Compact Align==64;
InstanceLimit a 4;
CollectMemory a *;
m = Machine(GPU);
def f(Task t, int i) {
  print("{} is", i);
  return m[0, i];
}
IndexTaskMap GPU f;
SingleTaskMap a,b f;
ControlReplicate a;
"""
    assert dsl.unparse(dsl.parse(text)) == text


def test_the_deepest_tree_that_parses_is_written() -> None:
    depth = MAX_NESTING - 4
    for text in ("-" * depth + "x", "(" * depth + "x" + ",1)" * depth, "x" + "[0]" * depth):
        program = dsl.parse(f"y = {text};")
        assert dsl.parse(dsl.unparse(program)) == program
