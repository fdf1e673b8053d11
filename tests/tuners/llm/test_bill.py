"""What is reported is what is billed, over processes, kills and servers that misbehave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import optuna
import pytest

from tests.model_server.billing import MODES, Bill, BillingModel
from tests.model_server.server import ModelServer
from tests.tuners.llm.model.conftest import HELLO
from tests.tuners.llm.paying_processes import (
    PROCESSES,
    REPLY,
    SPACE,
    objective,
    open_study,
    patience,
    settings,
)
from tuners import LLMSampler
from tuners.llm.lazy_model import ledger_of
from tuners.llm.model import (
    Budget,
    BudgetSpent,
    LedgerError,
    MemoryLedger,
    ModelError,
    ModelUnavailable,
    ModelUsage,
    opening,
)
from tuners.llm.model.meter import Meter

pytestmark = pytest.mark.filterwarnings("ignore:Accessing the:DeprecationWarning")

ROOT = Path(__file__).parents[3]
POINTS = [
    f'```json\n{{"x": {k / 997:.6f}, "y": {(k * 7 % 997) / 997:.6f}}}\n```' for k in range(997)
]
# Modes of which the server tells what it bills, or bills nothing and says so by its status.
TOLD = (
    "good",
    "no mapper",
    "empty",
    "exhausted",
    "error 500",
    "rate limit",
    "redirect",
    "refused",
)


@pytest.fixture
def paid(monkeypatch):
    """A server with a bill, and the environment in which litellm calls it as OpenAI's."""
    servers = []

    def start(modes=tuple(MODES), seed=0, silence=1.0):
        model = BillingModel(POINTS, modes, seed, silence)
        server = ModelServer(model)
        server.__enter__()
        servers.append(server)
        monkeypatch.setenv("OPENAI_API_BASE", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-of-nobody")
        monkeypatch.setattr(opening, "Patience", patience)
        return model.bill

    yield start
    for server in servers:
        server.__exit__(None, None, None)


def reported(ledger, storage):
    asked = settings(ledger, Budget())
    account = ledger_of(asked, open_study(storage)).account()
    assert account.under_way == ()
    return account.used


def lost_at_most(used: ModelUsage, bill: Bill) -> None:
    """No more is billed than reported, and no more reported than lost calls can explain."""
    assert bill.calls <= used.calls <= bill.calls + used.lost_calls
    assert bill.prompt_tokens <= used.prompt_tokens
    assert bill.completion_tokens <= used.completion_tokens
    assert bill.usd <= used.cost + 1e-9
    assert used.completion_tokens - bill.completion_tokens <= used.lost_calls * 8 * REPLY


def test_every_mode_is_counted_as_it_is_billed(paid):
    bill = paid(TOLD, seed=None)
    sampler = LLMSampler(settings=settings("storage", Budget()), timeout=20, space=SPACE, seed=0)
    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, 12)
    used = sampler.model.usage
    assert set(bill.modes) == set(TOLD)
    assert (used.calls, used.tokens, used.lost_calls) == (bill.calls, bill.tokens, 0)
    assert used.cost == pytest.approx(bill.usd)


def test_requests_that_are_sent_in_a_circle_count(paid):
    bill = paid(("redirect",))
    model = opening.open_model("openai/gpt-4o", timeout=20)
    with pytest.raises(ModelUnavailable, match="redirects more than 3 times"):
        model.ask(HELLO)
    assert (model.usage.calls, model.usage.tokens) == (bill.calls, 0) == (4, 0)


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_redirect_beyond_the_budget_is_not_followed(paid, limit):
    bill = paid(("redirect",))
    model = opening.open_model("openai/gpt-4o", timeout=20, budget=Budget(calls=limit))
    with pytest.raises(BudgetSpent, match=f"not followed: the budget of {limit} calls is spent"):
        model.ask(HELLO)
    assert model.usage.calls == bill.calls == limit


def test_a_redirect_that_cannot_be_entered_is_not_followed(paid, monkeypatch):
    bill = paid(("redirect",))
    model = opening.open_model("openai/gpt-4o", timeout=20)

    def full(self, most, seconds):
        raise LedgerError("the disk is full")

    reserve = Meter.reserve

    def fill(self, request):
        share = reserve(self, request)
        monkeypatch.setattr(MemoryLedger, "begin", full)
        return share

    monkeypatch.setattr(Meter, "reserve", fill)
    with pytest.raises(LedgerError, match="not followed: the disk is full"):
        model.ask(HELLO)
    assert model.usage.calls == bill.calls == 1


@pytest.mark.parametrize("mode", ["silent", "cut", "html 502", "error in 200", "no usage"])
def test_a_call_of_unknown_end_counts_as_the_most(paid, mode):
    paid(("good",))
    opening.open_model("openai/gpt-4o", timeout=20, attempts=1).ask(
        replace(HELLO, max_tokens=99)
    )  # loads what it needs
    bill = paid((mode,))
    model = opening.open_model("openai/gpt-4o", timeout=0.4, attempts=1)
    with suppress(ModelError):
        model.ask(replace(HELLO, max_tokens=100))
    used = model.usage
    assert (used.calls, used.lost_calls, used.completion_tokens) == (1, 1, 100)
    lost_at_most(used, bill)


def run(storage, ledger, *, trials, kills=0, budget, seed=0):
    command = [sys.executable, "-m", "tests.tuners.llm.paying_processes", storage, ledger]
    done = subprocess.run(
        [*command, str(trials), str(kills), str(seed), json.dumps(budget)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert json.loads(done.stdout or "[]") == [0] * PROCESSES, done.stderr


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "budget"),
    [("storage", {"calls": 90}), ("storage", {"usd": 0.2}), ("file", {"tokens": 40_000})],
)
def test_kills_of_three_processes_keep_to_the_budget(paid, tmp_path, kind, budget):
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    ledger = "storage" if kind == "storage" else str(tmp_path / "ledger.jsonl")
    open_study(storage)
    bill = paid(silence=0.6)
    run(storage, ledger, trials=40, kills=20, budget=budget)
    used = reported(ledger, storage)
    sys.stdout.write(f"{kind} {budget}: {used} lost {used.lost_calls}; {bill} ${bill.usd:.4f}\n")
    lost_at_most(used, bill)
    assert used.exceeds(Budget(**{name: limit * 1.0001 for name, limit in budget.items()})) is None
    assert len(bill.modes) > 10  # of 16, by chance
