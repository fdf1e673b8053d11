"""An arm that is called by a model is the model's, or says that it is not."""

from __future__ import annotations

import pytest

from tests.model_server.answers import Answer, Say, refusal
from tests.model_server.server import ModelServer
from tests.model_server.wire import Usage
from tuners.llm.model import opening
from tuners.llm.model.patience import Patience

pytestmark = pytest.mark.filterwarnings("ignore:Accessing the:DeprecationWarning")


class Mind:
    """Answers with mappers of the small space, each once; or with what it is told to."""

    def __init__(self) -> None:
        self.instead: Answer | None = None
        self._count = 0

    def __call__(self, _: object) -> Answer:
        self._count += 1
        memory = ("FBMEM", "ZCMEM")
        lines = ["Task * GPU,CPU;", "Region * * GPU FBMEM;", "Region * * CPU SYSMEM;"]
        for bit, region in enumerate(("pxm_in", "pxp_in", "pym_in", "pyp_in")):
            lines.append(f"Region stencil {region} GPU {memory[self._count >> bit & 1]};")
        return self.instead or Say("```mapper\n" + "\n".join(lines) + "\n```", Usage(100, 50))


@pytest.fixture
def mind():
    return Mind()


@pytest.fixture
def server(mind, monkeypatch):
    """A server of OpenAI's models, as far as litellm knows, with a key and a price."""
    with ModelServer(mind) as server:
        monkeypatch.setenv("OPENAI_API_BASE", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-of-nobody")
        monkeypatch.setattr(opening, "Patience", lambda attempts: Patience(attempts, first=0.01))
        yield server


@pytest.fixture
def asked(ask, tmp_path, space):
    """A command that asks models, untracked."""

    def run(command, *words, output="runs"):
        common = ["--template", space, "--output", tmp_path / output, "--no-mlflow"]
        common += ["--start", "none"]  # all trials are the tuner's
        return ask(command, "stencil", *common, *words)

    return run


TUNE = ("tune", "--tuner", "llm-iid", "--model", "openai/gpt-4o", "--trials")


def test_without_a_key_there_is_no_trial(asked, server, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    for command in (TUNE, ("compare", "--tuners", "llm-iid,tpe", *TUNE[3:])):
        answer = asked(*command, 2)
        assert answer.code == 1
        assert "set the environment variable OPENAI_API_KEY" in answer.err
        assert "--fallback-only" in answer.err
        assert "trials" not in answer.out
    assert server.calls == []


def test_a_budget_in_money_needs_a_price_before_the_first_trial(asked, server):
    answer = asked(*TUNE, 2, "--base-url", server.url, "--budget-usd", 1)
    assert answer.code == 1
    assert "the price of this model is unknown" in answer.err
    assert server.calls == []


def test_a_key_that_is_refused_ends_the_study(asked, mind, server):
    mind.instead = refusal(401, "no such key")
    answer = asked(*TUNE, 3)
    assert answer.code == 1
    assert "does not accept the key: no such key" in answer.err
    assert len(server.calls) == 1
    mind.instead = None
    found = asked(*TUNE, 2, "--json").json
    assert (found["resumed"], found["model"]["share"]) == (0, 1.0)
    assert found["model"]["calls"] == 3  # the refused one reached the server too
    assert found["model"]["cost"] == pytest.approx(2 * (100 * 2.5e-6 + 50 * 10e-6))


def test_a_study_of_the_fallback_is_marked_and_not_gone_on_with(asked, mind, server, tmp_path):
    mind.instead = refusal(401, "no such key")
    answer = asked(*TUNE, 3, "--fallback-only")
    assert answer.code == 0
    assert "not the model  3 x authentication: openai/gpt-4o does not accept" in answer.out
    assert "this is no study of llm-iid" in answer.out
    mind.instead = None
    refused = asked(*TUNE, 4)
    assert refused.code == 2
    assert "the model proposed 0% of the 3 trials" in refused.err
    assert "--anew" in refused.err
    assert asked(*TUNE, 3).code == 2  # nothing is left to run, and still it is not the model's
    assert asked(*TUNE, 4, "--fallback-only", "--json").json["model"]["share"] == 0.25
    anew = asked(*TUNE, 3, "--anew", "--json").json
    assert (anew["resumed"], anew["trials"], anew["model"]["share"]) == (0, 3, 1.0)
    assert (anew["model"]["calls"], anew["model"]["hardly_asked"]) == (3, False)
    (case,) = (tmp_path / "runs").iterdir()
    assert (case / "llm-iid-seed0.aside1.journal").exists()
    assert asked(*TUNE, 3, "--anew", "--json").json["resumed"] == 3


def test_a_study_in_a_database_begins_anew_as_well(asked, mind, server, tmp_path):
    storage = ("--storage", f"sqlite:///{tmp_path / 'studies.db'}")
    mind.instead = refusal(401, "no such key")
    assert asked(*TUNE, 2, "--fallback-only", *storage).code == 1  # no mapper runs
    mind.instead = None
    assert asked(*TUNE, 2, *storage).code == 2
    found = asked(*TUNE, 2, "--anew", "--json", *storage).json
    assert (found["resumed"], found["model"]["share"], found["model"]["calls"]) == (0, 1.0, 2)


def test_a_study_that_lacks_a_model_by_design_goes_on(asked, server):
    asked(*TUNE, 3, "--every", 1)
    answer = asked(*TUNE, 4, "--every", 1)
    assert answer.code == 0
    assert "4 x every 1th trial is the fallback's" in answer.out


def test_reasons_are_told_at_the_first_and_counted_at_the_end(asked, mind, server):
    mind.instead = Say("", Usage(100, 60), finish_reason="length")
    answer = asked(*TUNE, 2, "--max-reply-tokens", 60)
    assert answer.code == 1  # no mapper runs
    asked_for = [call.body["max_tokens"] for call in server.calls]
    assert asked_for[:4] == [60, 120, 240, 480]
    assert answer.err.count("went into reasoning; allow more by --max-reply-tokens") == 1
    assert "not the model  2 x bad-response: openai/gpt-4o gave an empty reply" in answer.out


def test_several_models_are_compared(asked, server):
    answer = asked(
        "compare", "--tuners", "llm-iid,random", "--seeds", 1, "--trials", 2,
        "--model", "openai/gpt-4o", "--model", "openai/gpt-4o-mini",
    )  # fmt: skip
    assert answer.code == 0
    assert [call.body["model"] for call in server.calls] == ["gpt-4o"] * 2 + ["gpt-4o-mini"] * 2
    assert "llm-iid@gpt-4o " in answer.out
    assert "llm-iid@gpt-4o-mini " in answer.out
    assert answer.out.count("100.0%        2 calls") == 2
    both = ("--model", "openai/gpt-4o", "--model", "openai/gpt-4o-mini")
    assert "tune takes one --model" in asked("tune", "--tuner", "llm", *both).err


def test_finished_studies_of_several_folders_are_compared(asked, ask, mind, server, tmp_path):
    for output, model in (("a", "openai/gpt-4o"), ("b", "openai/gpt-4o-mini")):
        asked("tune", "--tuner", "llm-iid", "--model", model, "--trials", 2, output=output)
    asked("tune", "--tuner", "random", "--trials", 2, output="b")
    mind.instead = refusal(401)
    asked(*TUNE, 2, "--seed", 1, "--fallback-only", output="a")
    asked("tune", "--tuner", "random", "--trials", 2, output="a")
    folders = ("--from", tmp_path / "a", tmp_path / "b", "--no-mlflow")
    calls = len(server.calls)
    found = ask("compare", *folders, "--json").json
    assert not found.get("error"), found
    assert {each["tuner"] for each in found["tuners"]} == {
        "llm-iid@gpt-4o", "llm-iid@gpt-4o-mini",
        f"random ({tmp_path / 'a'})", f"random ({tmp_path / 'b'})",
    }  # fmt: skip
    assert found["models"]["llm-iid@gpt-4o"] == {"share": 0.5, "hardly_asked": False}
    assert len(server.calls) == calls
    shown = ask("compare", *folders).out
    assert "llm-iid@gpt-4o, not by the model: 2 x authentication" in shown
    assert ask("compare", "--from", tmp_path / "nowhere").code == 2
    assert "there is no study of circuit in" in ask("compare", "circuit", *folders).err
    assert "name an application" in ask("compare").err


def test_an_arm_that_hardly_asked_is_marked_in_the_table(asked, mind, server):
    mind.instead = refusal(401)
    words = ("--tuners", "llm-iid,random", "--seeds", 1, "--trials", 2, *TUNE[3:-1])
    answer = asked("compare", *words, "--fallback-only")
    assert answer.code == 0
    assert answer.out.count("llm-iid *") == 2
    assert "* the model proposed under half of the trials" in answer.out
    assert "random *" not in answer.out
