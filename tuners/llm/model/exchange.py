"""What goes to a model and comes back: requests, replies, and what they use of a budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from operator import add
from typing import Any, Literal, Protocol

__all__ = [
    "Budget",
    "Message",
    "Model",
    "ModelUsage",
    "Reply",
    "Request",
    "Role",
    "WrappedModel",
    "estimated_tokens",
]

Role = Literal["system", "user", "assistant"]

# English prose has some 4 characters a token, mapper text and numbers nearer to 3: an estimate
# that decides whether a budget suffices should rather be too high.
BYTES_PER_TOKEN = 3
TOKENS_PER_MESSAGE = 4


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that a model may use; None is no limit.

    Attributes:
        calls: Calls of the provider, failed ones and those for repairs included.
        tokens: Tokens of prompts and replies together.
        usd: US dollars.
    """

    calls: int | None = None
    tokens: int | None = None
    usd: float | None = None

    def __post_init__(self) -> None:
        for name in ("calls", "tokens", "usd"):
            limit = getattr(self, name)
            if limit is not None and not limit >= 0:
                raise ValueError(f"a budget of {limit} {name} is negative")


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """What was used: by a call, for a trial, or by a study so far.

    Attributes:
        calls: Calls of the provider, failed ones included.
        failed_calls: Calls that gave no reply.
        prompt_tokens: Tokens of prompts as the provider counts them, else estimated.
        completion_tokens: Tokens of replies, likewise.
        cost: US dollars of the calls whose price is known.
        unknown_cost_calls: Calls whose price is unknown.
        repairs: Replies that went back to be repaired.
        lost_calls: Calls whose end is unknown, by a time limit, a broken connection or a kill:
            their tokens and cost are the most that they could have been.
    """

    calls: int = 0
    failed_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    unknown_cost_calls: int = 0
    repairs: int = 0
    lost_calls: int = 0

    def __add__(self, other: ModelUsage) -> ModelUsage:
        return ModelUsage(*map(add, astuple(self), astuple(other)))

    @property
    def tokens(self) -> int:
        """Tokens of prompts and replies together."""
        return self.prompt_tokens + self.completion_tokens

    def exceeds(self, budget: Budget) -> str | None:
        """Which part of a budget is used up, in words; None where none is.

        >>> ModelUsage(calls=3, cost=0.1).exceeds(Budget(calls=3))
        'the budget of 3 calls is spent'
        """
        limits = (
            (budget.calls, self.calls, f"{budget.calls} calls"),
            (budget.tokens, self.tokens, f"{budget.tokens} tokens"),
            (budget.usd, self.cost, f"{budget.usd} US dollars"),
        )
        for limit, spent, what in limits:
            if limit is not None and spent >= limit:
                return f"the budget of {what} is spent"
        return None

    def __str__(self) -> str:
        known = f"${self.cost:.4f}"
        if self.unknown_cost_calls == self.calls and self.calls:
            known = "unknown cost"
        elif self.unknown_cost_calls:
            known += f" and the unknown cost of {self.unknown_cost_calls} calls"
        return f"{self.calls} calls, {self.tokens:,} tokens, {known}"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Request:
    """What a model is asked.

    Attributes:
        messages: The conversation so far, the last turn being the user's.
        temperature: Temperature of sampling; None leaves it to the provider.
        max_tokens: The most tokens of a reply; None leaves it to the provider.
        seed: Seed of sampling, where the provider takes one.
        schema: A JSON schema that the reply shall fulfil, where the provider takes one.
        grammar: A Lark grammar that the reply shall match, where the provider takes one.
        trial: The trial of a study that it is asked for; noted in transcripts, and not sent.
    """

    messages: tuple[Message, ...]
    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    schema: Mapping[str, Any] | None = None
    grammar: str | None = None
    trial: int | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model said.

    Attributes:
        text: The reply, without its reasoning where the provider keeps that apart.
        model: The model as the provider names it.
        prompt_tokens: Tokens of the prompt as the provider counts them; None where it does not.
        completion_tokens: Tokens of the reply likewise, those of its reasoning included.
        cost: US dollars; None where the price is unknown.
        latency: Seconds from asking to the whole reply, waits between attempts included.
        attempts: Calls that it took, failed ones included.
        replayed: Whether it comes from a transcript.
        complete: False where it ends early, at ``max_tokens`` or at the limit of its length.
        constrained: ``"schema"`` or ``"grammar"`` where the provider was told to keep to it.
        spent: What all calls for it used, failed ones included; None where nobody has counted it.
    """

    text: str
    model: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: float | None = None
    latency: float = 0.0
    attempts: int = 1
    replayed: bool = False
    complete: bool = True
    constrained: str | None = None
    spent: ModelUsage | None = None

    def usage(self, request: Request) -> ModelUsage:
        """What the exchange used; tokens are estimated where nobody has counted them."""
        if self.spent is not None:
            return self.spent
        prompt, said = self.prompt_tokens, self.completion_tokens
        if prompt is None:
            prompt = estimated_tokens(*(message.content for message in request.messages))
        return ModelUsage(
            calls=self.attempts,
            failed_calls=self.attempts - 1,
            prompt_tokens=prompt,
            completion_tokens=estimated_tokens(self.text) if said is None else said,
            cost=self.cost or 0.0,
            unknown_cost_calls=int(self.cost is None),
        )


class Model(Protocol):
    """A language model that can be asked; safe to share between threads."""

    @property
    def name(self) -> str:
        """The name by which it was opened, free of secrets."""

    @property
    def usage(self) -> ModelUsage:
        """What it has used so far."""

    def ask(self, request: Request) -> Reply:
        """Asks the model, several times where it fails for a moment.

        Raises:
            ModelError: There is no reply; ``kind`` says why, ``permanent`` whether for good.
        """


@dataclass(frozen=True)
class WrappedModel:
    """Base of the models that ask another one, and go by its name and its usage."""

    model: Model

    @property
    def name(self) -> str:
        """The name of the model."""
        return self.model.name

    @property
    def usage(self) -> ModelUsage:
        """What the model has used so far."""
        return self.model.usage


def estimated_tokens(*texts: str) -> int:
    """About how many tokens the messages with these texts have, rather too many than too few.

    >>> estimated_tokens("Task * GPU;")
    8
    """
    return sum(
        TOKENS_PER_MESSAGE + -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)
        for text in texts
    )
