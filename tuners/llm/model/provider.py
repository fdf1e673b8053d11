"""A model behind a provider: calls, tried again where that helps, within a budget."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from tuners.llm.model.errors import BudgetSpent, LedgerError, ModelError, ModelUnavailable
from tuners.llm.model.exchange import ModelUsage, Reply, Request
from tuners.llm.model.failures import Failure
from tuners.llm.model.ledger import Ledger
from tuners.llm.model.meter import UNKNOWN_PRICE, Limits, Meter
from tuners.llm.model.patience import Patience
from tuners.llm.model.transcript import Transcript

__all__ = ["ProviderModel"]

# How many times as long a reply may be asked for after others were used up by their reasoning.
MOST_GROWTH = 8


class Caller(Protocol):
    """What calls a model; ``Calls`` does it through litellm."""

    def missing(self) -> str | None: ...

    def price(self, prompt_tokens: int, completion_tokens: int) -> float | None: ...

    def call(self, request: Request, enter_redirect: Callable[[], object]) -> Reply | Failure: ...


@dataclass
class _Course:
    """What has happened to one request so far, for the transcript."""

    begin: float
    failures: list[dict[str, Any]] = field(default_factory=list)
    calls: int = 0
    usage: ModelUsage = field(default_factory=ModelUsage)


class ProviderModel:
    """A model that a provider, or a server of one's own, runs.

    Args:
        name: The name of the model.
        calls: Calls the provider.
        patience: How often, and after what waits, the model is asked again.
        limits: What all calls together may use, and how often.
        ledger: Where each call is entered before it is made.
        transcript: Keeps every exchange; None to keep none.
        clock: Tells seconds, for latencies.
    """

    def __init__(
        self,
        name: str,
        calls: Caller,
        *,
        patience: Patience,
        limits: Limits,
        ledger: Ledger,
        transcript: Transcript | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._calls = calls
        self._patience = patience
        self._limits = limits
        self._meter = Meter(limits, calls.price, ledger)
        self._transcript = transcript
        self._clock = clock
        self._growth = 1
        self._looked = False
        self._missing: str | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"ProviderModel({self.name!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    @property
    def usage(self) -> ModelUsage:
        """What it has used so far."""
        return self._meter.usage

    def check(self) -> None:
        """Looks for what can be known to be missing before a call.

        Raises:
            ModelUnavailable: There is no litellm, no key, no such provider, or no price for a
                budget in money.
        """
        with self._lock:
            if not self._looked:
                self._missing, self._looked = self._calls.missing(), True
                in_money = self._limits.budget.usd is not None
                if self._missing is None and in_money and self._calls.price(1, 1) is None:
                    self._missing = UNKNOWN_PRICE
        if self._missing is not None:
            raise ModelUnavailable(self._missing)

    def ask(self, request: Request) -> Reply:
        """Asks the model, several times where it fails for a moment.

        Raises:
            ModelError: There is no reply.
        """
        self.check()
        course = _Course(self._clock())
        outcome = self._ask(request, course)
        if isinstance(outcome, ModelError):
            outcome.attempts, outcome.usage = course.calls, course.usage
        else:
            seconds = self._clock() - course.begin
            outcome = replace(outcome, latency=seconds, attempts=course.calls, spent=course.usage)
        if self._transcript is not None and (course.calls or isinstance(outcome, BudgetSpent)):
            self._transcript.record(self.name, request, outcome, course.failures)
        if isinstance(outcome, ModelError):
            raise outcome
        return outcome

    def _ask(self, request: Request, course: _Course) -> Reply | ModelError:
        exhausted: ModelError | None = None
        while True:
            begin = self._clock()
            result = self._call(self._grown(request), course)
            if isinstance(result, Reply):
                return result
            error = result.error
            if result.exhausted:
                exhausted = error
                self._growth = min(MOST_GROWTH, 2 * self._growth)
            elif exhausted is not None and not isinstance(error, BudgetSpent):
                error = exhausted  # more than it may ask for, perhaps: that was the cause
            wait = None
            if result.again and course.calls < self._patience.attempts:
                wait = self._patience.wait(max(1, course.calls), result.retry_after)
            if not isinstance(error, BudgetSpent | LedgerError):
                seconds = self._clock() - begin
                course.failures.append(_entry(error, seconds, wait))
            if wait is None:
                return error
            self._patience.sleep(wait)

    def _grown(self, request: Request) -> Request:
        """The request, with room for a longer reply where reasoning has used up others."""
        if request.max_tokens is None:
            return request
        return replace(request, max_tokens=request.max_tokens * self._growth)

    def _call(self, request: Request, course: _Course) -> Reply | Failure:
        """One call, within the budget and counted."""
        try:
            share = self._meter.reserve(request)
        except (BudgetSpent, LedgerError) as refused:
            return Failure(refused)
        course.calls += 1
        result = None

        def enter_redirect() -> None:
            course.usage += self._meter.enter_redirect()

        try:
            result = self._calls.call(replace(request, max_tokens=share.reply), enter_redirect)
            return result
        finally:
            if result is None:  # something unforeseen was raised
                used = self._meter.count_lost(share)
            elif isinstance(result, Reply):
                used = self._meter.count_reply(share, result)
            else:
                used = self._meter.count_failure(share, result)
            course.usage += used


def _entry(error: ModelError, seconds: float, wait: float | None) -> dict[str, Any]:
    return {
        "kind": error.kind,
        "sentence": error.sentence,
        "latency": round(seconds, 3),
        "waited": None if wait is None else round(wait, 3),
    }
