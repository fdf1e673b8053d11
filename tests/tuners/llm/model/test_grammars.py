"""Grammars reach the servers that take them, and what comes back keeps to them."""

from __future__ import annotations

import json

import optuna
import pytest

import dsl
from legion_bridge import Application, Machine
from tests.model_server.constrained import GrammarModel, allows, fault_of
from tests.model_server.server import ModelServer
from tuners import LLMSampler, MapperProblem, attributes

pytestmark = pytest.mark.filterwarnings("ignore:Accessing the:DeprecationWarning")

THOUGHTS = "The nodes are shared, so their charges belong into zero-copy memory."
GOOD = "Task * GPU,CPU;\nRegion * rp_shared GPU ZCMEM;\nRegion * * GPU FBMEM;\n"
BETTER = "Task * GPU,CPU;\nRegion * * GPU FBMEM;\n"
# What a model left to itself would write: prose, a fence, a task that this program has not.
WANTED = (
    f"Sure, here it is: {GOOD}",
    f"```mapper\n{GOOD}```",
    "Task calc_new_current GPU;\n",
    GOOD,
    BETTER,
)


@pytest.fixture(scope="module")
def circuit():
    return MapperProblem(Application.load("circuit"), Machine.load("p100x4"))


@pytest.mark.parametrize("model", ["hosted_vllm/local", "llamafile/local", "openai/gpt-5-mini"])
def test_a_model_thinks_freely_and_writes_by_the_grammar(circuit, model, tmp_path):
    path = tmp_path / "t.jsonl"
    decoder = GrammarModel(THOUGHTS, WANTED)
    with ModelServer(decoder) as server:
        sampler = LLMSampler(
            circuit, model=model, base_url=server.url, seed=0, decode="grammar", transcript=path
        )
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.optimize(circuit, n_trials=2)
    assert decoder.written == [GOOD, BETTER]
    assert set(decoder.grammars) == {dsl.grammar_for(circuit.application, circuit.machine)}
    assert [trial.user_attrs[attributes.PROPOSER] for trial in study.trials] == ["model"] * 2
    assert [trial.user_attrs[attributes.CALLS] for trial in study.trials] == [2, 2]
    assert study.trials[0].user_attrs[attributes.TEXT].strip() == GOOD.strip()
    assert study.trials[1].value > study.trials[0].value > 0
    exchanges = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    said = [(each["reply"]["constrained"], each["reply"]["text"]) for each in exchanges]
    assert said == [(None, THOUGHTS), ("grammar", GOOD), (None, THOUGHTS), ("grammar", BETTER)]
    assert exchanges[1]["request"]["messages"][-2]["content"] == THOUGHTS


def test_the_stand_in_reads_grammars_for_real():
    assert fault_of('start: "a" (?=b)')
    assert not fault_of('start: "a" "b"+')
    assert allows('start: "a" "b"+', "abb")
    assert not allows('start: "a" "b"+', "a")
    assert not allows('start: "a" "b"+', "abc")
