from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

import dsl
from tests.tuners.llm.scripted import fenced
from tuners.llm.candidates import LONGEST_CANDIDATE, candidates_in
from tuners.llm.replies.texts import blocks_of, json_values_in, mapper_texts_in, merge_blocks
from tuners.llm.replies.values import InvalidValues, checked_values, read_values
from tuners.llm.study_space import StudySpace

MAPPER = "Task * GPU,CPU;\nRegion * * GPU FBMEM;"
SPACE = {
    "kind": CategoricalDistribution(("a", "b", 3, None)),
    "depth": IntDistribution(2, 8, step=2),
    "rate": FloatDistribution(1e-4, 1.0, log=True),
    "grid": FloatDistribution(0.0, 1.0, step=0.1),
}
VALUES = {"kind": "b", "depth": 4, "rate": 0.01, "grid": 0.5}


@pytest.mark.parametrize(
    "reply",
    [
        fenced(MAPPER),
        fenced(MAPPER, ""),
        fenced(MAPPER, "c++"),
        f"~~~mapper\n{MAPPER}\n~~~",
        f"```mapper\n{MAPPER}",  # cut off
        MAPPER,
        f"Here it is:\n{MAPPER}\nGood luck!",
        json.dumps({"reasoning": "why", "mappers": [MAPPER]}),
        json.dumps({"mapper": MAPPER}),
        json.dumps({"blocks": {"task": "Task * GPU,CPU;", "region": "Region * * GPU FBMEM;"}}),
        f"<think>```mapper\nTask a CPU;\n```</think>{fenced(MAPPER)}",
        f"First ```x``` then\n```python\nprint(1)\n```\n{fenced(MAPPER)}",
    ],
)
def test_a_mapper_is_found_in_every_form(reply, toy_problem):
    (candidate,) = candidates_in(reply, toy_problem)
    assert dsl.parse(candidate.text) == dsl.parse(MAPPER)


def test_the_last_of_too_many_mappers_count(toy_problem):
    reply = "".join(fenced(f"Task {task} GPU;") for task in "abc")
    found = candidates_in(reply, toy_problem, most=2)
    assert [each.text for each in found] == ["Task b GPU;", "Task c GPU;"]


def test_values_stand_for_a_mapper_too(toy_problem):
    values = toy_problem.template.defaults()
    (candidate,) = candidates_in(fenced(json.dumps(values), "json"), toy_problem)
    assert candidate.text == toy_problem.render(values)
    assert candidate.key == toy_problem.key(values)


@pytest.mark.parametrize("reply", ["", "I do not know.", "```mapper\n```", "{}", "[]", "```"])
def test_nothing_is_found_where_nothing_is(reply, toy_problem):
    assert candidates_in(reply, toy_problem) == []


def test_a_reply_without_end_is_cut(toy_problem):
    found = candidates_in(fenced("Task a GPU;\n" * 100_000), toy_problem)
    assert all(len(each.text) <= LONGEST_CANDIDATE and each.complaints for each in found)


def test_complaints_name_what_does_not_parse_and_what_fails(circuit_problem):
    (unparsed,) = candidates_in(fenced("Task * GPU"), circuit_problem)
    assert unparsed.key is None
    assert "';' is missing" in unparsed.complaints[0]
    wrong = "m = Machine(GPU);\ndef f(Task t) { return m[9, 0]; }\nIndexTaskMap GPU f;"
    (leaves,) = candidates_in(fenced(wrong), circuit_problem)
    assert leaves.key is not None
    assert "hint" in leaves.complaints[0]


# Blocks

BASE = """\
Task * GPU,CPU;
Region * * GPU FBMEM;
InstanceLimit a 4;
m = Machine(GPU);
def f(Task t) { return m[0, 0]; }
IndexTaskMap GPU f;
"""


def test_a_block_replaces_its_like_and_leaves_the_others():
    merged = dsl.parse(merge_blocks(BASE, "Region a 0 GPU ZCMEM;\nRegion * * GPU FBMEM;"))
    assert blocks_of(merged) == blocks_of(dsl.parse(BASE)) | {
        "region": "Region a 0 GPU ZCMEM;\nRegion * * GPU FBMEM;"
    }


def test_functions_are_replaced_by_name_and_stand_before_what_uses_them():
    part = "n = m.merge(0, 1);\ndef f(Task t) { return n[1]; }\ndef g(Task t) { return n[2]; }\n"
    merged = merge_blocks(BASE, f"{part}IndexTaskMap a g;\nIndexTaskMap GPU f;")
    mapper = dsl.load(dsl.parse(merged), dsl.MachineShape(nodes=1, processors={"GPU": 4}))
    assert mapper.index_point("b", "GPU", (4,), (0,)) == (0, 1)
    assert mapper.index_point("a", "GPU", (4,), (0,)) == (0, 2)


def test_a_block_can_be_emptied():
    merged = dsl.parse(merge_blocks(BASE, "# limit block: none"))
    assert "limit" not in blocks_of(merged)
    assert len(merged.statements) == 5


# Values


def test_values_are_read_by_their_types():
    found = {"kind": "b", "depth": "4", "rate": "1e-2", "grid": "0.5"}
    assert checked_values(found, SPACE) == VALUES
    assert [type(each) for each in checked_values(found, SPACE).values()] == [
        type(each) for each in VALUES.values()
    ]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"depth": 3}, "3 is no value of depth: it is an integer from 2 to 8 in steps of 2"),
        ({"depth": True}, "True is no value of depth"),
        ({"depth": 10**400}, "is no value of depth"),
        ({"rate": 2.0}, "2.0 is no value of rate"),
        ({"rate": None}, "None is no value of rate"),
        ({"grid": 0.35}, "0.35 is no value of grid"),
        ({"kind": "c"}, "'c' is no value of kind: it is one of a, b, 3, None"),
        ({"kinds": "a"}, "there is no parameter kinds: did you mean kind"),
    ],
)
def test_a_wrong_value_is_named_with_what_it_may_be(wrong, said):
    with pytest.raises(InvalidValues) as caught:
        checked_values(VALUES | wrong, SPACE)
    assert said in str(caught.value)


def test_a_missing_value_is_named():
    with pytest.raises(InvalidValues, match="grid has no value"):
        read_values('{"kind": "a", "depth": 2, "rate": 0.1}', SPACE)


def test_constants_and_nesting_without_end_are_no_json():
    assert list(json_values_in('{"x": NaN}')) == []
    assert list(json_values_in('{"x":' * 20_000)) == []
    assert list(json_values_in("[" * 100_000)) == []


# Nothing that a model says raises

WORDS = st.sampled_from(
    ["```", "```mapper\n", "```json\n", "\n", "Task", " * ", "GPU", ",", ";", "Region", "{", "}",
     "[", "]", '"', ":", "def f(Task t) ", "return", "m[0, 0]", "m = Machine(GPU);",
     "IndexTaskMap", "1e999", "-1", "limit.a", "proc.a", "NaN", "#", "task block: none", "\x00",
     "</think>", "é", "99999999999999999999", "None", "true", '{"mapper": ', '{"candidates": [']
)  # fmt: skip
REPLIES = st.one_of(
    st.text(max_size=200),
    st.lists(WORDS, max_size=40).map("".join),
    st.lists(WORDS, max_size=40).map(" ".join),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*SPACE, "mapper", "candidates", "x"]), inner)
        ),
        max_leaves=8,
    ).map(json.dumps),
)


@settings(max_examples=300, deadline=None)
@given(reply=REPLIES, base=st.sampled_from([None, BASE, "broken"]))
def test_no_reply_raises_where_mappers_are_asked_for(reply, base, shared_toy_problem):
    for candidate in candidates_in(reply, shared_toy_problem, base=base, most=3):
        assert candidate.key is not None or candidate.complaints
        shared_toy_problem.project(candidate.text)


@settings(max_examples=300, deadline=None)
@given(reply=REPLIES)
def test_no_reply_raises_where_values_are_asked_for(reply):
    problem = StudySpace(SPACE)
    for candidate in candidates_in(reply, problem):
        if not candidate.complaints:
            assert problem.project(candidate.text).values.keys() == SPACE.keys()


@settings(max_examples=200, deadline=None)
@given(reply=REPLIES)
def test_mapper_texts_are_parts_of_the_reply(reply):
    for text in mapper_texts_in(reply):
        assert text.strip()


@pytest.mark.parametrize("base", [None, "Task * GPU; Region * * GPU ZCMEM;"])
def test_regions_collected_by_index_are_read_by_name(circuit_problem, base):
    index = "CollectMemory update_voltages 1;"
    reply = f"It was\n```mapper\nTask * CPU;\n```\n\n```mapper\nTask * GPU,CPU;\n{index}\n```\n"
    (candidate,) = candidates_in(reply, circuit_problem, base=base)
    assert not candidate.complaints
    name = circuit_problem.application.tasks["update_voltages"].requirements[1].names[0]
    assert f"CollectMemory update_voltages {name};" in candidate.text
    assert "Task * GPU, CPU;" in candidate.text.replace("GPU,CPU", "GPU, CPU")
    assert "Task * CPU" not in candidate.text
    (note,) = candidate.notes
    assert note.startswith(f"{index} was read as CollectMemory update_voltages {name};")


@pytest.mark.parametrize("depth", [100, 900, 960, 990, 5000])
@pytest.mark.parametrize("opening", ["[", '{"a": ', '{"x": ', '{"candidates": [', '{"mapper": '])
def test_values_within_values_without_end_are_no_answer(circuit_problem, opening, depth):
    text = (
        opening * depth
        + "1"
        + "".join({"[": "]", "{": "}"}[c] for c in reversed(opening) if c in "[{") * depth
    )
    space = StudySpace({"x": CategoricalDistribution(("a", "b"))})
    for reply in (text, f"So: {text}", f'{{"mapper": {text}}}', f'{{"x": {text}}}'):
        assert candidates_in(reply, space) == []
        for base in (None, "Task * GPU;"):
            assert candidates_in(reply, circuit_problem, base=base) == []


QUOTED = Path(__file__).with_name("quoted_reply.md")


@pytest.mark.parametrize("base", [None, "Task * GPU, CPU;\nRegion * * GPU ZCMEM;\n"])
def test_a_reply_that_quotes_the_old_block_first_is_taken_by_its_last_fence(circuit_problem, base):
    (candidate,) = candidates_in(QUOTED.read_text("utf-8"), circuit_problem, base=base)
    assert "Region * * GPU FBMEM;" in candidate.text
    assert "ZCMEM" not in candidate.text
    assert not candidate.complaints


def test_a_byte_order_mark_is_skipped(circuit_problem):
    for reply in ("\ufeff" + fenced("\ufeffTask * GPU,CPU;"), "\ufeffTask * GPU,CPU;"):
        (candidate,) = candidates_in(reply, circuit_problem)
        assert not candidate.complaints
        (candidate,) = candidates_in(reply, circuit_problem, base="Task * CPU;")
        assert not candidate.complaints
        assert "GPU" in candidate.text
    space = StudySpace({"n": IntDistribution(1, 8)})
    assert space.project('\ufeff{"n": 3}').values == {"n": 3}
