"""From the text of a mapper to an outcome: whatever a mapper does wrong is one, too."""

from __future__ import annotations

import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

import dsl
from legion_bridge import Application, Evaluator, Machine, Outcome
from legion_bridge.applications import application_names
from tests.legion_bridge.simulation.test_whole_instances import WHOLE

GOOD = "Task * GPU; Region * * GPU FBMEM;"
# What is wrong with a mapper, its text, the status, and a word of what is said.
WRONG = [
    ("does not parse", "Task * GPU", "syntax_error", "';' is missing"),
    ("does not load", "IndexTaskMap stencil missing;", "execution_error", "missing"),
    (
        "fails while it runs",
        "def f(Task t) { return (0, 1 / (t.ipoint[0] - t.ipoint[0])); }\nIndexTaskMap stencil f;",
        "execution_error",
        "zero",
    ),
    (
        "leaves the machine",
        "m = Machine(GPU);\ndef f(Task t) { return m[0, 9]; }\nIndexTaskMap stencil f;",
        "execution_error",
        "9",
    ),
    ("has a wrong layout", "Layout * * * C_order;", "execution_error", "stride"),
    (
        "needs too much memory",
        "Task * GPU; Region * * GPU ZCMEM;",
        "execution_error",
        "failed allocation",
    ),
    ("asks for virtual instances", "Region * * * VIRTUAL;", "execution_error", "virtual"),
]


ROUNDS = 4


@pytest.fixture(scope="module")
def evaluator() -> Evaluator:
    return Evaluator(Application.load("stencil"), Machine.load("p100x4"))


def test_a_good_mapper_is_ok(evaluator: Evaluator) -> None:
    outcome = evaluator.evaluate_text(GOOD)
    assert outcome.status == "ok"
    assert outcome.ok
    assert outcome.unit == "points/s"
    assert outcome.elapsed is not None
    work, timed = evaluator.application.work, evaluator.application.timed
    assert outcome.throughput == pytest.approx(work * timed / outcome.elapsed)
    assert outcome.raw.startswith("ELAPSED TIME = ")


@pytest.mark.parametrize(
    ("text", "status", "word"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG]
)
def test_a_wrong_mapper_is_an_outcome(
    evaluator: Evaluator, text: str, status: str, word: str
) -> None:
    outcome = evaluator.evaluate_text(text)
    assert (outcome.status, outcome.throughput, outcome.elapsed) == (status, 0.0, None)
    assert word in outcome.raw
    assert outcome.profile is None
    if status != "syntax_error":
        assert evaluator.evaluate(dsl.parse(text)) == outcome
        assert evaluator.trace(dsl.parse(text)) == (outcome, None)


def test_errors_name_their_place(evaluator: Evaluator) -> None:
    assert "1:11" in evaluator.evaluate_text("Task * GPU").raw
    failed = evaluator.evaluate_text(
        "def f(Task t) {\n  return (0, 1 / (t.ipoint[0] * 0));\n}\nIndexTaskMap stencil f;"
    )
    assert "2:" in failed.raw


@pytest.mark.parametrize("name", application_names())
@pytest.mark.parametrize("which", ["expert", "default"])
def test_text_and_program_come_to_the_same(name: str, which: str) -> None:
    program = Application.load(name)
    text = program.mappers[which]
    one, two = (Evaluator(program, Machine.load("p100x4")) for _ in range(2))
    first = one.evaluate_text(text)
    assert first == two.evaluate(dsl.parse(text))
    assert first == one.evaluate_text(text)
    assert first.ok, first.raw


def test_a_profile_is_made_only_on_demand(evaluator: Evaluator) -> None:
    plain, full = (evaluator.evaluate_text(GOOD, profile=wanted) for wanted in (False, True))
    assert plain.profile is None
    assert full.profile is not None
    assert plain.with_profile(full.profile) == full
    outcome, trace = evaluator.trace(dsl.parse(GOOD))
    assert outcome == full
    assert trace is not None
    assert trace.decisions.launches[-1].kind == "GPU"


def test_an_evaluator_can_be_sent_to_a_worker(evaluator: Evaluator) -> None:
    before = evaluator.evaluate_text(GOOD)
    sent = pickle.dumps(evaluator)
    assert len(sent) < 100_000  # what it prepared stays here
    assert pickle.loads(sent).evaluate_text(GOOD) == before  # noqa: S301  (we made it)


def test_mappers_do_not_influence_each_other() -> None:
    program, machine = Application.load("circuit"), Machine.load("p100x4")
    texts = [
        "Task * GPU;",
        "Task * CPU;",
        "Task * GPU; Region * rp_shared GPU ZCMEM;",
        "Task * GPU; Region * rp_ghost GPU ZCMEM; CollectMemory * *;",
        "Task * GPU; Layout * * * AOS;",
        "Task * GPU; InstanceLimit distribute_charge 1;",
        "Task nothing CPU; Task * GPU;",
    ]
    fresh = [Evaluator(program, machine).evaluate_text(text) for text in texts]
    shared = Evaluator(program, machine)
    for _ in range(2):
        assert [shared.evaluate_text(text) for text in texts] == fresh
    assert [shared.evaluate_text(text) for text in reversed(texts)] == fresh[::-1]


@pytest.fixture
def hasty_threads():
    """Threads that are interrupted all the time."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty_threads")
@pytest.mark.parametrize("machine", [Machine.load("p100x4"), WHOLE], ids=["GPUs", "CPUs"])
def test_threads_that_share_an_evaluator_get_what_one_thread_gets(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where each forgets what the others are about to use.

    The second machine tells many layouts apart, which are numbered as they come.
    """
    monkeypatch.setattr("legion_bridge.mapping.decisions.MOST_KEPT", 3)
    monkeypatch.setattr("legion_bridge.simulation.point_times.MOST_KNOWN", 3)
    monkeypatch.setattr("dsl.parsing.statement_cache.MOST_BLOCKS", 5)
    program = Application.load("circuit")
    texts = [
        f"Task * CPU;\nTask {task} {kind},CPU;\nLayout * * * {layout};\nInstanceLimit {task} {n};"
        for task in program.tasks
        for kind in ("GPU", "CPU")
        for layout in ("AOS", "SOA C_order", *(f"AOS Align == {8 << power}" for power in range(4)))
        for n in (1, 4)
    ]
    alone = Evaluator(program, machine)
    expected = [alone.evaluate_text(text) for text in texts]
    shared = Evaluator(program, machine)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(ROUNDS):
            assert list(pool.map(shared.evaluate_text, texts)) == expected


def test_a_failed_outcome_has_no_throughput() -> None:
    with pytest.raises(ValueError, match="throughput 0"):
        Outcome("timeout", 1.0, "points/s")
