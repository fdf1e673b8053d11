"""A key appears nowhere: a canary is looked for in all that is written, raised and logged."""

from __future__ import annotations

import base64
import logging
import pickle
import traceback
from itertools import product

import pytest

from tests.model_server.answers import Echo, Raw, Say
from tests.tuners.llm.model.conftest import HELLO
from tuners.llm.model import Message, ModelError, Request, open_model
from tuners.redaction import Redactor, Secret

pytestmark = pytest.mark.filterwarnings("ignore:Accessing the:DeprecationWarning")

CANARY = "sk-canary/4711+secret=="


@pytest.fixture
def key(monkeypatch):
    monkeypatch.setenv("MY_KEY", CANARY)


def shown(error: BaseException) -> str:
    """Whatever a tool may print of an error: its chain, with the locals of every frame."""
    seen = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join(seen.format()) + repr(error) + repr(vars(error))


REFUSALS = list(product(["openai", "hosted_vllm"], [400, 401, 429, 500, 200]))


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("answer", REFUSALS)
def test_a_server_that_echoes_the_key(serve, tmp_path, caplog, capfd, answer):
    provider, status = answer
    caplog.set_level(logging.DEBUG)
    path = tmp_path / "t.jsonl"
    model, server = serve(
        Echo(status), model=f"{provider}/local", api_key_env="MY_KEY", transcript=path, attempts=1
    )
    with pytest.raises(ModelError) as caught:
        model.ask(HELLO)
    assert server.calls[0].headers["authorization"] == f"Bearer {CANARY}"  # it did go out
    out, err = capfd.readouterr()
    everything = [shown(caught.value), path.read_text(), caplog.text, out, err]
    everything += [repr(vars(record)) for record in caplog.records]
    everything += [repr(model), str(model.usage), repr(vars(model)), repr(vars(model._calls))]
    everything += [repr(pickle.dumps(caught.value))]
    for text in everything:
        assert CANARY not in text
        assert CANARY[:-2] not in text
    if status != 200:
        assert "Incorrect API key provided" in str(caught.value)


def test_a_key_in_a_prompt_or_a_reply_is_not_written(serve, tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", CANARY)
    path = tmp_path / "t.jsonl"
    model, _ = serve(Say(f"use {CANARY}"), transcript=path)
    request = Request((Message("user", f"My key is {CANARY}."),))
    assert model.ask(request).text == "use [key]"
    assert CANARY not in path.read_text()
    assert open_model(f"replay:{path}").ask(request).text == "use [key]"


def test_credentials_in_the_address(serve, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    path = tmp_path / "t.jsonl"
    _, server = serve(Say("ok"), Raw(b"no", 401))
    address = server.url.replace("://", "://me:pass%2Fword1@")
    model = open_model("openai/local", base_url=address, transcript=path)
    assert model.ask(HELLO).text == "ok"
    login = base64.b64encode(b"me:pass/word1").decode()
    assert server.calls[0].headers["authorization"] == f"Basic {login}"
    with pytest.raises(ModelError) as caught:
        model.ask(HELLO)
    for text in (path.read_text(), str(caught.value), caplog.text, repr(vars(model._calls))):
        assert "pass/word1" not in text
        assert "pass%2Fword1" not in text
        assert login not in text


def test_all_forms_of_a_key_are_hidden():
    redactor = Redactor([CANARY])
    forms = (
        CANARY,
        "sk-canary%2F4711%2Bsecret%3D%3D",
        base64.b64encode(CANARY.encode()).decode(),
    )
    for form in forms:
        assert redactor.text(f"<{form}>") == "<[key]>"
    assert redactor.text("Authorization: Bearer abcdef123456") == "Authorization: Bearer [key]"
    assert redactor.value({"a": [CANARY, 1, None]}) == {"a": ["[key]", 1, None]}
    assert CANARY not in repr(redactor)
    assert repr(Secret(CANARY)) == "[key]"


def test_short_words_are_no_keys():
    assert Redactor(["EMPTY", "none"]).text("EMPTY and none") == "EMPTY and none"
