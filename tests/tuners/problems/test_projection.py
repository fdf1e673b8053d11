from __future__ import annotations

import pytest

from legion_bridge import Application, Machine
from tuners import MapperProblem


@pytest.fixture(scope="module")
def problem():
    return MapperProblem(Application.load("circuit"), Machine.load("p100x4"))


def test_a_rendering_is_projected_exactly(problem):
    values = problem.template.defaults()
    found = problem.project("# mine\n" + problem.render(values))
    assert found.exact
    assert problem.key(found.values) == problem.key(values)
    assert found.differs == ()


def test_another_mapper_gets_near_values_and_says_what_differs(problem):
    text = problem.application.mappers["expert"] + "CollectMemory * *;\n"
    found = problem.project(text)
    assert not found.exact
    assert found.values["mem.distribute_charge.rp_shared"] == "ZCMEM"
    assert found.values["mem.distribute_charge.rp_private"] == "FBMEM"
    assert any("collection of calculate_new_currents" in each for each in found.differs)
    assert problem.check(problem.render(found.values)) is not None


def test_the_rules_of_a_text_that_does_not_parse_are_read(problem):
    text = "Task * GPU\nRegion * rp_shared GPU ZCMEM;\nRegion * * GPU FBMEM;\nif x then y"
    found = problem.project(text)
    assert found.differs[0] == "the text does not parse"
    assert found.values["mem.distribute_charge.rp_shared"] == "ZCMEM"
    assert found.values["mem.distribute_charge.rp_private"] == "FBMEM"
    assert problem.project("nonsense").values.keys() <= problem.distributions.keys()
