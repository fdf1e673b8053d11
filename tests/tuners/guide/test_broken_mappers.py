"""Long mappers that do not parse: what is wrong is found soon, and mended where it can be."""

from __future__ import annotations

import time

import pytest

import dsl
from legion_bridge import Application, Machine
from tests.hostile_inputs import BROKEN_MAPPERS
from tuners import MapperProblem
from tuners.llm.candidates import candidates_in

# Several times what they take; where every change was read from the beginning, it was 3 seconds.
MOST_SECONDS = 2.0


@pytest.fixture(scope="module")
def problem() -> MapperProblem:
    found = MapperProblem(Application.load("stencil"), Machine.load("p100x4"))
    found.explain(found.evaluate_text("Task * GPU"))
    return found


@pytest.mark.parametrize("name", BROKEN_MAPPERS)
def test_40_kilobytes_are_told_and_explained_soon(problem, name):
    text = BROKEN_MAPPERS[name]
    begun = time.process_time()
    candidates = [
        *candidates_in(f"```mapper\n{text}\n```", problem),
        *candidates_in(f"```mapper\n{text}\n```", problem, base="Task * GPU;"),
    ]
    guidance = problem.explain(problem.evaluate_text(text))
    taken = time.process_time() - begun
    assert taken < MOST_SECONDS
    assert candidates
    assert guidance.raw.startswith("mapper:")


@pytest.mark.parametrize(
    "name",
    [
        "a semicolon missing at the end",
        "some semicolons missing",
        "a brace not closed at the end",
        "one long line without its last semicolon",
    ],
)
def test_few_slips_among_40_kilobytes_are_mended(problem, name):
    text = BROKEN_MAPPERS[name]
    suggestion, *_ = problem.explain(problem.evaluate_text(text)).suggestions
    assert dsl.parse(suggestion.apply(text)).statements
