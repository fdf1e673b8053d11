"""Opening models by their names."""

from __future__ import annotations

import os
from pathlib import Path

from tuners.llm.model.errors import ModelUnavailable
from tuners.llm.model.exchange import Budget, Model
from tuners.llm.model.ledger import Ledger, MemoryLedger
from tuners.llm.model.litellm_calls import Calls
from tuners.llm.model.meter import Limits
from tuners.llm.model.patience import Patience
from tuners.llm.model.provider import ProviderModel
from tuners.llm.model.replay import ReplayModel
from tuners.llm.model.transcript import Transcript
from tuners.redaction import (
    Redactor,
    Secret,
    keys_of_environment,
    redacted_url,
    secrets_in,
    without_credentials,
)

__all__ = ["open_model"]

REPLAY = "replay:"


def open_model(
    name: str,
    *,
    base_url: str | None = None,
    api_key_env: str | None = None,
    timeout: float = 60.0,
    attempts: int = 4,
    budget: Budget | None = None,
    calls_per_minute: int | None = None,
    ledger: Ledger | None = None,
    transcript: Path | None = None,
) -> Model:
    """The model of that name. Opening one neither imports litellm nor calls anybody.

    Args:
        name: ``"replay:FILE"`` plays a transcript back; everything else is a name that litellm
            knows: ``"openai/gpt-4o"``, ``"anthropic/..."``, ``"hosted_vllm/..."``, or
            ``"openai/NAME"`` with a ``base_url`` for any server that speaks OpenAI's API.
        base_url: Address of the API, where it is not the provider's own.
        api_key_env: Name of the environment variable that holds the key. By default the one of
            the provider; with a ``base_url`` none, so that no key goes where it was not meant to.
        timeout: Seconds until a call is given up, from its beginning to the end of its reply.
        attempts: Calls for one request at most, where it fails for a moment.
        budget: What all calls together may use.
        calls_per_minute: How many calls may be begun within a minute; None for any number.
        ledger: Where each call is entered before it is made; a budget is that of the whole ledger.
        transcript: A file to which every exchange is appended, as a line of JSON.

    Raises:
        ModelError: The name is no model's, or the transcript to replay cannot be read.
    """
    key = None if api_key_env is None else _key(api_key_env)
    login = Secret("") if base_url is None else without_credentials(base_url)[1]
    redactor = Redactor(
        [
            *keys_of_environment(),
            key.reveal() if key else "",
            login.reveal(),
            login.reveal().partition(":")[2],
            *secrets_in(base_url or ""),
        ]
    )
    if name.startswith(REPLAY):
        return ReplayModel(Path(name.removeprefix(REPLAY)), redactor)
    calls = Calls(name, base_url, key, timeout, redactor)
    address = None if base_url is None else redactor.message(redacted_url(base_url))
    settings = {"base_url": address, "timeout": timeout, "attempts": attempts}
    kept = None if transcript is None else Transcript(transcript, redactor, settings)
    return ProviderModel(
        redactor.message(name),
        calls,
        patience=Patience(attempts=max(1, attempts)),
        limits=Limits(budget or Budget(), calls_per_minute, timeout),
        ledger=ledger or MemoryLedger(),
        transcript=kept,
    )


def _key(variable: str) -> Secret:
    key = Secret(os.environ.get(variable, ""))
    if not key:
        raise ModelUnavailable(f"the environment variable {variable} holds no key: set it")
    return key
