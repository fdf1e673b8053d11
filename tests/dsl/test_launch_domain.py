"""Launch domains that begin anywhere, or are sparse: functions are given the true points."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dsl
from dsl.launch_domain import LaunchDomain
from dsl.templates.space.index_map_library import (
    INDEX_MAPS,
    function_name,
    library_definitions,
)
from tests.dsl.launch_domains import boxes, sparse_domains
from tests.dsl.test_manual import MAPPERS

SHAPE = dsl.MachineShape(nodes=2, processors={"GPU": 3})
# Maps that tell true points apart, those of a box that begins at zero among them.
TOLD = """\
m = Machine(GPU);
def modulo(int a, int n) { return (a % n + n) % n; }
def raw(Task t) { return m[modulo(t.ipoint[0], 2), modulo(t.ipoint[-1], 3)]; }
def bounds(Task t) { return m[modulo(t.ilower[0], 2), modulo(t.ispace[-1], 3)]; }
def halves(Task t) {
  return t.ipoint[0] < 0 ? m[0, modulo(t.ipoint[0], 3)] : m[1, (t.ipoint - t.ilower)[0] % 3];
}
def leaves(Task t) { return m[0, t.ipoint[0] > 4 ? 9 : 0]; }
"""
FUNCTIONS = ("raw", "bounds", "halves", "leaves")


def program() -> dsl.Program:
    maps = [f"IndexTaskMap {name} {function_name(name, 'GPU')};" for name in INDEX_MAPS]
    maps += [f"IndexTaskMap {name} {name};" for name in FUNCTIONS]
    definitions = library_definitions((name, "GPU") for name in INDEX_MAPS)
    return dsl.parse("\n".join([TOLD, *definitions, *maps]))


@pytest.fixture(scope="module")
def mapper() -> dsl.Mapper:
    return dsl.load(program(), SHAPE)


@pytest.fixture(scope="module")
def compiled() -> dsl.CompiledPolicy:
    return dsl.CompiledPolicy.of(program(), SHAPE)


def outcome(ask, *question, **more):
    """An answer as a list, or the code and point of the error."""
    try:
        return np.asarray(ask(*question, **more)).tolist()
    except dsl.MapperEvaluationError as error:
        return error.code, error.point


def true_points(domain: LaunchDomain) -> list[tuple[int, ...]]:
    if domain.points:
        return list(domain.points)
    return list(
        product(*(range(a, b + 1) for a, b in zip(domain.lower, domain.upper, strict=True)))
    )


@given(st.one_of(boxes(), sparse_domains()))
def test_points_are_numbered_in_row_major_order(domain: LaunchDomain) -> None:
    points = true_points(domain)
    assert domain.volume == len(points)
    assert [domain.point(number) for number in range(len(points))] == points
    columns = domain.coordinates(np.arange(len(points)))
    assert np.array(columns).T.tolist() == [list(point) for point in points]


@settings(deadline=None)
@given(st.one_of(boxes(), sparse_domains()), st.sampled_from((*FUNCTIONS, *INDEX_MAPS)))
def test_a_launch_is_what_its_true_points_are(
    mapper: dsl.Mapper, domain: LaunchDomain, task: str
) -> None:
    alone = [
        outcome(mapper.index_point, task, "GPU", domain.extents, point, lower=domain.lower)
        for point in true_points(domain)
    ]
    failed = [answer for answer in alone if isinstance(answer, tuple)]
    together = outcome(mapper.launch_map, task, "GPU", domain)
    assert together == (failed[0] if failed else alone)


@settings(deadline=None)
@given(boxes(), st.sampled_from((*FUNCTIONS, *INDEX_MAPS)))
def test_machine_code_decides_alike(
    mapper: dsl.Mapper, compiled: dsl.CompiledPolicy, domain: LaunchDomain, task: str
) -> None:
    asked = (task, "GPU", domain.extents)
    whole = outcome(mapper.index_map, *asked, lower=domain.lower)
    assert whole == outcome(compiled.index_map, *asked, lower=domain.lower)
    for point in (domain.lower, domain.upper):
        assert outcome(mapper.index_points, *asked, point, lower=domain.lower) == outcome(
            compiled.index_points, *asked, point, lower=domain.lower
        )


@settings(deadline=None)
@given(boxes(), st.sampled_from(INDEX_MAPS))
def test_maps_of_the_library_do_not_care_where_a_domain_begins(
    mapper: dsl.Mapper, domain: LaunchDomain, name: str
) -> None:
    moved = mapper.index_map(name, "GPU", domain.extents, lower=domain.lower)
    assert moved.tolist() == mapper.index_map(name, "GPU", domain.extents).tolist()


@pytest.mark.parametrize("lower", [3, -5, 1000])
@pytest.mark.parametrize(
    ("name", "extents"),
    [("block", (16,)), ("cyclic", (16,)), ("linear", (4, 4)), ("tiles", (4, 4)),
     ("hierarchical", (4, 4))],
)  # fmt: skip
def test_so_do_those_of_the_manual(name: str, extents: tuple[int, ...], lower: int) -> None:
    shape = dsl.MachineShape(nodes=2, processors={"GPU": 4})
    text = next(text for text in MAPPERS if f"def {name}(" in text and "def tiles(" in text)
    manual = dsl.load(dsl.parse(f"{text}\nIndexTaskMap sample {name};"), shape)
    moved = manual.index_map("sample", "GPU", extents, lower=[lower] * len(extents))
    assert moved.tolist() == manual.index_map("sample", "GPU", extents).tolist()


def test_an_error_names_the_true_point(mapper: dsl.Mapper) -> None:
    with pytest.raises(dsl.MapperEvaluationError) as caught:
        mapper.index_map("leaves", "GPU", (4,), lower=(3,))
    assert caught.value.point == (5,)
    assert mapper.index_map("leaves", "GPU", (4,), lower=(1,)).shape == (4, 2)


def test_answers_are_kept_by_domain(mapper: dsl.Mapper) -> None:
    once = mapper.index_map("raw", "GPU", (4,), lower=(3,))
    assert mapper.index_map("raw", "GPU", [4], lower=[3]) is once
    assert mapper.index_map("raw", "GPU", (4,)).tolist() != once.tolist()
    assert mapper.index_map("raw", "GPU", (4,), lower=(0,)) is mapper.index_map("raw", "GPU", (4,))


@pytest.mark.parametrize(
    ("domain", "code"),
    [
        (LaunchDomain((4,), (1, 2)), "launch-domain"),
        (LaunchDomain((4,), (0,), ((1, 2),)), "launch-domain"),
        (LaunchDomain((4,), (2**31 - 2,)), "overflow"),
        (LaunchDomain((4,), (-(2**31) - 1,)), "overflow"),
        (LaunchDomain((1001, 1001), (0, 0)), "too-large"),
    ],
)
def test_impossible_domains_are_refused(
    mapper: dsl.Mapper, domain: LaunchDomain, code: str
) -> None:
    with pytest.raises(dsl.MapperEvaluationError) as caught:
        mapper.launch_map("raw", "GPU", domain)
    assert caught.value.code == code


def test_a_sparse_domain_in_a_large_box(mapper: dsl.Mapper) -> None:
    domain = LaunchDomain((1_000_001, 1_000), (0, 0), ((0, 0), (1_000_000, 999)))
    assert mapper.launch_map("raw", "GPU", domain).tolist() == [[0, 0], [0, 0]]


class TestTheWord:
    """``ilower`` is a member of tasks, and no reserved word: it is younger than the language."""

    def test_it_can_be_a_name(self) -> None:
        text = (
            "ilower = 1; m = Machine(GPU); Task ilower GPU;"
            "def f(Task t) { return m[0, ilower]; } IndexTaskMap ilower f;"
        )
        found = dsl.load(dsl.parse(text), SHAPE)
        assert found.task_kinds("ilower") == ("GPU",)
        assert found.index_point("ilower", "GPU", (4,), (0,)) == (0, 1)

    @pytest.mark.parametrize("spelled", ["t.ilower", "t . ilower", "t.\n# why\n  ilower"])
    def test_how_it_is_written(self, spelled: str) -> None:
        text = f"m = Machine(GPU); def f(Task t) {{ return m[0, ({spelled})[0]]; }}"
        parsed = dsl.parse(f"{text} IndexTaskMap a f;")
        assert "t.ilower[0]" in dsl.unparse(parsed)
        found = dsl.load(parsed, SHAPE)
        assert found.index_point("a", "GPU", (4,), (0,)) == (0, 0)
        assert found.index_point("a", "GPU", (4,), (2,), lower=(2,)) == (0, 2)

    def test_a_longer_word_is_another(self) -> None:
        with pytest.raises(dsl.MapperSyntaxError, match="ilowered") as caught:
            dsl.parse("def f(Task t) { return t.ilowered; }")
        assert "did you mean ilower?" in str(caught.value)

    def test_a_single_task_has_none(self) -> None:
        text = "m = Machine(GPU); def f(Task t) { return m[0, t.ilower[0]]; } SingleTaskMap a f;"
        parsed = dsl.parse(text)
        for found in (dsl.load(parsed, SHAPE), dsl.CompiledPolicy.of(parsed, SHAPE)):
            with pytest.raises(dsl.MapperEvaluationError) as caught:
                found.single_map("a", "GPU", (0, 0), "GPU")
            assert caught.value.code == "no-ipoint-on-single"
