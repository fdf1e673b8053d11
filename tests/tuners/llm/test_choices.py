"""Choices that JSON cannot carry are told by number and text, and come back as themselves."""

from __future__ import annotations

import enum
import json
import math
import warnings

import optuna
import pytest
from optuna.distributions import CategoricalDistribution

from tests.model_server.answers import Say
from tests.model_server.server import ModelServer
from tuners import LLMSampler, attributes
from tuners.llm.replies.values import InvalidValues, read_values
from tuners.llm.study_space import StudySpace

pytestmark = [
    pytest.mark.filterwarnings("ignore:Accessing the:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Choices for a categorical:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*is experimental"),
]


class Mode(enum.StrEnum):
    FAST = "fast"
    SLOW = "slow"


CHOICES = (
    (1, 2),
    [3, 4],
    math.nan,
    math.inf,
    Mode.FAST,
    Mode.SLOW,
    None,
    True,
    16,
    0.5,
    "x",
    "16",
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    SPACE = StudySpace({"f": CategoricalDistribution(CHOICES)})


def read(value: str) -> object:
    return read_values(f'{{"f": {value}}}', SPACE.distributions)["f"]


@pytest.mark.parametrize("choice", CHOICES, ids=repr)
def test_what_a_model_is_told_comes_back_as_the_choice_itself(choice):
    text = SPACE.render({"f": choice})
    json.loads(text, parse_constant=pytest.fail)
    assert read_values(text, SPACE.distributions)["f"] is choice
    assert json.dumps(json.loads(text)["f"]) in SPACE.space()


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("[1, 2]", 0),
        ('"(1, 2)"', 0),
        ('"0"', 0),
        ('"0: whatever"', 0),
        ('"nan"', 2),
        ('"Infinity"', None),
        ('"inf"', 3),
        ('"Mode.FAST"', None),
        ('"fast"', 4),
        ("16.0", 8),
        ("16", 8),
        ('"16"', 11),
        ("true", 7),
        ("null", 6),
        ("0.5", 9),
    ],
)
def test_what_a_model_may_say(said, meant):
    if meant is None:
        with pytest.raises(InvalidValues, match="one of 0: \\(1, 2\\), 1: "):
            read(said)
    else:
        assert read(said) is CHOICES[meant]


def test_a_study_of_tuples_is_asked_about_them(tmp_path):
    replies = iter(['{"f": "1: (3, 4)"}', '{"f": [1, 2]}'])
    with ModelServer(lambda _: Say(next(replies))) as server:
        choices = ((1, 2), (3, 4), (5, 6))
        sampler = LLMSampler(
            model="openai/local",
            base_url=server.url,
            repairs=0,
            seed=0,
            space={"f": CategoricalDistribution(choices)},
        )
        study = optuna.create_study(sampler=sampler)
        study.optimize(lambda trial: sum(trial.suggest_categorical("f", choices)), n_trials=2)
        assert [trial.params["f"] for trial in study.trials] == [(3, 4), (1, 2)]
        assert {trial.user_attrs[attributes.PROPOSER] for trial in study.trials} == {"model"}
        told = server.calls[1].messages[-1]["content"]
        assert '"f": "1: (3, 4)"' in told


def test_several_objectives_are_said_once_and_noted(caplog):
    sampler = LLMSampler(model="openai/local", seed=0)
    study = optuna.create_study(directions=["minimize", "maximize"], sampler=sampler)
    study.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 1.0), n_trials=3)
    assert caplog.text.count("several objectives") == 1
    for trial in study.trials:
        assert trial.user_attrs[attributes.PROPOSER] == "tpe"
        assert "several objectives" in trial.user_attrs[attributes.WHY]
