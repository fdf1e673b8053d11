"""``replay --texts``: what models proposed once, under the judge of today."""

from __future__ import annotations

import json

import pytest

from legion_bridge import Application
from tests.model_server.answers import Say
from tests.model_server.server import ModelServer

EXPERT = Application.load("circuit").mappers["expert"]
REPLIES = [
    f"First the usual.\n```mapper\n{EXPERT}\n```",
    "I think, and propose nothing.",
    "```mapper\nRegion * * GPU FBMEM\n```",
    "```mapper\nTask * GPU,CPU;\nRegion * * GPU FBMEM;\nRegion * * CPU SYSMEM;\n```",
    "```mapper\nLayout * * * AOS;\n```",
]


@pytest.fixture
def texts(tmp_path):
    """A transcript of plain lines, as other programs write it."""
    path = tmp_path / "plain.jsonl"
    case = {"application": "circuit", "machine": "p100x4", "nodes": 1, "parameters": {}}
    path.write_text("".join(json.dumps({**case, "reply": each}) + "\n" for each in REPLIES))
    return path


def test_every_reply_is_judged_and_blocks_go_into_the_best_before(ask, texts):
    (found,) = ask("replay", "--texts", texts, "--json").json
    statuses = [each["status"] for each in found["replies"]]
    assert statuses == ["ok", "no mapper", "refused", "ok", "ok"]
    first, _, refused, faster, last = found["replies"]
    assert first["over_reference"] == pytest.approx(1.0)
    assert faster["over_reference"] > 1.3
    assert 0.99 < faster["of_floor"] <= 1.0
    assert "';'" in refused["said"]
    assert "Region * * GPU FBMEM;" in last["mapper"]  # a block went into the mapper before
    assert "AOS" in last["mapper"]


def test_the_table_shows_what_the_json_says(ask, texts):
    shown = ask("replay", "--texts", texts)
    assert shown.code == 0
    assert "circuit-p100x4, 5 replies" in shown.out
    assert "1.0000" in shown.out
    assert "the reply holds no mapper" in shown.out


def test_our_own_transcripts_are_judged_by_the_trials_that_they_name(ask, tmp_path):
    replies = iter([REPLIES[3], REPLIES[0], REPLIES[4]])
    with ModelServer(lambda _: Say(next(replies))) as server:
        words = ("tune", "circuit", "--tuner", "llm", "--model", "openai/any", "--trials", 4)
        ask(*words, "--base-url", server.url, "--no-mlflow", "--output", tmp_path / "runs")
    transcript = tmp_path / "runs/circuit-p100x4/llm-seed0.transcript.jsonl"
    (found,) = ask("replay", "--texts", transcript, "--app", "circuit", "--json").json
    assert [each["status"] for each in found["replies"]] == ["ok", "ok", "ok"]
    journal = ask("compare", "--from", tmp_path / "runs", "--json").json
    best = max(each["throughput"] for each in found["replies"])
    assert journal["studies"][0]["best"] >= best  # the start is not among the replies
    told = ask("replay", "--texts", transcript)
    assert (told.code, "say it by --app" in told.err) == (2, True)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b'{"reply": 3}\n', "x.jsonl:1: neither a line of a transcript"),
        (b"[" * 5000 + b"\n", "x.jsonl:1: neither"),
        (b"\xff\xfe\x00", "is a binary file"),
        (b'{"reply": "x", "application": []}\n', "x.jsonl:1: neither"),
        (b'{"reply": "x"}\n', "does not tell its application"),
        (b'{"reply": "x", "application": "a"}\n{"reply": "x", "application": "b"}\n', "several"),
    ],
)
def test_what_is_no_transcript_is_told_in_one_sentence(ask, tmp_path, content, sentence):
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    told = ask("replay", "--texts", path)
    assert told.code == 2
    assert sentence in told.err
    assert told.err.count("\n") == 1


def test_without_texts_it_says_how_a_study_is_played_back(ask, texts):
    told = ask("replay", texts)
    assert told.code == 2
    assert "--model replay:" in told.err


def test_a_missing_transcript_is_told(ask, tmp_path):
    assert "cannot read" in ask("replay", "--texts", tmp_path / "none.jsonl").err
