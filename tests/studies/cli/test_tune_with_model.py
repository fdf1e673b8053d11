"""``tune`` with a model that is a real server on this machine; what it says is scripted."""

from __future__ import annotations

from unittest.mock import MagicMock, Mock

import pytest

from legion_bridge import Application
from studies import StudyStore
from studies.records import ModelUse, StudyResult, StudySpec, TrialRecord
from studies.study_facts import StudyFacts
from studies.tracking.study_run import TrackedStudy
from tests.model_server.answers import Say
from tests.model_server.server import ModelServer
from tuners import attributes
from tuners.llm.settings import ModelSettings

TRIAL = TrialRecord(0, {}, 1.0, "ok", "", None, None, None)
EXPERT = Application.load("circuit").mappers["expert"]
ALL_IN_FRAME_BUFFERS = "Region * * GPU FBMEM;\nRegion * * CPU SYSMEM;"
SCRIPT = [
    f"```mapper\n{EXPERT}\n```",
    "Let me think.",  # no mapper: goes back
    f"```mapper\n{ALL_IN_FRAME_BUFFERS}\n```",
]


@pytest.fixture
def server():
    script = iter([*SCRIPT, *["I have no further idea."] * 100])
    with ModelServer(lambda _: Say(next(script))) as server:
        yield server


@pytest.fixture
def tuned(ask, server, tmp_path):
    """Tunes circuit with the scripted model."""

    def run(*words, output="runs", model="openai/scripted", **settings):
        options = ["--output", tmp_path / output, "--no-mlflow", "--model", model]
        options += ["--start", "none"]
        if not model.startswith("replay:"):
            options += ["--base-url", server.url]
        return ask("tune", "circuit", "--tuner", "llm", *options, *words, **settings)

    return run


def test_a_scripted_model_gets_beyond_the_expert(tuned, ask, tmp_path, server):
    found = tuned("--trials", 3, "--json").json
    assert found["best_over_expert"] > 1.2
    assert found["best_trial"] == 1
    use = found["model"]
    assert (use["calls"], use["repairs"], use["cost"]) == (6, 3, None)
    assert use["share"] == pytest.approx(2 / 3)
    text = (tmp_path / "runs/circuit-p100x4/llm-seed0.mapper").read_text()
    assert text.splitlines()[1:] == ["Task * GPU,CPU;"]  # frame buffers are the default
    evaluated = ask("eval", tmp_path / "runs/circuit-p100x4/llm-seed0.mapper", "--json").json
    assert evaluated["over_expert"] == pytest.approx(found["best_over_expert"])


def test_the_summary_says_what_the_model_has_cost(tuned):
    said = tuned("--trials", 2).out
    assert "proposed 100.0% of them; 3 calls, 1 for repairs" in said
    assert "unknown cost" in said


def test_a_study_keeps_the_text_of_each_mapper_and_goes_on_with_it(tuned, tmp_path):
    tuned("--trials", 2)
    found = tuned("--trials", 3, "--json").json
    assert (found["resumed"], found["trials"]) == (2, 3)
    assert found["best_over_expert"] > 1.2
    journal = tmp_path / "runs/circuit-p100x4/llm-seed0.journal"
    with StudyStore.open_study("circuit-p100x4-llm-seed0", str(journal)) as store:
        trial = store.trials[1]
    assert ALL_IN_FRAME_BUFFERS in trial.user_attrs[attributes.TEXT]
    assert trial.user_attrs[attributes.PROPOSER] == "model"


def test_a_model_is_asked_for_a_study_in_a_database_as_well(tuned, tmp_path):
    url = f"sqlite:///{tmp_path}/studies.db"
    tuned("--trials", 2, "--storage", url)
    found = tuned("--trials", 3, "--storage", url, "--json").json
    assert (found["resumed"], found["trials"]) == (2, 3)
    assert (found["model"]["calls"], found["model"]["repairs"]) == (6, 3)
    with StudyStore.open_study("circuit-p100x4-llm-seed0", url) as store:
        assert ALL_IN_FRAME_BUFFERS in store.trials[1].user_attrs[attributes.TEXT]


def test_a_transcript_plays_the_study_back(tuned, tmp_path):
    recorded = tuned("--trials", 3, "--json").json
    transcript = tmp_path / "runs/circuit-p100x4/llm-seed0.transcript.jsonl"
    assert len(transcript.read_text().splitlines()) == 6
    replayed = tuned("--trials", 3, "--json", output="again", model=f"replay:{transcript}").json
    for key in ("best", "best_trial", "distinct", "invalid_share"):
        assert replayed[key] == recorded[key]
    assert replayed["model"]["share"] == recorded["model"]["share"]


def test_a_replay_that_no_longer_matches_says_so(tuned, tmp_path):
    tuned("--trials", 2)
    transcript = tmp_path / "runs/circuit-p100x4/llm-seed0.transcript.jsonl"
    other = ("--trials", 2, "-p", "pieces=20")
    answer = tuned(*other, output="again", model=f"replay:{transcript}")
    assert answer.code == 1
    assert "the prompt no longer matches the transcript" in answer.err
    answer = tuned(*other, "--fallback-only", output="again", model=f"replay:{transcript}")
    assert answer.code == 0
    assert answer.err.count("from here on tpe proposes") == 1


def test_a_study_does_not_go_on_with_another_strategy(tuned):
    tuned("--trials", 1)
    answer = tuned("--trials", 2, "--strategy", "opro")
    assert answer.code == 2
    assert "of another strategy" in answer.err


def test_the_longest_reply_is_asked_for_and_a_part_of_the_study(tuned, server):
    tuned("--trials", 1, "--max-reply-tokens", 99)
    assert [call.body["max_tokens"] for call in server.calls] == [99]
    answer = tuned("--trials", 2)
    assert answer.code == 2
    assert "of another max_reply_tokens (99, not 4096)" in answer.err


def test_the_provider_decides_how_long_a_reply_is(tuned, server):
    tuned("--trials", 1, "--max-reply-tokens", 0)
    assert "max_tokens" not in server.calls[0].body


def test_a_study_from_before_a_setting_was_told_goes_on(tuned, monkeypatch):
    told = ModelSettings.identity

    def without_reply_tokens(settings):
        return {k: v for k, v in told(settings).items() if k != "max_reply_tokens"}

    with monkeypatch.context() as patch:
        patch.setattr(ModelSettings, "identity", without_reply_tokens)
        tuned("--trials", 1)
    assert tuned("--trials", 2).code == 0


def test_a_budget_holds_over_runs(tuned, server):
    tuned("--trials", 1, "--budget-calls", 1)
    tuned("--trials", 3, "--budget-calls", 1)
    assert len(server.calls) == 1


def test_a_model_must_be_named_for_a_tuner_that_asks_one(ask, tmp_path):
    answer = ask("tune", "circuit", "--tuner", "llm", "--output", tmp_path)
    assert answer.code == 2
    assert "--model" in answer.err
    answer = ask("tune", "circuit", "--model", "openai/x", "--output", tmp_path)
    assert answer.code == 2
    assert "is for the tuner llm" in answer.err


def test_the_prompt_is_shown_as_it_is_sent(tuned, ask, server):
    tuned("--trials", 1)
    shown = ask("show", "circuit", "--prompt", "--json").json
    assert shown["messages"] == server.calls[0].messages
    text = ask("show", "circuit", "--prompt").out
    assert all(message["content"] in text for message in shown["messages"])


def test_several_strategies_are_compared(ask, server, tmp_path):
    answer = ask(
        "compare", "circuit", "--tuners", "llm-iid,llm-opro,random", "--seeds", 2, "--trials", 2,
        "--model", "openai/scripted", "--base-url", server.url, "--output", tmp_path,
        "--no-mlflow", "--json",
    )  # fmt: skip
    assert answer.code == 0
    names = {study["model"]["strategy"] for study in answer.json["studies"] if "model" in study}
    assert names == {"iid", "opro"}


@pytest.mark.parametrize(
    ("use", "known", "cost"),
    [
        (ModelUse(calls=3, repairs=1, tokens=50, unknown=3), None, "unknown"),
        (ModelUse(calls=3, cost=0.25, unknown=1), 0.25, "unknown"),
        (ModelUse(calls=3, cost=0.25), 0.25, "0.250000 USD"),
    ],
)
def test_the_run_keeps_the_transcript_and_the_cost(tmp_path, monkeypatch, use, known, cost):
    transcript = tmp_path / "said.jsonl"
    transcript.write_text("{}\n")
    spec = StudySpec("llm", 0, 2, ModelSettings("openai/scripted", transcript=transcript))
    facts = StudyFacts("circuit", {}, "p100x4", 1, "timed", "none", "wires/s", "", 0, 2)
    result = facts.result(spec, [TRIAL], "there", None)
    monkeypatch.setattr(StudyResult, "model_use", use)
    monkeypatch.setattr(StudyResult, "model_share", 0.25)
    monkeypatch.setattr(StudyResult, "hardly_asked", True)
    monkeypatch.setattr(StudyResult, "reasons", [(2, "timeout: too slow")])
    tracker, store = MagicMock(parent=None, failed=False, shown_uri="sqlite:///x"), Mock()
    store.note.return_value = None
    TrackedStudy(tracker, "case", facts, spec, store).finish(result)
    runs = tracker.runs.return_value
    runs.file.assert_called_once_with(runs.find.return_value, transcript)
    call = runs.log.call_args
    metrics = {metric.key: metric.value for metric in call.kwargs["metrics"]}
    tags = call.kwargs["tags"]
    assert (metrics["model_calls"], metrics.get("model_known_cost")) == (3, known)
    assert (tags["model_cost"], tags["model_use"]) == (cost, str(use))
    assert tags["mlflow.runName"] == "llm-seed0 (model 25%)"
    assert tags["model_missed"] == "2 x timeout: too slow"
    assert tags["model"] == "openai/scripted"


@pytest.mark.parametrize(("when_done", "trials"), [("stop", 2), ("fallback", 4), ("auto", 2)])
def test_a_model_that_is_done_ends_the_study_as_the_user_says(ask, tmp_path, when_done, trials):
    with ModelServer(lambda _: Say("done: nothing is left above the floor")) as server:
        words = ("tune", "circuit", "--tuner", "llm", "--model", "openai/any", "--trials", 4)
        words += ("--base-url", server.url, "--no-mlflow", "--output", tmp_path / "runs")
        found = ask(*words, "--when-done", when_done, "--json").json
    assert found["trials"] == trials
    ended = "the model is done since trial 1: nothing is left above the floor"
    assert found["ended_by"] == (ended if trials < 4 else None)
    assert found["model"]["calls"] == 1  # it is asked no more
