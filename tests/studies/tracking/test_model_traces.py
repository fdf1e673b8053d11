from __future__ import annotations

import os

import pytest

from studies import Tracker
from tuners.llm.model.errors import ModelError
from tuners.llm.model.exchange import Message, Reply, Request
from tuners.llm.model.transcript import Transcript
from tuners.redaction import Redactor, process_redactor

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own, of which there are many

REQUEST = Request((Message("system", "You map."), Message("user", "Map circuit.")), max_tokens=50)
REPLY = Reply("Task * GPU;", "some/model", 100, 20, 0.25, latency=1.5)


@pytest.fixture
def tracker(tmp_path):
    tracker = Tracker(tmp_path, report=pytest.fail, trace_model=True)
    tracker.runs()
    return tracker


@pytest.fixture
def _secret_key(monkeypatch):
    """A process looks for its keys once, and has looked by now."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-key")
    process_redactor.cache_clear()
    yield
    process_redactor.cache_clear()


@pytest.mark.usefixtures("_secret_key")
def test_exchanges_become_traces_once(tracker, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    transcript = Transcript(tmp_path / "said.jsonl", Redactor([]))
    transcript.record("some/model", REQUEST, REPLY)
    leak = "my key is sk-very-secret-key"
    transcript.record("some/model", Request((Message("user", leak),)), ModelError("too slow"))
    experiment = tracker.experiment("a case")
    run = tracker.runs().create(experiment, "llm-seed0", 0, {}, {})
    with tracker.guarded():
        tracker.trace("a case", run, transcript.path)
    assert "MLFLOW_TRACKING_URI" not in os.environ  # which other studies would follow
    transcript.record("some/model", REQUEST, Reply("done", "some/model"))
    with tracker.guarded():
        tracker.trace("a case", run, transcript.path)
    traces = tracker.client().search_traces(locations=[experiment], run_id=run)
    assert len(traces) == 3
    told = {trace.info.tags["mappertune.exchange"]: trace for trace in traces}
    first, failed = told["1"].data.spans[0], told["2"].data.spans[0]
    assert first.inputs["messages"][1] == {"role": "user", "content": "Map circuit."}
    assert first.outputs["choices"][0]["message"]["content"] == "Task * GPU;"
    assert first.attributes["max_tokens"] == 50
    assert told["1"].info.token_usage["total_tokens"] == 120
    assert told["1"].info.cost["total_cost"] == 0.25
    assert first.end_time_ns - first.start_time_ns == 1_500_000_000
    assert failed.status.status_code == "ERROR"
    assert failed.outputs["sentence"] == "too slow"
    assert "very-secret" not in str([trace.to_dict() for trace in traces])
