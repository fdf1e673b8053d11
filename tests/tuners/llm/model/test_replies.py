"""What a good server is asked and says."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from tests.model_server.answers import Say, refusal
from tests.tuners.llm.model.conftest import HELLO
from tuners.llm.model import ModelUnavailable, ModelUsage, RequestRejected, open_model

# litellm silences this warning of its own at import; pytest forgets that.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the:DeprecationWarning")

SCHEMA = {"type": "object", "properties": {"mapper": {"type": "string"}}, "required": ["mapper"]}


def test_the_reply_says_what_it_used(serve):
    model, server = serve(Say("Task * GPU;"))
    reply = model.ask(replace(HELLO, temperature=0.25, max_tokens=99, seed=7))
    assert (reply.text, reply.model) == ("Task * GPU;", "local")
    assert (reply.prompt_tokens, reply.completion_tokens) == (11, 7)
    assert reply.cost is None
    assert reply.complete
    assert not reply.replayed
    assert 0 < reply.latency < 20
    (call,) = server.calls
    assert [m["role"] for m in call.messages] == ["system", "user"]
    assert call.body["temperature"] == 0.25
    assert call.body["max_tokens"] == 99
    assert call.body["seed"] == 7
    assert model.usage == ModelUsage(1, 0, 11, 7, 0.0, 1)
    assert str(model.usage) == "1 calls, 18 tokens, unknown cost"


def test_what_is_not_asked_for_is_left_to_the_server(serve):
    model, server = serve(Say("ok"))
    model.ask(HELLO)
    assert set(server.calls[0].body) == {"model", "messages"}


def test_usage_that_is_not_said_is_estimated_and_not_invented(serve):
    model, _ = serve(Say("Task * GPU;", usage=None))
    reply = model.ask(HELLO)
    assert reply.prompt_tokens is None
    assert reply.completion_tokens is None
    assert model.usage.prompt_tokens > 0
    assert model.usage.completion_tokens > 0


def test_reasoning_is_not_part_of_the_reply(serve):
    model, _ = serve(Say("Task * GPU;", extra={"reasoning_content": "Let me think."}))
    assert model.ask(HELLO).text == "Task * GPU;"


def test_vllm_is_told_the_grammar_and_the_schema(serve):
    model, server = serve(Say("a"), Say("b"), model="hosted_vllm/local")
    assert model.ask(replace(HELLO, grammar='start: "a"')).constrained == "grammar"
    assert server.calls[0].body["structured_outputs"] == {"grammar": 'start: "a"'}
    assert model.ask(replace(HELLO, schema=SCHEMA)).constrained == "schema"
    assert server.calls[1].body["response_format"]["json_schema"]["schema"] == SCHEMA


def test_llama_cpp_is_told_the_grammar_as_larks(serve):
    model, server = serve(Say("a"), model="llamafile/local")
    assert model.ask(replace(HELLO, grammar='start: "a"')).constrained == "grammar"
    assert server.calls[0].body["grammar"] == '%llguidance {}\nstart: "a"'


def test_an_unknown_model_is_told_neither_and_the_user_is(serve, caplog):
    model, server = serve(Say("a"), Say("b"))
    assert model.ask(replace(HELLO, grammar='start: "a"')).constrained is None
    assert model.ask(replace(HELLO, schema=SCHEMA)).constrained is None
    assert all(set(call.body) == {"model", "messages"} for call in server.calls)
    said = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert len(said) == 1
    assert "openai/local is not known to take a grammar" in said[0]


def test_a_model_that_is_known_to_take_schemas_is_told_the_schema(serve):
    model, server = serve(Say("a"), model="openai/gpt-4o")
    assert model.ask(replace(HELLO, schema=SCHEMA)).constrained == "schema"
    assert server.calls[0].body["response_format"]["type"] == "json_schema"


def test_a_server_that_refuses_a_grammar_is_asked_without(serve, caplog):
    answers = refusal(400, "unknown field"), Say("a"), Say("b")
    model, server = serve(*answers, model="hosted_vllm/local")
    request = replace(HELLO, grammar='start: "a"')
    reply = model.ask(request)
    assert (reply.text, reply.constrained, reply.attempts) == ("a", None, 2)
    assert model.ask(request).attempts == 1
    assert ["structured_outputs" in call.body for call in server.calls] == [True, False, False]
    assert "asked without a grammar from here on" in caplog.text


def test_a_request_that_is_refused_without_a_grammar_too_is_rejected(serve):
    model, server = serve(refusal(400), refusal(400, "really"), model="hosted_vllm/local")
    with pytest.raises(RequestRejected, match="really"):
        model.ask(replace(HELLO, grammar='start: "a"'))
    assert len(server.calls) == 2


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("openai/gpt-4o", "OPENAI_API_KEY"),
        ("anthropic/claude-sonnet-4-5", "ANTHROPIC_API_KEY"),
        ("gemini/gemini-2.5-pro", "GEMINI_API_KEY"),
    ],
)
def test_a_missing_key_is_known_before_any_call(monkeypatch, name, variable):
    for each in (variable, "GOOGLE_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(each, raising=False)
    model = open_model(name)
    with pytest.raises(ModelUnavailable, match=f"set the environment variable .*{variable}") as e:
        model.ask(HELLO)
    assert e.value.permanent
    assert e.value.attempts == 0
    assert model.usage == ModelUsage()


def test_an_empty_key_is_a_missing_one(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "")
    with pytest.raises(ModelUnavailable, match="OPENAI_API_KEY"):
        open_model("openai/gpt-4o").ask(HELLO)
    monkeypatch.delenv("MY_KEY", raising=False)
    with pytest.raises(ModelUnavailable, match="MY_KEY holds no key"):
        open_model("openai/gpt-4o", api_key_env="MY_KEY")


def test_an_unknown_provider_is_told_how_names_are_written():
    with pytest.raises(ModelUnavailable, match=r"no provider.*'llama'.*PROVIDER/MODEL"):
        open_model("llama").ask(HELLO)


def test_without_litellm_it_is_said_how_to_install_it(monkeypatch):
    monkeypatch.setattr("tuners.llm.model.litellm_calls.is_installed", lambda: False)
    with pytest.raises(ModelUnavailable, match=r"pip install 'mappertune\[llm\]'"):
        open_model("openai/gpt-4o").ask(HELLO)


def test_no_key_goes_to_a_server_of_ones_own_unless_it_is_named(serve, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-for-openai-alone")
    monkeypatch.setenv("MY_KEY", "sk-for-my-own-server")
    model, server = serve(Say("a"))
    model.ask(HELLO)
    assert server.calls[0].headers["authorization"] == "Bearer none"
    model, server = serve(Say("a"), api_key_env="MY_KEY")
    model.ask(HELLO)
    assert server.calls[0].headers["authorization"] == "Bearer sk-for-my-own-server"


def test_threads_share_a_model(serve):
    model, _ = serve(*[Say(f"reply {n}") for n in range(24)])
    texts = []

    def ask():
        texts.extend(model.ask(HELLO).text for _ in range(6))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(texts) == sorted(f"reply {n}" for n in range(24))
    assert model.usage.calls == 24
    assert model.usage.prompt_tokens == 24 * 11


def test_a_model_can_be_pickled(serve):
    model, _ = serve(Say("a"), Say("b"))
    model.ask(HELLO)
    sent = pickle.loads(pickle.dumps(model))  # noqa: S301  (our own)
    assert sent.ask(HELLO).text == "b"


def test_opening_a_model_does_not_import_litellm():
    script = (
        "import sys, tuners.llm.model\n"
        "tuners.llm.model.open_model('openai/gpt-4o')\n"
        "assert not {'litellm', 'openai', 'httpx'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_asking_leaves_no_noise_and_needs_no_other_host(serve):
    """In a process of its own: nothing on standard error, also at its end, and no network."""
    _, server = serve(Say("hello"))
    script = (
        "import os, socket, sys, tuners.llm.model as m\n"
        "os.environ.pop('LITELLM_LOCAL_MODEL_COST_MAP', None)\n"
        "real = socket.socket.connect\n"
        "def connect(self, address):\n"
        "    assert address[0] == '127.0.0.1', address\n"
        "    return real(self, address)\n"
        "socket.socket.connect = connect\n"
        "def lookup(*a, **k): raise AssertionError(a)\n"
        "real_lookup = socket.getaddrinfo\n"
        "socket.getaddrinfo = lambda host, *a, **k: (real_lookup if host == '127.0.0.1' else "
        "lookup)(host, *a, **k)\n"
        f"model = m.open_model('openai/local', base_url={server.url!r})\n"
        "print(model.ask(m.Request((m.Message('user', 'hi'),))).text)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("hello\n", "", 0)
