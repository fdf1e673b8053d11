"""HTTP for calls of a model: bodies up to a bound, and no redirects to strangers.

A client reads whatever a server sends: a reply of 3 MB may unpack to gigabytes, and one may never
end. It also follows twenty redirects, with the prompt, to wherever they lead. litellm makes its
clients itself, so their transport is the place to bound both, for every provider alike. Calls
that somebody else makes of litellm in this process are not bounded.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import httpx

from tuners.llm.model.errors import ModelError

__all__ = [
    "LONGEST_BODY",
    "MOST_REDIRECTS",
    "BodyTooLong",
    "RedirectRefused",
    "bounded_call",
    "install",
]

LONGEST_BODY = 2_000_000
"""Bytes of a body, unpacked."""
LONGEST_STREAM = 8_000_000
"""Bytes of a stream of events: each of its words has some 250 bytes around it."""
MOST_REDIRECTS = 3

ENCODINGS = ("gzip", "x-gzip", "deflate")
"""What can be unpacked piece by piece; nothing else is asked for."""
REDIRECTS = (301, 302, 303, 307, 308)


class BodyTooLong(httpx.StreamError):
    """A body is longer than is read."""


class RedirectRefused(httpx.RequestError):
    """A server sends the call to another host or port, too often, or beyond what may be spent."""


@dataclass
class _Redirects:
    """Those of one call: how many were followed, and what enters the next one."""

    enter: Callable[[], object]
    followed: int = 0


_redirects: ContextVar[_Redirects | None] = ContextVar("redirects", default=None)


@contextmanager
def bounded_call(enter_redirect: Callable[[], object]) -> Iterator[None]:
    """Bounds what is done within, in the same task: one call of a model.

    Args:
        enter_redirect: Called before a redirect is followed, which is a request of its own;
            raises a ``ModelError`` where it must not be.
    """
    token = _redirects.set(_Redirects(enter_redirect))
    try:
        yield
    finally:
        _redirects.reset(token)


def install(handlers: ModuleType) -> None:
    """Has litellm make its clients with transports that can be bounded.

    Args:
        handlers: litellm's module ``llms.custom_httpx.http_handler``.
    """
    handler: Any = handlers.AsyncHTTPHandler
    handlers.AsyncHTTPTransport = BoundedTransport  # type: ignore[attr-defined]  # for its proxies
    handler.create_async_transport = staticmethod(_transport)


def _transport(
    ssl_context: Any = None, ssl_verify: bool | None = None, **options: Any
) -> BoundedTransport:
    """A transport as litellm wants it; its own, over aiohttp, unpacks bodies without a bound."""
    known = {key: options[key] for key in ("http2", "cert", "limits") if key in options}
    verify = ssl_context if ssl_context is not None else ssl_verify is not False
    return BoundedTransport(verify=verify, **known)


class BoundedTransport(httpx.AsyncHTTPTransport):
    """Sends requests; those of a bounded call with bounded replies."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        redirects = _redirects.get()
        if redirects is None:
            return await super().handle_async_request(request)
        request.headers["Accept-Encoding"] = "gzip, deflate"
        response = await super().handle_async_request(request)
        try:
            _check_redirect(request, response, redirects)
            stream = _BoundedStream(response, request)
        except Exception:
            await response.aclose()
            raise
        headers = response.headers.copy()
        for name in ("Content-Encoding", "Content-Length", "Transfer-Encoding"):
            headers.pop(name, None)
        return httpx.Response(
            response.status_code, headers=headers, stream=stream, extensions=response.extensions
        )


def _check_redirect(
    request: httpx.Request, response: httpx.Response, redirects: _Redirects
) -> None:
    place = response.headers.get("Location")
    if response.status_code not in REDIRECTS or place is None:
        return
    try:
        target = request.url.join(place)
    except (httpx.InvalidURL, ValueError):
        raise RedirectRefused("it redirects to no address", request=request) from None
    if _origin(target) != _origin(request.url):
        raise RedirectRefused(f"it redirects to {_origin(target)}", request=request)
    if redirects.followed == MOST_REDIRECTS:
        raise RedirectRefused(f"it redirects more than {MOST_REDIRECTS} times", request=request)
    try:
        redirects.enter()
    except ModelError as error:
        raise RedirectRefused(str(error), request=request) from error
    redirects.followed += 1


def _origin(url: httpx.URL) -> str:
    port = url.port or {"http": 80, "https": 443}.get(url.scheme)
    return f"{url.scheme}://{url.host}:{port}"


class _BoundedStream(httpx.AsyncByteStream):
    """The unpacked bytes of a response up to the bound."""

    def __init__(self, response: httpx.Response, request: httpx.Request) -> None:
        self._stream: Any = response.stream
        self._request = request
        self._unpack = _unpacker(response, request)
        events = response.headers.get("Content-Type", "").startswith("text/event-stream")
        self._left = LONGEST_STREAM if events else LONGEST_BODY

    async def __aiter__(self) -> AsyncIterator[bytes]:
        packed_left = self._left
        async for packed in self._stream:
            packed_left -= len(packed)
            data = self._unpacked(packed)
            self._left -= len(data)
            if self._left < 0 or packed_left < 0:
                raise BodyTooLong("it is longer than is read")
            yield data

    def _unpacked(self, packed: bytes) -> bytes:
        if self._unpack is None:
            return packed
        try:
            return bytes(self._unpack.decompress(packed, self._left + 1))
        except zlib.error as error:
            raise httpx.DecodingError(str(error), request=self._request) from None

    async def aclose(self) -> None:
        await self._stream.aclose()


def _unpacker(response: httpx.Response, request: httpx.Request) -> Any:
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return None
    if encoding not in ENCODINGS:
        raise httpx.DecodingError(f"it is packed as {encoding[:20]!r}", request=request)
    return zlib.decompressobj(zlib.MAX_WBITS | 32)  # either format, by its head
