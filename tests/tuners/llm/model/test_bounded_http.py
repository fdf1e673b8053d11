"""Bodies are read up to a bound, and redirects are not followed to strangers."""

from __future__ import annotations

import resource
import time

import pytest

from tests.model_server.answers import Bomb, Endless, Raw, Redirect, Say
from tests.model_server.server import ModelServer, in_order
from tests.tuners.llm.model.conftest import HELLO
from tuners.llm.model import BadResponse, ModelError, ModelUnavailable
from tuners.llm.model.bounded_http import LONGEST_BODY

pytestmark = pytest.mark.filterwarnings("ignore:Accessing the:DeprecationWarning")

PROVIDERS = ("openai/local", "hosted_vllm/local")
MB = 1 << 20


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    "answer",
    [Bomb(100 * MB), Bomb(100 * MB, status=500), Endless(), Endless(status=400)],
    ids=repr,
)
def test_a_body_without_bounds_is_not_read_to_its_end(serve, provider, answer):
    warm, _ = serve(Say("ok"), model=provider)
    warm.ask(HELLO)
    packed = peak()
    model, server = serve(answer, model=provider, attempts=1)
    begin = time.monotonic()
    with pytest.raises(ModelError) as caught:
        model.ask(HELLO)
    assert caught.value.kind in ("bad-response", "unavailable", "rejected")
    assert time.monotonic() - begin < 15  # the packing takes its time here, once
    if isinstance(answer, Endless):
        assert sum(answer.sent) < LONGEST_BODY + 40 * MB  # sockets hold a part of it
    assert len(server.calls) == 1
    assert peak() - packed < 60 * MB


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_long_stream_is_not_read_to_its_end(serve, provider):
    model, _ = serve(Endless(content_type="text/event-stream"), model=provider, attempts=1)
    before = peak()
    with pytest.raises(ModelError):
        model.ask(HELLO)
    assert peak() - before < 60 * MB


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_packed_reply_is_read(serve, provider):
    model, server = serve(Bomb(MB), model=provider, attempts=1)
    reply = model.ask(HELLO)
    assert set(reply.text) == {"x"}
    assert not reply.complete  # it was cut
    assert server.calls[0].headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "weird\x7f"])
def test_a_body_that_is_packed_otherwise_is_no_reply(serve, encoding):
    answer = Raw(b"{}", headers={"Content-Encoding": encoding})
    model, _ = serve(answer, attempts=1)
    with pytest.raises(BadResponse):
        model.ask(HELLO)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_another_host_or_port_gets_nothing(serve, provider, status):
    with ModelServer(in_order([Say("stolen")])) as stranger:
        answer = Redirect(f"{stranger.url}/chat/completions", status)
        model, server = serve(answer, model=provider)
        with pytest.raises(ModelUnavailable, match=r"sends the call away.*127\.0\.0\.1"):
            model.ask(HELLO)
        assert stranger.calls == []
        assert len(server.calls) == 1


@pytest.mark.parametrize("provider", PROVIDERS)
def test_three_redirects_are_followed_and_no_more(serve, provider):
    model, server = serve(*[Redirect()] * 3, Say("there"), model=provider)
    assert model.ask(HELLO).text == "there"
    model, server = serve(*[Redirect()] * 30, model=provider)
    with pytest.raises(ModelUnavailable, match="more than 3 times"):
        model.ask(HELLO)
    assert len(server.calls) == 4
