"""Statements told at a glance: never another tree than the grammar's."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dsl
from dsl.errors import MapperSyntaxError
from dsl.parsing.parse import parse
from dsl.parsing.statement_cache import plain_statement
from legion_bridge import Application, Machine, application_names

WORDS = re.split(
    r"\s+",
    """Task Region Layout InstanceLimit CollectMemory IndexTaskMap SingleTaskMap ControlReplicate
    * , ; 0 1 007 4294967296 a b task_1 GPU CPU OMP IO PY PROC FBMEM ZCMEM SYSMEM VIRTUAL SOA AOS
    C_order F_order Compact Exact No_Align Align Align==64 == != 128 size parent int Machine True
    in for def return tuple GPUx Taskx x-1 # // (a)""",
)
RULES = ("Task", "Region", "Layout", "InstanceLimit", "CollectMemory", "IndexTaskMap")


def agrees(line: str) -> bool:
    """Whether the line is plain; fails where the grammar reads it in another way."""
    found = plain_statement(line, 3)
    if found is None:
        return False
    program = parse(line)
    assert program.statements == (found,)
    return True


@pytest.mark.parametrize("name", application_names())
def test_most_lines_of_a_template_are_plain(name):
    template = dsl.template_for(Application.load(name), Machine.load("p100x4"))
    rng = random.Random(0)
    for _ in range(3):
        values = {
            hole: rng.choice(p.choices) if p.choices else rng.randint(p.low, p.high)
            for hole, p in template.parameters.items()
        }
        lines = [line for line in template.render(values).split("\n") if line.endswith(";")]
        rules = [line for line in lines if line.startswith(RULES)]
        assert all(agrees(line) for line in rules)
        assert rules


@settings(max_examples=400)
@given(st.sampled_from(RULES), st.lists(st.sampled_from(WORDS), max_size=7))
def test_words_in_any_order_are_read_as_the_grammar_reads_them(rule, words):
    agrees(f"{rule} {' '.join(words)};")


@pytest.mark.parametrize(
    "line",
    [
        "Task a GPU",
        "Task a GPU; Task b GPU;",
        "Task a GPU; # why",
        "Task GPU GPU;",
        "Task a,* GPU;",
        "Region a b GPU;",
        "Layout a b FBMEM Align > 3;",
        "Layout a b FBMEM Aligned;",
        "InstanceLimit a 12345678901;",
        "IndexTaskMap GPU f;",
        "x = 3;",
    ],
)
def test_what_is_not_plain_is_left_to_the_grammar(line):
    assert plain_statement(line, 1) is None


@settings(max_examples=200)
@given(st.text(alphabet="Task Region*,;GPUFBMEM_ab01\t\n\f\v#/=", max_size=40))
def test_characters_in_any_order_are_never_read_where_the_grammar_refuses(text):
    try:
        agrees(text)
    except MapperSyntaxError:
        pytest.fail(f"{text!r} is no statement")
