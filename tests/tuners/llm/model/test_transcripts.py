"""Transcripts are whole, survive being cut off, and can be replayed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.model_server.answers import Say, rate_limited, refusal
from tests.tuners.llm.model.conftest import HELLO
from tuners.llm.model import (
    AuthenticationFailed,
    Message,
    ReplayExhausted,
    ReplayMismatch,
    Request,
    TranscriptError,
    open_model,
)

pytestmark = pytest.mark.filterwarnings("ignore:Accessing the:DeprecationWarning")

SECOND = Request((*HELLO.messages, Message("assistant", "a"), Message("user", "Again, ü \ud800.")))


@pytest.fixture
def recorded(serve, tmp_path):
    """A transcript of a reply after a rate limit, another reply, and a failure."""
    path = tmp_path / "logs" / "t.jsonl"
    answers = rate_limited("3"), Say("one"), Say("two"), refusal(401, "no")
    model, _ = serve(*answers, transcript=path)
    model.ask(replace(HELLO, seed=5, temperature=0.5))
    model.ask(replace(SECOND, messages=SECOND.messages[:3]))
    with pytest.raises(AuthenticationFailed):
        model.ask(HELLO)
    return path


def test_a_line_holds_all_of_an_exchange(recorded):
    first, second, third = map(json.loads, recorded.read_text().splitlines())
    assert first["request"]["messages"][1] == {"role": "user", "content": "Go."}
    assert (first["request"]["seed"], first["request"]["temperature"]) == (5, 0.5)
    assert first["reply"]["text"] == "one"
    assert first["reply"]["attempts"] == 2
    assert (first["reply"]["prompt_tokens"], first["reply"]["cost"]) == (11, None)
    assert first["reply"]["latency"] > 0
    (failure,) = first["failures"]
    assert (failure["kind"], failure["waited"]) == ("rate-limit", 3.0)
    assert first["settings"]["timeout"] == 20
    assert first["model"] == "openai/local"
    assert second["failures"] == []
    assert third["error"]["kind"] == "authentication"
    assert "reply" not in third


def test_a_replay_gives_the_same_replies_and_failures(recorded):
    model = open_model(f"replay:{recorded}")
    first = model.ask(HELLO)
    assert (first.text, first.replayed, first.attempts) == ("one", True, 2)
    assert model.ask(Request(SECOND.messages[:3])).text == "two"
    with pytest.raises(AuthenticationFailed, match="does not accept the key"):
        model.ask(HELLO)
    with pytest.raises(ReplayExhausted, match="holds 3 exchanges"):
        model.ask(HELLO)
    assert (model.usage.calls, model.usage.failed_calls) == (4, 2)
    assert model.usage.prompt_tokens == 22


def test_a_replay_names_the_first_difference(recorded):
    model = open_model(f"replay:{recorded}")
    changed = Request((HELLO.messages[0], Message("user", "Go!")))
    with pytest.raises(ReplayMismatch) as caught:
        model.ask(changed)
    said = str(caught.value)
    assert "t.jsonl:1: the prompt no longer matches the transcript: message 2" in said
    assert "from character 3 on: recorded 'Go.', now 'Go!'" in said
    with pytest.raises(ReplayMismatch, match="2 messages were recorded and 1 are sent"):
        model.ask(Request(HELLO.messages[:1]))
    with pytest.raises(ReplayMismatch, match="message 1 is the user's, not the system's"):
        model.ask(Request((Message("user", "You write mappers."),)))


def test_a_torn_last_line_is_left_out_and_cut_off(recorded, serve):
    whole = recorded.read_bytes()
    for cut in (1, 2, 40, 300):
        recorded.write_bytes(whole[:-cut])
        model = open_model(f"replay:{recorded}")
        assert model.ask(HELLO).text == "one"
    model, _ = serve(Say("more"), transcript=recorded)
    model.ask(HELLO)
    kinds = [next(k for k in ("reply", "error") if k in json.loads(line))
             for line in recorded.read_text().splitlines()]  # fmt: skip
    assert kinds == ["reply", "reply", "reply"]


def test_a_torn_first_line_leaves_an_empty_transcript(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"schema": 1, "mod')
    with pytest.raises(ReplayExhausted, match="holds 0 exchanges"):
        open_model(f"replay:{path}").ask(HELLO)
    open_model("openai/local", transcript=path)
    assert path.read_text() == ""


def test_texts_that_no_encoding_takes_are_kept(serve, tmp_path):
    path = tmp_path / "t.jsonl"
    model, _ = serve(Say("ü"), transcript=path)
    model.ask(Request((Message("user", "Again, ü."),)))
    assert open_model(f"replay:{path}").ask(Request((Message("user", "Again, ü."),))).text == "ü"


@pytest.mark.parametrize("line", ["hello", "[]", '{"schema": 2}', '{"schema": 1}', "{}"])
def test_a_file_that_is_no_transcript_is_refused_with_its_place(recorded, line):
    recorded.write_text(recorded.read_text() + line + "\n")
    with pytest.raises(TranscriptError, match=r"t\.jsonl:4: not a line of a transcript"):
        open_model(f"replay:{recorded}")


def test_files_that_cannot_be_opened_are_named(tmp_path):
    with pytest.raises(TranscriptError, match=r"cannot read the transcript .*nowhere"):
        open_model(f"replay:{tmp_path}/nowhere")
    with pytest.raises(TranscriptError, match="cannot write the transcript"):
        open_model("openai/local", transcript=tmp_path)


@pytest.mark.parametrize(
    "members",
    [
        '"prompt_tokens": NaN',
        '"cost": Infinity',
        f'"completion_tokens": {"9" * 400}',
        f'"completion_tokens": {"9" * 5000}',
        '"prompt_tokens": "many"',
        '"prompt_tokens": -1',
        '"text": 3',
        f'"text": {"[" * 100_000}',
    ],
    ids=lambda members: members[:25],
)
def test_a_line_with_values_of_another_kind_gets_one_sentence(tmp_path, members):
    path = tmp_path / "t.jsonl"
    request = '"request": {"messages": [{"role": "user", "content": "hi"}]}'
    reply = f'"reply": {{"text": "x", "model": "m", {members}}}'
    line = f'{{"schema": 1, "model": "m", {request}, {reply}}}\n'
    path.write_text(line * 2)
    with pytest.raises(TranscriptError, match=r":1: not a line of a transcript") as caught:
        open_model(f"replay:{path}")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400 + len(str(path))
