"""One call of a provider through litellm."""

from __future__ import annotations

import base64
import logging
import os
import re
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import Any

from dsl.plain_text import plain
from tuners.llm.model.call_loop import run_within
from tuners.llm.model.constraints import constraint_of, text_of
from tuners.llm.model.errors import BadResponse, ModelTimeout, RequestRejected
from tuners.llm.model.exchange import Reply, Request
from tuners.llm.model.failures import Failure, failure_of
from tuners.llm.model.litellm_module import is_installed, load_litellm
from tuners.redaction import Redactor, Secret, without_credentials

__all__ = ["Calls"]

log = logging.getLogger(__name__)

# What a mapper needs is a few thousand characters; a model in a loop is cut here.
LONGEST_REPLY = 200_000
# What litellm puts before what a provider says.
LITELLM_SAYS = re.compile(r"^(litellm\.)?(\w+Error: )*(\w+Exception - )?")
MOST_TOKENS = 10**9  # what a server says beyond is no count
SAID = 300  # characters of a provider's message that an error quotes


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
        key: Secret | None,
        timeout: float,
        redactor: Redactor,
    ) -> None:
        self.model = model
        self.name = redactor.message(model)  # as it is told
        self.timeout = timeout
        self._base_url: str | None = None
        self._login = Secret("")
        if base_url is not None:
            self._base_url, self._login = without_credentials(base_url)
        self._key = key
        self._redactor = redactor
        self._streams = False  # whether the server wants to be asked for a stream
        self._constrains = True  # whether it has not refused a grammar or a schema

    def missing(self) -> str | None:
        """Why the model cannot be called, as far as is known beforehand; None where it can."""
        if not is_installed():
            return "litellm is not installed: pip install 'mappertune[llm]'"
        try:
            litellm = load_litellm()
        except ImportError as error:
            return f"litellm cannot be imported: {error}"
        try:
            provider = litellm.get_llm_provider(self.model, api_base=self._base_url)[1]
        except Exception:  # noqa: BLE001  (whatever litellm raises: it knows no such provider)
            return (
                f"no provider is known for the model {self.name!r}: write it as PROVIDER/MODEL, "
                "such as openai/gpt-4o, or openai/NAME with the base URL of your own server"
            )
        if self._login and provider != "openai":
            return (
                "a base URL with a name and a password works with openai/NAME only: name the "
                "variable of a key instead"
            )
        if self._key is not None or self._base_url is not None:
            return None
        return _missing_key(litellm, self.model, provider, self.name)

    def price(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """US dollars of so many tokens, or None where the price is unknown."""
        if self._base_url is not None:
            return None  # it may be anybody's server
        # litellm takes "openai/responses/NAME" for a model that costs nothing.
        name = self.model.replace("/responses/", "/")
        with suppress(Exception):  # litellm raises for models that it does not know
            prompt, said = load_litellm().cost_per_token(
                model=name, prompt_tokens=prompt_tokens, completion_tokens=completion_tokens
            )
            return float(prompt + said)
        return None

    def call(self, request: Request, enter_redirect: Callable[[], object]) -> Reply | Failure:
        """Calls once. The time limit holds for the whole call, however slowly bytes arrive.

        Args:
            request: What is asked.
            enter_redirect: Called before a redirect is followed; raises a ``ModelError`` where it
                must not be.
        """
        litellm = load_litellm()
        try:
            return run_within(
                self.timeout, lambda: self._bounded(litellm, request, enter_redirect)
            )
        except TimeoutError:
            sentence = f"{self.name} gave no whole reply within {self.timeout:g} s"
            return Failure(ModelTimeout(sentence), again=True, billed=True)

    async def _bounded(
        self, litellm: ModuleType, request: Request, enter_redirect: Callable[[], object]
    ) -> Reply | Failure:
        from tuners.llm.model.bounded_http import bounded_call  # noqa: PLC0415  (loads httpx)

        with bounded_call(enter_redirect):
            return await self._call(litellm, request)

    async def _call(self, litellm: ModuleType, request: Request) -> Reply | Failure:
        constraint, parameters = self._constraint(litellm, request)
        messages = [{"role": m.role, "content": plain(m.content)} for m in request.messages]
        stream = self._streams
        if stream:
            parameters |= {"stream": True, "stream_options": {"include_usage": True}}
        try:
            response = await litellm.acompletion(
                model=self.model,
                messages=messages,
                timeout=self.timeout,
                max_retries=0,
                num_retries=0,
                drop_params=True,
                **parameters,
                **self._access(),
                **_sampling(request),
            )
            if stream:
                response = await _collected(litellm, response, messages)
            return self._reply(response, constraint)
        except Exception as error:  # noqa: BLE001  (the border to a provider)
            return self._failure(litellm, error, constraint)

    def _constraint(
        self, litellm: ModuleType, request: Request
    ) -> tuple[str | None, dict[str, Any]]:
        """The constraint that is sent, and its parameters; a warning where one cannot be sent."""
        if not self._constrains:
            return None, {}
        constraint, parameters = constraint_of(litellm, self.model, request)
        wanted = request.grammar or request.schema
        if wanted and constraint is None:
            self._constrains = False
            log.warning(
                "%s is not known to take a %s, and is asked without: its replies are checked "
                "all the same (grammars go to hosted_vllm/NAME, llamafile/NAME and OpenAI's "
                "models from gpt-5 on)",
                self.name,
                "grammar" if request.grammar else "JSON schema",
            )
        return constraint, parameters

    def _access(self) -> dict[str, Any]:
        access: dict[str, Any] = {}
        if self._base_url is not None:
            access["api_base"] = self._base_url
            access["api_key"] = "none"  # so that no key goes to where it was not meant to
        if self._key is not None:
            access["api_key"] = self._key.reveal()
        if self._login:
            login = base64.b64encode(self._login.reveal().encode()).decode()
            access["extra_headers"] = {"Authorization": f"Basic {login}"}
        return access

    def _reply(self, response: Any, constraint: str | None) -> Reply | Failure:
        choice = response.choices[0] if response.choices else None
        text = None if choice is None else text_of(choice.message)
        prompt, said = _counts(getattr(response, "usage", None))
        if choice is None or text is None:
            return self._empty(choice, prompt, said)
        cost = self.price(prompt, said) if prompt is not None and said is not None else None
        return Reply(
            text=self._redactor.text(plain(text[:LONGEST_REPLY])),
            model=self._said(getattr(response, "model", None) or self.model),
            prompt_tokens=prompt,
            completion_tokens=said,
            cost=cost,
            complete=choice.finish_reason != "length" and len(text) <= LONGEST_REPLY,
            constrained=constraint,
        )

    def _said(self, what: object) -> str:
        """What a server or litellm says, without secrets and fit for a terminal."""
        return self._redactor.message(plain(str(what)[:LONGEST_REPLY]))

    def _empty(self, choice: Any, prompt: int | None, said: int | None) -> Failure:
        """What a reply without a text comes to, and whether its reasoning has used it up."""
        exhausted = choice is not None and choice.finish_reason == "length"
        if exhausted:
            tokens = "all its tokens" if said is None else f"all its {said:,} tokens"
            sentence = (
                f"{self.name} gave an empty reply: {tokens} went into reasoning; allow more by "
                "--max-reply-tokens (max_reply_tokens)"
            )
        else:
            reason = getattr(choice, "finish_reason", None)
            ended = f" (finish_reason {reason})" if reason not in (None, "stop") else ""
            sentence = self._said(f"{self.name} gave an empty reply{ended}")
        return Failure(
            BadResponse(sentence),
            again=True,
            billed=True,
            exhausted=exhausted,
            prompt_tokens=prompt,
            completion_tokens=said,
        )

    def _failure(self, litellm: ModuleType, error: Exception, constraint: str | None) -> Failure:
        said = LITELLM_SAYS.sub("", " ".join(self._said(error).split()))[:SAID]
        failure = failure_of(litellm, error, self.name, said, self.timeout)
        if isinstance(failure.error, RequestRejected) and constraint is not None:
            self._constrains = False
            log.warning("%s; it is asked without a %s from here on", failure.error, constraint)
            return Failure(failure.error, again=True)
        if isinstance(failure.error, BadResponse):
            # Some servers stream whether asked to or not, and some can do nothing else.
            self._streams = not self._streams
        return failure


async def _collected(litellm: ModuleType, stream: Any, messages: list[dict[str, str]]) -> Any:
    """A stream as one response; a reply that is too long is not read to its end."""
    chunks, length = [], 0
    async for chunk in stream:
        chunks.append(chunk)
        length += sum(len(choice.delta.content or "") for choice in chunk.choices)
        if length > LONGEST_REPLY:
            break
    return litellm.stream_chunk_builder(chunks, messages=messages)


def _sampling(request: Request) -> dict[str, Any]:
    optional = {
        "temperature": request.temperature,
        "max_tokens": request.max_tokens,
        "seed": request.seed,
    }
    return {name: value for name, value in optional.items() if value is not None}


def _missing_key(litellm: ModuleType, model: str, provider: str, name: str) -> str | None:
    """The sentence that a key is missing; None where none is.

    litellm also lists addresses and logins that are not needed, such as the address of a local
    Ollama, or Amazon's login on a machine that has a role.
    """
    wanted = litellm.validate_environment(model).get("missing_keys") or []
    keys = [str(name) for name in wanted if str(name).endswith(("_API_KEY", "_TOKEN"))]
    usual = f"{provider.upper()}_API_KEY"
    if not keys and os.environ.get(usual) == "":
        keys = [usual]  # litellm takes an empty one for a key
    if not keys or litellm.api_key or any(os.environ.get(name) for name in keys):
        return None
    return f"{name} needs a key: set the environment variable {' or '.join(keys)}"


def _counts(usage: object) -> tuple[int | None, int | None]:
    """Tokens of prompt and reply; litellm says 0 where the provider says nothing.

    Some providers leave reasoning out of the reply's tokens, and have it in the total.
    """
    prompt = _count(getattr(usage, "prompt_tokens", None))
    said = _count(getattr(usage, "completion_tokens", None))
    total = _count(getattr(usage, "total_tokens", None))
    if prompt is None:
        return None, said
    if total is not None and total > prompt:
        return prompt, max(said or 0, total - prompt)
    return prompt, said


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and 0 < value < MOST_TOKENS else None
