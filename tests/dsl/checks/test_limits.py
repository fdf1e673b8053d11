"""Limits that clash, by themselves and among others."""

from __future__ import annotations

import dsl
from dsl.checks.context import CheckContext
from dsl.checks.resources import check_limits
from legion_bridge import Application, Evaluator, Machine
from legion_bridge.evaluator import Obstacle, least_of
from tests.dsl.checks.clashes import clash_at_one

TURNS = (
    "Layout * * * SOA C_order;\n"
    "m = Machine(GPU);\ndef f(Task t) { return m[0, t.ipoint[1] % m.size[1]]; }\n"
    "IndexTaskMap task_5 f;\n"
)


def test_only_the_limit_that_is_to_blame_is_named(monkeypatch):
    application, machine = Application.load("cannon"), Machine.load("p100x4")
    forecast = Evaluator(application, machine).forecast
    text = f"{TURNS}InstanceLimit task_7 3;\nInstanceLimit task_4 1;\nInstanceLimit task_1 2;\n"
    assert dsl.check(dsl.parse(text), application, machine, forecast=forecast) == []
    clash_at_one(monkeypatch, "task_4")
    (found,) = dsl.check(dsl.parse(text), application, machine, forecast=forecast)
    assert found.sentence.startswith("InstanceLimit task_4 1 cannot be kept:")
    assert found.position.line == 6
    more = text.replace("task_4 1", "task_4 8")
    assert dsl.check(dsl.parse(more), application, machine, forecast=forecast) == []


def test_several_limits_that_clash_are_named_together():
    text = "InstanceLimit a 1; InstanceLimit b 2;\nInstanceLimit a 4; InstanceLimit c 3;"
    program = dsl.parse(text)
    application, machine = Application.load("stencil"), Machine.load("p100x4")
    obstacle = Obstacle(deadlock=("c", "a"))
    (found,) = check_limits(CheckContext(program, application, machine, lambda _: obstacle))
    assert found.sentence.startswith("InstanceLimit a 1 and InstanceLimit c 3 clash:")
    assert found.suggestion == "leave out one of them"
    assert (found.position.line, found.position.column) == (1, 1)


def test_what_clashes_is_found_with_few_questions():
    asked = []

    def deadlock(kept):
        asked.append(kept)
        return {"7", "23"} <= set(kept)

    assert least_of([str(number) for number in range(32)], deadlock) == ("7", "23")
    assert len(asked) <= 24


def test_what_clashes_in_no_smaller_set_is_told_whole():
    """Fewer limits let time pass otherwise: a part may deadlock where a larger part does not."""
    tasks = ("a", "b", "c")
    assert least_of(tasks, lambda kept: tuple(kept) == tasks) == tasks
    assert least_of(tasks, lambda kept: len(kept) in {0, 3}) == tasks
