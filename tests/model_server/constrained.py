"""A stand-in for a decoder that is held to a Lark grammar; the grammar is checked for real.

It finds the grammar of a request in each of the places where servers take one, reads it with
llguidance as they do, and says nothing that does not match it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import llguidance

from tests.model_server.answers import Answer, Say, ToolCall, refusal
from tests.model_server.wire import Call

LLAMA_CPP = "%llguidance {}\n"


class GrammarModel:
    """Thinks aloud where it may, and under a grammar writes the first text that it allows.

    Attributes:
        grammars: Those that it was sent, in order.
        written: What it wrote under them.
    """

    def __init__(self, thoughts: str, wanted: Sequence[str]) -> None:
        self._thoughts = thoughts
        self._wanted = wanted
        self.grammars: list[str] = []
        self.written: list[str] = []

    def __call__(self, call: Call) -> Answer:
        grammar, tool = grammar_in(call.body)
        if grammar is None:
            return Say(self._thoughts)
        if fault := fault_of(grammar):
            return refusal(400, f"no grammar: {fault}", "invalid_request_error")
        self.grammars.append(grammar)
        allowed = [text for text in self._wanted if allows(grammar, text)]
        new = [text for text in allowed if text not in self.written]
        if not new:
            return refusal(500, "nothing that it wants to say matches the grammar")
        self.written.append(new[0])
        return ToolCall(tool, new[0]) if tool else Say(new[0])


def grammar_in(body: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The Lark grammar of a request, and the name of the tool that it is the format of."""
    if "structured_outputs" in body:  # vLLM
        return body["structured_outputs"]["grammar"], None
    if str(body.get("grammar", "")).startswith(LLAMA_CPP):
        return body["grammar"].removeprefix(LLAMA_CPP), None
    for tool in body.get("tools", ()):  # OpenAI
        custom = tool["custom"]
        form = custom["format"]["grammar"]
        forced = {"type": "custom", "custom": {"name": custom["name"]}}
        if form["syntax"] == "lark" and body["tool_choice"] == forced:
            return form["definition"], custom["name"]
    return None, None


@cache
def _tokenizer() -> llguidance.LLTokenizer:
    return llguidance.LLTokenizer("byte")


def _matcher(grammar: str) -> llguidance.LLMatcher:
    return llguidance.LLMatcher(_tokenizer(), llguidance.LLMatcher.grammar_from_lark(grammar))


def fault_of(grammar: str) -> str:
    """Why a grammar is none; empty where it is one."""
    return str(_matcher(grammar).get_error())


def allows(grammar: str, text: str) -> bool:
    """Whether a whole text matches a grammar."""
    matcher = _matcher(grammar)
    tokens = _tokenizer().tokenize_bytes(text.encode())
    return all(matcher.consume_token(token) for token in tokens) and bool(matcher.is_accepting())
