"""How Hypothesis runs, and a toy problem: its language is real, the program and its speed made up.

Every run has the same random examples, so that what passes here passes elsewhere, on busy
machines, too. New ones are searched for with ``pytest --hypothesis-profile=search``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, settings

import dsl
from legion_bridge import Application, Machine, Outcome
from tuners import MapperProblem

settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", settings.get_profile("search"), derandomize=True)
settings.load_profile("same")

# 1944 points, of which the sixth that keeps task a's data in SYSMEM on a GPU is invalid, as is
# every limit of 1 on task a. The best: all on GPUs, data in FBMEM, no limit on a, 4 on c.
TOY_TEMPLATE = """\
Task a ${proc.a: CPU | GPU};
Task b ${proc.b: CPU | GPU};
Task c ${proc.c: CPU | OMP | GPU};
Region a 0 GPU ${mem.a: SYSMEM | ZCMEM | FBMEM when proc.a == GPU};
Region b 0 GPU ${mem.b: ZCMEM | FBMEM when proc.b == GPU};
InstanceLimit a ${limit.a: 1..9};
InstanceLimit c ${limit.c: 1..6};
"""
TOY_EXPERT = """\
Task a GPU; Task b GPU; Task c GPU;
Region a 0 GPU FBMEM; Region b 0 GPU FBMEM; InstanceLimit a 9; InstanceLimit c 3;
"""


class ToyEvaluator:
    """Scores a mapper by its statements, and counts how often it was asked."""

    def __init__(self) -> None:
        self.calls = 0

    def evaluate(self, program: dsl.Program, *, profile: bool = False) -> Outcome:
        self.calls += 1
        kinds: dict[str, str] = {}
        memories: dict[str, str] = {}
        limits: dict[str, int] = {}
        for statement in program.statements:
            if isinstance(statement, dsl.syntax.Task):
                kinds[statement.tasks[0]] = statement.kinds[0]
            elif isinstance(statement, dsl.syntax.Region):
                memories[statement.tasks[0]] = statement.memories[0]
            elif isinstance(statement, dsl.syntax.InstanceLimit):
                limits[statement.task] = statement.limit
        if kinds["a"] == "GPU" and memories["a"] == "SYSMEM":
            return Outcome("execution_error", 0.0, "toys/s", raw="GPU cannot see SYSMEM\n" * 40)
        if limits["a"] == 1:
            return Outcome("execution_error", 0.0, "toys/s", raw="assertion event.exists()")
        speed = 10.0 + limits["a"] - abs(limits["c"] - 4)
        for task, kind in kinds.items():
            good_memory = memories.get(task, "FBMEM") == "FBMEM"
            speed += {"CPU": 0.0, "OMP": 2.0, "GPU": 8.0 if good_memory else 4.0}[kind]
        return Outcome("ok", speed, "toys/s", elapsed=1 / speed)


def _toy_problem(template: str = TOY_TEMPLATE) -> MapperProblem:
    application = replace(
        Application.load("stencil", nx=200, ny=200),
        name="toy",
        summary="moves toys about",
        unit="toys/s",
        parameters={"toys": 3},
        mappers={"expert": TOY_EXPERT, "default": "Task * CPU;"},
    )
    machine = replace(Machine.load("p100x4"), name="table")
    return MapperProblem(application, machine, dsl.Template(template), ToyEvaluator())


@pytest.fixture
def make_toy_problem() -> Callable[..., MapperProblem]:
    """Makes a toy problem, with a template of one's own where wanted."""
    return _toy_problem


@pytest.fixture
def toy_problem() -> MapperProblem:
    return _toy_problem()
