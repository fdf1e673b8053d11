"""Keeping a budget: what a call may take is set aside before it, and counted after it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tuners.llm.model.accounts import MINUTE, Account
from tuners.llm.model.errors import BudgetSpent
from tuners.llm.model.exchange import Budget, ModelUsage, Reply, Request, estimated_tokens
from tuners.llm.model.failures import Failure
from tuners.llm.model.ledger import Ledger

__all__ = ["Limits", "Meter", "Share"]

# A budget that leaves less than this for a reply is spent: nothing useful fits.
SHORTEST_REPLY = 256
# Seconds between two looks at calls under way that may leave something of the budget.
PAUSE = 0.1
# Seconds for which calls under way are waited for where their number alone spends the budget: one
# of another process may be withdrawn just then.
PATIENCE = 2.0

Price = Callable[[int, int], float | None]


@dataclass(frozen=True, slots=True)
class Limits:
    """How far all calls of a study may go.

    Attributes:
        budget: What they may use together.
        per_minute: How many may be begun within a minute; None for any number.
        seconds: The time limit of each.
    """

    budget: Budget = field(default_factory=Budget)
    per_minute: int | None = None
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Share:
    """What is set aside for one call.

    Attributes:
        prompt: Estimated tokens of its prompt.
        reply: The most tokens of its reply; None where nothing limits them.
        usd: The most US dollars; None where they are unknown.
        key: Of its entry in the ledger.
    """

    prompt: int
    reply: int | None
    usd: float | None
    key: str = ""

    @property
    def most(self) -> ModelUsage:
        """What the call counts as where its end stays unknown."""
        return ModelUsage(
            calls=1,
            failed_calls=1,
            prompt_tokens=self.prompt,
            completion_tokens=self.reply or 0,
            cost=self.usd or 0.0,
            unknown_cost_calls=int(self.usd is None),
            lost_calls=1,
        )


class Meter:
    """Enters calls in a ledger, and refuses those that would exceed the budget.

    A call is told to reply in no more tokens than the budget has left. Where calls under way may
    yet leave what another needs, that one waits for them.

    Args:
        limits: How far all calls may go.
        price: US dollars of a number of prompt and of reply tokens; None where unknown.
        ledger: The account of all calls of the study.
        sleep: Waits for a number of seconds.
    """

    def __init__(
        self,
        limits: Limits,
        price: Price,
        ledger: Ledger,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._limits = limits
        self._price = price
        self._ledger = ledger
        self._sleep = sleep
        self._usage = ModelUsage()
        self._lock = threading.Lock()
        self._turn = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None, "_turn": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock(), _turn=threading.Lock())

    @property
    def usage(self) -> ModelUsage:
        """What the calls of this meter used so far."""
        return self._usage

    def reserve(self, request: Request) -> Share:
        """Sets aside what a call may take, and enters it as one.

        Raises:
            BudgetSpent: There is not enough left.
            LedgerError: The entry cannot be written.
        """
        prompt = estimated_tokens(*(message.content for message in request.messages))
        begun = time.monotonic()
        with self._turn:
            while True:
                account = self._ledger.account()
                share = self._share(prompt, request.max_tokens, account)
                if isinstance(share, Share) and not self._too_early(account):
                    entered = self._enter(share, prompt, request.max_tokens)
                    if entered is not None:
                        return entered
                    account = self._ledger.account()
                if isinstance(share, str) and self._is_final(account, begun):
                    raise BudgetSpent(share)
                self._sleep(max(self._too_early(account), PAUSE * random.uniform(0.5, 1.5)))  # noqa: S311  (a pause)

    def _enter(self, share: Share, prompt: int, wanted: int | None) -> Share | None:
        """Enters a call, unless other processes have entered too much at the same time."""
        key = self._ledger.begin(share.most, self._limits.seconds)
        account = self._ledger.account(but=key)
        left = self._share(prompt, wanted, account)
        if isinstance(left, str) or self._too_early(account):
            self._ledger.withdraw(key)
            return None
        if left != share:
            self._ledger.amend(key, left.most)
        return Share(left.prompt, left.reply, left.usd, key)

    def _is_final(self, account: Account, begun: float) -> bool:
        """Whether no call under way can leave anything of the budget."""
        if not account.under_way:
            return True
        calls = account.used.calls + len(account.under_way)
        limit = self._limits.budget.calls
        return limit is not None and calls >= limit and time.monotonic() > begun + PATIENCE

    def _too_early(self, account: Account) -> float:
        """Seconds until another call may be begun within a minute."""
        limit = self._limits.per_minute
        if limit is None or len(account.recent) < limit:
            return 0.0
        return max(0.01, account.recent[-limit] + MINUTE - time.time())

    def enter_redirect(self) -> ModelUsage:
        """Enters a redirect that is about to be followed: one more request for a server.

        It is not kept waiting where calls are limited by the minute, but counts among them.

        Raises:
            BudgetSpent: There is no call left for it.
            LedgerError: The entry cannot be written.
        """
        used = ModelUsage(calls=1, failed_calls=1)
        key = self._ledger.begin(replace(used, lost_calls=1), self._limits.seconds)
        account = self._ledger.account(but=key)
        if spent := self._no_call_left(account):
            self._ledger.withdraw(key)
            raise BudgetSpent(spent)
        self._complete(key, used)
        return used

    def count_reply(self, share: Share, reply: Reply) -> ModelUsage:
        """Counts the tokens and the cost of a reply, estimated where it does not tell them."""
        used = self._told(reply) or self._estimated(share, reply.text)
        return self._count(share, used)

    def count_failure(self, share: Share, failure: Failure) -> ModelUsage:
        """Counts a call that gave no reply; one that reached no server is none."""
        if not failure.reached:
            self._ledger.withdraw(share.key)
            return ModelUsage()
        used = self._told(failure) or (share.most if failure.billed else ModelUsage())
        return self._count(share, used, failed=True)

    def count_lost(self, share: Share) -> ModelUsage:
        """Counts a call whose end is unknown as the most that it could have been."""
        return self._count(share, share.most)

    def _told(self, of: Reply | Failure) -> ModelUsage | None:
        """What the provider says that a call used; None where it does not."""
        prompt, said = of.prompt_tokens, of.completion_tokens
        if prompt is None or said is None:
            return None
        cost = self._price(prompt, said)
        return ModelUsage(
            prompt_tokens=prompt,
            completion_tokens=said,
            cost=cost or 0.0,
            unknown_cost_calls=int(cost is None),
        )

    def _estimated(self, share: Share, text: str) -> ModelUsage:
        """The most that a call can have used whose reply came without figures.

        Where no budget is in money, the tokens that can be seen are the better estimate.
        """
        if share.usd is not None:
            return share.most
        return ModelUsage(
            prompt_tokens=share.prompt,
            completion_tokens=estimated_tokens(text),
            unknown_cost_calls=1,
        )

    def _count(self, share: Share, used: ModelUsage, *, failed: bool = False) -> ModelUsage:
        if not used.calls:
            used += ModelUsage(calls=1, failed_calls=int(failed))
        self._complete(share.key, used)
        return used

    def _complete(self, key: str, used: ModelUsage) -> None:
        self._ledger.complete(key, used)
        with self._lock:
            self._usage += used

    def _no_call_left(self, account: Account) -> str | None:
        """The sentence that all calls are spent; None where they are not."""
        limit = self._limits.budget.calls
        begun = account.used.calls + sum(call.calls for call in account.under_way)
        return None if limit is None or begun < limit else f"the budget of {limit} calls is spent"

    def _share(self, prompt: int, wanted: int | None, account: Account) -> Share | str:
        """A share of what is left; where that is too little, the sentence that says so."""
        budget, used = self._limits.budget, account.used
        under_way = sum(account.under_way, ModelUsage())
        if spent := self._no_call_left(account):
            return spent
        least = min(SHORTEST_REPLY, wanted or SHORTEST_REPLY)
        room = wanted
        if budget.tokens is not None:
            left = budget.tokens - used.tokens - under_way.tokens
            if left < prompt + least:
                return (
                    f"the next call takes about {prompt + least:,} tokens, and {used.tokens:,} of "
                    f"the budget of {budget.tokens:,} are spent"
                )
            room = _least(room, left - prompt)
        if budget.usd is None:
            usd = None if room is None else self._price(prompt, room)
            return Share(prompt, room, usd)
        left_usd = budget.usd - used.cost - under_way.cost
        return self._share_of_money(left_usd, used.cost, prompt, room, least)

    def _share_of_money(
        self, left: float, spent: float, prompt: int, room: int | None, least: int
    ) -> Share | str:
        before, each = self._price(prompt, 0), self._price(0, 1_000_000)
        if before is None or each is None:
            return UNKNOWN_PRICE
        per_token = each / 1_000_000
        if left < before + least * per_token:
            return (
                f"the next call costs about ${before + least * per_token:.4f}, and "
                f"${spent:.4f} of the budget of ${self._limits.budget.usd:g} are spent"
            )
        if per_token > 0:
            room = _least(room, int((left - before) / per_token))
        return Share(prompt, room, before + (room or 0) * per_token)


UNKNOWN_PRICE = (
    "the price of this model is unknown, so that a budget in dollars cannot be kept: give one in "
    "tokens or calls"
)


def _least(wanted: int | None, room: int) -> int:
    return room if wanted is None else min(wanted, room)
