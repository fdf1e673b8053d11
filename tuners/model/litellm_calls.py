"""One call of a provider through litellm, with everything that can go wrong named."""

from __future__ import annotations

import importlib.util
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from tuners.model.errors import (
    AuthenticationFailed,
    BadResponse,
    ContextTooLong,
    ModelError,
    ModelTimeout,
    ModelUnavailable,
    RateLimited,
    RequestRejected,
)
from tuners.model.exchange import Reply, Request
from tuners.model.redaction import Redactor

__all__ = ["Calls", "Failure", "is_installed"]

# What a mapper needs is a few thousand characters; a model in a loop is cut here.
LONGEST_REPLY = 200_000
SAID = 300  # characters of a provider's message that an error quotes

# Calls that cannot connect fail at once on every attempt.
NO_CONNECTION = {"ConnectError", "ConnectTimeout", "ConnectionRefusedError", "gaierror"}


@dataclass(frozen=True, slots=True)
class Failure:
    """A call that gave no reply.

    Attributes:
        error: Which one.
        again: Whether it may succeed when it is asked again.
        retry_after: What the provider says about when, as it says it.
        billed: Whether the provider may have counted it.
    """

    error: ModelError
    again: bool = False
    retry_after: str | None = None
    billed: bool = False


def is_installed() -> bool:
    """Whether litellm can be imported; does not import it."""
    return importlib.util.find_spec("litellm") is not None


def _litellm() -> ModuleType:
    """litellm, told to stay off the network until it is asked."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm  # noqa: PLC0415  (2 to 6 seconds)

    litellm.telemetry = False
    litellm.suppress_debug_info = True
    logging.getLogger("LiteLLM").setLevel(logging.CRITICAL)
    return litellm


class Calls:
    """Calls of one model.

    Args:
        model: Its name, as litellm knows it.
        base_url: Address of the API, or None for the provider's own.
        key: The key, or None where litellm is to take it from the environment.
        timeout: Seconds for a whole call.
        redactor: Takes keys out of what providers say.
    """

    def __init__(
        self,
        model: str,
        base_url: str | None,
        key: str | None,
        timeout: float,
        redactor: Redactor,
    ) -> None:
        self._model = model
        self._base_url = base_url
        self._key = key
        self._timeout = timeout
        self._redactor = redactor

    def missing(self) -> str | None:
        """Why the model cannot be called, known before it is; None where it can."""
        if not is_installed():
            return "litellm is not installed: pip install 'mappertune[llm]'"
        litellm = _litellm()
        try:
            litellm.get_llm_provider(self._model, api_base=self._base_url)
        except Exception:  # noqa: BLE001  (whatever litellm raises: it knows no such provider)
            return (
                f"no provider is known for the model {self._model!r}: write it as PROVIDER/MODEL, "
                "such as openai/gpt-4o, or openai/NAME with the base URL of your own server"
            )
        if self._key is not None:
            return None
        keys = litellm.validate_environment(self._model).get("missing_keys") or []
        if keys and self._base_url is None:
            return f"no key for {self._model}: set {' and '.join(map(str, keys))}"
        return None

    def price(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """US dollars of so many tokens, or None where the price is unknown."""
        if self._base_url is not None:
            return None  # it may be anybody's server
        with suppress(Exception):  # litellm raises for models that it does not know
            prompt, said = _litellm().cost_per_token(
                model=self._model,
                prompt_tokens=prompt_tokens,
                completion_tokens=completion_tokens,
            )
            return float(prompt + said)
        return None

    def call(self, request: Request) -> Reply | Failure:
        """Calls once. The time limit holds for the whole of it, however slowly bytes arrive."""
        result: list[Reply | Failure] = []
        thread = threading.Thread(
            target=lambda: result.append(self._call(request)), daemon=True, name="model call"
        )
        thread.start()
        thread.join(self._timeout)
        if result:
            return result[0]
        sentence = f"{self._model} gave no whole reply within {self._timeout:g} s"
        return Failure(ModelTimeout(sentence), again=True, billed=True)

    def _call(self, request: Request) -> Reply | Failure:
        litellm = _litellm()
        constraint, parameters = self._constraint(litellm, request)
        messages = [{"role": m.role, "content": m.content} for m in request.messages]
        optional = {
            "temperature": request.temperature,
            "max_tokens": request.max_tokens,
            "seed": request.seed,
        }
        parameters |= {name: value for name, value in optional.items() if value is not None}
        if self._base_url is not None:
            parameters["api_base"] = self._base_url
        key = self._key
        if key is None and self._base_url is not None:
            key = "none"  # so that no key goes to where it was not meant to
        if key is not None:
            parameters["api_key"] = key
        try:
            response = litellm.completion(
                model=self._model,
                messages=messages,
                timeout=self._timeout,
                max_retries=0,
                num_retries=0,
                drop_params=True,
                **parameters,
            )
            return self._reply(response, constraint)
        except Exception as error:  # noqa: BLE001  (the border to a provider)
            return self._failure(litellm, error)

    def _constraint(
        self, litellm: ModuleType, request: Request
    ) -> tuple[str | None, dict[str, Any]]:
        """How the provider is told to keep to a grammar or a schema, where it takes one."""
        if request.grammar is not None and self._model.startswith("hosted_vllm/"):
            structured = {"structured_outputs": {"grammar": request.grammar}}
            return "grammar", {"extra_body": structured}
        if request.schema is not None and _takes_schemas(litellm, self._model):
            form = {"name": "reply", "schema": dict(request.schema), "strict": True}
            return "schema", {"response_format": {"type": "json_schema", "json_schema": form}}
        return None, {}

    def _reply(self, response: Any, constraint: str | None) -> Reply | Failure:
        choice = response.choices[0]
        text = choice.message.content
        if not isinstance(text, str) or not text.strip():
            return Failure(BadResponse(f"{self._model} gave an empty reply"), True, billed=True)
        usage = getattr(response, "usage", None)
        prompt = _count(getattr(usage, "prompt_tokens", None))
        said = _count(getattr(usage, "completion_tokens", None))
        cost = self.price(prompt, said) if prompt is not None and said is not None else None
        complete = choice.finish_reason != "length" and len(text) <= LONGEST_REPLY
        return Reply(
            text=self._redactor.text(text[:LONGEST_REPLY]),
            model=str(getattr(response, "model", None) or self._model),
            prompt_tokens=prompt,
            completion_tokens=said,
            cost=cost,
            complete=complete,
            constrained=constraint,
        )

    def _failure(self, litellm: ModuleType, error: Exception) -> Failure:
        said = " ".join(self._redactor.text(str(error)).split())[:SAID]
        name, known = self._model, litellm.exceptions
        headers = getattr(error, "litellm_response_headers", None) or {}
        retry = next((str(v) for k, v in headers.items() if k.lower() == "retry-after"), None)

        def failed(kind: type[ModelError], sentence: str, **more: Any) -> Failure:
            return Failure(kind(sentence), **more)

        # The order matters: some of litellm's exceptions derive from others.
        if isinstance(error, known.ContextWindowExceededError):
            return failed(ContextTooLong, f"the prompt is too long for {name}: {said}")
        if isinstance(error, known.RateLimitError):
            sentence = f"{name} asks for fewer calls: {said}"
            return failed(RateLimited, sentence, again=True, retry_after=retry)
        if isinstance(error, known.AuthenticationError | known.PermissionDeniedError):
            return failed(AuthenticationFailed, f"{name} does not accept the key: {said}")
        if isinstance(error, known.NotFoundError):
            return failed(ModelUnavailable, f"there is no {name} there: {said}")
        if isinstance(error, known.Timeout):
            sentence = f"{name} gave no whole reply within {self._timeout:g} s"
            return failed(ModelTimeout, sentence, again=True, billed=True)
        if isinstance(error, known.BadRequestError | known.UnprocessableEntityError):
            return failed(RequestRejected, f"{name} refuses the request: {said}")
        if NO_CONNECTION & {type(each).__name__ for each in _causes(error)}:
            return failed(ModelUnavailable, f"nobody answers for {name}: {said}", again=True)
        return failed(
            BadResponse, f"{name} gave no usable reply: {said}", again=True, retry_after=retry
        )


def _takes_schemas(litellm: ModuleType, model: str) -> bool:
    supports: Callable[..., bool] = litellm.supports_response_schema
    with suppress(Exception):  # litellm raises for models that it does not know
        return bool(supports(model=model))
    return False


def _count(value: object) -> int | None:
    known = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return int(value) if known else None  # type: ignore[call-overload]  # an int, see above


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    for _ in range(20):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__ or seen.__context__
