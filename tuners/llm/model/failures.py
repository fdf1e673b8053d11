"""What went wrong in a call, from what litellm raised.

litellm names many things alike: a server's error, a body that is not JSON, a cut connection and a
refused one all are its InternalServerError. The causes below it tell them apart: where the server
answered there is httpx's HTTPStatusError with the true status.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import ModuleType

from tuners.llm.model.errors import (
    AuthenticationFailed,
    BadResponse,
    BudgetSpent,
    ContextTooLong,
    LedgerError,
    ModelError,
    ModelTimeout,
    ModelUnavailable,
    RateLimited,
    RequestRejected,
)

__all__ = ["Failure", "failure_of"]

# Exceptions of a client that never reached a server.
NO_CONNECTION = {"ConnectError", "ConnectTimeout", "ConnectionRefusedError", "gaierror"}
# Exceptions of one that lost its server in the middle of the reply.
CUT = {"ReadError", "RemoteProtocolError", "ClientPayloadError", "DecodingError", "WriteError"}
# Statuses of those who stand before a server: it may have answered, and be paid for it.
GATEWAYS = (408, 502, 504, 520, 522, 523, 524)
PAGE = re.compile(r"<\s*(!doctype|html|head|body)\b", re.IGNORECASE)
ADDRESS = ": is its address (--base-url) that of an OpenAI-compatible API, such as .../v1?"
LONGEST = 2  # as `bounded_http` has it
# An account without credit also answers 429, and waiting does not help.
NO_CREDIT = ("insufficient_quota", "exceeded your current quota", "credit balance")


@dataclass(frozen=True, slots=True)
class Failure:
    """A call that gave no reply.

    Attributes:
        error: What went wrong.
        again: Whether the same request may succeed later.
        retry_after: The provider's Retry-After header, if it sent one.
        billed: Whether the provider may bill the call, nobody knows how much.
        reached: False where it is known that no server was reached.
        exhausted: Whether all tokens of the reply went into reasoning.
        prompt_tokens, completion_tokens: As the provider counts them; None where it does not.
    """

    error: ModelError
    again: bool = False
    retry_after: str | None = None
    billed: bool = False
    reached: bool = True
    exhausted: bool = False
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


def failure_of(
    litellm: ModuleType, error: BaseException, model: str, said: str, seconds: float
) -> Failure:
    """What litellm's exception means.

    Args:
        litellm: The package.
        error: The exception.
        model: Name of the model, for the sentence.
        said: The exception's text without keys.
        seconds: The time limit of a call.
    """
    if isinstance(error, litellm.exceptions.ContextWindowExceededError):
        return _context(model, said)
    status, retry_after = _answer(error)
    if status is not None and status >= 400:
        return _of_status(status, retry_after, model, said, seconds)
    return _without_status(litellm, error, model, said, seconds)


def _of_status(
    status: int, retry_after: str | None, model: str, said: str, seconds: float
) -> Failure:
    if PAGE.search(said) and status not in (401, 403, 404, 429):
        sentence = f"the server of {model} answers {status} with an HTML page"
        return Failure(
            ModelUnavailable(f"{sentence}{ADDRESS}", permanent=False),
            status >= 500,
            retry_after,
            billed=status in GATEWAYS,
        )
    if status in (401, 403):
        return _authentication(model, said)
    if status == 402 or (status == 429 and any(word in said for word in NO_CREDIT)):
        return Failure(ModelUnavailable(f"the account for {model} has no credit left: {said}"))
    if status == 404:
        return _unknown(model, said)
    if status in (408, 504):
        return _timeout(model, seconds, retry_after)
    if status == 413:
        return _context(model, said)
    if status == 429:
        return _limited(model, said, retry_after)
    if status >= 500:
        sentence = f"the server of {model} fails ({status}): {said}"
        error = ModelUnavailable(sentence, permanent=False)
        return Failure(error, True, retry_after, billed=status in GATEWAYS)
    return _rejected(model, said)


def _without_status(
    litellm: ModuleType, error: BaseException, model: str, said: str, seconds: float
) -> Failure:
    known = litellm.exceptions
    causes = {type(each).__name__ for each in _causes(error)}
    if isinstance(error, known.Timeout):
        return _timeout(model, seconds)
    for each in _causes(error):
        if isinstance(each, BudgetSpent | LedgerError):
            return Failure(type(each)(f"a redirect of {model} is not followed: {each}"))
    if "RedirectRefused" in causes:
        where = next(
            str(each) for each in _causes(error) if type(each).__name__ == "RedirectRefused"
        )
        sentence = f"the server of {model} sends the call away ({where}){ADDRESS}"
        return Failure(ModelUnavailable(sentence))
    if "BodyTooLong" in causes:
        sentence = f"the reply of {model} is longer than {LONGEST} MB, and was not read to its end"
        return Failure(BadResponse(sentence), again=True, billed=True)
    if causes & NO_CONNECTION:
        sentence = f"nobody answers for {model}: {said}"
        return Failure(ModelUnavailable(sentence, permanent=False), again=True, reached=False)
    if causes & CUT:
        sentence = f"the connection to {model} broke off in the middle of its reply"
        return Failure(BadResponse(sentence), again=True, billed=True)
    if any(isinstance(each, ImportError) for each in _causes(error)):
        sentence = f"litellm lacks a package to call {model}: {said}"
        return Failure(ModelUnavailable(sentence), reached=False)
    if PAGE.search(said):
        sentence = f"the server of {model} answers with an HTML page{ADDRESS}"
        return Failure(BadResponse(sentence), again=True, billed=True)
    # Of providers that are not called over httpx, such as Bedrock, litellm tells the status by its
    # own classes; and so it does where a server says 200, and an error in the body.
    refused = _of_class(litellm, error, model, said)
    if refused is not None:
        return replace(refused, billed=True)
    if "JSONDecodeError" in causes:
        sentence = f"the reply of {model} is no JSON, or was cut off: {said}"
    else:
        sentence = f"the reply of {model} is not in the format of the API: {said}"
    return Failure(BadResponse(sentence), again=True, billed=True)


def _of_class(litellm: ModuleType, error: BaseException, model: str, said: str) -> Failure | None:
    """What the class of litellm's exception says; None for those that say nothing."""
    known = litellm.exceptions
    if any(word in said for word in NO_CREDIT):
        return Failure(ModelUnavailable(f"the account for {model} has no credit left: {said}"))
    if isinstance(error, known.RateLimitError):
        return _limited(model, said, None)
    if isinstance(error, known.AuthenticationError | known.PermissionDeniedError):
        return _authentication(model, said)
    if isinstance(error, known.NotFoundError):
        return _unknown(model, said)
    if isinstance(error, known.BadRequestError | known.UnprocessableEntityError):
        return _rejected(model, f"an error in place of a reply: {said}")
    return None


def _context(model: str, said: str) -> Failure:
    return Failure(ContextTooLong(f"the prompt is too long for {model}: {said}"))


def _authentication(model: str, said: str) -> Failure:
    return Failure(AuthenticationFailed(f"{model} does not accept the key: {said}"))


def _unknown(model: str, said: str) -> Failure:
    return Failure(ModelUnavailable(f"there is no {model} at this address: {said}"))


def _rejected(model: str, said: str) -> Failure:
    return Failure(RequestRejected(f"{model} refuses the request: {said}"))


def _limited(model: str, said: str, retry_after: str | None) -> Failure:
    return Failure(RateLimited(f"{model} asks for fewer calls: {said}"), True, retry_after)


def _timeout(model: str, seconds: float, retry_after: str | None = None) -> Failure:
    sentence = f"{model} gave no whole reply within {seconds:g} s"
    return Failure(ModelTimeout(sentence), True, retry_after, billed=True)


def _answer(error: BaseException) -> tuple[int | None, str | None]:
    """Status and Retry-After of the server's own answer, where it gave one."""
    for each in _causes(error):
        if type(each).__module__.startswith("httpx") and type(each).__name__ == "HTTPStatusError":
            response = each.response  # type: ignore[attr-defined]  # httpx is imported by litellm
            return int(response.status_code), response.headers.get("retry-after")
    return None, None


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    for _ in range(20):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__ or seen.__context__
