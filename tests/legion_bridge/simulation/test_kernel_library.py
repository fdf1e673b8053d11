"""What works where the kernel was not compiled, and what is said of the rest."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

import dsl
from legion_bridge import Application, Evaluator, Machine, SimulatorMissingError
from legion_bridge.simulation.kernel_library import simulator_missing
from tuners import MapperProblem
from tuners.guide import explain
from tuners.problems.problem import Evaluation

MISSING = "the simulator is not compiled, so that nothing can be simulated: install mappertune"


@pytest.fixture
def no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "legion_bridge._kernel", None)


def problem() -> MapperProblem:
    return MapperProblem(Application.load("stencil"), Machine.load("p100x4"))


def test_nothing_is_missing_where_it_was_compiled() -> None:
    assert simulator_missing() is None


@pytest.mark.parametrize(
    "simulate",
    [
        lambda evaluator, program: evaluator.evaluate(program),
        lambda evaluator, program: evaluator.evaluate(program, profile=True),
        lambda evaluator, program: evaluator.evaluate_text(dsl.unparse(program)),
        lambda evaluator, program: evaluator.trace(program),
    ],
)
def test_a_simulation_says_in_a_sentence_what_is_missing(
    no_kernel: None, simulate: Callable[[Evaluator, dsl.Program], Any]
) -> None:
    application = Application.load("stencil")
    evaluator = Evaluator(application, Machine.load("p100x4"))
    with pytest.raises(SimulatorMissingError, match=MISSING) as raised:
        simulate(evaluator, dsl.parse(application.mappers["expert"]))
    assert "\n" not in str(raised.value)


def test_a_kernel_of_another_machine_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> Any:
        raise ImportError("wrong ELF class")

    monkeypatch.setattr("importlib.import_module", load)
    assert str(simulator_missing()).startswith(
        "the compiled simulator cannot be loaded (wrong ELF class): install"
    )


def test_checks_floors_and_templates_need_no_kernel(no_kernel: None) -> None:
    asked = problem()
    expert = asked.application.mappers["expert"]
    assert asked.check(expert) == []
    (wrong,) = [each for each in asked.check(f"{expert}\nTask nowhere GPU;") if each.position]
    assert "nowhere" in wrong.sentence
    assert asked.simulation.simulator.floor.seconds > 0
    assert "No mapper takes less than" in asked.describe()
    assert asked.project(expert).values


def test_the_guide_estimates_where_it_cannot_simulate(
    no_kernel: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = "Task * CPU;\nRegion * * * SYSMEM;\n"
    asked = problem()
    with monkeypatch.context() as compiled:  # the run was had elsewhere
        compiled.delitem(sys.modules, "legion_bridge._kernel")
        known = asked.profiled(asked.evaluate_text(slow))
    evaluation = Evaluation(slow, dsl.parse(slow), None, (), known, cached=False)
    suggestions = explain(asked, evaluation).suggestions
    assert suggestions
    assert not any(each.verified for each in suggestions)
