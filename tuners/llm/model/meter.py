"""Keeping a budget: what a call may take is set aside before it, and counted after it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tuners.llm.model.errors import BudgetSpent
from tuners.llm.model.exchange import Budget, ModelUsage, Reply, Request, estimated_tokens

__all__ = ["Meter", "Share"]

# A budget that leaves less than this for a reply is spent: nothing useful fits.
SHORTEST_REPLY = 256

Price = Callable[[int, int], float | None]


@dataclass(frozen=True, slots=True)
class Share:
    """What is set aside for one call.

    Attributes:
        prompt: Estimated tokens of its prompt.
        reply: The most tokens of its reply; None where nothing limits them.
        usd: The most US dollars; 0 where no budget is in dollars.
    """

    prompt: int
    reply: int | None
    usd: float

    @property
    def tokens(self) -> int:
        """Tokens of prompt and reply together."""
        return self.prompt + (self.reply or 0)


class Meter:
    """Counts what a model uses, and refuses calls that would exceed its budget.

    A call is told to reply in no more tokens than the budget has left. Where calls under way may
    yet take what another needs, that one waits for them.

    Args:
        budget: What all calls together may use.
        price: US dollars of a number of prompt and of reply tokens; None where unknown.
    """

    def __init__(self, budget: Budget, price: Price) -> None:
        self._budget = budget
        self._price = price
        self._usage = ModelUsage()
        self._under_way: list[Share] = []
        self._changed = threading.Condition()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_changed": None, "_under_way": []}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _changed=threading.Condition())

    @property
    def usage(self) -> ModelUsage:
        """What was used so far."""
        return self._usage

    def reserve(self, request: Request) -> Share:
        """Sets aside what a call may take, and counts it as one.

        Raises:
            BudgetSpent: There is not enough left.
        """
        prompt = estimated_tokens(*(message.content for message in request.messages))
        with self._changed:
            while True:
                share = self._share(prompt, request.max_tokens)
                if isinstance(share, Share):
                    self._usage += ModelUsage(calls=1)
                    self._under_way.append(share)
                    return share
                if not self._under_way or self._calls_are_spent():
                    raise BudgetSpent(share)
                self._changed.wait()

    def count_reply(self, share: Share, reply: Reply) -> None:
        """Counts the tokens and the cost of a reply, estimated where it does not tell them."""
        prompt, said = reply.prompt_tokens, reply.completion_tokens
        used = ModelUsage(
            prompt_tokens=share.prompt if prompt is None else prompt,
            completion_tokens=estimated_tokens(reply.text) if said is None else said,
            cost=reply.cost or 0.0,
            unknown_cost_calls=int(reply.cost is None),
        )
        self._count(share, used)

    def count_failure(self, share: Share, *, billed: bool) -> None:
        """Counts a call without a reply, and its prompt where that may have been billed."""
        cost = self._price(share.prompt, 0) if billed else None
        used = ModelUsage(
            failed_calls=1,
            prompt_tokens=share.prompt if billed else 0,
            cost=cost or 0.0,
            unknown_cost_calls=int(billed),
        )
        self._count(share, used)

    def _count(self, share: Share, used: ModelUsage) -> None:
        with self._changed:
            self._under_way.remove(share)
            self._usage += used
            self._changed.notify_all()

    def _calls_are_spent(self) -> bool:
        return self._budget.calls is not None and self._usage.calls >= self._budget.calls

    def _share(self, prompt: int, wanted: int | None) -> Share | str:
        """A share of what is left; where that is too little, the sentence that says so."""
        budget, used = self._budget, self._usage
        if self._calls_are_spent():
            return f"the budget of {budget.calls} calls is spent"
        least = min(SHORTEST_REPLY, wanted or SHORTEST_REPLY)
        room = wanted
        if budget.tokens is not None:
            left = budget.tokens - used.tokens - sum(each.tokens for each in self._under_way)
            if left < prompt + least:
                return (
                    f"the next call takes about {prompt + least:,} tokens, and {used.tokens:,} of "
                    f"the budget of {budget.tokens:,} are spent"
                )
            room = _least(room, left - prompt)
        if budget.usd is None:
            return Share(prompt, room, 0.0)
        return self._share_of_money(budget.usd, prompt, room, least)

    def _share_of_money(
        self, budget: float, prompt: int, room: int | None, least: int
    ) -> Share | str:
        before, each = self._price(prompt, 0), self._price(0, 1_000_000)
        if before is None or each is None:
            return (
                "the price of this model is unknown, so that a budget in dollars cannot be kept: "
                "give one in tokens or calls"
            )
        left = budget - self._usage.cost - sum(share.usd for share in self._under_way)
        per_token = each / 1_000_000
        if left < before + least * per_token:
            return (
                f"the next call costs about ${before + least * per_token:.4f}, and "
                f"${self._usage.cost:.4f} of the budget of ${budget:g} are spent"
            )
        if per_token > 0:
            room = _least(room, int((left - before) / per_token))
        return Share(prompt, room, before + (room or 0) * per_token)


def _least(wanted: int | None, room: int) -> int:
    return room if wanted is None else min(wanted, room)
