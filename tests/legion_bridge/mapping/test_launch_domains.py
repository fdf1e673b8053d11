"""Launches whose domains begin anywhere, or are sparse: check, simulator and files agree."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dsl
from dsl.launch_domain import LaunchDomain
from legion_bridge import Application, ApplicationError, Evaluator
from legion_bridge.errors import MappingError
from legion_bridge.machines.flat_machine import flatten_machine
from legion_bridge.mapping.decisions import Decider
from legion_bridge.mapping.launch_decisions import sharding_and_slicing
from legion_bridge.programs.application_json import from_json, to_json
from legion_bridge.programs.describe import describe
from legion_bridge.programs.flat_program import flatten
from tests.dsl.launch_domains import boxes, sparse_domains
from tests.legion_bridge.tiny import application, launch, machine, mapper

NODES, GPUS = 2, 2
DOMAINS = st.one_of(boxes(most=4), sparse_domains())
HEAD = "m = Machine(GPU); c = m.merge(0, 1);"
MAPS = {
    "raw block": "return c[t.ipoint[0] * c.size[0] / t.ispace[0]];",
    "block": "return c[(t.ipoint[0] - t.ilower[0]) * c.size[0] / t.ispace[0]];",
    "remainder": "return m[t.ipoint[0] % 2, t.ipoint[-1] % 2];",
    "raw": "return m[0, t.ipoint[0]];",
    "from three": "return m[0, t.ipoint[0] > 2 ? (t.ipoint[0] - 3) / 2 : 9];",
    "nowhere negative": "return m[t.ipoint[0] < 0 ? 9 : 0, 0];",
}


def program(domain: LaunchDomain) -> Application:
    step = launch("step", domain=domain.extents, lower=domain.lower, points=domain.points)
    return application([], [step])


def text_of(name: str) -> str:
    return mapper(f"{HEAD} def f(Task t) {{ {MAPS[name]} }} IndexTaskMap step f;")


def placed(app: Application, parsed: dsl.Program) -> list[list[int]] | None:
    """Node and GPU of each point as the simulator has it; None where it refuses."""
    on = machine(nodes=NODES)
    flat = flatten_machine(on)
    try:
        where = Decider(flatten(app), flat).decide(dsl.load(parsed, on.shape)).processor
    except (MappingError, dsl.MapperEvaluationError):
        return None
    first = flat.processors_of("GPU", np.arange(NODES), np.zeros(NODES, np.int64))
    return [[int(flat.processor_rank[p]), int(p - first[flat.processor_rank[p]])] for p in where]


@settings(deadline=None, max_examples=200)
@given(DOMAINS, st.sampled_from(sorted(MAPS)))
def test_what_check_finds_is_what_the_simulator_refuses(domain: LaunchDomain, name: str) -> None:
    app, parsed, on = program(domain), dsl.parse(text_of(name)), machine(nodes=NODES)
    assert on.shape.count("GPU") == GPUS
    loaded = dsl.load(parsed, on.shape)
    points = [domain.point(number) for number in range(domain.volume)]
    try:
        alone = [
            list(loaded.index_point("step", "GPU", domain.extents, point, lower=domain.lower))
            for point in points
        ]
    except dsl.MapperEvaluationError:
        alone = None
    if alone is not None and any(x < 0 for place in alone for x in place):
        alone = None
    found = {d.code for d in dsl.check(parsed, app, on) if d.severity == "error"}
    assert bool(found) == (alone is None)
    assert found <= {"map-leaves-machine", "map-fails"}
    assert placed(app, parsed) == alone
    assert Evaluator(app, on).evaluate(parsed).ok == (alone is not None)


def test_a_mistake_is_told_with_the_true_point_and_where_the_domain_begins() -> None:
    app, on = program(LaunchDomain((4,), (3,))), machine(nodes=NODES)
    (found,) = dsl.check(dsl.parse(text_of("raw block")), app, on)
    assert "for step at point (4) of a domain that begins at (3)" in found.sentence
    (found,) = dsl.check(dsl.parse(text_of("raw block")), program(LaunchDomain((4,), (-9,))), on)
    assert found.suggestion == "points begin at (-9): count from there, as in t.ipoint - t.ilower"


@settings(deadline=None, max_examples=25)
@given(DOMAINS)
def test_every_map_of_a_template_holds(domain: LaunchDomain) -> None:
    app, on = program(domain), machine(nodes=NODES)
    template = dsl.template_for(app, on)
    hole = template.parameters.get("map.step")
    assert (hole is not None) == (domain.volume > 1)
    known = {name: each.default for name, each in template.parameters.items()}
    for choice in hole.choices if hole else ():
        text = template.render({**known, "map.step": choice})
        errors = [d for d in dsl.check(dsl.parse(text), app, on) if d.severity == "error"]
        assert errors == []
        assert template.match(dsl.parse(text))["map.step"] == choice


@given(DOMAINS)
def test_files_keep_domains(domain: LaunchDomain) -> None:
    written = to_json(program(domain))
    assert json.loads(written)["schema"] == (3 if domain.points else 2)
    again = from_json(written)
    assert LaunchDomain.of(again.loop[0]) == domain
    assert to_json(again) == written


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"points": ((0,), (5,))}, "must be the box around its points"),
        ({"points": ((3,), (0,))}, "must differ and be in row-major order"),
        ({"points": ((0,), (0,), (3,))}, "must differ"),
        ({"points": ((0, 1), (3, 1))}, "one coordinate a dimension"),
        ({"lower": (1, 2)}, "one lower bound a dimension"),
    ],
)
def test_domains_that_do_not_hang_together(changes: dict[str, object], sentence: str) -> None:
    app = program(LaunchDomain((4,), (0,)))
    broken = replace(app, loop=(replace(app.loop[0], **changes),))
    with pytest.raises(ApplicationError, match=sentence):
        broken.validate()


def test_a_launch_has_the_points_of_its_sparse_domain() -> None:
    sparse = program(LaunchDomain((10,), (3,), ((3,), (6,), (9,), (12,))))
    assert sparse.loop[0].volume == sparse.points(sparse.loop, 0) == 4
    assert len(flatten(sparse).point_launch) == 4
    assert "launched over 4 of 10 points from (3)" in describe(sparse)
    assert "over 4 x 4 points from (3, -4)" in describe(program(LaunchDomain((4, 4), (3, -4))))


class TestWithoutAMap:
    """The runtime's own choice (``default_mapper.inl``, ``CyclicShardingFunctor``)."""

    @given(boxes(most=4), st.integers(1, 3), st.integers(1, 4))
    def test_it_does_not_care_where_a_domain_begins(
        self, domain: LaunchDomain, ranks: int, count: int
    ) -> None:
        home = domain._replace(lower=(0,) * len(domain.extents))
        for moved, at_home in zip(
            sharding_and_slicing(domain, ranks, count),
            sharding_and_slicing(home, ranks, count),
            strict=True,
        ):
            assert moved.tolist() == at_home.tolist()

    def test_points_of_a_sparse_domain_are_dealt_out_one_by_one(self) -> None:
        domain = LaunchDomain((10,), (3,), ((3,), (6,), (9,), (12,)))
        ranks, places = sharding_and_slicing(domain, 2, 2)
        assert ranks.tolist() == [0, 1, 0, 1]
        assert places.tolist() == [0, 0, 1, 1]
