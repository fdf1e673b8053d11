"""The example of another domain, as ``ParameterProblem`` documents it."""

from __future__ import annotations

import doctest
import json

import optuna
import pytest

import tuners
from tests.tuners.llm.scripted import Scripted, fenced
from tuners import ParameterProblem, attributes
from tuners.problems.problem import TextProblem

EXAMPLE = next(
    each.source
    for each in doctest.DocTestParser().get_examples(ParameterProblem.__doc__ or "")
    if each.source.startswith("class ")
)


@pytest.fixture
def problem():
    names: dict[str, object] = {"ParameterProblem": ParameterProblem}
    exec("from optuna.distributions import *\n" + EXAMPLE, names)  # noqa: S102  (our own text)
    return names["Flags"]()


def test_it_takes_about_ten_lines():
    assert len(EXAMPLE.strip().splitlines()) <= 12


def test_it_brings_all_that_tuners_ask_for(problem):
    members = [name for name in vars(TextProblem) if not name.startswith("_")]
    assert {"describe", "check", "render", "evaluate_text", "explain"} <= {*members, *dir(problem)}
    assert all(hasattr(problem, name) for name in members)


@pytest.mark.parametrize("tuner", ["tpe", "coordinate", "one-plus-one"])
def test_a_classical_tuner_finds_its_best(problem, tuner):
    sampler = tuners.make_sampler(tuner, seed=0, problem=problem)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(problem, n_trials=24)
    assert (study.best_value, len({*map(str, (t.params for t in study.trials))})) == (18.0, 24)


def test_a_model_is_told_why_a_candidate_failed(problem):
    replies = [{"level": "-O3", "unroll": 8}, {"level": "-O3", "unroll": 6}]
    model = Scripted(fenced(json.dumps(each), "json") for each in replies)
    sampler = tuners.LLMSampler(problem, model=model, seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(problem, n_trials=2)
    assert "the compiler ran out of registers: unroll less" in model.last_turn
    assert study.best_value == 18.0
    assert {trial.user_attrs[attributes.PROPOSER] for trial in study.trials} == {"model"}
