"""Reasoning first, constrained decoding after: strict decoding alone can hurt the reasoning."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tuners.llm.model.exchange import Message
from tuners.llm.prompts.writer import part

if TYPE_CHECKING:
    from tuners.llm.model.exchange import Model, ModelUsage, Reply, Request

__all__ = ["TwoTurnModel"]


@dataclass(frozen=True)
class TwoTurnModel:
    """A model that answers a request with a grammar in two turns: freely, then by the grammar."""

    model: Model

    @property
    def name(self) -> str:
        """The name of the model."""
        return self.model.name

    @property
    def usage(self) -> ModelUsage:
        """What the model has used so far."""
        return self.model.usage

    def ask(self, request: Request) -> Reply:
        """The constrained reply; its tokens and cost are those of both turns.

        Raises:
            ModelError: One of the turns gave no reply.
        """
        if request.grammar is None:
            return self.model.ask(request)
        thought = self.model.ask(replace(request, grammar=None))
        messages = (
            *request.messages,
            Message("assistant", thought.text),
            Message("user", part("answer_grammar")),
        )
        reply = self.model.ask(replace(request, messages=messages))
        return replace(
            reply,
            prompt_tokens=_sum(thought.prompt_tokens, reply.prompt_tokens),
            completion_tokens=_sum(thought.completion_tokens, reply.completion_tokens),
            cost=None if None in (thought.cost, reply.cost) else _sum(thought.cost, reply.cost),
            latency=thought.latency + reply.latency,
            attempts=thought.attempts + reply.attempts,
        )


def _sum(first: float | None, second: float | None) -> Any:
    return None if first is None or second is None else first + second
