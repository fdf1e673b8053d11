"""Asking a model until it proposes something that can be tried: replies go back for repair."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tuners import attributes
from tuners.llm.model.errors import ModelError
from tuners.llm.model.exchange import Message, estimated_tokens

if TYPE_CHECKING:
    from tuners.llm.candidates import Candidate
    from tuners.llm.model.exchange import Model, Reply, Request

__all__ = ["Dialogue", "DialogueResult", "Expenses"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Expenses:
    """What one trial's proposal has cost.

    Attributes:
        calls: Of the provider, failed ones included.
        repairs: Replies that went back.
        tokens: Of prompts and replies, estimated where the provider does not say.
        cost: US dollars; None where some price is unknown.
    """

    calls: int = 0
    repairs: int = 0
    tokens: int = 0
    cost: float | None = 0.0

    def plus(self, request: Request, reply: Reply) -> Expenses:
        """With one exchange more."""
        prompt, said = reply.prompt_tokens, reply.completion_tokens
        if prompt is None:
            prompt = estimated_tokens(*(message.content for message in request.messages))
        if said is None:
            said = estimated_tokens(reply.text)
        known = self.cost is not None and reply.cost is not None
        return replace(
            self,
            calls=self.calls + reply.attempts,
            tokens=self.tokens + prompt + said,
            cost=(self.cost or 0.0) + (reply.cost or 0.0) if known else None,
        )

    def note(self) -> dict[str, Any]:
        """As attributes of the trial; empty where nobody was called."""
        if not self.calls:
            return {}
        return {
            attributes.CALLS: self.calls,
            attributes.REPAIRS: self.repairs,
            attributes.TOKENS: self.tokens,
            attributes.COST: self.cost,
        }


@dataclass(frozen=True, slots=True)
class DialogueResult:
    """How a dialogue ended.

    Attributes:
        candidates: Those to try, the first one first; empty where there is none.
        why: Why there is none, or what is to be said of the first.
        expenses: What it has cost.
        messages: The whole conversation.
        error: What ended it, if a failure of the model did.
    """

    candidates: tuple[Candidate, ...]
    why: str
    expenses: Expenses
    messages: tuple[Message, ...]
    error: ModelError | None = None


@dataclass
class Dialogue:
    """One dialogue about one trial.

    Attributes:
        model: Who is asked.
        read: Takes the candidates from a reply.
        tried: Number of the trial that a candidate would repeat, by its key.
        complain: The message that sends candidates back, or asks for one where there is none.
        repairs: How often that is done at most.
        limit: Of tokens of a prompt: where the conversation has grown beyond it, only the last
            reply goes back; where that is too long itself, none does.
    """

    model: Model
    read: Callable[[str], list[Candidate]]
    tried: Callable[[Candidate], int | None]
    complain: Callable[[Sequence[Candidate], Mapping[str, int]], str]
    repairs: int
    limit: int
    expenses: Expenses = field(default_factory=Expenses)

    def run(self, request: Request) -> DialogueResult:
        """Asks, and asks again while no candidate can be tried and repairs are left."""
        messages = request.messages
        found: list[Candidate] = []
        for turn in range(1 + self.repairs):
            asked = replace(request, messages=messages, seed=_turn_seed(request.seed, turn))
            try:
                reply = self.model.ask(asked)
            except ModelError as error:
                self.expenses = replace(self.expenses, calls=self.expenses.calls + error.attempts)
                return DialogueResult((), str(error), self.expenses, messages, error)
            self.expenses = self.expenses.plus(asked, reply)
            messages = (*messages, Message("assistant", reply.text))
            found = self.read(reply.text)
            good = [each for each in found if not each.complaints and self.tried(each) is None]
            if good:
                return DialogueResult(tuple(good), "the model's proposal", self.expenses, messages)
            if turn < self.repairs:
                back = self._going_back(request.messages, messages, found)
                if back is None:
                    break
                messages = back
                self.expenses = replace(self.expenses, repairs=self.expenses.repairs + 1)
                log.info("reply sent back for repair %d: %s", turn + 1, _problem_of(found))
        return self._exhausted(found, messages)

    def _going_back(
        self,
        asked: tuple[Message, ...],
        messages: tuple[Message, ...],
        found: Sequence[Candidate],
    ) -> tuple[Message, ...] | None:
        """The conversation with a complaint at its end; None where there is no room for it."""
        complaint = Message("user", self.complain(found, self._known(found)))
        for start in (messages, (*asked, messages[-1])):
            whole = (*start, complaint)
            if estimated_tokens(*(message.content for message in whole)) <= self.limit:
                return whole
        return None

    def _exhausted(self, found: list[Candidate], messages: tuple[Message, ...]) -> DialogueResult:
        """What is left when nothing is good: a faulty candidate is tried, a known one is not."""
        after = f" after {self.expenses.repairs} repairs" if self.expenses.repairs else ""
        faulty = [each for each in found if each.key is None or self.tried(each) is None]
        if faulty:
            why = f"the model's proposal, faulty{after}"
            return DialogueResult((faulty[0],), why, self.expenses, messages)
        known = sorted(self._known(found).values())
        if known:
            why = f"the model repeats trial {known[0]}{after}"
        else:
            why = f"no candidate in the model's reply{after}"
        return DialogueResult((), why, self.expenses, messages)

    def _known(self, found: Sequence[Candidate]) -> dict[str, int]:
        """The trials that candidates would repeat, by key."""
        return {
            each.key: number
            for each in found
            if each.key is not None and (number := self.tried(each)) is not None
        }


def _turn_seed(seed: int | None, turn: int) -> int | None:
    return None if seed is None else (seed + turn) % 2**31


def _problem_of(found: Sequence[Candidate]) -> str:
    complaints = [complaint for each in found for complaint in each.complaints]
    return complaints[0].splitlines()[0] if complaints else "nothing new in it"
