"""What can go wrong when a language model is asked.

    ModelError              the model gave no usable reply
    ├── ModelUnavailable    no litellm, no key, no such model, nobody answers at its address
    ├── ModelTimeout        no whole reply within the time limit
    ├── RateLimited         the provider asks for fewer calls, also after waiting
    ├── AuthenticationFailed  the provider does not accept the key
    ├── ContextTooLong      the prompt is longer than the model's context window
    ├── RequestRejected     the provider refuses this request: its parameters or its content
    ├── BudgetSpent         another call would exceed the budget in calls, tokens or money
    ├── BadResponse         the reply is empty, cut off in transit, or not in the API's format
    ├── ReplayMismatch      a transcript is replayed and the prompt differs from the recorded one
    ├── ReplayExhausted     a transcript is replayed and has no further exchange
    ├── ReplaySkipped       a transcript is replayed and the model was not asked in this place
    ├── LedgerError         the account of calls cannot be read or written
    └── TranscriptError     a transcript cannot be read or written

None of them carries a key: what providers say is redacted before it becomes an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from tuners.errors import TunerError

if TYPE_CHECKING:
    from tuners.llm.model.exchange import ModelUsage

__all__ = [
    "AuthenticationFailed",
    "BadResponse",
    "BudgetSpent",
    "ContextTooLong",
    "LedgerError",
    "ModelError",
    "ModelTimeout",
    "ModelUnavailable",
    "RateLimited",
    "ReplayExhausted",
    "ReplayMismatch",
    "ReplaySkipped",
    "RequestRejected",
    "TranscriptError",
]


class ModelError(TunerError):
    """A language model gave no usable reply.

    Attributes:
        kind: A stable short name of what happened, such as ``"timeout"``.
        permanent: Whether asking again, be it something else, cannot help.
        sentence: What happened and what to do about it.
        attempts: How many calls were made for this request.
        usage: What they used; None where nobody has counted it.
    """

    kind: ClassVar[str] = "model"
    permanent: bool = False
    usage: ModelUsage | None = None

    def __init__(self, sentence: str, *, attempts: int = 0, permanent: bool | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.attempts = attempts
        if permanent is not None:
            self.permanent = permanent

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.sentence, dict(self.__dict__))


def _rebuild(kind: type[ModelError], sentence: str, state: dict[str, Any]) -> ModelError:
    error = kind(sentence)
    error.__dict__.update(state)
    return error


class ModelUnavailable(ModelError):  # noqa: N818  (named by what is the case, as RateLimited is)
    """No litellm, no key, no such model: for good. Or no server answers: for the moment."""

    kind = "unavailable"
    permanent = True


class ModelTimeout(ModelError):  # noqa: N818  (likewise)
    """No whole reply came within the time limit."""

    kind = "timeout"


class RateLimited(ModelError):  # noqa: N818  (likewise)
    """The provider asks for fewer calls, also after waiting as it wished."""

    kind = "rate-limit"


class AuthenticationFailed(ModelError):  # noqa: N818  (likewise)
    """The provider does not accept the key."""

    kind = "authentication"
    permanent = True


class ContextTooLong(ModelError):  # noqa: N818  (likewise)
    """The prompt does not fit the model's context window."""

    kind = "context"


class RequestRejected(ModelError):  # noqa: N818  (likewise)
    """The provider refuses this request: a parameter of it, or its content."""

    kind = "rejected"


class BudgetSpent(ModelError):  # noqa: N818  (likewise)
    """Another call would exceed the budget in calls, tokens or money."""

    kind = "budget"
    permanent = True


class BadResponse(ModelError):  # noqa: N818  (likewise)
    """The reply is empty, was cut off in transit, or is not in the API's format."""

    kind = "bad-response"


class ReplayMismatch(ModelError):  # noqa: N818  (likewise)
    """A replayed transcript has another prompt in this place."""

    kind = "replay-mismatch"
    permanent = True


class ReplayExhausted(ModelError):  # noqa: N818  (likewise)
    """A replayed transcript has no further exchange."""

    kind = "replay-exhausted"
    permanent = True


class ReplaySkipped(ModelError):  # noqa: N818  (likewise)
    """A replayed transcript has exchanges for later trials, and none for this one."""

    kind = "replay-skipped"


class LedgerError(ModelError):
    """The account of calls cannot be read or written."""

    kind = "ledger"
    permanent = True


class TranscriptError(ModelError):
    """A transcript cannot be read or written."""

    kind = "transcript"
    permanent = True
