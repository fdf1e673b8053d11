"""The whole loop over HTTP: prompt, reply, run, feedback, with a scripted stand-in for a model."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

import dsl
from legion_bridge import Application, Machine
from tests.model_server.scripted import ScriptedModel, trials_in
from tests.model_server.server import ModelServer
from tuners import MapperProblem, attributes
from tuners.llm.sampler import LLMSampler

PAGE = Path(__file__).parents[4] / "docs" / "model-loop.md"


def tuned(problem, trials, **options):
    study = optuna.create_study(
        direction="maximize", sampler=LLMSampler(problem, seed=0, **options)
    )
    study.optimize(problem, n_trials=trials)
    return study


@pytest.fixture(scope="module")
def circuit():
    application, machine = Application.load("circuit"), Machine.load("p100x4")
    return MapperProblem(application, machine, dsl.template_for(application, machine))


def test_the_script_beats_the_expert_and_its_transcript_replays(circuit, tmp_path):
    path = tmp_path / "t.jsonl"
    with ModelServer(ScriptedModel()) as server:
        model = {"model": "openai/scripted", "base_url": server.url}
        study = tuned(circuit, 4, **model, transcript=path)
    expert = circuit.evaluate_text(circuit.application.mappers["expert"]).outcome.throughput
    values = [trial.value / expert for trial in study.trials]
    assert values[0] < 0.5  # it begins far below
    assert max(values) > 1.3
    assert {trial.user_attrs["mappertune:proposer"] for trial in study.trials} == {"model"}
    again = tuned(circuit, 4, model=f"replay:{path}")
    assert [trial.value for trial in again.trials] == [trial.value for trial in study.trials]
    best = f"{max(values):.3f} x expert"
    assert best in PAGE.read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "strategy"), [("circuit", "opro"), ("circuit", "hybrid"), ("stencil", "trace")]
)
def test_the_page_tells_how_far_the_script_gets(name, strategy):
    problem = MapperProblem(Application.load(name), Machine.load("p100x4"))
    with ModelServer(ScriptedModel()) as server:
        study = tuned(problem, 12, model="openai/scripted", base_url=server.url, strategy=strategy)
    expert = problem.evaluate_text(problem.application.mappers["expert"]).outcome.throughput
    best = study.best_trial
    share = [trial.user_attrs[attributes.PROPOSER] for trial in study.trials].count("model")
    assert best.user_attrs[attributes.PROPOSER] == "model"
    row = f"| {name} | {strategy} | {best.value / expert:.3f} | {best.number} | {share} of 12 |"
    assert row in PAGE.read_text("utf-8")


def test_the_script_reads_what_a_prompt_tells():
    prompt = """\
# What was tried

Trial 3: 12.5 wires/s; trial 2 with `+Region * * GPU ZCMEM`: 9 µs faster
```mapper
Region * * GPU ZCMEM;
```
Feedback on the region block: Put r into FBMEM.
Put these first:
```mapper
Region t,u r GPU FBMEM;
```
Feedback on the limit block: Take it out.
Take these lines out:
```mapper
InstanceLimit t 1;
```

# Your task
"""
    trial = trials_in(prompt)[3]
    assert (trial.result, trial.mapper) == ("12.5 wires/s", "Region * * GPU ZCMEM;\n")
    what = "Region t,u r GPU FBMEM;\n"
    assert trial.advice == (("Put r into FBMEM.", what),)


def test_the_script_says_that_it_is_no_model():
    model = ScriptedModel()
    assert model.reply(["hello"]).startswith("[scripted (rules, not a model)]")
    assert "Nothing is left" in model.reply(["hello"])
