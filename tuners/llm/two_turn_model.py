"""Reasoning first, constrained decoding after: strict decoding alone can hurt the reasoning."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tuners.llm.done import done_reason
from tuners.llm.model.accounted import used_by
from tuners.llm.model.errors import ModelError
from tuners.llm.model.exchange import Message, WrappedModel
from tuners.llm.prompts.writer import part

if TYPE_CHECKING:
    from tuners.llm.model.exchange import Reply, Request

__all__ = ["TwoTurnModel"]


@dataclass(frozen=True)
class TwoTurnModel(WrappedModel):
    """A model that answers a request with a grammar in two turns: freely, then by the grammar."""

    def ask(self, request: Request) -> Reply:
        """The constrained reply; what it has used is what both turns have.

        Raises:
            ModelError: One of the turns gave no reply.
        """
        if request.grammar is None:
            return self.model.ask(request)
        thought = self.model.ask(replace(request, grammar=None))
        if done_reason(thought.text) is not None:
            return thought
        messages = (
            *request.messages,
            Message("assistant", thought.text),
            Message("user", part("answer_grammar")),
        )
        thinking = replace(request, grammar=None)
        try:
            reply = self.model.ask(replace(request, messages=messages))
        except ModelError as error:
            error.usage = thought.usage(thinking) + used_by(error)
            error.attempts += thought.attempts
            raise
        return replace(
            reply,
            latency=thought.latency + reply.latency,
            attempts=thought.attempts + reply.attempts,
            spent=thought.usage(thinking) + reply.usage(request),
        )
