from __future__ import annotations

import random

import pytest

import dsl
from dsl.templates.match.nearest_point import TemplateNeighbours
from legion_bridge import Application, Evaluator, Machine, application_names

MACHINE = Machine.load("p100x4")
# How fast the nearest point is beside the mapper itself; 1 but where the space has no such map.
LEAST = {"cosma": 0.9, "johnson": 0.9999, "pennant": 0.999}


@pytest.mark.parametrize("space", ["paper", "rich"])
@pytest.mark.parametrize("name", application_names())
def test_what_is_nearest_to_the_expert_is_as_fast(name, space):
    application = Application.load(name)
    template = dsl.template_for(application, MACHINE, space)
    evaluator = Evaluator(application, MACHINE)
    neighbours = TemplateNeighbours(template, application, MACHINE)
    for which in ("expert", "default"):
        program = dsl.parse(application.mappers[which])
        found = neighbours.nearest(program)
        there = evaluator.evaluate(dsl.parse(template.render(found.values)))
        wanted = evaluator.evaluate(program)
        assert there.ok
        assert there.throughput / wanted.throughput > LEAST.get(name, 1) - 1e-6
        if not found.differs:
            assert there.throughput == pytest.approx(wanted.throughput, rel=1e-9)


@pytest.mark.parametrize("name", ["circuit", "stencil", "johnson"])
def test_a_rendering_is_nearest_to_itself(name):
    application = Application.load(name)
    template = dsl.template_for(application, MACHINE)
    neighbours = TemplateNeighbours(template, application, MACHINE)
    rng = random.Random(0)
    for _ in range(5):
        values = {p.name: rng.choice(list(p.values)) for p in template.parameters.values()}
        found = neighbours.nearest(dsl.parse(template.render(values)))
        assert found.differs == ()


def nearest(template, text, name="circuit"):
    application = Application.load(name)
    neighbours = TemplateNeighbours(dsl.Template(template), application, MACHINE)
    return neighbours.nearest(dsl.parse(text))


def test_a_map_is_known_by_where_it_sends_the_points():
    template = """
m = Machine(GPU);
def block(Task t) { return m[0, t.ipoint[0] * m.size[1] / t.ispace[0]]; }
def first(Task t) { return m[0, 0]; }
def other(Task t) { return m[0, 3]; }
IndexTaskMap GPU ${map: first | other | block};
"""
    same = "g = Machine(GPU).merge(0, 1); def mine(Task p) { return g[p.ipoint[0]]; }"
    assert nearest(template, f"{same} IndexTaskMap GPU mine;").values == {"map": "block"}
    alone = "g = Machine(GPU); def mine(Task p) { return g[0, 3 + 0 * p.ipoint[0]]; }"
    found = nearest(template, f"{alone} IndexTaskMap GPU mine;")
    assert found.values == {"map": "other"}
    near = "g = Machine(GPU); def mine(Task p) { return g[0, p.ipoint[0] / 3]; }"
    found = nearest(template, f"{near} IndexTaskMap GPU mine;")
    assert found.values == {"map": "first"}
    assert any(question.topic == "index map" for question in found.differs)


def test_conditions_are_kept():
    template = """
Task calculate_new_currents ${kind: GPU | CPU};
$[Region calculate_new_currents rp_shared GPU ${mem: FBMEM | ZCMEM when kind == GPU};]
$[InstanceLimit calculate_new_currents ${limit: none | 2 | 8};]
"""
    assert nearest(template, "Task * CPU;").values == {"kind": "CPU", "limit": "none"}
    shared = "Task * GPU; Region * rp_shared GPU ZCMEM; InstanceLimit calculate_new_currents 7;"
    assert nearest(template, shared).values == {"kind": "GPU", "mem": "ZCMEM", "limit": "8"}


def test_what_the_template_cannot_say_is_named():
    found = nearest("Task * ${kind: GPU | CPU};", "Task * GPU; CollectMemory * *;")
    assert found.values == {"kind": "GPU"}
    assert {question.topic for question in found.differs} == {"collection"}


def test_a_mapper_that_cannot_be_loaded_has_a_place_too():
    template = "Task * GPU;\nRegion * rp_shared * ${mem: FBMEM | ZCMEM};"
    text = "Task * GPU; Region * rp_shared GPU ZCMEM; IndexTaskMap GPU nowhere;"
    assert nearest(template, text).values == {"mem": "ZCMEM"}


def test_a_hole_in_a_function_is_decided_by_where_points_go():
    template = """
m = Machine(GPU);
def f(Task t) { return m[0, (t.ipoint[0] + ${shift: 0..3}) % 4]; }
IndexTaskMap GPU f;
"""
    text = "g = Machine(GPU); def f(Task t) { return g[0, (t.ipoint[0] + 2) % 4]; }"
    found = nearest(template, f"{text} IndexTaskMap GPU f;")
    assert found.values == {"shift": 2}
    assert found.differs == ()
