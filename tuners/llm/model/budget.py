"""What asking a model may cost, and what it has cost."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from operator import add

__all__ = ["Budget", "ModelUsage"]


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

    def less(self, used: ModelUsage) -> Budget:
        """What is left when so much was used.

        >>> Budget(calls=3, usd=1.0).less(ModelUsage(calls=1, prompt_tokens=900, cost=2.0))
        Budget(calls=2, tokens=None, usd=0.0)
        """
        return Budget(
            None if self.calls is None else max(0, self.calls - used.calls),
            None if self.tokens is None else max(0, self.tokens - used.tokens),
            None if self.usd is None else max(0.0, self.usd - used.cost),
        )


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
    """

    calls: int = 0
    failed_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    unknown_cost_calls: int = 0
    repairs: int = 0

    def __add__(self, other: ModelUsage) -> ModelUsage:
        return ModelUsage(*map(add, astuple(self), astuple(other)))

    @property
    def tokens(self) -> int:
        """Tokens of prompts and replies together."""
        return self.prompt_tokens + self.completion_tokens

    def __str__(self) -> str:
        known = f"${self.cost:.4f}"
        if self.unknown_cost_calls == self.calls and self.calls:
            known = "unknown cost"
        elif self.unknown_cost_calls:
            known += f" and the unknown cost of {self.unknown_cost_calls} calls"
        return f"{self.calls} calls, {self.tokens:,} tokens, {known}"
