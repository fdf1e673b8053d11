"""A real HTTP server that speaks OpenAI's API, on this machine alone."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from tests.model_server.answers import Answer, refusal
from tests.model_server.wire import CHAT, RESPONSES, Call

Responder = Callable[[Call], Answer]


class ModelServer:
    """Serves a responder: ``with ModelServer(responder) as server: ... server.url``.

    Attributes:
        calls: What was received, in order.
    """

    def __init__(self, responder: Responder, port: int = 0) -> None:
        self.calls: list[Call] = []
        self._responder = responder
        self._lock = threading.Lock()
        self._http = _HTTPServer(("127.0.0.1", port), self._handler())
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def url(self) -> str:
        """The base URL, as clients of OpenAI's API want it."""
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)

    def _answer(self, call: Call) -> Answer:
        if not call.path.endswith((CHAT, RESPONSES)):
            return refusal(404, f"there is no {call.path}", "not_found_error")
        with self._lock:
            self.calls.append(call)
            return self._responder(call)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer = self._answer

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                body = json.loads(self.rfile.read(length) or b"{}")
                call = Call(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                try:
                    answer(call).send(call, self)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True  # the client gave up, as it should

            def log_message(self, *_: object) -> None:
                pass

        return Handler


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True
    # A handler that hangs on purpose must not hold up the end of a test.
    block_on_close = False


def in_order(answers: Iterable[Answer]) -> Responder:
    """Gives the answers one after the other; a further call is told that there are no more."""
    remaining = iter(answers)

    def respond(_: Call) -> Answer:
        return next(remaining, None) or refusal(418, "the script is at its end", "script_end")

    return respond
