"""Objectives that choose their parameters as they run: a model is asked for those that count."""

from __future__ import annotations

import json
import re

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from tests.model_server.answers import Say
from tests.model_server.server import ModelServer
from tests.tuners.llm.scripted import Scripted, fenced
from tuners import LLMSampler, attributes
from tuners.finished_trial import FinishedTrial
from tuners.llm.conditions import Condition, learned_conditions
from tuners.llm.prompts.reply_schema import reply_schema
from tuners.llm.study_space import StudySpace
from tuners.problems.parameter_problem import NoCandidateError

pytestmark = pytest.mark.filterwarnings("ignore:.*is experimental")


def classifiers(trial: optuna.Trial) -> float:
    """The objective of Optuna's own example, without the data."""
    kind = trial.suggest_categorical("classifier", ["SVC", "RandomForest"])
    if kind == "SVC":
        return abs(trial.suggest_float("svc_c", 1e-3, 1e3, log=True) - 10)
    depth = trial.suggest_int("rf_max_depth", 2, 32)
    return abs(depth - 8) / 8 + (trial.suggest_float("rf_share", 0.1, 1.0) if depth > 4 else 2)


def svc(c: float) -> str:
    return json.dumps({"classifier": "SVC", "svc_c": c})


def forest(depth: int, **more: float) -> str:
    return json.dumps({"classifier": "RandomForest", "rf_max_depth": depth, **more})


def enqueued_study(sampler: LLMSampler) -> optuna.Study:
    """A study that has seen both branches."""
    study = optuna.create_study(sampler=sampler)
    study.enqueue_trial({"classifier": "SVC", "svc_c": 1.0})
    study.enqueue_trial({"classifier": "RandomForest", "rf_max_depth": 20, "rf_share": 0.5})
    study.enqueue_trial({"classifier": "RandomForest", "rf_max_depth": 3})
    study.optimize(classifiers, n_trials=3)
    return study


def test_a_model_is_asked_for_what_is_active_alone():
    replies = iter([svc(9.5), forest(8, rf_share=0.25), forest(4)])
    with ModelServer(lambda _: Say(next(replies))) as server:
        sampler = LLMSampler(model="openai/local", base_url=server.url, repairs=0, seed=0)
        study = enqueued_study(sampler)
        study.optimize(classifiers, n_trials=3)
        told = server.calls[0].messages[0]["content"]
    assert re.search(
        r'- svc_c: number .*; asked for where classifier is "SVC", and not where it is '
        r'"RandomForest": leave it out there',
        told,
    )
    assert re.search(r'- rf_max_depth: .*; asked for where classifier is "RandomForest"', told)
    assert "- rf_share: number from 0.1 to 1.0; asked for where rf_max_depth is 20, and" in told
    assert [trial.params for trial in study.trials[3:]] == [
        {"classifier": "SVC", "svc_c": 9.5},
        {"classifier": "RandomForest", "rf_max_depth": 8, "rf_share": pytest.approx(0.25)},
        {"classifier": "RandomForest", "rf_max_depth": 4},
    ]
    assert {trial.user_attrs[attributes.PROPOSER] for trial in study.trials[3:]} == {"model"}


def test_what_the_fallback_added_is_noted_and_told():
    # The first trial is the fallback's, a forest; the model chooses the branch that is not known.
    replies = iter([json.dumps({"classifier": "SVC", "rf_max_depth": 5, "rf_share": 0.2}), svc(3)])
    with ModelServer(lambda _: Say(next(replies))) as server:
        sampler = LLMSampler(model="openai/local", base_url=server.url, repairs=0, seed=0)
        study = optuna.create_study(sampler=sampler)
        study.enqueue_trial({"classifier": "RandomForest", "rf_max_depth": 20, "rf_share": 0.5})
        study.optimize(classifiers, n_trials=3)
        _, second = (call.messages[-1]["content"] for call in server.calls)
    first, trial, last = study.trials
    assert attributes.ADDED not in first.user_attrs
    assert trial.user_attrs[attributes.PROPOSER] == "model"
    assert trial.user_attrs[attributes.ADDED] == {"svc_c": "tpe"}
    assert trial.params.keys() == {"classifier", "svc_c"}
    line = next(each for each in second.splitlines() if each.startswith("Trial 1"))
    assert "(svc_c chosen by tpe: not asked for before, or of another range)" in line
    assert "rf_max_depth" not in line
    assert attributes.ADDED not in last.user_attrs
    assert last.params == {"classifier": "SVC", "svc_c": 3.0}


def test_a_range_that_depends_on_another_value_is_noted_too():
    def objective(trial: optuna.Trial) -> float:
        n = trial.suggest_int("n", 1, 8)
        return float(trial.suggest_int("m", 0, n))

    model = Scripted([fenced('{"n": 2, "m": 7}', "json"), fenced('{"n": 8, "m": 6}', "json")])
    sampler = LLMSampler(model=model, seed=0, repairs=0)
    study = optuna.create_study(sampler=sampler)
    study.enqueue_trial({"n": 8, "m": 8})
    study.optimize(objective, n_trials=3)
    assert study.trials[1].user_attrs[attributes.ADDED] == {"m": "tpe"}
    assert "m chosen by tpe" in model.last_turn
    assert study.trials[1].params["m"] <= 2


# What trials show

SPACE = {
    "kind": CategoricalDistribution(("a", "b")),
    "n": IntDistribution(1, 3),
    "x": FloatDistribution(0, 1),
    "y": FloatDistribution(0, 1),
}


def trials(*params, value=1.0):
    return [FinishedTrial(n, each, 0.0, 0.0, value) for n, each in enumerate(params)]


@pytest.mark.parametrize(
    ("params", "conditions"),
    [
        ([{"kind": "a", "n": 1, "x": 0.1, "y": 0.1}], {}),
        (
            [{"kind": "a", "n": 1, "x": 0.1, "y": 0.3}, {"kind": "b", "n": 1, "y": 0.2}],
            {"x": Condition("kind", ("a",), ("b",))},
        ),
        (
            [{"kind": "a", "n": 3, "x": 0.1, "y": 0.1}, {"kind": "a", "n": 1, "y": 0.2},
             {"kind": "a", "n": 2, "x": 0.3, "y": 0.1}],
            {"x": Condition("n", (2, 3), (1,))},
        ),
        (
            [{"kind": "a", "n": 1, "x": 0.1, "y": 0.1}, {"kind": "a", "n": 1, "y": 0.2}],
            {"x": Condition()},
        ),
    ],
)  # fmt: skip
def test_conditions_are_learned(params, conditions):
    assert learned_conditions(trials(*params), SPACE) == conditions


def test_a_trial_that_stopped_early_shows_nothing():
    whole = trials({"kind": "a", "n": 1, "x": 0.1, "y": 0.1})
    assert learned_conditions([*whole, *trials({"kind": "b"}, value=None)], SPACE) == {}


def test_values_that_do_not_count_are_passed_over():
    space = StudySpace(
        SPACE,
        conditions={
            "n": Condition("kind", ("b",), ("a",)),
            "x": Condition("n", (1,), (3,)),
            "y": Condition(),
        },
    )
    assert space.project('{"kind": "a", "n": 1, "x": 99}').values == {"kind": "a"}
    assert space.project('{"kind": "b", "n": "1", "x": 1}').values == {"kind": "b", "n": 1, "x": 1}
    assert space.project('{"kind": "a", "y": 0.5, "n": null}').values == {"kind": "a", "y": 0.5}
    assert space.key({"kind": "a", "n": 1, "x": 0.1}) == space.key({"kind": "a", "n": 2})
    schema = reply_schema(space, 1)["properties"]["candidates"]["items"]["properties"]
    assert {name for name, each in schema.items() if "anyOf" in each} == {"n", "x", "y"}
    assert space.identity('{"kind": "a", "n": 3}') == space.key({"kind": "a"})
    assert space.suggest(optuna.trial.FixedTrial({"kind": "b", "n": 1, "x": 0.5})) == {
        "kind": "b", "n": 1, "x": 0.5
    }  # fmt: skip
    assert space.project('{"kind": "b", "n": 2, "x": 0.5}').values["x"] == 0.5
    assert space.project('{"kind": "b", "n": 2}').values == {"kind": "b", "n": 2}
    assert space.key({"kind": "b", "n": 2, "x": 0.5}) != space.key({"kind": "b", "n": 2})
    with pytest.raises(NoCandidateError, match="n has no value"):
        space.project('{"kind": "b", "x": 1}')
    with pytest.raises(NoCandidateError, match="no parameter z"):
        space.project('{"kind": "a", "z": 1}')
