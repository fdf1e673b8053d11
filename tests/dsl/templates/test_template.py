"""Templates: what they say, what they render, and what they make of a mapper."""

from __future__ import annotations

import pickle
import random
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

import dsl
from dsl import Template, TemplateError
from dsl.templates.space.parameters import Value

TEXT = """\
# A comment with ${no: hole} and $[no group].
Task stencil ${proc.stencil: GPU | CPU | 'GPU,CPU'};
Region stencil 0 GPU ${mem.stencil.0: FBMEM | ZCMEM when proc.stencil != CPU};
Layout stencil 0 * ${order: F_order | C_order = C_order} $[Align==${align: none | 64 | 128}];
$[InstanceLimit stencil ${limit: 1..8 when proc.stencil in (GPU, 'GPU,CPU') and align == 64};]
$[m = Machine(GPU);]
$[def block(Task t) { return m[0, t.ipoint[0] * ${k: 1..3} % m.size[1]]; }]
$[def cyclic_GPU(Task t) { return m[0, t.ipoint[0] % m.size[1]]; }]
$[IndexTaskMap stencil ${map: none | block | cyclic_GPU};]
"""


@pytest.fixture(scope="module")
def template() -> Template:
    return Template(TEXT)


def every_point(template: Template) -> list[dict[str, Value]]:
    points: list[dict[str, Value]] = [{}]
    for name, parameter in template.parameters.items():
        points = [
            {**point, name: value} if value is not None else point
            for point in points
            for value in (parameter.values if template.is_active(name, point) else [None])
        ]
    return points


# Parameters


def test_holes_are_parameters(template: Template) -> None:
    found = template.parameters
    assert list(found) == ["proc.stencil", "mem.stencil.0", "order", "align", "limit", "k", "map"]
    assert found["proc.stencil"].choices == ("GPU", "CPU", "GPU,CPU")
    assert found["order"].default == "C_order"
    assert (found["limit"].low, found["limit"].high, found["limit"].choices) == (1, 8, ())
    assert str(found["limit"]) == (
        "limit: 1..8 when proc.stencil in (GPU, GPU,CPU) and align == 64"
    )
    assert found["mem.stencil.0"].condition is not None
    assert found["mem.stencil.0"].condition.names == ("proc.stencil",)
    assert str(found["mem.stencil.0"].condition) == "proc.stencil != CPU"


def test_a_range_among_choices_is_written_out() -> None:
    template = Template("$[InstanceLimit a ${n: none | 1..3 | 8};]")
    assert template.parameters["n"].choices == ("none", "1", "2", "3", "8")


def test_a_parameter_counts_where_its_condition_does(template: Template) -> None:
    assert template.is_active("order", {})
    assert not template.is_active("mem.stencil.0", {})
    assert not template.is_active("mem.stencil.0", {"proc.stencil": "CPU"})
    assert template.is_active("limit", {"proc.stencil": "GPU", "align": "64"})
    assert not template.is_active("limit", {"proc.stencil": "GPU", "align": "none"})
    chained = Template(
        "Task t ${a: GPU | CPU}; Task u ${b: GPU | CPU when a == GPU};"
        "Task v ${c: GPU | CPU when b != CPU};"
    )
    assert chained.is_active("c", {"a": "GPU", "b": "GPU"})
    assert not chained.is_active("c", {"a": "CPU", "b": "GPU"})
    assert chained.defaults() == {"a": "GPU", "b": "GPU", "c": "GPU"}


def test_defaults_are_those_that_count(template: Template) -> None:
    assert template.defaults() == {
        "proc.stencil": "GPU",
        "mem.stencil.0": "FBMEM",
        "order": "C_order",
        "align": "none",
        "k": 1,
        "map": "none",
    }


def test_size_counts_points(template: Template) -> None:
    assert template.size == len(every_point(template))
    assert Template("Task * GPU;").size == 1


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_size_is_the_number_of_points_of_any_conditions(data: st.DataObject) -> None:
    lines = []
    for k in range(data.draw(st.integers(1, 6))):
        when = ""
        if k and data.draw(st.booleans()):
            others = data.draw(st.sets(st.integers(0, k - 1), min_size=1, max_size=2))
            tests = [f"h{o} == {data.draw(st.sampled_from(['GPU', 'CPU']))}" for o in others]
            when = f" when {' and '.join(tests)}"
        lines.append(f"Task t{k} ${{h{k}: GPU | CPU | OMP{when}}};")
    template = Template("\n".join(lines), check=False)
    assert template.size == len(every_point(template))


def test_size_is_bounded_from_above_where_conditions_are_many() -> None:
    names = [f"h{k}" for k in range(15)]
    lines = [f"Task {name} ${{{name}: GPU | CPU | OMP}};" for name in names]
    lines += ["Task t ${t: GPU | CPU when " + " and ".join(f"{n} == GPU" for n in names) + "};"]
    size = Template("\n".join(lines), check=False).size
    assert 3**15 + 1 <= size <= 2 * 3**15


# Rendering


def test_rendering_puts_values_into_holes(template: Template) -> None:
    values = {
        "proc.stencil": "GPU,CPU",
        "mem.stencil.0": "ZCMEM",
        "order": "F_order",
        "align": "64",
        "limit": 3,
        "k": 2,
        "map": "block",
    }
    assert template.render(values) == (
        "# A comment with ${no: hole} and $[no group].\n"
        "Task stencil GPU,CPU;\n"
        "Region stencil 0 GPU ZCMEM;\n"
        "Layout stencil 0 * F_order Align==64;\n"
        "InstanceLimit stencil 3;\n"
        "m = Machine(GPU);\n"
        "def block(Task t) { return m[0, t.ipoint[0] * 2 % m.size[1]]; }\n"
        "IndexTaskMap stencil block;\n"
    )


def test_what_does_not_count_is_left_out_or_default(template: Template) -> None:
    values = {"proc.stencil": "CPU", "order": "F_order", "align": "none", "k": 1, "map": "none"}
    assert template.render(values).splitlines()[1:4] == [
        "Task stencil CPU;",
        "Region stencil 0 GPU FBMEM;",
        "Layout stencil 0 * F_order ;",
    ]


def test_values_of_idle_parameters_are_ignored(template: Template) -> None:
    values = {"proc.stencil": "CPU", "order": "F_order", "align": "none", "k": 1, "map": "none"}
    assert template.render({**values, "limit": 99, "mem.stencil.0": "?"}) == template.render(
        values
    )


def test_definitions_stand_where_they_are_used() -> None:
    template = Template(
        "$[a = Machine(GPU);]\n$[def g(int i) { return i; }]\n"
        "$[def f(Task t) { return a[0, g(0)]; }]\n$[def h(Task t) { return 1; }]\n"
        "Task * GPU; # h is not used here\n"
        "$[IndexTaskMap x ${map: none | f | h};]\n"
    )
    assert "def h" not in template.render({"map": "f"})
    assert all(word in template.render({"map": "f"}) for word in ("a =", "def g", "def f"))
    assert template.render({"map": "none"}) == "Task * GPU; # h is not used here\n"
    for choice in ("none", "f", "h"):
        assert template.match(template.render({"map": choice})) == {"map": choice}


def test_numbers_and_their_digits_are_the_same_value() -> None:
    template = Template("InstanceLimit a ${n: 1..8}; InstanceLimit b ${m: 1 | 2 | 4};")
    assert template.render({"n": "3", "m": 4}) == template.render({"n": 3, "m": "4"})


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"proc.stencli": "GPU"}, "unknown-parameter", ["proc.stencli", "proc.stencil?"]),
        ({"proc.stencil": "GPPU"}, "parameter-value", ["'GPPU'", "proc.stencil", "GPU?", "CPU"]),
        ({"k": 4}, "parameter-value", ["4 is no value of k", "1 to 3"]),
        ({"k": True}, "parameter-value", ["True is no value of k"]),
        ({"k": "many"}, "parameter-value", ["'many'"]),
        ({"align": 65}, "parameter-value", ["65 is no value of align", "none, 64, 128"]),
        ({"order": None}, "parameter-value", ["order"]),
        ({"order": []}, "parameter-value", ["[] is no value of order"]),
        ({"k": ...}, "missing-value", ["k has no value", "1 to 3"]),
    ],
)
def test_wrong_values_are_told(
    template: Template, change: dict[str, Any], code: str, words: list[str]
) -> None:
    values = {**template.defaults(), **change}
    values = {name: value for name, value in values.items() if value is not ...}
    with pytest.raises(TemplateError) as caught:
        template.render(values)
    assert caught.value.code == code
    assert all(word in str(caught.value) for word in words)


# Matching


def test_matching_is_the_inverse_of_rendering(template: Template) -> None:
    for values in random.Random(0).sample(every_point(template), 300):
        assert template.match(template.render(values)) == values


def test_spacing_and_comments_do_not_matter(template: Template) -> None:
    values = template.defaults()
    text = template.render(values).replace(";", " ;  // so\n\n").replace("Task", " Task\t")
    assert template.match(text) == values


def test_a_tree_without_text_is_matched(template: Template) -> None:
    values = {**template.defaults(), "map": "cyclic_GPU", "align": "64", "limit": 7}
    statements = dsl.parse(template.render(values)).statements
    assert template.match(dsl.Program(statements)) == values


@pytest.mark.parametrize(
    "rewrite",
    [
        dsl.normal_form,
        dsl.unparse,
        lambda program: dsl.unparse(dsl.Program(program.statements[1:] + program.statements[:1])),
        lambda program: program.source + "Task stencil OMP; def idle(Task t) { return 1; }",
        lambda program: program.source.replace("cyclic_GPU", "mine").replace("m[", "machine[")
        .replace("m =", "machine =").replace("m.", "machine."),
    ],
    ids=["normal form", "unparsed", "in another order", "with idle statements", "renamed"],
)  # fmt: skip
def test_a_mapper_that_decides_alike_is_matched(template: Template, rewrite: Any) -> None:
    for chosen in ("none", "cyclic_GPU"):
        for values in every_point(template):
            if values["map"] == chosen and values["k"] == 1 and values.get("limit", 1) == 1:
                program = dsl.parse(template.render(values))
                assert template.match(rewrite(program)) == values


def test_holes_in_functions_are_found_by_the_function_s_name(template: Template) -> None:
    values = {**template.defaults(), "map": "block", "k": 3}
    statements = template.render(values).strip().split("\n")
    lines = [statements[0], *statements[4:], *statements[1:4]]
    assert template.match("\n".join(lines)) == values


@pytest.mark.parametrize(
    "text",
    [
        "Task stencil OMP;",
        "Task * GPU;",
        "Task stencil GPU; Region stencil 0 GPU FBMEM; Layout stencil 0 * C_order; Task x CPU;",
        "Task stencil GPU; Region stencil 0 GPU SYSMEM; Layout stencil 0 * C_order;",
        "Task stencil GPU; Region stencil 0 GPU FBMEM; Layout stencil 0 * C_order Align==32;",
        "x = 1; x = 2;",
    ],
)
def test_what_is_off_template_has_no_values(template: Template, text: str) -> None:
    assert template.match(text) is None


def test_a_text_that_is_no_mapper_is_told(template: Template) -> None:
    with pytest.raises(dsl.MapperSyntaxError):
        template.match("Task stencil;")


def test_overridden_statements_of_a_template_do_not_count() -> None:
    template = Template("Task a ${p: GPU | CPU}; Task a,b ${q: OMP | IO};")
    for values in every_point(template):
        text = template.render(values)
        assert template.match(text) == values
        assert template.match(dsl.normal_form(dsl.parse(text))) == values


def test_large_ranges_need_no_list() -> None:
    template = Template("InstanceLimit a ${n: 1..1000000}; Layout a r * Align<=${b: 1..4096};")
    values: dict[str, Value] = {"n": 765432, "b": 77}
    text = template.render(values)
    assert template.match(text) == values
    reversed_text = "".join(f"{line};" for line in text.rstrip(";").split(";")[::-1])
    assert template.match(reversed_text) == values
    assert template.match(text.replace("765432", "1000001")) is None


def test_many_equal_groups_take_no_time() -> None:
    lines = [f"$[Task a ${{p{k}: none | GPU}};]" for k in range(60)]
    template = Template("\n".join([*lines, "Task b ${q: GPU | CPU};"]))
    assert template.match("Task a GPU;" * 30 + "Task c GPU;") is None
    assert template.match("Task a GPU;" * 30 + "Task b CPU;") is not None


def test_holes_within_a_word_are_read() -> None:
    template = Template(
        "m = Machine(GPU); def f_GPU_2(Task t) { return m[0, 0]; }"
        "def g_CPU_3(Task t) { return m[0, 1]; }"
        "IndexTaskMap a ${f: f | g}_${k: GPU | CPU}_${n: 2..3};",
        check=False,
    )
    values: dict[str, Value] = {"f": "g", "k": "CPU", "n": 3}
    assert template.match(template.render(values)) == values


KINDS = ["GPU", "CPU", "OMP", "GPU,CPU", "IO"]
MEMORIES = ["FBMEM", "ZCMEM", "SYSMEM", "FBMEM,ZCMEM"]


@st.composite
def templates(draw: st.DrawFn) -> Template:
    """Templates of any statements, with conditions, optional groups and repeated holes."""
    spreads: dict[str, list[str] | range] = {}

    def hole(choices: list[str] | range, *, optional: bool = False) -> str:
        again = [name for name, spread in spreads.items() if spread == choices]
        if again and draw(st.integers(0, 4)) == 0:
            return f"${{{draw(st.sampled_from(again))}}}"
        condition = ""
        if spreads and draw(st.booleans()):
            other = draw(st.sampled_from(list(spreads)))
            value = draw(st.sampled_from(spreads[other]))
            quoted = f"'{value}'" if "," in str(value) else value
            condition = f" when {other} {draw(st.sampled_from(['==', '!=']))} {quoted}"
        name = f"h.{len(spreads)}"
        spreads[name] = choices
        if isinstance(choices, range):
            return f"${{{name}: {choices[0]}..{choices[-1]}{condition}}}"
        words = [*(["none"] if optional else []), *choices]
        spreads[name] = words
        default = draw(st.sampled_from(words))
        return f"${{{name}: {' | '.join(words)} = {default}{condition}}}"

    def line(k: int) -> str:
        # Two optional statements about one thing could not be told apart.
        optional = draw(st.booleans())
        task = f"t{k}" if optional else draw(st.sampled_from(["a", "b", "*"]))
        text = {
            "Task": lambda: f"Task {task} {hole(KINDS, optional=optional)};",
            "Region": lambda: f"Region {task} r GPU {hole(MEMORIES, optional=optional)};",
            "Layout": lambda: (
                f"Layout {task} r * {hole(['SOA', 'AOS'])} {hole(['C_order', 'F_order'])}"
                f" $[Align=={hole(['64', '128'], optional=True)}];"
            ),
            "InstanceLimit": lambda: f"InstanceLimit t{k} {hole(range(1, 5))};",
            "Collect": lambda: f"CollectMemory t{k} {hole(['q', 'r'], optional=optional)};",
            "Map": lambda: f"IndexTaskMap t{k} {hole(['f', 'g'], optional=optional)}_GPU;",
        }
        kind = draw(st.sampled_from(list(text)))
        return (
            text[kind]()
            if kind in ("Layout", "InstanceLimit") or not optional
            else f"$[{text[kind]()}]"
        )

    head = [
        "$[m = Machine(GPU);]",
        "$[def f_GPU(Task t) { return m[0, 0]; }]",
        "$[def g_GPU(Task t) { return m[0, 1]; }]",
        "Task z GPU;",
    ]
    return Template("\n".join([*head, *[line(k) for k in range(draw(st.integers(1, 8)))]]))


@given(templates(), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_rendering_and_matching_are_inverse(template: Template, rng: random.Random) -> None:
    values: dict[str, Value] = {}
    for name, parameter in template.parameters.items():
        if template.is_active(name, values):
            values[name] = rng.choice(list(parameter.values))
    text = template.render(values)
    matched = template.match(text)
    note(f"{template.text}\n{values}\n{text}\n{matched}")
    assert matched is not None
    assert template.render(matched) == text
    if not hidden(template, values):
        assert matched == values
    program = dsl.parse(text)
    normal = dsl.normal_form(program)
    alike = template.match(normal)
    assert alike is not None
    assert dsl.normal_form(dsl.parse(template.render(alike))) == normal


def hidden(template: Template, values: dict[str, Value]) -> bool:
    """Whether some value cannot be read from the rendering: its groups are all left out."""
    text = template.render(values)
    for name, value in values.items():
        for other in set(template.parameters[name].values) - {value}:
            try:
                if template.render({**values, name: other}) == text:
                    return True
            except TemplateError:  # another parameter counts now
                continue
    return False


# Errors of templates

WRONG = {
    "an open hole": ("Task a ${p: GPU | CPU;\nTask b ${q: GPU};", "open-hole", 1, 8),
    "an open hole before a function": (
        "Task a ${p: GPU | CPU;\ndef f(Task t) { return 1; }",
        "open-hole",
        1,
        8,
    ),
    "an open quote": ("Task a ${p: 'GPU | CPU};", "open-hole", 1, 8),
    "a stray dollar": ("Task a $p;", "stray-dollar", 1, 8),
    "no name": ("Task a ${: GPU};", "hole-name", 1, 10),
    "a bad name": ("Task a ${p q: GPU};", "hole-name", 1, 10),
    "an unknown hole": ("Task a ${proc: GPU};\nTask b ${prok};", "unknown-hole", 2, 10),
    "a hole described twice": ("Task a ${p: GPU};\nTask b ${p: CPU};", "duplicate-hole", 2, 10),
    "an empty choice": ("Task a ${p: GPU | };", "empty-choice", 1, 10),
    "no choice": ("Task a ${p:};", "empty-choice", 1, 10),
    "a choice given twice": ("Task a ${p: GPU | CPU | GPU};", "duplicate-choice", 1, 25),
    "a range the wrong way": ("InstanceLimit a ${n: 8..1};", "hole-range", 1, 22),
    "a long range among choices": ("InstanceLimit a ${n: 1 | 2..5000};", "hole-range", 1, 26),
    "a default that is no choice": ("Task a ${p: GPU | CPU = OMP};", "hole-value", 1, 25),
    "a default outside": ("InstanceLimit a ${n: 1..8 = 9};", "hole-value", 1, 29),
    "two defaults": ("Task a ${p: GPU | CPU = GPU = CPU};", "hole-form", 1, 31),
    "a condition on nothing": ("Task a ${p: GPU | CPU when q == GPU};", "unknown-hole", 1, 28),
    "a condition on itself": ("Task a ${p: GPU | CPU when p == GPU};", "unknown-hole", 1, 28),
    "a condition on no value": (
        "Task a ${p: GPU | CPU};\nTask b ${q: GPU | CPU when p == GPPU};",
        "hole-value",
        2,
        33,
    ),
    "half a condition": ("Task a ${p: GPU};\nTask b ${q: GPU when p};", "hole-condition", 2, 22),
    "in without parentheses": (
        "Task a ${p: GPU};\nTask b ${q: GPU when p in GPU};",
        "hole-condition",
        2,
        27,
    ),
    "an open group": ("$[Task a ${p: none | GPU};", "open-group", 1, 1),
    "a group in a group": ("$[Task a $[${p: none | GPU};]]", "nested-group", 1, 10),
    "a group without a hole": ("Task a GPU;\n$[Task b GPU;]", "idle-group", 2, 1),
    "half a quote": ("Task a ${p: 'GPU' CPU | CPU};", "hole-quote", 1, 13),
}


@pytest.mark.parametrize(("text", "code", "line", "column"), WRONG.values(), ids=WRONG)
def test_a_malformed_template_is_told_with_its_place(
    text: str, code: str, line: int, column: int
) -> None:
    with pytest.raises(TemplateError) as caught:
        Template(text, filename="my.template")
    error = caught.value
    assert (error.code, error.line, error.column) == (code, line, column)
    assert str(error).startswith(f"my.template:{line}:{column}: ")
    assert "^" in str(error)
    assert text.split("\n")[line - 1] in str(error)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("Task * GPU;\nTask a GPPU;\nTask b ${p: GPU | CPU};", 2, ["GPPU"]),
        ("Task a GPU;\nTask b ${p: GPU | GPPU};", 2, ["with p = GPPU", "${p: GPU | GPPU}"]),
        ("Task a GPU;\nTask b ${p: none | GPU};", 2, ["with p = none"]),
        ("# one\nInstanceLimit a ${n: -1..3};", 2, ["with n = -1"]),
        (
            "$[def f(Task t) {\n  return t.ipont;\n}]\n$[IndexTaskMap a ${m: none | f};]",
            2,
            ["ipont"],
        ),
    ],
)
def test_a_template_that_makes_no_mapper_is_told(text: str, line: int, words: list[str]) -> None:
    with pytest.raises(TemplateError) as caught:
        Template(text)
    assert caught.value.line == line
    assert all(word in str(caught.value) for word in words)
    Template(text, check=False)


@given(st.text(st.sampled_from(list("${}[]|:='.;ab \n\"#1..when in")), max_size=40))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_template_or_an_error(text: str) -> None:
    with suppress(TemplateError):
        template = Template(text)
        assert isinstance(template.render(template.defaults()), str)


# The rest


def test_a_template_can_be_sent_to_another_process(template: Template) -> None:
    again = pickle.loads(pickle.dumps(template))  # noqa: S301  our own bytes
    assert again.text == template.text
    assert again.parameters == template.parameters
    assert again.match(again.render(again.defaults())) == template.defaults()


def test_the_parameters_cannot_be_changed(template: Template) -> None:
    with pytest.raises(TypeError):
        template.parameters["p"] = template.parameters["order"]  # type: ignore[index]
