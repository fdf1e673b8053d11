"""A model behind a provider: calls, tried again where that helps, within a budget."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from tuners.model.budget import Budget, Usage
from tuners.model.errors import BudgetSpent, ModelError, ModelUnavailable
from tuners.model.exchange import Reply, Request, estimated_tokens
from tuners.model.litellm_calls import Calls, Failure
from tuners.model.patience import Patience, retry_after
from tuners.model.transcript import Transcript

__all__ = ["ProviderModel"]


class ProviderModel:
    """A model that a provider, or a server of one's own, runs.

    Args:
        name: Its name.
        calls: What calls it.
        patience: How often, and after what waits, it is asked again.
        budget: What all calls together may use.
        transcript: Where every exchange is kept.
    """

    def __init__(
        self,
        name: str,
        calls: Calls,
        patience: Patience,
        budget: Budget,
        transcript: Transcript | None,
    ) -> None:
        self.name = name
        self._calls = calls
        self._patience = patience
        self._budget = budget
        self._transcript = transcript
        self._usage = Usage()
        self._lock = threading.Lock()
        self._missing: str | None = None
        self._looked = False

    def __repr__(self) -> str:
        return f"ProviderModel({self.name!r})"

    @property
    def usage(self) -> Usage:
        """What it has used so far."""
        return self._usage

    def ask(self, request: Request) -> Reply:
        """Asks the model, several times where it fails for a moment.

        Raises:
            ModelError: There is no reply.
        """
        self._require_available()
        try:
            reply = self._ask(request)
        except ModelError as error:
            if self._transcript is not None and error.attempts:
                self._transcript.record(self.name, request, error)
            raise
        if self._transcript is not None:
            self._transcript.record(self.name, request, reply)
        return reply

    def _require_available(self) -> None:
        with self._lock:
            if not self._looked:
                self._missing, self._looked = self._calls.missing(), True
        if self._missing is not None:
            raise ModelUnavailable(self._missing)

    def _ask(self, request: Request) -> Reply:
        begin = time.monotonic()
        attempt = 0
        while True:
            attempt += 1
            self._reserve(request, attempt - 1)
            result = self._calls.call(request)
            if isinstance(result, Reply):
                self._count_reply(request, result)
                return replace(result, latency=time.monotonic() - begin, attempts=attempt)
            self._count_failure(request, result)
            if not result.again or attempt == self._patience.attempts:
                result.error.attempts = attempt
                raise result.error
            self._patience.wait(attempt, retry_after(result.retry_after))

    def _reserve(self, request: Request, attempts: int) -> None:
        """Counts a call, unless it would exceed the budget."""
        prompt = estimated_tokens(*(message.content for message in request.messages))
        least = prompt + (request.max_tokens or 0)
        with self._lock:
            used, budget = self._usage, self._budget
            if budget.calls is not None and used.calls >= budget.calls:
                raise BudgetSpent(
                    f"the budget of {budget.calls} calls is spent", attempts=attempts
                )
            if budget.tokens is not None and used.tokens + least > budget.tokens:
                raise BudgetSpent(
                    f"the next call takes about {least:,} tokens, and {used.tokens:,} of the budget "
                    f"of {budget.tokens:,} are spent",
                    attempts=attempts,
                )
            if budget.usd is not None:
                self._require_money(budget.usd, used, prompt, request.max_tokens or 0, attempts)
            self._usage = replace(used, calls=used.calls + 1)

    def _require_money(
        self, budget: float, used: Usage, prompt: int, reply: int, attempts: int
    ) -> None:
        price = self._calls.price(prompt, reply)
        if price is None:
            raise BudgetSpent(
                f"the price of {self.name} is unknown, so that a budget in dollars cannot be kept: "
                "give one in tokens or calls",
                attempts=attempts,
            )
        if used.cost + price > budget:
            raise BudgetSpent(
                f"the next call costs about ${price:.4f}, and ${used.cost:.4f} of the budget of "
                f"${budget:g} are spent",
                attempts=attempts,
            )

    def _count_reply(self, request: Request, reply: Reply) -> None:
        prompt, said = reply.prompt_tokens, reply.completion_tokens
        if prompt is None:
            prompt = estimated_tokens(*(message.content for message in request.messages))
        if said is None:
            said = estimated_tokens(reply.text)
        with self._lock:
            used = self._usage
            self._usage = replace(
                used,
                prompt_tokens=used.prompt_tokens + prompt,
                completion_tokens=used.completion_tokens + said,
                cost=used.cost + (reply.cost or 0.0),
                unknown_cost_calls=used.unknown_cost_calls + (reply.cost is None),
            )

    def _count_failure(self, request: Request, failure: Failure) -> None:
        prompt = 0
        if failure.billed:
            prompt = estimated_tokens(*(message.content for message in request.messages))
        with self._lock:
            used = self._usage
            self._usage = replace(
                used,
                failed_calls=used.failed_calls + 1,
                prompt_tokens=used.prompt_tokens + prompt,
                unknown_cost_calls=used.unknown_cost_calls + failure.billed,
            )
