"""Every way in which a server can fail, over real HTTP and through real litellm."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.model_server.answers import (
    HTML_PAGE,
    Cut,
    Flood,
    Hang,
    Raw,
    Say,
    Stream,
    Trickle,
    context_too_long,
    rate_limited,
    refusal,
)
from tests.model_server.wire import Content, Usage
from tests.tuners.llm.model.conftest import HELLO
from tuners.llm.model import (
    AuthenticationFailed,
    BadResponse,
    ContextTooLong,
    ModelTimeout,
    ModelUnavailable,
    RateLimited,
    RequestRejected,
    open_model,
)
from tuners.llm.model.litellm_calls import LONGEST_REPLY

# litellm silences this warning of its own at import; pytest forgets that.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the:DeprecationWarning")

NOT_THE_API = {
    "html": Raw(HTML_PAGE, content_type="text/html"),
    "torn json": Raw(b'{"choices": [{"message'),
    "a list": Raw(b"[1, 2]"),
    "a text": Raw(b'"hello"'),
    "another object": Raw(b'{"hello": 1}'),
    "no body": Raw(b""),
    "not zipped": Raw(b"hello", headers={"Content-Encoding": "gzip"}),
    "no choices": Raw(b'{"id": "x", "object": "chat.completion", "choices": []}'),
    "null": Say(None),
    "empty": Say(""),
    "blank": Say(" \n"),
    "cut": Cut(),
}


@pytest.mark.parametrize("what", NOT_THE_API)
@pytest.mark.parametrize("provider", ["openai", "hosted_vllm"])
def test_a_reply_that_is_none_is_asked_for_again(serve, what, provider):
    model, server = serve(NOT_THE_API[what], Say("Task * GPU;"), model=f"{provider}/local")
    reply = model.ask(HELLO)
    assert (reply.text, reply.attempts) == ("Task * GPU;", 2)
    assert len(server.calls) == 2
    assert (model.usage.calls, model.usage.failed_calls) == (2, 1)
    assert model.usage.prompt_tokens > 11  # the failed call may have been billed


@pytest.mark.parametrize("what", ["html", "empty", "cut"])
def test_a_reply_that_stays_none_is_a_bad_response(serve, waits, what):
    model, server = serve(*[NOT_THE_API[what]] * 3, attempts=3)
    with pytest.raises(BadResponse, match=r"local (gave|is not)|of openai/local|to openai/local"):
        model.ask(HELLO)
    assert len(server.calls) == 3
    assert waits == [1.0, 2.0]


PERMANENT = {
    401: (AuthenticationFailed, True),
    403: (AuthenticationFailed, True),
    402: (ModelUnavailable, True),
    404: (ModelUnavailable, True),
    400: (RequestRejected, False),
    422: (RequestRejected, False),
    413: (ContextTooLong, False),
}


@pytest.mark.parametrize("status", PERMANENT)
@pytest.mark.parametrize("provider", ["openai", "hosted_vllm"])
def test_what_asking_again_cannot_mend_is_not_asked_again(serve, waits, status, provider):
    kind, permanent = PERMANENT[status]
    model, server = serve(refusal(status, "because"), model=f"{provider}/local")
    with pytest.raises(kind, match="because") as caught:
        model.ask(HELLO)
    assert caught.value.permanent is permanent
    assert caught.value.attempts == len(server.calls) == 1
    assert waits == []


def test_a_context_that_is_too_long_is_said_to_be(serve):
    model, _ = serve(context_too_long())
    with pytest.raises(ContextTooLong, match="too long for openai/local"):
        model.ask(HELLO)


def test_an_account_without_credit_is_not_waited_for(serve, waits):
    model, _ = serve(refusal(429, "You exceeded your current quota", code="insufficient_quota"))
    with pytest.raises(ModelUnavailable, match="no credit left"):
        model.ask(HELLO)
    assert waits == []


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_that_fails_is_asked_again(serve, waits, status):
    model, _ = serve(refusal(status), refusal(status), Say("ok"))
    assert model.ask(HELLO).attempts == 3
    assert waits == [1.0, 2.0]


def test_a_server_that_keeps_failing_is_unavailable_for_the_moment(serve):
    model, server = serve(*[refusal(500, "boom")] * 4)
    with pytest.raises(ModelUnavailable, match=r"fails \(500\).*boom") as caught:
        model.ask(HELLO)
    assert not caught.value.permanent
    assert caught.value.attempts == len(server.calls) == 4


def test_nobody_there_is_unavailable_for_the_moment(waits):
    model = open_model("openai/local", base_url="http://127.0.0.1:9/v1", attempts=2)
    with pytest.raises(ModelUnavailable, match="nobody answers") as caught:
        model.ask(HELLO)
    assert not caught.value.permanent
    assert model.usage.tokens == 0


@pytest.mark.parametrize("provider", ["openai", "hosted_vllm"])
def test_a_rate_limit_waits_as_long_as_it_asks(serve, waits, provider):
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    answers = rate_limited("7"), rate_limited(date), rate_limited(None), Say("ok")
    model, _ = serve(*answers, model=f"{provider}/local")
    assert model.ask(HELLO).attempts == 4
    assert waits[0] == 7.0
    assert 15 < waits[1] <= 20
    assert waits[2] == 4.0
    assert model.usage.tokens == 18  # a limited call costs nothing


def test_a_rate_limit_that_asks_for_too_long_is_not_waited_for(serve, waits):
    model, server = serve(rate_limited("3600"), Say("ok"))
    with pytest.raises(RateLimited, match="slow down"):
        model.ask(HELLO)
    assert (waits, len(server.calls)) == ([], 1)


def test_a_silent_server_times_out(serve):
    model, _ = serve(Hang(5.0), timeout=0.5, attempts=1)
    begin = time.monotonic()
    with pytest.raises(ModelTimeout, match=r"within 0\.5 s"):
        model.ask(HELLO)
    assert time.monotonic() - begin < 3


@pytest.mark.parametrize("provider", ["openai", "hosted_vllm"])
def test_a_trickling_server_times_out_and_is_hung_up_on(serve, provider):
    trickle = Trickle("slow " * 50, pause=0.02)  # some ten seconds, no read of them long
    model, _ = serve(trickle, Say("ok"), timeout=0.6, attempts=1, model=f"{provider}/local")
    begin = time.monotonic()
    with pytest.raises(ModelTimeout):
        model.ask(HELLO)
    assert time.monotonic() - begin < 3
    assert trickle.hung_up.wait(3)
    assert model.ask(HELLO).text == "ok"


def test_a_very_long_reply_is_cut_and_flagged(serve):
    model, _ = serve(Flood(1_500_000))
    reply = model.ask(HELLO)
    assert len(reply.text) == LONGEST_REPLY
    assert not reply.complete


def test_a_reply_beyond_all_bounds_is_none(serve):
    model, _ = serve(Flood(50_000_000), attempts=1)
    with pytest.raises(BadResponse, match="longer than 2 MB"):
        model.ask(HELLO)


def test_a_reply_that_stopped_at_its_limit_is_flagged(serve):
    model, _ = serve(Say("Task * G", finish_reason="length"), Say("Task * GPU;"))
    assert not model.ask(HELLO).complete
    assert model.ask(HELLO).complete


@pytest.mark.parametrize("provider", ["openai", "hosted_vllm"])
def test_a_server_that_only_streams_is_asked_to(serve, provider):
    text = "Task * GPU; # " + "ä" * 40
    streams = Stream(Content(text, Usage(5, 6)))
    model, server = serve(streams, streams, streams, model=f"{provider}/local")
    reply = model.ask(HELLO)
    assert (reply.text, reply.attempts) == (text, 2)
    assert (reply.prompt_tokens, reply.completion_tokens) == (5, 6)
    assert [call.streams for call in server.calls] == [False, True]
    assert model.ask(HELLO).attempts == 1  # it remembers


def test_an_endless_stream_is_not_read_to_its_end(serve):
    endless = Stream(Content("x" * 1_000_000), size=10_000)
    model, _ = serve(endless, endless)
    reply = model.ask(HELLO)
    assert LONGEST_REPLY - 20_000 < len(reply.text) <= LONGEST_REPLY
    assert not reply.complete
