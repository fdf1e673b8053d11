from __future__ import annotations

import pytest

import dsl
from legion_bridge import Application, Machine
from studies.suite import Case
from tuners import MapperProblem
from tuners.problems.essential import essential
from tuners.problems.references import NO_DECISIONS


@pytest.mark.parametrize(("application", "lines"), [("circuit", 60), ("stencil", 40)])
def test_of_a_rendered_template_what_matters_is_left(application, lines):
    problem = Case(application).problem()
    whole = problem.render(problem.template.defaults())
    short = essential(problem, whole)
    assert len(whole.splitlines()) >= lines
    assert len(short.splitlines()) <= 10
    outcome = problem.evaluate_text(whole, check=False).outcome
    assert problem.evaluate_text(short, check=False).outcome == outcome  # to the bit
    assert essential(problem, short) == short


def test_what_only_says_the_defaults_becomes_their_shortest_mapper():
    problem = Case("circuit").problem()
    text = "Task * GPU,CPU;\nRegion * * GPU FBMEM;\nRegion * * CPU SYSMEM;\n"
    assert essential(problem, text) == NO_DECISIONS


def test_no_statement_that_is_left_can_go():
    problem = Case("circuit").problem()
    short = essential(problem, Application.load("circuit").mappers["expert"])
    outcome = problem.evaluate_text(short, check=False).outcome
    statements = dsl.parse(short).statements
    assert len(statements) > 1
    for number in range(len(statements)):
        rest = [s for at, s in enumerate(statements) if at != number]
        left = dsl.unparse(dsl.Program(tuple(rest)))
        assert problem.evaluate_text(left, check=False).outcome != outcome


class Measured:
    """An evaluator that is no simulator."""

    def evaluate(self, program, *, profile=False):
        raise AssertionError("a run is not to be spent on this")


def test_where_runs_are_measured_only_what_decides_nothing_goes():
    circuit, node = Application.load("circuit"), Machine.load("p100x4")
    problem = MapperProblem(circuit, node, evaluator=Measured())
    text = (
        "Task * GPU,CPU;\nTask update_voltages GPU,CPU;\n"
        "Region * * GPU FBMEM;\nRegion * * GPU ZCMEM;\nidle = 3;\n"
    )
    assert essential(problem, text) == "Task * GPU,CPU;\nRegion * * GPU FBMEM;\n"


@pytest.mark.parametrize("text", ["Task * GPU", "x = Machine(TPU);", NO_DECISIONS])
def test_what_does_not_parse_or_has_nothing_to_spare_stays(text):
    problem = Case("stencil").problem()
    assert essential(problem, text) == text
