"""Budgets hold before a call, and count failed ones."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from tests.tuners.llm.model.conftest import HELLO
from tuners.llm.model import Budget, BudgetSpent, ModelTimeout, ModelUnavailable, Reply
from tuners.llm.model.errors import RateLimited
from tuners.llm.model.failures import Failure
from tuners.llm.model.ledger import MemoryLedger
from tuners.llm.model.meter import Limits
from tuners.llm.model.patience import Patience
from tuners.llm.model.provider import ProviderModel

PROMPT = 15  # estimated tokens of HELLO


class Scripted:
    """Calls that answer by a list, and note what they were allowed."""

    def __init__(self, *results, price=None):
        self.results = list(results)
        self.asked = []
        self._price = price

    def missing(self):
        return None

    def price(self, prompt, reply):
        return None if self._price is None else (prompt + reply) * self._price

    def call(self, request, enter_redirect):
        self.asked.append(request)
        result = self.results.pop(0)
        return result() if callable(result) else result


def model_of(calls, budget, attempts=4):
    patience = Patience(attempts, sleep=lambda _: None, random=lambda: 0.0)
    return ProviderModel(
        "m",
        calls,
        patience=patience,
        limits=Limits(budget),
        ledger=MemoryLedger(),
        transcript=None,
    )


def ask_often(model):
    for _ in range(50):
        model.ask(replace(HELLO, max_tokens=700))


def said(prompt=100, completion=50, cost=None):
    return Reply("Task * GPU;", "m", prompt, completion, cost)


def test_no_call_is_made_beyond_the_budget_of_calls():
    calls = Scripted(said(), said())
    model = model_of(calls, Budget(calls=1))
    model.ask(HELLO)
    with pytest.raises(BudgetSpent, match="budget of 1 calls is spent") as caught:
        model.ask(HELLO)
    assert caught.value.permanent
    assert len(calls.asked) == 1


def test_a_failed_call_counts_and_its_retry_needs_budget_too():
    calls = Scripted(Failure(RateLimited("slow"), again=True), Failure(RateLimited("slow"), True))
    model = model_of(calls, Budget(calls=2))
    with pytest.raises(BudgetSpent) as caught:
        model.ask(HELLO)
    assert caught.value.attempts == len(calls.asked) == 2
    assert (model.usage.calls, model.usage.failed_calls, model.usage.tokens) == (2, 2, 0)


def test_a_call_that_may_have_been_billed_counts_its_prompt():
    calls = Scripted(Failure(ModelTimeout("late"), billed=True))
    model = model_of(calls, Budget())
    with pytest.raises(ModelTimeout):
        model.ask(HELLO)
    assert model.usage.prompt_tokens == PROMPT
    assert model.usage.unknown_cost_calls == 1


def test_a_reply_gets_no_more_tokens_than_are_left():
    calls = Scripted(said(600, 300), said())
    model = model_of(calls, Budget(tokens=2000))
    model.ask(replace(HELLO, max_tokens=500))
    model.ask(replace(HELLO, max_tokens=5000))
    assert [request.max_tokens for request in calls.asked] == [500, 2000 - 900 - PROMPT]


def test_a_budget_of_tokens_is_never_exceeded():
    calls = Scripted(*[lambda: said(PROMPT, calls.asked[-1].max_tokens)] * 50)
    model = model_of(calls, Budget(tokens=5000))
    with pytest.raises(BudgetSpent, match="of the budget of 5,000 are spent"):
        ask_often(model)
    assert 4500 < model.usage.tokens <= 5000


def test_a_budget_of_money_is_never_exceeded():
    def answer():
        tokens = calls.asked[-1].max_tokens
        return said(PROMPT, tokens, calls.price(PROMPT, tokens))

    calls = Scripted(*[answer] * 50, price=0.001)
    model = model_of(calls, Budget(usd=3.0))
    with pytest.raises(BudgetSpent, match=r"of the budget of \$3 are spent"):
        ask_often(model)
    assert 2.5 < model.usage.cost <= 3.0
    assert model.usage.unknown_cost_calls == 0


def test_a_budget_of_money_needs_a_price():
    calls = Scripted(said())
    with pytest.raises(ModelUnavailable, match="price of this model is unknown"):
        model_of(calls, Budget(usd=1.0)).ask(HELLO)
    assert calls.asked == []


def test_calls_at_a_time_share_a_budget():
    lock = threading.Lock()

    def answer():
        with lock:
            return said(PROMPT, 400)

    calls = Scripted(*[answer] * 40)
    model = model_of(calls, Budget(tokens=3000))
    spent = []

    def work():
        try:
            while True:
                model.ask(replace(HELLO, max_tokens=400))
        except BudgetSpent as error:
            spent.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(spent) == 6
    assert 2500 < model.usage.tokens <= 3000


def test_an_unforeseen_error_counts_as_the_most_that_the_call_could_have_cost():
    def fail():
        raise RuntimeError("unforeseen")

    model = model_of(Scripted(fail, said()), Budget(tokens=2000))
    with pytest.raises(RuntimeError):
        model.ask(replace(HELLO, max_tokens=500))
    assert (model.usage.tokens, model.usage.lost_calls) == (PROMPT + 500, 1)
    assert model.ask(HELLO).text == "Task * GPU;"


@pytest.mark.parametrize("name", ["calls", "tokens", "usd"])
def test_a_negative_budget_is_refused(name):
    with pytest.raises(ValueError, match=f"-1 {name} is negative"):
        Budget(**{name: -1})
