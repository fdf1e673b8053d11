"""Programs that bring a mapper: what becomes of it, and what it alone can say."""

from __future__ import annotations

import pytest

import dsl
from dsl.unparse import unparse
from legion_bridge.legion import LegionRun, Metric
from legion_bridge.legion.stated import stated

from .probe_runs import Run, built, run_policy, run_under

HEAD = "Task * CPU;\nm = Machine(CPU);\ndef first(Task t) { return m[0, 0]; }\n"
KEPT = {"MAPPERTUNE_KEEP_OWN": "1"}
MADE, PUT = ["1015"], ["0 10 20 30 40"]


def assert_right(run: Run) -> None:
    assert run.code == 0, run.errors
    assert (run.said("MADE"), run.said("PUT")) == (MADE, PUT)


def test_the_program_s_own_mapper_is_right() -> None:
    assert_right(run_policy(None, program="brings"))


def test_a_mapper_in_its_place_gives_outputs_and_collective_writes_what_it_did() -> None:
    """The order of an output; instances of points that write the same; tags of its own."""
    run = run_under(HEAD + "Layout * * * AOS F_order;", program="brings")
    assert_right(run)
    put = [line.split(" id=")[1] for line in run.decisions("instance put")]
    assert len(put) == len(set(put)) == 4


def processors(run: Run, task: str) -> set[int]:
    return {where for _, where in ((p, int(n)) for p, n in _ran(run, task))}


def _ran(run: Run, task: str) -> list[list[str]]:
    return [line.split() for line in run.said(f"RAN {task}")]


def test_what_no_statement_says_is_the_own_mapper_s() -> None:
    run = run_under("Task * CPU;", program="brings", variables=KEPT)
    assert_right(run)
    assert processors(run, "put") == {1}
    assert run.decisions("instance") == []


def test_what_a_statement_says_is_done() -> None:
    text = HEAD + "IndexTaskMap put first; InstanceLimit put 1;"
    run = run_under(text, program="brings", variables=KEPT)
    assert_right(run)
    assert processors(run, "put") == {0}
    assert run.decisions("instance") == [], "no statement is about instances"


@pytest.mark.parametrize(
    ("statement", "memory", "layout"),
    [
        ("Region get whole * RDMEM;", "RDMEM", "SOA F_order"),
        ("Layout get whole * C_order;", "SYSMEM", "SOA C_order"),
    ],
)
def test_one_argument_alone_is_decided(statement: str, memory: str, layout: str) -> None:
    run = run_under(statement, program="brings", variables=KEPT)
    assert_right(run)
    (line,) = run.decisions("instance")
    assert line.startswith(f"get point=- region=0 names=whole,0 memory={memory} layout={layout}")


def test_limits_hold_beside_the_own_mapper() -> None:
    run = run_under("InstanceLimit use 1;", program="brings", variables=KEPT)
    assert_right(run)
    assert len(run.decisions("start use")) == len(run.decisions("end use")) == 1


def test_points_whose_outputs_follow_one_another_do_not_wait_for_each_other() -> None:
    """Each ends once it is known how large the outputs of all are."""
    run = run_under(HEAD + "InstanceLimit make 1;", "-points", program="brings")
    assert_right(run)
    assert len(run.said("RAN make")) == 3
    assert len(run.decisions("start make")) == 1, "the one that is launched alone"


@pytest.mark.parametrize("keep", [False, True])
def test_runs_tell_which_mapper_the_program_brings(keep: bool) -> None:
    command = [str(built("brings")), "-ll:cpu", "2"]
    run = LegionRun(command, Metric(), repeats=1, warmup=0, keep_own=keep)
    outcome = run.evaluate(dsl.parse("Task * CPU;"))
    assert outcome.ok, outcome.raw
    assert outcome.brought == "BroughtMapper"


def test_statements_that_the_own_mapper_has_anyway_are_left_to_it() -> None:
    own = dsl.parse(HEAD + "IndexTaskMap put first; Layout put 0 * SOA;")
    other = HEAD + "IndexTaskMap put first; IndexTaskMap get first; Layout put 0 * SOA;"
    left = stated(dsl.parse(other), own)
    assert [type(statement).__name__ for statement in left.statements] == [
        "Assignment",
        "FunctionDefinition",
        "IndexTaskMap",
    ]
    assert unparse(stated(own, own)).strip() == "Task * CPU;", "which changes nothing"
