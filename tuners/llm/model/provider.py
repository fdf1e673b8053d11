"""A model behind a provider: calls, tried again where that helps, within a budget."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from tuners.llm.model.errors import BudgetSpent, ModelError, ModelUnavailable
from tuners.llm.model.exchange import Budget, ModelUsage, Reply, Request
from tuners.llm.model.failures import Failure
from tuners.llm.model.meter import Meter
from tuners.llm.model.patience import Patience
from tuners.llm.model.transcript import Transcript

__all__ = ["ProviderModel"]


class Caller(Protocol):
    """What calls a model; ``Calls`` does it through litellm."""

    def missing(self) -> str | None: ...

    def price(self, prompt_tokens: int, completion_tokens: int) -> float | None: ...

    def call(self, request: Request) -> Reply | Failure: ...


@dataclass
class _Course:
    """What has happened to one request so far, for the transcript."""

    begin: float
    failures: list[dict[str, Any]] = field(default_factory=list)
    calls: int = 0


class ProviderModel:
    """A model that a provider, or a server of one's own, runs.

    Args:
        name: The name of the model.
        calls: Calls the provider.
        patience: How often, and after what waits, the model is asked again.
        budget: What all calls together may use.
        transcript: Keeps every exchange; None to keep none.
        clock: Tells seconds, for latencies.
    """

    def __init__(
        self,
        name: str,
        calls: Caller,
        *,
        patience: Patience,
        budget: Budget,
        transcript: Transcript | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._calls = calls
        self._patience = patience
        self._meter = Meter(budget, calls.price)
        self._transcript = transcript
        self._clock = clock
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

    def ask(self, request: Request) -> Reply:
        """Asks the model, several times where it fails for a moment.

        Raises:
            ModelError: There is no reply.
        """
        self._require_available()
        course = _Course(self._clock())
        outcome = self._ask(request, course)
        if self._transcript is not None and (course.calls or isinstance(outcome, BudgetSpent)):
            self._transcript.record(self.name, request, outcome, course.failures)
        if isinstance(outcome, ModelError):
            raise outcome
        return outcome

    def _require_available(self) -> None:
        with self._lock:
            if not self._looked:
                self._missing, self._looked = self._calls.missing(), True
        if self._missing is not None:
            raise ModelUnavailable(self._missing)

    def _ask(self, request: Request, course: _Course) -> Reply | ModelError:
        while True:
            begin = self._clock()
            result = self._call(request, course)
            if isinstance(result, Reply):
                seconds = self._clock() - course.begin
                return replace(result, latency=seconds, attempts=course.calls)
            result.error.attempts = course.calls
            wait = None
            if result.again and course.calls < self._patience.attempts:
                wait = self._patience.wait(course.calls, result.retry_after)
            if not isinstance(result.error, BudgetSpent):
                seconds = self._clock() - begin
                course.failures.append(_entry(result.error, seconds, wait))
            if wait is None:
                return result.error
            self._patience.sleep(wait)

    def _call(self, request: Request, course: _Course) -> Reply | Failure:
        """One call, within the budget and counted."""
        try:
            share = self._meter.reserve(request)
        except BudgetSpent as spent:
            return Failure(spent)
        course.calls += 1
        failed, billed = True, True  # what is left where something unforeseen is raised
        try:
            result = self._calls.call(replace(request, max_tokens=share.reply))
            if isinstance(result, Reply):
                self._meter.count_reply(share, result)
                failed = False
            else:
                billed = result.billed
            return result
        finally:
            if failed:
                self._meter.count_failure(share, billed=billed)


def _entry(error: ModelError, seconds: float, wait: float | None) -> dict[str, Any]:
    return {
        "kind": error.kind,
        "sentence": error.sentence,
        "latency": round(seconds, 3),
        "waited": None if wait is None else round(wait, 3),
    }
