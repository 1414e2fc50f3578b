"""`SocketConnection`: calls without grpc, which takes longer to import than a command's few calls."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

from lamina.api import decode
from lamina.client._connection import MAX_MESSAGE, Connection, M
from lamina.client._http2 import Fields, Http2, ProtocolError
from lamina.errdefs import Code, Error, ResourceExhausted, Unavailable, Unknown, from_status

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from lamina.context import CallContext

_LIMIT = 10**8
"""A timeout has at most eight digits (gRPC over HTTP/2, TimeoutValue)."""


class SocketConnection(Connection):
    """A pool of sockets. Concurrent calls use one socket each."""

    def __init__(self, address: str, timeout: float | None = None, namespace: str = "") -> None:
        super().__init__(address, timeout, namespace)
        self._idle: list[Http2] = []
        self._busy: set[Http2] = set()

    def close(self) -> None:
        self._closed = True
        for http2 in list(self._busy):
            http2.interrupt()
        while self._idle:
            self._idle.pop().close()

    def unary(self, method: str, request: Message, response: type[M], timeout: float | None = None) -> M:
        with contextlib.closing(self._call(method, request, timeout)) as messages:
            for first in messages:
                for _ in messages:  # read on to the status, which may be an error
                    raise Unknown(f"{self.path}: {method} sent more than one response")
                return decode(response, first)
        raise Unknown(f"{self.path}: {method} ended without a response")

    def stream(self, method: str, request: Message, response: type[M]) -> Generator[M, None, None]:
        with contextlib.closing(self._call(method, request)) as messages:
            for data in messages:
                yield decode(response, data)

    def _call(self, method: str, request: Message, timeout: float | None = None) -> Generator[bytes, None, None]:
        context = self._begin()
        seconds = self._seconds(context, timeout)
        deadline = None if seconds is None else time.monotonic() + seconds
        data = request.SerializeToString()
        if len(data) > MAX_MESSAGE:
            raise ResourceExhausted(f"{method}: a request of {len(data)} bytes: the limit is {MAX_MESSAGE}")
        fields = [*_headers(method, seconds), *self._metadata(context)]
        with self._connected(method, context, deadline) as http2:
            trailers = yield from http2.call(fields, data, MAX_MESSAGE, deadline)
        if error := self._failure(method, trailers):
            raise error

    @contextlib.contextmanager
    def _connected(self, method: str, context: CallContext, deadline: float | None) -> Iterator[Http2]:
        """Take a connection from the pool, or open one. It returns to the pool if the block succeeds."""
        http2 = self._idle_one() or self._new(method, deadline)
        self._busy.add(http2)
        unregister = context.on_cancel(http2.interrupt)
        try:
            yield http2
        except TimeoutError as error:
            http2.close()
            raise self._late(method) from error
        except (OSError, ProtocolError) as error:
            http2.close()
            context.check()
            if deadline is not None and time.monotonic() >= deadline:  # which the server has noticed first
                raise self._late(method) from error
            raise self._unreachable() or Unavailable(f"{self.path}: {error}") from error
        except BaseException:
            http2.close()
            raise
        else:
            if self._closed:
                http2.close()
            else:
                self._idle.append(http2)
        finally:
            unregister()
            self._busy.discard(http2)

    def _idle_one(self) -> Http2 | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _new(self, method: str, deadline: float | None) -> Http2:
        try:
            return Http2(self.path, deadline)
        except TimeoutError as error:
            raise self._late(method) from error
        except OSError as error:
            raise self._refused(error) from error

    def _failure(self, method: str, trailers: Fields) -> Error | None:
        """Return the error in the trailers of a call, if there is one."""
        if trailers.get("grpc-status") == b"0":
            return None
        if "grpc-status" not in trailers:
            status = trailers.get(":status", b"").decode("latin-1")
            return Unknown(f"{self.path}: {method} ended without a gRPC status (HTTP status {status})")
        try:
            code = int(trailers["grpc-status"])
        except ValueError:
            code = Code.UNKNOWN
        if code == Code.UNAVAILABLE:  # the host's own words, even if it has ended meanwhile
            return from_status(code, _unquoted(trailers.get("grpc-message", b"")))
        return self._status_error(method, code, _unquoted(trailers.get("grpc-message", b"")))


def _headers(method: str, seconds: float | None) -> Iterator[tuple[str, str]]:
    yield from ((":method", "POST"), (":scheme", "http"), (":path", method), (":authority", "localhost"))
    yield from (("te", "trailers"), ("content-type", "application/grpc"), ("user-agent", "lamina"))
    if seconds is not None:
        yield "grpc-timeout", _timeout(seconds)


def _timeout(seconds: float) -> str:
    """Encode a timeout in the finest unit that fits into eight digits, rounded up: no server may be early."""
    for unit, name in ((1e6, "u"), (1e3, "m"), (1, "S")):
        if (count := math.ceil(seconds * unit)) < _LIMIT:
            return f"{max(1, count)}{name}"
    return f"{_LIMIT - 1}S"


def _unquoted(message: bytes) -> str:
    """Decode a status message (gRPC over HTTP/2, Percent-Encoded)."""
    from urllib.parse import unquote_to_bytes

    return unquote_to_bytes(message).decode(errors="replace")
