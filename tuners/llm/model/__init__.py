"""Language models: asking them, within a budget, with a transcript that can be replayed."""

from tuners.llm.model.errors import (
    AuthenticationFailed,
    BadResponse,
    BudgetSpent,
    ContextTooLong,
    ModelError,
    ModelTimeout,
    ModelUnavailable,
    RateLimited,
    ReplayExhausted,
    ReplayMismatch,
    ReplaySkipped,
    RequestRejected,
    TranscriptError,
)
from tuners.llm.model.exchange import (
    Budget,
    Message,
    Model,
    ModelUsage,
    Reply,
    Request,
    Role,
    estimated_tokens,
)
from tuners.llm.model.opening import open_model

__all__ = [
    "AuthenticationFailed",
    "BadResponse",
    "Budget",
    "BudgetSpent",
    "ContextTooLong",
    "Message",
    "Model",
    "ModelError",
    "ModelTimeout",
    "ModelUnavailable",
    "ModelUsage",
    "RateLimited",
    "ReplayExhausted",
    "ReplayMismatch",
    "ReplaySkipped",
    "Reply",
    "Request",
    "RequestRejected",
    "Role",
    "TranscriptError",
    "estimated_tokens",
    "open_model",
]
