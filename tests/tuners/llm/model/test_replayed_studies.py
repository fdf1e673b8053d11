"""A transcript gives the study that it was written in, however either was stopped and resumed."""

from __future__ import annotations

import itertools
import logging

import optuna
import pytest
from optuna.storages import InMemoryStorage
from optuna.storages.journal import JournalFileBackend

from tests.conftest import _toy_problem
from tests.model_server.answers import Answer, Say, refusal
from tests.model_server.server import ModelServer
from tests.tuners.llm.scripted import fenced
from tuners import LLMSampler, attributes
from tuners.llm.model import Budget

pytestmark = pytest.mark.filterwarnings("ignore:Accessing the:DeprecationWarning")

TRIALS = 6
MISSED = "trial 3: openai/local refuses the request: not today; tpe proposes it"
SAID = (attributes.PROPOSER, attributes.TEXT, attributes.TOKENS, attributes.REPAIRS)


def mapper(limit: int) -> str:
    return (
        "Task a GPU;\nTask b CPU;\nTask c OMP;\nRegion a 0 GPU FBMEM;\n"
        f"InstanceLimit a 9;\nInstanceLimit c {limit};\n"
    )


class Answers:
    """Mappers, each once; now and then a faulty one, prose without any, and a failure."""

    def __init__(self) -> None:
        self._calls = itertools.count(1)
        self._limits = itertools.cycle(range(1, 7))

    def __call__(self, _: object) -> Answer:
        call = next(self._calls)
        if call == 3:
            return Say("I would rather not.")
        if call == 4:
            return Say(fenced("Task a GPU"))
        if call == 6:
            return refusal(400, "not today")
        return Say(fenced(mapper(next(self._limits))))


def run(make_toy_problem, storage, trials, **options):
    """So many trials more, by a process that knows nothing but the storage."""
    problem = make_toy_problem()
    study = optuna.create_study(
        study_name="one",
        storage=storage,
        load_if_exists=True,
        direction="maximize",
        sampler=LLMSampler(problem, seed=0, **options),
    )
    study.optimize(problem, n_trials=trials)
    return study


def told(study):
    return [
        (trial.params, trial.values, [trial.user_attrs.get(name) for name in SAID])
        for trial in study.trials
    ]


@pytest.fixture(scope="module", params=["trace", "opro", "iid"])
def recorded(request, tmp_path_factory):
    """A study of two halves, its transcript, and its strategy."""
    tmp_path = tmp_path_factory.mktemp(request.param)
    path = tmp_path / "t.jsonl"
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(tmp_path / "study")))
    with ModelServer(Answers()) as server:
        for _ in range(2):
            study = run(
                _toy_problem,
                storage,
                TRIALS // 2,
                model="openai/local",
                base_url=server.url,
                transcript=path,
                strategy=request.param,
            )
    assert attributes.FAILURE in [key for trial in study.trials for key in trial.user_attrs]
    return study, path, request.param


@pytest.mark.parametrize("parts", [(6,), (3, 3), (1, 4, 1)])
def test_a_replay_gives_the_study_again_at_once_or_in_parts(
    recorded, make_toy_problem, parts, caplog
):
    study, path, strategy = recorded
    storage = InMemoryStorage()
    with caplog.at_level(logging.WARNING):
        for trials in parts:
            again = run(
                make_toy_problem, storage, trials, model=f"replay:{path}", strategy=strategy
            )
    assert told(again) == told(study)
    assert {"model", "tpe"} == {trial.user_attrs[attributes.PROPOSER] for trial in study.trials}
    assert {record.getMessage() for record in caplog.records} == {MISSED}


def test_a_replay_with_other_options_says_where_the_prompt_differs(
    recorded, make_toy_problem, caplog
):
    _, path, strategy = recorded
    with caplog.at_level(logging.WARNING):
        study = run(
            make_toy_problem,
            InMemoryStorage(),
            2,
            model=f"replay:{path}",
            strategy=strategy,
            candidates=2,
        )
    assert [trial.user_attrs[attributes.PROPOSER] for trial in study.trials] == ["tpe", "tpe"]
    assert "t.jsonl:1: the prompt no longer matches the transcript: message 2" in caplog.text
    assert len(caplog.records) == 1


def test_a_replay_ends_with_its_transcript(recorded, make_toy_problem, caplog):
    study, path, strategy = recorded
    with caplog.at_level(logging.WARNING):
        again = run(
            make_toy_problem,
            InMemoryStorage(),
            TRIALS + 1,
            model=f"replay:{path}",
            strategy=strategy,
        )
    assert told(again)[:TRIALS] == told(study)
    assert "exchanges, and one more is asked for" in caplog.text


def test_a_trial_that_was_lost_with_its_process_was_asked_for_twice(make_toy_problem, tmp_path):
    """The process died after the reply and before the trial was kept: the later reply counts."""
    path = tmp_path / "t.jsonl"
    limits = iter((1, 2, 3))
    with ModelServer(lambda _: Say(fenced(mapper(next(limits))))) as server:
        options = {"base_url": server.url, "transcript": path, "model": "openai/local"}
        run(make_toy_problem, InMemoryStorage(), 1, **options)
        study = run(make_toy_problem, InMemoryStorage(), 2, **options)
    again = run(make_toy_problem, InMemoryStorage(), 2, model=f"replay:{path}")
    assert told(again) == told(study)
    assert [trial.params["limit.c"] for trial in again.trials] == [2, 3]


def test_a_failure_that_was_mended_is_passed_over(make_toy_problem, tmp_path, caplog):
    """The key was refused, the study stopped and resumed with another one."""
    path, storage = tmp_path / "t.jsonl", InMemoryStorage()
    answers = [Say(fenced(mapper(1))), refusal(401), *(Say(fenced(mapper(n))) for n in (2, 3))]
    replies = iter(answers)
    with ModelServer(lambda _: next(replies)) as server:
        options = {"base_url": server.url, "transcript": path, "model": "openai/local"}
        for trials in (4, 2):
            study = run(make_toy_problem, storage, trials, **options)
    assert [trial.user_attrs[attributes.PROPOSER] for trial in study.trials] == [
        *("model", "tpe", "tpe", "tpe"),
        *("model", "model"),
    ]
    caplog.clear()
    again = run(make_toy_problem, InMemoryStorage(), 6, model=f"replay:{path}")
    assert told(again) == told(study)
    assert "holds no exchange for trial 2" in again.trials[2].user_attrs[attributes.WHY]


def test_a_resumed_study_asks_within_what_its_budget_has_left(make_toy_problem, tmp_path):
    """Two calls in all: the second run may not go on with repairs as if it were the first."""
    storage = InMemoryStorage()
    replies = iter([Say(fenced(mapper(1))), *[Say("I would rather not.")] * 5])
    with ModelServer(lambda _: next(replies)) as server:
        for trials in (1, 2):
            study = run(
                make_toy_problem,
                storage,
                trials,
                model="openai/local",
                base_url=server.url,
                budget=Budget(calls=2),
            )
    assert len(server.calls) == 2
    assert [trial.user_attrs.get(attributes.CALLS) for trial in study.trials] == [1, 1, None]
    assert "budget" in study.trials[1].user_attrs[attributes.WHY]
