"""How providers are told to keep to a grammar or a JSON schema, and where their reply stands."""

from __future__ import annotations

import re
from contextlib import suppress
from types import ModuleType
from typing import Any

from tuners.llm.model.exchange import Request

__all__ = ["constraint_of", "text_of"]

# What llama.cpp needs to read to take a grammar as Lark's and not as its own (llguidance).
LLGUIDANCE = "%llguidance {}\n"
# OpenAI's models that take tools whose input keeps to a Lark grammar, from GPT-5 on.
TAKES_GRAMMAR_TOOLS = re.compile(r"(openai/)?gpt-([5-9]|\d\d)")
TOOL = "write_candidate"
# Providers whose servers take schemas, whatever model they run.
TAKE_SCHEMAS = ("hosted_vllm", "llamafile")


def constraint_of(
    litellm: ModuleType, model: str, request: Request
) -> tuple[str | None, dict[str, Any]]:
    """Which constraint the provider takes, and the parameters that pass it; None where none.

    vLLM takes Lark grammars as ``structured_outputs`` (since 0.12), llama.cpp's server as
    ``grammar`` (where it was built with llguidance), OpenAI's models from GPT-5 on as the format
    of a custom tool. JSON schemas go as ``response_format`` where litellm knows that the model
    takes them, or to servers of the first two.
    """
    if request.grammar is not None:
        extra = _grammar(model, request.grammar)
        return ("grammar", {"extra_body": extra}) if extra else (None, {})
    if request.schema is not None and _takes_schemas(litellm, model):
        form = {"name": "reply", "schema": dict(request.schema), "strict": True}
        return "schema", {"response_format": {"type": "json_schema", "json_schema": form}}
    return None, {}


def text_of(message: Any) -> str | None:
    """The text of a reply: the input of the tool that it calls, else what it says."""
    for call in getattr(message, "tool_calls", None) or ():
        text = getattr(getattr(call, "custom", None), "input", None)
        if isinstance(text, str) and text.strip():
            return text
    said = getattr(message, "content", None)
    return said if isinstance(said, str) and said.strip() else None


def _grammar(model: str, grammar: str) -> dict[str, Any]:
    """The fields of a request that pass a grammar; empty where the provider takes none."""
    provider = model.partition("/")[0]
    if provider == "hosted_vllm":
        return {"structured_outputs": {"grammar": grammar}}
    if provider == "llamafile":
        return {"grammar": LLGUIDANCE + grammar}
    if TAKES_GRAMMAR_TOOLS.match(model):
        # Not as litellm's own ``tools``: for these it wants the package mcp.
        lark = {"type": "grammar", "grammar": {"syntax": "lark", "definition": grammar}}
        tool = {"name": TOOL, "description": "Writes the candidate to try.", "format": lark}
        choice = {"type": "custom", "custom": {"name": TOOL}}
        return {"tools": [{"type": "custom", "custom": tool}], "tool_choice": choice}
    return {}


def _takes_schemas(litellm: ModuleType, model: str) -> bool:
    if model.partition("/")[0] in TAKE_SCHEMAS:
        return True
    with suppress(Exception):  # litellm raises for models that it does not know
        return bool(litellm.supports_response_schema(model=model))
    return False
