"""Connections, and the pool of those that wait for their next request."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import threading
from collections.abc import Iterator
from typing import Final

from urllib3 import HTTPHeaderDict, HTTPResponse
from urllib3.connection import HTTPConnection, HTTPSConnection

from lamina.registry.http._request import BlobBody, Request
from lamina.registry.http._url import Origin
from lamina.registry.http._watch import Watch

_IDLE: Final = 8
"""Connections to one origin that are kept for their next request."""
_SENT_AT_ONCE: Final = 65536
"""Bytes: little enough that a slow line takes them within the time that a stall lasts."""


class Pool:
    """Connects to servers, and keeps connections for further requests. Any thread may use it."""

    def __init__(self, context: ssl.SSLContext) -> None:
        """Create an empty pool.

        Args:
            context: Verifies certificates.
        """
        self._context = context
        self._idle: dict[Origin, list[HTTPConnection]] = {}
        self._lock = threading.Lock()

    def take(self, origin: Origin) -> HTTPConnection:
        """Return a connection that waits for a request, or else one that is not connected yet."""
        while True:
            with self._lock:
                idle = self._idle.get(origin)
                connection = idle.pop() if idle else None
            if connection is None:
                return self.new(origin)
            if connection.is_connected:
                return connection
            connection.close()

    def give_back(self, origin: Origin, connection: HTTPConnection) -> None:
        """Keep a connection on which another request can be sent."""
        with self._lock:
            idle = self._idle.setdefault(origin, [])
            if len(idle) < _IDLE:
                idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Close the connections that wait."""
        with self._lock:
            waiting = [connection for idle in self._idle.values() for connection in idle]
            self._idle.clear()
        for connection in waiting:
            connection.close()

    def new(self, origin: Origin) -> HTTPConnection:
        """Return a connection that is not connected yet."""
        if origin.scheme == "https":
            return HTTPSConnection(
                origin.host, origin.port, ssl_context=self._context, cert_reqs="CERT_REQUIRED", timeout=None
            )
        return HTTPConnection(origin.host, origin.port, timeout=None)


def exchange(connection: HTTPConnection, request: Request, watch: Watch, seconds: float) -> HTTPResponse:
    """Send a request over an open connection, and return the answer without its body.

    Args:
        connection: The connection.
        request: The request.
        watch: Watches the connection.
        seconds: How long the answer may take once everything is sent.
    """
    body, size = _body(request, watch)
    headers = dict(request.headers)
    if size is not None:
        headers["Content-Length"] = str(size)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # who refuses the body has answered
        connection.request(request.method, request.url.target, body, headers)
    watch.allow(seconds)
    # Not urllib3's own method: it logs headers that it cannot parse, which may be secrets.
    raw = http.client.HTTPConnection.getresponse(connection)
    return HTTPResponse(
        raw,
        HTTPHeaderDict(raw.headers.items()),
        raw.status,
        preload_content=False,
        decode_content=False,
        original_response=raw,
        request_method=request.method,
    )


def _body(request: Request, watch: Watch) -> tuple[bytes | Iterator[bytes] | None, int | None]:
    body = request.body
    if isinstance(body, BlobBody):
        return _pieces(body, watch), body.end - body.start
    return body, None if body is None else len(body)


def _pieces(body: BlobBody, watch: Watch) -> Iterator[bytes]:
    done = body.start
    for piece in body.blob.pieces(body.start):
        view = memoryview(piece)[: body.end - done]
        for at in range(0, len(view), _SENT_AT_ONCE):
            yield bytes(view[at : at + _SENT_AT_ONCE])
            watch.progress(_SENT_AT_ONCE)
        done += len(view)
        body.progress(done)
        if done == body.end:
            return
