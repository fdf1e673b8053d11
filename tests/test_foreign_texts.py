"""Texts of others are cleaned, or refused in a sentence, wherever they enter."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.study import StudyDirection

from dsl.plain_text import plain
from legion_bridge import Application, ApplicationError, Machine, MachineError
from legion_bridge.errors import LegionError
from legion_bridge.legion import compilers
from legion_bridge.legion.guarded import Guard
from legion_bridge.outcome import Outcome
from legion_bridge.programs.application_json import from_json, to_json
from studies.cli import main
from tests.model_server.answers import Say, refusal
from tests.model_server.server import ModelServer
from tuners import LLMSampler, MapperProblem, attributes
from tuners.finished_trial import FinishedTrial
from tuners.llm.model.transcript import SCHEMA, read_transcript

pytestmark = pytest.mark.filterwarnings("ignore:.*is experimental")

# What a terminal would obey: colours, a window's title, a cleared screen, the bell, the direction
# of writing; and half a character, which no file can hold.
FOREIGN = "\x1b[31mred\x1b[0m \x1b]0;title\x07\x1b[2J\x9b1mC1\x07\x00\b \u202eback \ud800half\r\n"
CLEAN = "red C1 back \ufffdhalf\n"

TOY = """\
Task a GPU;
Task b CPU;
Task c OMP;
Region a 0 GPU FBMEM;
InstanceLimit a 9;
InstanceLimit c 2;"""


def ask(answer: object, problem: MapperProblem) -> optuna.trial.FrozenTrial:
    with ModelServer(lambda _: answer) as server:
        sampler = LLMSampler(problem, model="openai/local", base_url=server.url, repairs=0, seed=0)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.optimize(problem, n_trials=1)
    return study.trials[0]


def test_in_a_models_reply(toy_problem):
    trial = ask(Say(f"```mapper\n# {FOREIGN}{TOY}\n```"), toy_problem)
    assert trial.user_attrs[attributes.PROPOSER] == "model"
    assert trial.user_attrs[attributes.TEXT] == f"# {CLEAN}{TOY}"


def test_in_the_body_of_an_http_error(toy_problem, caplog):
    trial = ask(refusal(403, message=FOREIGN), toy_problem)
    why = trial.user_attrs[attributes.WHY]
    assert "red C1 back" in why
    assert plain(why) == why
    assert plain(caplog.text) == caplog.text


def test_in_an_application():
    document = json.loads(to_json(Application.load("stencil", nx=100, ny=100)))
    text = json.dumps(document).replace('"stencil"', json.dumps("sten\x1b[2Jcil"))
    with pytest.raises(ApplicationError, match=r"x.json: the text 'sten\\x1b\[2Jcil' .* U\+001B"):
        from_json(text, source="x.json")
    half = json.dumps(document).replace('"increment"', '"in\\ud800"')
    with pytest.raises(ApplicationError, match=r"U\+D800: take it out"):
        from_json(half)


def test_ends_of_lines_in_an_application_are_its_own():
    document = json.loads(to_json(Application.load("stencil", nx=100, ny=100)))
    document["mappers"] = {"default": "Task * GPU;\r\n\tRegion * * GPU FBMEM;\r\n"}
    assert from_json(json.dumps(document)).mappers


def test_in_a_machine(tmp_path):
    source = Path(compilers.__file__).parents[1] / "machines" / "cpu2.toml"
    file = tmp_path / "x.toml"
    head = ' = "'
    text = source.read_text("utf-8")
    assert head in text
    file.write_text(text.replace(head, head + "\\u001b[2J", 1), "utf-8")
    with pytest.raises(MachineError, match=r"U\+001B: take it out"):
        Machine.load(file)


@pytest.mark.skipif(sys.platform != "linux", reason="guards need Linux's /proc")
def test_in_the_output_of_a_program():
    said = f"import sys; sys.stdout.buffer.write({FOREIGN.encode('utf-8', 'replace')!r})"
    with Guard() as guard:
        ended = guard.run([sys.executable, "-c", said], environment={}, timeout=20.0, memory=None)
    assert ended.output == CLEAN.replace("\ufffd", "?")


def test_in_what_an_evaluator_of_ones_own_says(make_toy_problem):
    problem = make_toy_problem()
    problem._run = lambda _: Outcome("execution_error", 0.0, "toys/s", raw=FOREIGN)  # type: ignore[method-assign]
    study = optuna.create_study(direction="maximize")
    study.optimize(problem, n_trials=1)
    assert study.trials[0].user_attrs[attributes.RAW] == CLEAN


def test_in_the_words_of_a_compiler(monkeypatch):
    def run(*_: object, **__: object) -> SimpleNamespace:
        return SimpleNamespace(returncode=1, stdout=FOREIGN)

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(LegionError) as caught:
        compilers.compile_with(["c++"])
    assert str(caught.value) == f"the compiler c++ fails: {CLEAN.strip()}"


def test_in_a_journal():
    trial = optuna.trial.create_trial(
        value=0.0,
        params={"x": 0.5},
        distributions={"x": FloatDistribution(0, 1)},
        user_attrs={attributes.RAW: FOREIGN, attributes.TEXT: FOREIGN},
    )
    found = FinishedTrial.of(trial, StudyDirection.MAXIMIZE)
    assert (found.raw, found.text) == (CLEAN, CLEAN)


def exchange(**said: object) -> str:
    request = {"messages": [{"role": "user", "content": "Hello."}]}
    return json.dumps({"schema": SCHEMA, "model": "m", "request": request, **said}) + "\n"


def test_in_a_transcript(tmp_path):
    file = tmp_path / "transcript.jsonl"
    reply = {"text": FOREIGN, "model": FOREIGN, "prompt_tokens": 1, "completion_tokens": 1}
    error = {"kind": "timeout", "sentence": FOREIGN, "attempts": 1}
    file.write_text(exchange(reply=reply) + exchange(error=error), "utf-8")
    replied, failed = read_transcript(file)
    assert (replied.reply.text, replied.reply.model) == (CLEAN, CLEAN)
    assert failed.error["sentence"] == CLEAN


@pytest.mark.parametrize("command", ["check", "eval", "explain"])
def test_in_a_mapper_that_is_told_on_a_terminal(command: str, tmp_path, capsys):
    file = tmp_path / "x.mapper"
    file.write_text(
        f"Task * GPU;\nTask {FOREIGN.replace(chr(0xD800), '').replace(chr(0), '')}", "utf-8"
    )
    main([command, str(file), "--app", "stencil"])
    said = "".join(capsys.readouterr())
    assert said
    assert plain(said) == said
