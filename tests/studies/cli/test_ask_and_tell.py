"""``ask`` and ``tell``: an agent in the place of a model, which is told what a model is told."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from legion_bridge import Application
from studies import StudyStore
from tests.model_server.answers import Say
from tests.model_server.server import ModelServer
from tuners.llm.model.transcript import read_transcript

EXPERT = Application.load("circuit").mappers["expert"]
REPLIES = [
    f"```mapper\n{EXPERT}\n```",
    "Let me think.",  # no mapper: goes back
    "```mapper\nRegion * * GPU FBMEM;\nRegion * * CPU SYSMEM;\n```",
    "```mapper\nTask * GPU,OMP,CPU\n```",  # a semicolon is missing
    "```mapper\nLayout * * * AOS;\n```",
    "I have no idea.",
    "I have no idea.",
    "I have no idea.",  # the fallback proposes
]
CASE = "circuit-p100x4"
# What a case must not hold.
CASES = {"nodes": 0, "machine": 3, "parameters": [], "wires": 9}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / f"agent/{CASE}-seed0"


@pytest.fixture
def tell(ask, folder, tmp_path):
    """Tells a reply, which it writes into a file."""

    def run(reply, *words):
        path = tmp_path / "reply.md"
        path.write_text(reply)
        return ask("tell", folder, path, *words)

    return run


@pytest.fixture
def begun(ask, tmp_path):
    """Begins a study of circuit."""

    def run(*words, case="circuit"):
        return ask("ask", case, "--output", tmp_path / "agent", *words)

    return run


def trials_of(journal):
    with StudyStore.open_study("any", str(journal)) as store:
        found = store.trials
    return [(each.number, each.params, each.value, notes(each.user_attrs)) for each in found]


def notes(noted):
    """A trial's notes, but for what the server counts and an agent's replies do not tell."""
    return {key: value for key, value in noted.items() if not key.endswith(("tokens", "seconds"))}


@pytest.mark.parametrize(
    "options",
    [(), ("--strategy", "opro", "--feedback", "explained"), ("--decode", "schema", "--seed", 3)],
    ids=["trace", "opro", "schema"],
)
def test_an_agent_is_asked_and_judged_exactly_as_a_model_over_http(ask, begun, tmp_path, options):
    replies = iter(REPLIES)
    with ModelServer(lambda _: Say(next(replies))) as server:
        over_http = ("tune", "circuit", "--tuner", "llm", "--model", "openai/any", "--trials", 5)
        over_http += ("--base-url", server.url, "--no-mlflow", "--output", tmp_path / "http")
        tuned = ask(*over_http, *options, "--json").json
    seed = 3 if "--seed" in options else 0
    folder = tmp_path / f"agent/{CASE}-seed{seed}"
    state = begun("--trials", 5, *options, "--json").json
    requests = []
    for reply in REPLIES:
        if state["done"]:
            break
        requests.append(state["request"])
        path = tmp_path / "reply.md"
        path.write_text(reply)
        state = ask("tell", folder, path, "--json").json
    assert state["done"]

    name = f"{CASE}/llm-seed{seed}"
    told = read_transcript(tmp_path / f"http/{name}.transcript.jsonl")
    kept = read_transcript(folder / f"{name}.transcript.jsonl")
    assert len(told) == len(kept) > 4
    assert [each.request for each in told] == [each.request for each in kept]
    for shown, sent in zip(requests, told, strict=True):
        assert shown["messages"] == [
            {"role": each.role, "content": each.content} for each in sent.request.messages
        ]
        assert shown["schema"] == sent.request.schema
    assert trials_of(tmp_path / f"http/{name}.journal") == trials_of(folder / f"{name}.journal")
    assert state["study"]["best"] == tuned["best"]
    best = (tmp_path / f"http/{name}.mapper", folder / f"{name}.mapper")
    assert best[0].read_text() == best[1].read_text()


def test_ask_prints_the_whole_request_and_where_the_reply_goes(begun, folder):
    asked = begun()
    assert asked.code == 0
    assert asked.out.startswith("===== system =====")
    assert "===== user =====" in asked.out
    assert "mapper" in asked.out.rpartition("===== user =====")[2]
    assert f"mappertune tell {folder} REPLY.md" in asked.err
    assert begun().out == asked.out  # asking changes nothing
    new = begun("--new").out
    assert new.startswith("===== user =====")
    assert asked.out.endswith(new)


def test_tell_says_what_came_of_a_reply_and_what_a_model_would_read_next(begun, tell, ask, folder):
    begun()
    back = tell("Let me think.")
    assert back.out.startswith("nothing was tried: the reply goes back")
    judged = tell("```mapper\nTask * CPU;\n```")
    assert judged.out.startswith("trial 1: ")
    assert " x expert" in judged.out.splitlines()[0]
    assert "Trial 1: " in judged.out
    assert "# Your task" in judged.out
    asked = ask("ask", folder, "--new").out
    assert judged.out.splitlines()[-1] == asked.rstrip().splitlines()[-1]


def test_a_schema_is_printed_with_the_request(begun):
    out = begun("--decode", "schema", "--strategy", "iid").out
    assert "===== JSON schema of the reply =====" in out


def test_a_study_of_one_application_can_be_named_by_it(begun, ask, tmp_path, folder):
    begun("--trials", 2)
    reply = tmp_path / "reply.md"
    reply.write_text(REPLIES[0])
    told = ask("tell", "circuit", reply, "--output", tmp_path / "agent")
    assert told.out.startswith("trial 1: ")
    assert f"the study in {folder} is done: 2 trials" in told.out


def test_a_finished_study_takes_no_reply_and_loses_nothing_until_it_is_made_longer(
    begun, tell, folder
):
    begun("--trials", 2)
    tell(REPLIES[0])
    refused = tell(REPLIES[2])
    assert refused.code == 2
    assert "no reply is awaited" in refused.err
    assert "--trials" in refused.err
    assert begun("--trials", 3).out.startswith("===== system")
    assert tell(REPLIES[2]).out.startswith("trial 2: ")


def test_a_study_goes_on_only_as_it_was_begun(begun, ask, folder):
    begun("--strategy", "opro", "--trials", 2)
    refused = begun("--strategy", "iid")
    assert refused.code == 2
    assert "begun with another strategy ('opro', not 'iid')" in refused.err
    assert begun().code == 0  # options left out are as they were
    assert ask("ask", folder, "--seed", 4).code == 2


@pytest.mark.parametrize("kept", ["{", "[]", '{"schema": 1}', '{"schema": 9}'])
def test_damaged_settings_are_told_in_one_sentence(begun, tell, folder, kept):
    begun()
    (folder / "case.json").write_text(kept)
    told = tell(REPLIES[0])
    assert told.code == 1
    assert "case.json is damaged" in told.err
    assert told.err.count("\n") == 1


def test_settings_of_the_wrong_kind_are_told(begun, tell, folder):
    begun()
    path = folder / "case.json"
    kept = json.loads(path.read_text())
    of_case = [{"case": {**kept["case"], name: value}} for name, value in CASES.items()]
    for wrong in ({"trials": "9"}, {"seed": -1}, {"prompt": []}, {"nodes": 0}, *of_case):
        path.write_text(json.dumps({**kept, **wrong}))
        assert "case.json is damaged" in tell(REPLIES[0]).err
    path.write_text(json.dumps(kept))
    assert tell(REPLIES[0]).code == 0


def test_what_was_not_begun_is_told(ask, tmp_path):
    reply = tmp_path / "reply.md"
    reply.write_text("x")
    told = ask("tell", "circuit", reply, "--output", tmp_path)
    assert told.code == 2
    assert "`mappertune ask circuit` begins" in told.err


def test_an_unknown_application_begins_nothing(begun, tmp_path):
    assert begun(case="circiut").code == 2
    assert not (tmp_path / "agent").exists()


def test_another_process_in_the_same_folder_is_refused(begun, tell, folder):
    begun()
    journal = folder / CASE / "llm-seed0.journal"
    with StudyStore.open_study("any", str(journal)):
        script = f"from studies.cli import main; raise SystemExit(main(['ask', {str(folder)!r}]))"
        run = subprocess.run(
            [sys.executable, "-c", script], check=False, capture_output=True, text=True
        )
    assert run.returncode == 1
    assert "another process is running a study" in run.stderr


def test_a_hostile_reply_is_data(begun, tell):
    begun()
    told = tell("\x1b[2Jignore all of it ```mapper\nTask * GPU;\n```\x1b]0;x\x07")
    assert "\x1b" not in told.out
    assert told.code == 0


def test_an_agent_may_say_that_it_is_done(begun, tell, folder):
    begun()
    told = tell("done: nothing is left above the floor")
    assert "nothing is left above the floor" in told.out
    assert f"the study in {folder} is done: 2 trials, the model is done" in told.out
    assert "no reply is awaited" in tell(REPLIES[0]).err
