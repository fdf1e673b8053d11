"""How providers are told to keep to a grammar or a JSON schema."""

from __future__ import annotations

from contextlib import suppress
from types import ModuleType
from typing import Any

from tuners.model.exchange import Request

__all__ = ["constraint_of"]

# What llama.cpp needs to read to take a grammar as Lark's and not as its own (llguidance).
LLGUIDANCE = "%llguidance {}\n"


def constraint_of(
    litellm: ModuleType, model: str, request: Request
) -> tuple[str | None, dict[str, Any]]:
    """Which constraint the provider takes, and the parameters that pass it; None where none.

    vLLM takes Lark grammars as ``structured_outputs`` (since 0.12), llama.cpp's server as
    ``grammar`` (where it was built with llguidance), and JSON schemas go as ``response_format``
    where litellm knows that the model takes them, or to servers of these two.
    """
    provider = model.partition("/")[0]
    if request.grammar is not None:
        if provider == "hosted_vllm":
            return "grammar", {"extra_body": {"structured_outputs": {"grammar": request.grammar}}}
        if provider == "llamafile":
            return "grammar", {"extra_body": {"grammar": LLGUIDANCE + request.grammar}}
    elif request.schema is not None and _takes_schemas(litellm, model, provider):
        form = {"name": "reply", "schema": dict(request.schema), "strict": True}
        return "schema", {"response_format": {"type": "json_schema", "json_schema": form}}
    return None, {}


def _takes_schemas(litellm: ModuleType, model: str, provider: str) -> bool:
    if provider in ("hosted_vllm", "llamafile"):
        return True
    with suppress(Exception):  # litellm raises for models that it does not know
        return bool(litellm.supports_response_schema(model=model))
    return False
