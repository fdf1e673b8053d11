"""Models of the caller's own, and transcripts, whose calls are entered in a ledger."""

from __future__ import annotations

from dataclasses import dataclass

from tuners.llm.model.errors import ModelError
from tuners.llm.model.exchange import ModelUsage, Reply, Request, WrappedModel, estimated_tokens
from tuners.llm.model.ledger import Ledger

__all__ = ["AccountedModel", "used_by"]


@dataclass(frozen=True)
class AccountedModel(WrappedModel):
    """A model that counts nothing itself, with the ledger of a study.

    What it may cost is not known before it has answered: whoever asks it looks at the budget.
    """

    ledger: Ledger
    seconds: float

    def ask(self, request: Request) -> Reply:
        """The model's reply, which is entered.

        Raises:
            ModelError: There is no reply.
        """
        most = ModelUsage(
            calls=1,
            failed_calls=1,
            prompt_tokens=estimated_tokens(*(message.content for message in request.messages)),
            completion_tokens=request.max_tokens or 0,
            unknown_cost_calls=1,
            lost_calls=1,
        )
        key = self.ledger.begin(most, self.seconds)
        used = most
        try:
            reply = self.model.ask(request)
            used = reply.usage(request)
        except ModelError as error:
            used = used_by(error)
            raise
        finally:
            if used.calls:
                self.ledger.complete(key, used)
            else:
                self.ledger.withdraw(key)
        return reply


def used_by(error: ModelError) -> ModelUsage:
    """What was used where there was no reply."""
    return error.usage or ModelUsage(calls=error.attempts, failed_calls=error.attempts)
