"""Models by name."""

from __future__ import annotations

from pathlib import Path

from tuners.model.budget import Budget
from tuners.model.exchange import Model

__all__ = ["open_model"]


def open_model(
    name: str,
    *,
    base_url: str | None = None,
    api_key_env: str | None = None,
    timeout: float = 60.0,
    attempts: int = 4,
    budget: Budget | None = None,
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
        transcript: A file to which every exchange is appended, as a line of JSON.

    Raises:
        ModelError: The name is no model's, or the transcript to replay cannot be read.
    """
    raise NotImplementedError
