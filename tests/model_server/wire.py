"""OpenAI's API as far as the tests speak it: chat completions, responses, server-sent events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

CHAT = "/chat/completions"
RESPONSES = "/responses"


@dataclass(frozen=True)
class Call:
    """One request as the server received it."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def messages(self) -> list[dict[str, str]]:
        given = self.body.get("messages", self.body.get("input", []))
        if isinstance(given, str):
            given = [{"role": "user", "content": given}]
        return [{"role": m["role"], "content": _text_of(m["content"])} for m in given]

    @property
    def streams(self) -> bool:
        return bool(self.body.get("stream"))


@dataclass(frozen=True)
class Usage:
    """What a reply says that it used; None leaves the statement out."""

    prompt_tokens: int = 11
    completion_tokens: int = 7

    def chat(self) -> dict[str, int]:
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        }

    def responses(self) -> dict[str, int]:
        return {
            "input_tokens": self.prompt_tokens,
            "output_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        }


@dataclass(frozen=True)
class Content:
    """A well-formed reply."""

    text: str | None
    usage: Usage | None = field(default_factory=Usage)
    finish_reason: str = "stop"
    extra: Mapping[str, Any] = field(default_factory=dict)

    def chat(self, model: str) -> dict[str, Any]:
        message = {"role": "assistant", "content": self.text, **self.extra}
        body = {
            "id": "chatcmpl-test",
            "object": "chat.completion",
            "created": 1700000000,
            "model": model,
            "choices": [{"index": 0, "message": message, "finish_reason": self.finish_reason}],
        }
        return body if self.usage is None else body | {"usage": self.usage.chat()}

    def responses(self, model: str) -> dict[str, Any]:
        output = {
            "type": "message",
            "id": "msg_test",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": self.text, "annotations": []}],
        }
        return {
            "id": "resp_test",
            "object": "response",
            "created_at": 1700000000,
            "model": model,
            "status": "completed",
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "parallel_tool_calls": True,
            "temperature": 1.0,
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
            "output": [output],
            "usage": self.usage.responses() if self.usage else None,
        }

    def events(self, model: str, size: int = 16) -> Iterator[bytes]:
        """The reply as server-sent events, ``size`` characters each."""
        text = self.text or ""
        pieces = [text[i : i + size] for i in range(0, len(text), size)]
        for piece in pieces:
            yield event(_chunk(model, {"role": "assistant", "content": piece}, None))
        yield event(_chunk(model, {}, self.finish_reason))
        if self.usage:
            yield event({**_chunk(model, {}, None), "choices": [], "usage": self.usage.chat()})
        yield b"data: [DONE]\n\n"


def event(data: Mapping[str, Any]) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


def error_body(message: str, kind: str, code: str | None = None) -> bytes:
    error = {"message": message, "type": kind, "param": None, "code": code}
    return json.dumps({"error": error}).encode()


def _chunk(model: str, delta: Mapping[str, Any], finish: str | None) -> dict[str, Any]:
    return {
        "id": "chatcmpl-test",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": model,
        "choices": [{"index": 0, "delta": dict(delta), "finish_reason": finish}],
    }


def _text_of(content: str | Sequence[Mapping[str, str]]) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)
