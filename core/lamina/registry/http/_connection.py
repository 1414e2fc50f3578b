"""Connections, and the pool of those that wait for their next request."""

from __future__ import annotations

import contextlib
import http.client
import re
import threading
from collections.abc import Iterator
from typing import Final

from urllib3 import HTTPHeaderDict, HTTPResponse
from urllib3.connection import HTTPConnection

from lamina.registry.http._proxy import Proxy
from lamina.registry.http._request import BlobBody, Request
from lamina.registry.http._url import Origin
from lamina.registry.http._watch import Watch

_IDLE: Final = 8
"""Connections to one origin that are kept for their next request."""
_LENGTHS: Final = re.compile(r"[0-9]+(\s*,\s*[0-9]+)*")
"""The header `Content-Length`, which a proxy may have joined with its repetitions (RFC 9110, section 8.6)."""
_SENT_AT_ONCE: Final = 65536
"""Bytes: little enough that a slow line takes them within the time that a stall lasts."""


class Pool:
    """Keeps connections for further requests. Any thread may use it."""

    def __init__(self) -> None:
        """Create an empty pool."""
        self._idle: dict[Origin, list[HTTPConnection]] = {}
        self._lock = threading.Lock()

    def take(self, origin: Origin) -> HTTPConnection | None:
        """Return a connection that waits for a request, if there is one."""
        while True:
            with self._lock:
                idle = self._idle.get(origin)
                connection = idle.pop() if idle else None
            if connection is None or connection.is_connected:
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


def exchange(
    connection: HTTPConnection, request: Request, proxy: Proxy | None, watch: Watch, seconds: float
) -> HTTPResponse:
    """Send a request over an open connection, and return the answer without its body.

    Args:
        connection: The connection.
        request: The request.
        proxy: The proxy that passes the request on, and so reads it; None for none.
        watch: Watches the connection.
        seconds: The time limit of the answer once everything is sent.
    """
    body, size = _body(request, watch)
    url = request.url
    target = f"{url.origin}{url.target}" if proxy else url.target
    headers = {**request.headers, **(proxy.headers if proxy else {}), "Host": url.origin.host_header}
    if size is not None:
        headers["Content-Length"] = str(size)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # a server that refuses the body has answered
        connection.request(request.method, target, body, headers)
    watch.allow(seconds)
    # Not urllib3's own method: it logs headers that it cannot parse, which may be secrets.
    raw = http.client.HTTPConnection.getresponse(connection)
    try:
        _check_length(raw)
        return HTTPResponse(
            raw,
            HTTPHeaderDict(raw.headers.items()),
            raw.status,
            preload_content=False,
            decode_content=False,
            original_response=raw,
            request_method=request.method,
        )
    except BaseException:
        raw.close()
        raise


def _check_length(raw: http.client.HTTPResponse) -> None:
    """Refuse a length that is not a number: http.client ignores it, and reads until the server hangs up."""
    length = raw.headers.get("Content-Length", "0")
    if not _LENGTHS.fullmatch(length):
        raise http.client.HTTPException("a length that is not a number")


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
