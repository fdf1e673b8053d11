"""Every example of the manual: it parses and loads, and does what the manual says it does."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

import dsl

MANUAL = files("dsl").joinpath("manual.md").read_text(encoding="utf-8")
SHAPE = dsl.MachineShape(nodes=2, processors={"GPU": 4, "CPU": 1, "OMP": 1})
FENCES = re.findall(r"^```(\w+)\n(.*?)^```$", MANUAL, re.MULTILINE | re.DOTALL)
MAPPERS = [body for language, body in FENCES if language == "mapper"]
WRONG = [
    re.fullmatch(r"(.*?) +# (.*): ([\w-]+)", line)
    for language, body in FENCES
    if language == "wrong"
    for line in body.splitlines()
]

SIZE = re.compile(r"# (\w+)\.size = ([\d,]+)")
SAME = re.compile(r"(\w+\[[\d, ]+\]) is (\w+\[[\d, ]+\])")
POINT = re.compile(r"# (\w+)\(\(?([\d, ]+?)\)? of \(?([\d, ]+?)\)?\) = \((\d+), (\d+)\)")


def load(text: str) -> dsl.Mapper:
    return dsl.load(dsl.parse(text), SHAPE)


def ints(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def everywhere(pattern: re.Pattern[str]) -> list[tuple[str, tuple[str, ...]]]:
    """The statements of the manual of one form, each with the mapper that it stands in."""
    return [(mapper, found) for mapper in MAPPERS for found in pattern.findall(mapper)]


def test_it_is_short():
    words = len(MANUAL.split())
    assert words * 1.4 < 2800
    assert len(MANUAL) / 3.2 < 2800  # code has more tokens a word than prose


def test_every_fence_is_tested():
    assert {language for language, _ in FENCES} == {"mapper", "wrong"}
    assert len(MAPPERS) == 3
    assert all(WRONG)
    assert len(WRONG) >= 14
    assert [len(everywhere(pattern)) for pattern in (SIZE, SAME, POINT)] == [8, 7, 7]


@pytest.mark.parametrize("text", MAPPERS)
def test_mappers_load(text):
    load(text)


@pytest.mark.parametrize(("mapper", "found"), everywhere(SIZE))
def test_sizes(mapper, found):
    name, sizes = found
    assert load(f'{mapper}\nprint("{{}}", {name}.size);').printed == f"{sizes}\n"


@pytest.mark.parametrize(("mapper", "found"), everywhere(SAME))
def test_the_same_processor(mapper, found):
    one, other = found
    text = f'{mapper}\np = {one}; q = {other};\nprint("{{}} {{}}", p, q);'
    said = load(text).printed.split()
    assert said[0] == said[1]


@pytest.mark.parametrize(("mapper", "found"), everywhere(POINT))
def test_index_maps(mapper, found):
    function, point, domain, node, processor = found
    sample = load(f"{mapper}\nIndexTaskMap sample {function};")
    expected = (int(node), int(processor))
    assert sample.index_point("sample", "GPU", ints(domain), ints(point)) == expected
    sample.index_map("sample", "GPU", ints(domain))


@pytest.mark.parametrize("example", WRONG, ids=lambda found: found[3])
def test_what_is_said_to_fail_fails_so(example):
    text, _, code = example.groups()
    machine = "" if text.startswith("x") else "m = Machine(GPU);\n"
    function = "IndexTaskMap t f;" if text.startswith("def") else ""
    with pytest.raises(dsl.MapperError) as caught:
        load(f"{machine}{text}\n{function}").index_map("t", "GPU", (8,))
    assert caught.value.code == code
    assert caught.value.line == (2 if machine else 1)


class TestWhatItSays:
    """Sentences of the manual about look-ups."""

    def test_the_first_mapper(self):
        mapper = load(MAPPERS[0])
        assert mapper.task_kinds("report") == ("CPU",)
        assert mapper.task_kinds("other") == ("GPU", "CPU")
        assert mapper.memories("t", ("halo",), "GPU") == ("ZCMEM", "FBMEM")
        assert mapper.memories("t", ("halo",), "CPU") == ("SYSMEM",)
        layout = mapper.layout("t", ("halo",), "FBMEM")
        assert layout == dsl.LayoutDecision(soa=True, c_order=True)
        assert mapper.index_map("t", "GPU", (8,)).tolist() == [
            [node, gpu] for node in (0, 1) for gpu in range(4)
        ]

    def test_the_default_layout_comes_first(self):
        default = load("Layout * * *;").layout("t", ("r",), "FBMEM")
        assert default == load("Layout * * * SOA F_order;").layout("t", ("r",), "FBMEM")

    def test_the_first_statement_counts(self):
        assert load("Task t CPU; Task t GPU;").task_kinds("t") == ("CPU",)

    def test_memory_lists_are_joined(self):
        mapper = load(
            "Region * * GPU RDMEM; Region * r GPU SYSMEM; Region t * GPU FBMEM;"
            "Region t r GPU ZCMEM;"
        )
        assert mapper.memories("t", ("r",), "GPU") == ("ZCMEM", "FBMEM", "SYSMEM", "RDMEM")

    def test_maps_of_a_task_go_before_those_of_its_kind(self):
        mapper = load(
            "m = Machine(GPU); def f(Task t) { return m[0, 0]; } def g(Task t) { return m[1, 1]; }"
            "IndexTaskMap GPU f; IndexTaskMap t g;"
        )
        assert mapper.index_point("t", "GPU", (1,), (0,)) == (1, 1)
        assert mapper.index_point("u", "GPU", (1,), (0,)) == (0, 0)

    def test_a_wildcard_map_has_no_effect(self):
        mapper = load("m = Machine(GPU); def f(Task t) { return m[0, 0]; } IndexTaskMap * f;")
        assert not mapper.has_index_map("t", "GPU")

    def test_a_second_assignment_has_no_effect(self):
        mapper = load(
            "m = Machine(GPU); def f(Task t) { x = 1; x = 0; return m[0, x]; } IndexTaskMap t f;"
        )
        assert mapper.index_point("t", "GPU", (1,), (0,)) == (0, 1)

    def test_minus_one_is_a_wildcard(self):
        mapper = load("m = Machine(GPU); def f(Task t) { return m[0, -1]; } SingleTaskMap t f;")
        assert len(mapper.single_map("t", "GPU", (0, 0), "GPU")) == 4

    def test_an_index_beyond_a_transformed_dimension(self):
        mapper = load(
            "m = Machine(GPU).split(1, 2); def f(Task t) { return m[0, 3, 0]; } IndexTaskMap t f;"
        )
        assert mapper.index_point("t", "GPU", (1,), (0,)) == (0, 3)
