"""A model that has nothing left to propose: it says so, and is not asked again."""

from __future__ import annotations

import json

import optuna
import pytest

from legion_bridge import Application, Machine
from studies.records import StudySpec
from studies.run import run_study
from studies.storage import StudyStore
from tests.tuners.llm.scripted import Scripted, fenced
from tuners import LLMSampler, MapperProblem, attributes
from tuners.llm.done import done_reason
from tuners.llm.settings import ModelSettings

BEST = "Task * GPU,CPU;\nRegion * * GPU FBMEM;\nRegion * * CPU SYSMEM;"
SLOW = "Task * GPU,CPU;\nRegion * * GPU ZCMEM;\nRegion * * CPU SYSMEM;"
DONE = "All of it is arithmetic.\n\ndone: 99.9 % of the floor"


@pytest.fixture
def circuit() -> MapperProblem:
    return MapperProblem(Application.load("circuit"), Machine.load("p100x4"))


def run(problem, model, trials, **options):
    sampler = LLMSampler(problem, model=model, seed=0, fallback="random", **options)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(problem, n_trials=trials)
    return study


def proposers(study):
    return [trial.user_attrs[attributes.PROPOSER] for trial in study.trials]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("done: nothing is left", "nothing is left"),
        ("I looked.\n\n**Done:** it is at the floor.", "it is at the floor."),
        ("> done - at 99.9 %", "at 99.9 %"),
        ("done", "it gives no reason"),
        ('{"reasoning": "r", "done": "at the floor", "candidates": []}', "at the floor"),
        ('{"reasoning": "r", "done": "", "candidates": []}', None),
        ("Done with the limits, I turn to layouts.", None),
        ("When that is done: try GPUs.", None),
        ("", None),
    ],
)
def test_a_reply_says_that_the_model_is_done(reply, reason):
    assert done_reason(reply) == reason


def test_a_study_ends_where_the_model_is_done_near_the_floor(circuit):
    model = Scripted([fenced(BEST), DONE])
    study = run(circuit, model, 10)
    assert proposers(study) == ["model", "random"]
    assert study.trials[1].user_attrs[attributes.DONE] == "99.9 % of the floor"
    assert study.trials[1].user_attrs[attributes.WHY].startswith(attributes.IS_DONE)


def test_the_fallback_goes_on_where_the_model_is_done_too_early(circuit):
    model = Scripted([fenced(SLOW), DONE])
    study = run(circuit, model, 4)
    assert proposers(study) == ["model", "random", "random", "random"]
    assert len(model.requests) == 2
    assert study.trials[3].user_attrs[attributes.WHY] == "the model is done since trial 1"


@pytest.mark.parametrize(("when_done", "trials"), [("stop", 2), ("fallback", 4)])
def test_it_is_chosen_what_comes_then(circuit, when_done, trials):
    mapper = SLOW if when_done == "stop" else BEST
    study = run(circuit, Scripted([fenced(mapper), DONE]), 4, when_done=when_done)
    assert len(study.trials) == trials


def test_a_model_is_done_after_something_has_run(circuit):
    model = Scripted([DONE, fenced(BEST), DONE])
    study = run(circuit, model, 10)
    assert "There is no candidate in your reply" in model.requests[1].messages[-1].content
    assert proposers(study) == ["model", "random"]


def test_a_mapper_counts_where_the_model_also_says_done(circuit):
    model = Scripted([fenced(SLOW), f"done: at last\n{fenced(BEST)}", DONE])
    assert proposers(run(circuit, model, 10)) == ["model", "model", "random"]


def test_a_model_may_be_done_before_it_writes_by_a_grammar(circuit):
    model = Scripted(["GPUs are fast.", BEST, DONE])
    study = run(circuit, model, 10, decode="grammar")
    assert proposers(study) == ["model", "random"]
    assert len(model.requests) == 3


def test_a_schema_has_a_place_for_it(circuit):
    replies = [
        {"reasoning": "", "done": "", "candidates": [BEST]},
        {"reasoning": "all arithmetic", "done": "at the floor", "candidates": []},
    ]
    model = Scripted(map(json.dumps, replies))
    study = run(circuit, model, 10, decode="schema", strategy="opro")
    assert proposers(study) == ["model", "random"]
    assert "done" in model.requests[0].schema["required"]


def test_a_stored_study_ends_early_and_stays_ended(circuit, tmp_path):
    settings = ModelSettings(Scripted([fenced(BEST), DONE]), fallback="random")
    spec = StudySpec("llm", 0, 10, settings)
    path = str(tmp_path / "one.journal")

    def go_on():
        with StudyStore.open_study("one", path) as store:
            return run_study(circuit, spec, store)

    result = go_on()
    assert len(result.records) == 2
    assert result.ended_by is not None
    assert "since trial 1: 99.9 % of the floor" in result.ended_by
    assert result.model_share == 1.0
    assert not result.hardly_asked
    assert len(go_on().records) == 2
