"""What changed from one mapper to the next, and which of that has an effect on time."""

from __future__ import annotations

import optuna
import pytest

from legion_bridge import Application, Machine, Outcome
from tests.tuners.llm.scripted import Scripted, fenced
from tuners import LLMSampler, MapperProblem, attributes
from tuners.llm.prompts.comparison import comparison
from tuners.llm.prompts.difference import difference

BASE = """\
Task * GPU,CPU;
Region * * GPU FBMEM;
Region * * CPU SYSMEM;
"""


@pytest.fixture(scope="module")
def circuit() -> MapperProblem:
    return MapperProblem(Application.load("circuit"), Machine.load("p100x4"))


@pytest.mark.parametrize(
    ("added", "effect"),
    [
        ("Layout * * * Align == 128;", "none"),
        ("InstanceLimit update_voltages 4;", "none"),
        ("Region * all_times CPU ZCMEM;\nRegion * rp_times GPU ZCMEM;", "untimed"),
        ("Region * rp_shared GPU ZCMEM;", "time"),
        ("Task calculate_new_currents CPU;", "time"),
    ],
)
def test_an_edit_has_an_effect_on_time_or_not(circuit, added, effect):
    assert difference(circuit, BASE, added + BASE).effect == effect


def test_each_edit_is_taken_back_by_itself(circuit):
    after = f"Region * rp_shared GPU ZCMEM;\n{BASE}Layout * * * AOS Align == 64;\n"
    found = difference(circuit, BASE, after)
    assert [str(edit) for edit in found.edits] == [
        "+Region * rp_shared GPU ZCMEM",
        "+Layout * * * AOS F_order Align==64",
    ]
    assert found.effect == "time"
    layout = difference(circuit, BASE, f"{BASE}Layout * * * Align == 64;\n")
    assert [edit.knobs for edit in layout.inert] == [("Align of * *",)]


def test_the_order_of_blocks_is_no_difference(circuit):
    lines = BASE.splitlines(keepends=True)
    assert difference(circuit, BASE, "".join([*lines[1:], lines[0]])).edits == ()


def test_a_change_that_fails_has_an_effect(circuit):
    def both(name: str) -> str:
        return (
            f"{BASE}m = Machine(GPU);\ndef {name}(Task t) {{ return m[0, t.ipoint[0] % 4]; }}\n"
            f"IndexTaskMap calculate_new_currents {name};\n"
        )

    found = difference(circuit, both("f"), both("g"))
    assert found.effect == "none"  # another name for the same
    assert all(edit.effect == "time" for edit in found.edits)  # one without the other fails


def test_effects_of_measured_mappers_are_not_known(toy_problem):
    texts = ["Task a GPU; InstanceLimit a 2;", "Task a GPU; InstanceLimit a 3;"]
    assert difference(toy_problem, *texts).effect == "unknown"


def test_small_differences_have_digits_enough():
    def outcome(seconds: float) -> Outcome:
        return Outcome("ok", 1 / seconds, "runs/s", iteration=seconds)

    said = comparison(outcome(41.906e-3), outcome(41.915e-3))
    assert said == "9.000 µs slower an iteration (0.021 %)"
    assert comparison(outcome(1.0), outcome(1.0)) == "as fast to the bit"
    measured = [Outcome("ok", speed, "runs/s") for speed in (100.0, 100.2)]
    assert comparison(*measured) == "0.20 % faster"


# In prompts


def run(problem, replies):
    model = Scripted(fenced(each) for each in replies)
    sampler = LLMSampler(problem, model=model, seed=0, fallback="random")
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(problem, n_trials=len(replies))
    return study, model


def test_a_model_is_told_what_had_no_effect(circuit):
    edits = ["Layout * * * Align == 128;", "InstanceLimit update_voltages 4;",
             "Region * rp_shared GPU ZCMEM;\n" + "\n".join(BASE.splitlines()[1:]),
             "CollectMemory update_voltages *;"]  # fmt: skip
    study, model = run(circuit, [BASE, *edits])
    assert [trial.user_attrs.get(attributes.BASE) for trial in study.trials] == [None, 0, 0, 0, 0]
    told = model.last_turn
    assert "trial 0 with `+Layout * * * SOA F_order Align==128`: no effect on time" in told
    line = next(each for each in told.splitlines() if each.startswith("Trial 3: "))
    assert "13.0" not in line
    assert "slower an iteration" in line
    assert "more are copied" in line or "more access in place" in line or "tasks" in line
    assert "Without any effect on time so far: Align of * *, InstanceLimit" in told


def test_the_earlier_mapper_stays_the_base_on_a_tie(circuit):
    _, model = run(
        circuit, [BASE, "InstanceLimit update_voltages 4;", "Layout * * * Align == 64;"]
    )
    assert "in the mapper of trial 0" in model.last_turn
    assert model.last_turn.count("```mapper\nTask") == 1


def test_nothing_is_said_to_be_blamed_where_nothing_is(circuit):
    _, model = run(circuit, [BASE, "Layout * * * Align == 64;"])
    assert "blames" not in model.last_turn
    assert "`done: REASON`" in model.last_turn
    slow = BASE.replace("FBMEM", "ZCMEM")
    _, model = run(circuit, [slow, "Layout * * * Align == 64;"])
    assert "the feedback blames the region block" in model.last_turn
    assert "done:" not in model.last_turn


def test_definitions_that_nothing_uses_go_with_their_block(circuit):
    mapped = (
        f"{BASE}m = Machine(GPU);\ndef f(Task t) {{ return m[0, t.ipoint[0] % 4]; }}\n"
        "IndexTaskMap calculate_new_currents f;\n"
    )
    study, _ = run(circuit, [mapped, "Layout * * * AOS;\n# index map block: none"])
    text = study.trials[1].user_attrs[attributes.TEXT]
    assert "def f" not in text
    assert "Machine" not in text
