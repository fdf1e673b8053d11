"""Which statements decide what: enough to tell mappers apart, and no more than that."""

from __future__ import annotations

import dsl
from dsl.parsing.statement_cache import StatementCache
from legion_bridge.machines.flat_machine import flatten_machine
from legion_bridge.mapping.decisions import Decider
from legion_bridge.mapping.rules import Rules, Subjects, definitions_for
from legion_bridge.programs.flat_program import flatten
from tests.legion_bridge.tiny import application, launch, machine

MAPPER = """
    m = Machine(GPU);
    last = {last};
    def place(int i) {{ return m[0, i % 2 * last]; }}
    def spread(Task t) {{ return place(t.ipoint[0]); }}
    def other(Task t) {{ return m[0, {other}]; }}
    IndexTaskMap go spread;
"""


def test_a_function_depends_on_what_it_mentions_and_on_what_that_mentions() -> None:
    statements = dsl.parse(MAPPER.format(last=1, other=0)).statements
    assert definitions_for("spread", statements) == list(statements[:4])
    assert definitions_for("other", statements) == [statements[0], statements[4]]
    assert definitions_for("nobody", statements) == []


def test_definitions_of_one_name_all_count() -> None:
    """The first function of a name wins, so their order matters."""
    statements = dsl.parse(
        "def f(Task t) { return (0, 0); } def f(Task t) { return (0, 1); } IndexTaskMap go f;"
    ).statements
    assert definitions_for("f", statements) == list(statements[:2])


def test_rules_about_a_task_keep_their_order() -> None:
    statements = dsl.parse("Task b CPU; Task a GPU; Task * OMP; Task a CPU;").statements
    rules = Rules(statements, Subjects({"a": 0}))
    assert list(rules.about(0)) == list(statements)  # of b nobody knows that there is no such task
    assert rules.by_task == [(id(statements[1]), id(statements[3]))]


def test_of_a_statement_that_comes_again_the_first_counts() -> None:
    """A statement cache makes equal statements one object; between them another may stand."""
    cpu, gpu = dsl.parse("Task a CPU; Task a GPU;").statements
    assert list(Rules((cpu, gpu, cpu), Subjects({"a": 0})).about(0)) == [cpu, gpu]


def test_points_move_with_what_their_function_uses_and_stay_where_it_does_not() -> None:
    on, flat = flatten(application([], [launch("go", domain=(4,))])), flatten_machine(machine())
    decider, cache, asked = Decider(on, flat), StatementCache(), 0

    def places(last: int, other: int) -> list[int]:
        nonlocal asked
        program = cache.parse(MAPPER.format(last=last, other=other))
        mapper = dsl.load(program, flat.machine.shape)
        before = len(decider._placements)
        found = decider.decide(mapper).processor.tolist()
        asked += len(decider._placements) - before
        return [place - min(found) for place in found]

    assert places(last=1, other=0) == [0, 1, 0, 1]
    assert places(last=0, other=0) == [0, 0, 0, 0]
    assert places(last=1, other=0) == [0, 1, 0, 1]
    assert asked == 2
    assert places(last=1, other=1) == [0, 1, 0, 1]
    assert asked == 2
