"""What the server can do with a call: answer it well, or badly in one of many ways."""

from __future__ import annotations

import json
import threading
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler
from typing import Protocol

from tests.model_server.wire import RESPONSES, Call, Content, Usage, error_body

HTML_PAGE = b"<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1>nginx</body></html>"


class Answer(Protocol):
    """Writes the answer to one call."""

    def send(self, call: Call, handler: BaseHTTPRequestHandler) -> None: ...


@dataclass(frozen=True)
class Say:
    """A well-formed reply with this text."""

    text: str | None
    usage: Usage | None = field(default_factory=Usage)
    finish_reason: str = "stop"
    extra: Mapping[str, object] = field(default_factory=dict)

    def send(self, call: Call, handler: BaseHTTPRequestHandler) -> None:
        content = Content(self.text, self.usage, self.finish_reason, self.extra)
        model = str(call.body.get("model"))
        if call.streams:
            Stream(content).send(call, handler)
        elif call.path.endswith(RESPONSES):
            Raw(json.dumps(content.responses(model)).encode()).send(call, handler)
        else:
            Raw(json.dumps(content.chat(model)).encode()).send(call, handler)


@dataclass(frozen=True)
class ToolCall:
    """A well-formed reply that calls a custom tool with a text, and says nothing itself."""

    name: str
    text: str

    def send(self, call: Call, handler: BaseHTTPRequestHandler) -> None:
        custom = {"name": self.name, "input": self.text}
        extra = {"tool_calls": [{"id": "call_test", "type": "custom", "custom": custom}]}
        Say(None, finish_reason="tool_calls", extra=extra).send(call, handler)


@dataclass(frozen=True)
class Stream:
    """A reply as server-sent events, asked for or not."""

    content: Content
    pause: float = 0.0
    size: int = 16

    def send(self, call: Call, handler: BaseHTTPRequestHandler) -> None:
        _head(handler, 200, {"Content-Type": "text/event-stream", "Connection": "close"})
        for event in self.content.events(str(call.body.get("model")), self.size):
            handler.wfile.write(event)
            handler.wfile.flush()
            time.sleep(self.pause)
        handler.close_connection = True


@dataclass(frozen=True)
class Raw:
    """These bytes as the body, whatever they are."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    def send(self, call: Call, handler: BaseHTTPRequestHandler) -> None:
        length = {"Content-Type": self.content_type, "Content-Length": str(len(self.body))}
        _head(handler, self.status, length | dict(self.headers))
        handler.wfile.write(self.body)


@dataclass(frozen=True)
class Hang:
    """Says nothing for so many seconds, then answers after all."""

    seconds: float
    then: Answer = field(default_factory=lambda: Say("too late"))

    def send(self, call: Call, handler: BaseHTTPRequestHandler) -> None:
        time.sleep(self.seconds)
        self.then.send(call, handler)


@dataclass(frozen=True)
class Trickle:
    """A good reply a byte at a time: no single read of the client takes long, but the whole."""

    text: str
    pause: float = 0.05
    hung_up: threading.Event = field(default_factory=threading.Event)

    def send(self, call: Call, handler: BaseHTTPRequestHandler) -> None:
        body = json.dumps(Content(self.text).chat("slow")).encode()
        _head(handler, 200, {"Content-Type": "application/json", "Content-Length": str(len(body))})
        try:
            for byte in body:
                handler.wfile.write(bytes([byte]))
                handler.wfile.flush()
                time.sleep(self.pause)
        except OSError:
            self.hung_up.set()
            raise


@dataclass(frozen=True)
class Cut:
    """Closes the connection in the middle of the body."""

    text: str = "Task * GPU;" * 20

    def send(self, call: Call, handler: BaseHTTPRequestHandler) -> None:
        body = json.dumps(Content(self.text).chat("cut")).encode()
        _head(handler, 200, {"Content-Type": "application/json", "Content-Length": str(len(body))})
        handler.wfile.write(body[: len(body) // 2])
        handler.wfile.flush()
        handler.close_connection = True


@dataclass(frozen=True)
class Flood:
    """A well-formed reply of so many characters."""

    characters: int

    def send(self, call: Call, handler: BaseHTTPRequestHandler) -> None:
        head, tail = json.dumps(Content("@").chat("flood")).encode().split(b"@")
        length = len(head) + self.characters + len(tail)
        _head(handler, 200, {"Content-Type": "application/json", "Content-Length": str(length)})
        handler.wfile.write(head)
        for start in range(0, self.characters, 1 << 16):
            handler.wfile.write(b"x" * min(1 << 16, self.characters - start))
        handler.wfile.write(tail)


@dataclass(frozen=True)
class Bomb:
    """A small body that unpacks to so many bytes."""

    bytes: int
    status: int = 200
    encoding: str = "gzip"

    def send(self, call: Call, handler: BaseHTTPRequestHandler) -> None:
        Raw(packed(self.bytes), self.status, {"Content-Encoding": self.encoding}).send(
            call, handler
        )


@cache
def packed(size: int) -> bytes:
    """A reply whose text has so many bytes, packed by gzip."""
    head, tail = json.dumps(Content("@").chat("bomb")).encode().split(b"@")
    packer = zlib.compressobj(1, wbits=zlib.MAX_WBITS | 16)
    parts = [head, *[b"x" * (1 << 20)] * (size >> 20), tail]
    return b"".join([*map(packer.compress, parts), packer.flush()])


@dataclass(frozen=True)
class Endless:
    """A body that never ends, as fast as it is read."""

    status: int = 200
    content_type: str = "application/json"
    sent: list[int] = field(default_factory=list)

    def send(self, call: Call, handler: BaseHTTPRequestHandler) -> None:
        _head(handler, self.status, {"Content-Type": self.content_type, "Connection": "close"})
        block = b"x" * (1 << 16)
        handler.close_connection = True
        while True:
            handler.wfile.write(block)
            self.sent.append(len(block))


@dataclass(frozen=True)
class Redirect:
    """Sends the caller elsewhere; by default to itself."""

    to: str = ""
    status: int = 307

    def send(self, call: Call, handler: BaseHTTPRequestHandler) -> None:
        Raw(b"", self.status, {"Location": self.to or call.path}).send(call, handler)


@dataclass(frozen=True)
class Echo:
    """Refuses, and repeats the caller's credentials in the message, as some servers do."""

    status: int = 401

    def send(self, call: Call, handler: BaseHTTPRequestHandler) -> None:
        credentials = call.headers.get("authorization", "none")
        message = f"Incorrect API key provided: {credentials}"
        body = error_body(message, "invalid_request_error", "invalid_api_key")
        Raw(body, self.status, {"X-Echo": credentials}).send(call, handler)


def refusal(
    status: int, message: str = "no", kind: str = "server_error", code: str | None = None
) -> Raw:
    return Raw(error_body(message, kind, code), status)


def rate_limited(retry_after: str | None) -> Raw:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return Raw(error_body("slow down", "rate_limit", "rate_limit_exceeded"), 429, headers)


def context_too_long() -> Raw:
    message = "This model's maximum context length is 8192 tokens. However, your messages ..."
    body = error_body(message, "invalid_request_error", "context_length_exceeded")
    return Raw(body, 400)


def _head(handler: BaseHTTPRequestHandler, status: int, headers: Mapping[str, str]) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
