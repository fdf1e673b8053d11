"""What `dsl.check` says of mappers, code by code, and whether it is right."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import dsl
from dsl.checks.diagnostics import CODES, Diagnostic, table
from legion_bridge import Application, Evaluator, Machine, application_names
from tests.dsl.checks.clashes import clash_at_one
from tests.dsl.random_programs import random_program

MANUAL = Path(dsl.__file__).with_name("diagnostics.md")


@cache
def application(name: str = "stencil", **parameters: int) -> Application:
    return Application.load(name, **parameters)


@cache
def machine(name: str = "p100x4", nodes: int = 1) -> Machine:
    if name == "hosts":  # without GPUs
        whole = machine()
        others = {k: p for k, p in whole.processors.items() if k != "GPU"}
        return replace(whole, name=name, processors=others)
    return Machine.load(name, nodes=nodes)


def check(
    text: str, name: str = "stencil", on: str = "p100x4", nodes: int = 1
) -> list[Diagnostic]:
    return checked(dsl.parse(text), evaluator_of(name, on, nodes))


@cache
def evaluator_of(name: str, on: str = "p100x4", nodes: int = 1) -> Evaluator:
    parameters = {"nodes": nodes} if nodes > 1 else {}
    return Evaluator(application(name, **parameters), machine(on, nodes))


def checked(program: dsl.Program, evaluator: Evaluator) -> list[Diagnostic]:
    facts = evaluator.application, evaluator.machine
    return dsl.check(program, *facts, forecast=evaluator.forecast)


def codes(text: str, name: str = "stencil") -> list[str]:
    return [diagnostic.code for diagnostic in check(text, name)]


class Example(NamedTuple):
    """A mapper that makes `check` say something, and parts of what it says."""

    code: str
    text: str
    line: int | None
    sentence: str
    suggestion: str = ""
    application: str = "stencil"
    machine: str = "p100x4"
    nodes: int = 1


GPUS = "m = Machine(GPU);\n"
EXAMPLES = [
    Example(
        "bad-alignment",
        "Layout stencil * * SOA Align == 3;\nTask * GPU,CPU;",
        1,
        "an instance cannot be aligned to 3 bytes, as stencil gets private (and 5 more like it)",
        "take a power of two, such as Align == 64",
    ),
    Example(
        "layout-refused",
        "Layout stencil * FBMEM SOA C_order;",
        1,
        "stencil needs F_order in private: stride does not match expected value "
        "(and 4 more like it)",
        "Layout stencil private * F_order;",
    ),
    Example(
        "limits-clash",
        "Layout * * * SOA C_order;\nInstanceLimit task_4 1;\nm = Machine(GPU);\n"
        "def f(Task t) { return m[0, t.ipoint[1] % m.size[1]]; }\nIndexTaskMap task_5 f;",
        2,
        "InstanceLimit task_4 1 cannot be kept: a task waits for a place",
        "leave it out",
        "cannon",
    ),
    Example(
        "load-fails",
        "IndexTaskMap stencil blok;\ndef block(Task t) { return Machine(GPU)[0, 0]; }",
        1,
        "the function blok is not defined",
        "define a function above",
    ),
    Example(
        "map-fails",
        GPUS + "def f(Task t) { return m[0, t.ipoint[1]]; } IndexTaskMap stencil f;",
        2,
        "for stencil at point (0)",
    ),
    Example(
        "map-leaves-machine",
        GPUS + "def f(Task t) { return m[t.ipoint[0], 0]; }\nIndexTaskMap GPU f;",
        2,
        "node 1 is out of range",
        "% m.size[0]",
    ),
    Example(
        "map-leaves-node",
        GPUS + "def f(Task t) { return m[1, 0]; } SingleTaskMap task_4 f;",
        2,
        "task_4 is sent to node 1",
        "task.parent.processor",
        "cannon",
        nodes=2,
    ),
    Example("no-variant", "Task task_4 GPU;", None, "GPU only", "", "cannon", "hosts"),
    Example(
        "out-of-memory",
        "Region stencil private GPU ZCMEM;\nRegion increment private GPU ZCMEM;",
        1,
        "MB a point, in ZCMEM, which holds 2.15 GB in all",
        "FBMEM",
    ),
    Example("virtual-leaf", "Region stencil pxm_in * VIRTUAL;", 1, "pxm_in", "FBMEM, ZCMEM"),
    Example("collect-no-effect", "CollectMemory stencil private;", 1, "only writes private"),
    Example("exact-without-compact", "Layout * * * Exact;", 1, "Compact", "Compact"),
    Example(
        "function-redefined",
        GPUS + "def f(Task t) { return m[0, 0]; }\ndef f(Task t) { return m[0, 1]; }\n"
        "IndexTaskMap GPU f;",
        3,
        "f is defined already",
    ),
    Example(
        "index-aliased",
        GPUS + "def f(Task t) { return m.split(1, 2)[0, t.ipoint[0], 0]; }\nIndexTaskMap GPU f;",
        2,
        "beyond its dimension",
        "%",
    ),
    Example(
        "index-wildcard",
        GPUS + "def f(Task t) { return m[0, -1]; }\nIndexTaskMap GPU f;",
        2,
        "-1",
        "m.size[d] - 1",
    ),
    Example("kind-without-variant", "Task stencil OMP;", 1, "cannot run on OMP", "CPU, GPU"),
    Example("limit-no-effect", "InstanceLimit stencil 0;", 1, "any number of instances"),
    Example(
        "local-reassigned",
        GPUS + "def f(Task t) { i = 0; i = 1; return m[0, i]; } IndexTaskMap GPU f;",
        2,
        "i has a value already",
    ),
    Example(
        "map-no-effect",
        GPUS + "def f(Task t) { return m[0, 0]; }\nSingleTaskMap stencil f;",
        3,
        "only in index launches",
    ),
    Example("memory-unseen", "Region * * GPU SYSMEM;", 1, "they get FBMEM", "FBMEM, ZCMEM"),
    Example("region-without-data", "Region stencil 1 GPU ZCMEM;", 1, "no data of 1"),
    Example("rule-hidden", "Task * CPU;\nTask * GPU;", 2, "decided in line 1"),
    Example("split-remainder", "m = Machine(GPU).split(1, 3);", 1, "left out"),
    Example("undefined-function", "def f(int i) { return g(i); }\nx = 1;", 1, "function g"),
    Example("undefined-name", "def f(int i) { return mgpu; }", 1, "mgpu", "mgpu = Machine(GPU);"),
    Example("unknown-region", "Region * privat GPU ZCMEM;", 1, "privat", "did you mean private?"),
    Example("unknown-task", "InstanceLimit stencl 2;", 1, "no task stencl", "mean stencil?"),
    Example(
        "unreachable",
        GPUS + "def f(Task t) { return m[0, 0];\n i = 1; } IndexTaskMap GPU f;",
        3,
        "never carried out",
    ),
    Example(
        "wildcard-map",
        GPUS + "def f(Task t) { return m[0, 0]; }\nIndexTaskMap * f;",
        3,
        "IndexTaskMap * has no effect",
        "IndexTaskMap GPU f;",
    ),
    Example("function-unused", "def f(int i) { return i; }", 1, "nothing uses the function f"),
    Example("kind-skipped", "Task stencil OMP,GPU;", 1, "no variant for OMP"),
    Example("memory-skipped", "Region * * GPU SYSMEM,ZCMEM;", 1, "ZCMEM is taken", "", "circuit"),
    Example("rule-unused", "Region stencil * CPU ZCMEM;", 1, "runs on GPU, not on CPU"),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.code)
def test_each_code(example, monkeypatch):
    if example.code == "limits-clash":  # the simulator finds none by itself
        clash_at_one(monkeypatch, "task_4")
    found = check(example.text, *example[-3:])
    said = next(d for d in found if d.code == example.code)
    assert (said.position.line if said.position else None) == example.line
    assert example.sentence in said.sentence
    assert example.suggestion in (said.suggestion or "")
    # Nothing is worse than what the example is about, and it is said once.
    assert [d.code for d in found].count(example.code) == 1
    if said.severity != "error":
        assert all(d.severity != "error" for d in found)


def test_every_code_has_an_example():
    assert [example.code for example in EXAMPLES] == list(CODES)


def test_the_table_of_codes_is_current(*, refresh_golden: bool):
    if refresh_golden:
        MANUAL.write_text(table(), encoding="utf-8")
    assert MANUAL.read_text(encoding="utf-8") == table()


class TestDiagnostic:
    def test_text_shows_the_place(self):
        said = str(check("Task * GPU,CPU;\nTask stencl CPU;")[0]).splitlines()
        assert said[0].startswith("2:1: warning: stencil has no task stencl")
        assert said[0].endswith("[unknown-task]")
        assert said[1:3] == ["    Task stencl CPU;", "    ^^^^^^^^^^^^^^^^"]
        assert said[3].startswith("hint: did you mean stencil?")

    def test_json(self):
        found = check("m = Machine(GPU);\ndef f(Task t) { return m[9, 0]; } IndexTaskMap GPU f;")
        shown = json.loads(json.dumps(found[0].to_dict()))
        assert shown["code"] == "map-leaves-machine"
        assert shown["severity"] == "error"
        assert shown["cause"] == "node-bounds"
        assert (shown["line"], shown["column"]) == (2, 24)
        assert shown["suggestion"]

    def test_order_is_that_of_the_text(self):
        found = check("Task stencl CPU;\nTask * CPU;\nTask * GPU,CPU; InstanceLimit stencil 0;")
        assert [d.code for d in found] == ["unknown-task", "rule-hidden", "limit-no-effect"]


class TestOnePass:
    def test_all_load_errors_are_told(self):
        found = check(
            "IndexTaskMap stencil f;\nx = 1 / 0;\ny = x + 1;\nm = Machine(GPU);\nm = 3;\n"
            "Task stencl GPU;"
        )
        told = [(d.position.line, d.code, d.cause) for d in found if d.position]
        assert told == [
            (1, "load-fails", "undefined-function"),
            (2, "load-fails", "division-by-zero"),
            (5, "load-fails", "duplicate-global"),
            (6, "unknown-task", None),
        ]

    def test_what_follows_from_a_load_error_is_not_told(self):
        text = "m = Machine(GPU)[0, 9];\ndef f(Task t) { return m[0, 0]; }\nIndexTaskMap GPU f;"
        assert codes(text) == ["load-fails"]

    def test_load_errors_do_not_hide_refused_layouts(self):
        assert codes("x = 1 / 0;\nLayout * * * C_order;") == ["load-fails", "layout-refused"]

    def test_a_function_that_fails_for_several_tasks_is_told_once(self):
        text = GPUS + "def f(Task t) { return m[0, 7]; }\nIndexTaskMap GPU f;"
        found = check(text)
        assert [d.code for d in found] == ["map-leaves-machine"]
        assert found[0].sentence.endswith("(and 1 more like it)")

    def test_an_error_hides_the_warning_at_its_place(self):
        text = "def f(Task t) { return nowhere[0, 0]; }\nIndexTaskMap GPU f;"
        found = check(text)
        assert [(d.code, d.cause) for d in found] == [("map-fails", "undefined-name")]


class TestMeaning:
    def test_the_first_fitting_kind_is_no_matter(self):
        assert codes("Task * GPU,OMP,CPU;") == []

    def test_a_rule_that_fits_no_task_is(self):
        assert codes("Task * OMP;") == ["kind-without-variant"]

    def test_a_rule_that_leaves_some_tasks_to_the_runtime_is_noted(self):
        assert codes("Task * GPU;") == ["kind-skipped"]

    def test_a_fallback_for_everything_is_no_matter(self):
        assert codes("Region * * * SOCKMEM,SYSMEM;") == []
        assert set(codes("Region * * * SOCKMEM;")) == {"memory-unseen"}

    def test_control_replicate_may_name_the_top_level_task(self):
        assert codes("ControlReplicate toplevel;") == []

    def test_a_layout_in_another_memory(self):
        assert codes("Layout stencil private ZCMEM F_order;") == ["rule-unused"]
        assert codes("Layout stencil private FBMEM F_order;") == []

    def test_order_means_nothing_in_one_dimension(self):
        assert codes("Layout * p_times * AOS C_order;") == []

    def test_index_maps_are_checked_over_the_whole_domain(self):
        text = GPUS + "def f(Task t) { i = t.ipoint[0]; return m[0, i == 3 ? 4 : i]; }\n"
        found = check(text + "IndexTaskMap stencil f;")
        assert [d.code for d in found] == ["map-leaves-machine"]
        assert "at point (3)" in found[0].sentence

    def test_a_machine_of_another_kind(self):
        text = "m = Machine(CPU);\ndef f(Task t) { return m[0, 0]; }\nIndexTaskMap stencil f;"
        found = check(text)
        assert [(d.code, d.cause) for d in found] == [("map-fails", "kind-mismatch")]


class TestAgreement:
    """Errors are exactly what the simulator rejects."""

    @pytest.mark.parametrize("kind", ["expert", "default"])
    @pytest.mark.parametrize("name", application_names())
    def test_reference_mappers_have_nothing_wrong(self, name, kind):
        assert check(application(name).mappers[kind], name) == []

    @pytest.mark.parametrize("name", ["circuit", "stencil", "pennant", "cannon", "transformer"])
    def test_random_mappers(self, name):
        evaluator = Evaluator(application(name), machine())
        choose = random.Random(name)
        template = dsl.template_for(application(name), machine())
        for _ in range(10):
            values = {
                key: choose.choice(parameter.values)
                for key, parameter in template.parameters.items()
            }
            self.agrees(evaluator, template.render(values))

    def test_limits_of_nested_tasks_do_not_clash(self):
        """Points of one processor launch tasks that use each other's tiles, few at a time."""
        name, choose = "solomonik", random.Random(0)
        evaluator = Evaluator(application(name), machine())
        maps = "m = Machine(GPU);\ndef f(Task t) { return m[0, t.ipoint[1] % m.size[1]]; }\n"
        for _ in range(12):
            limits = [
                f"InstanceLimit {task} {choose.randint(1, 3)};"
                for task in application(name).tasks
                if choose.random() < 0.5
            ]
            mapped = choose.choice(["task_5", "GPU"])
            text = "\n".join(["Layout * * * C_order;", *limits, maps, f"IndexTaskMap {mapped} f;"])
            self.agrees(evaluator, text)
            assert "limits-clash" not in {found.code for found in check(text, name)}

    @pytest.mark.parametrize("name", ["circuit", "stencil", "johnson"])
    def test_an_expert_with_a_random_rule_before_it(self, name):
        evaluator = Evaluator(application(name), machine())
        choose = random.Random(name)
        tasks = [*application(name).tasks, "*"]
        facts = application(name).tasks.values()
        regions = ["*", *{n: None for task in facts for r in task.requirements for n in r.names}]
        for _ in range(40):
            task, region = choose.choice(tasks), choose.choice(regions)
            kind = choose.choice(["GPU", "CPU", "OMP", "*"])
            memory = choose.choice(dsl.MEMORY_KINDS)
            words = choose.choice(["C_order", "F_order", "AOS", "AOS C_order", "Compact Exact"])
            rule = choose.choice(
                [
                    f"Task {task} {kind.replace('*', 'GPU')};",
                    f"Region {task} {region} {kind} {memory};",
                    f"Layout {task} {region} * {words};",
                ]
            )
            self.agrees(evaluator, f"{rule}\n{application(name).mappers['expert']}")

    @staticmethod
    def agrees(evaluator: Evaluator, text: str) -> None:
        program = dsl.parse(text)
        found = checked(program, evaluator)
        errors = [d for d in found if d.severity == "error"]
        outcome = evaluator.evaluate(program)
        assert outcome.ok == (not errors), f"{text}\n{outcome.raw}\n{errors}"


@pytest.mark.parametrize("seed", range(50))
def test_it_never_raises(seed):
    program = random_program(seed)
    found = check(program, "circuit")
    assert found == sorted(found, key=lambda d: d.position.line if d.position else 0)


HELPERS = """\
m = Machine(GPU);
def half(int i) { return i / 2; }
def place(Task t, int i) { return m[half(i) % 2, 0]; }
def f(Task t) { return place(t, t.ipoint[0]); }
def beside(Task t) { return t.parent == (0, 0) ? m[0, 0] : m[1, 0]; }
IndexTaskMap stencil f;
"""


def test_helpers_are_used_by_those_who_call_them():
    found = notes(HELPERS + "SingleTaskMap stencil beside;\n")
    assert found == []


@pytest.mark.parametrize(
    ("unused", "advice"),
    [
        ("def g(int i) { return i; }", "call g from a mapping function, or leave it out"),
        ("def g(Task t, int i) { return m[i, 0]; }", "call g from a mapping function"),
        ("def g(Task t) { return m[0, 0]; }", "IndexTaskMap"),
    ],
)
def test_advice_for_a_function_that_nothing_uses_can_be_followed(unused, advice):
    ((sentence, suggestion),) = notes(HELPERS + f"SingleTaskMap stencil beside;\n{unused}\n")
    assert sentence == "nothing uses the function g"
    assert advice in suggestion


def test_a_function_of_the_parent_is_advised_for_single_tasks():
    ((sentence, suggestion),) = notes(HELPERS)
    assert sentence == "nothing uses the function beside"
    assert "SingleTaskMap" in suggestion
    assert "IndexTaskMap" not in suggestion


def notes(text):
    from legion_bridge import Application, Machine

    application, machine = Application.load("stencil"), Machine.load("p100x4")
    return [
        (each.sentence, each.suggestion)
        for each in dsl.check(dsl.parse(text), application, machine)
        if each.code == "function-unused"
    ]
