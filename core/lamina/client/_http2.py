"""The part of HTTP/2 (RFC 9113) that a gRPC client needs for one call at a time on a connection."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Generator, Iterable
from typing import Final

from lamina.client._hpack import MalformedBlock, decode, encode
from lamina.errdefs import ResourceExhausted

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE, _CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
_END_STREAM, _ACK, _END_HEADERS, _PADDED, _PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
_HEADER_TABLE_SIZE, _ENABLE_PUSH, _INITIAL_WINDOW_SIZE = 1, 2, 4
_FRAME: Final = 16384
"""Default limit of a frame's payload in bytes (6.5.2)."""
_WINDOW: Final = 65535
"""Default size of a flow-control window in bytes (6.9.2)."""
_LARGEST_WINDOW: Final = 2**31 - 1

Fields = dict[str, bytes]


class ProtocolError(Exception):
    """The server violates HTTP/2 or gRPC, or refuses the call."""


class Http2:
    """A connection for one thread and one call at a time. After any exception it can only be closed."""

    def __init__(self, path: str, deadline: float | None) -> None:
        """Connect.

        Args:
            path: Path of the unix socket.
            deadline: The time to give up, by `time.monotonic()`; None for never.

        Raises:
            OSError: The connection failed, or the deadline passed (TimeoutError).
        """
        self._deadline = deadline
        self._stream = -1
        self._window = self._stream_window = self._initial_window = _WINDOW
        self._taken = self._stream_taken = 0
        """Bytes received on the connection, and for the call, since the last WINDOW_UPDATE."""
        self._socket = socket.socket(socket.AF_UNIX)
        self._reader = self._socket.makefile("rb", 1 << 16)
        try:
            self._wait()
            self._socket.connect(path)
            settings = {_HEADER_TABLE_SIZE: 0, _ENABLE_PUSH: 0, _INITIAL_WINDOW_SIZE: _LARGEST_WINDOW}
            payload = b"".join(struct.pack(">HI", *setting) for setting in settings.items())
            more = struct.pack(">I", _LARGEST_WINDOW - _WINDOW)
            self._send(_PREFACE + _frame(_SETTINGS, 0, 0, payload) + _frame(_WINDOW_UPDATE, 0, 0, more))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection. A call in flight fails."""
        self._reader.close()
        self._socket.close()

    def interrupt(self) -> None:
        """Make a call in flight in another thread fail."""
        with contextlib.suppress(OSError):  # the server may have closed the connection
            self._socket.shutdown(socket.SHUT_RDWR)

    def call(
        self, fields: Iterable[tuple[str, str]], message: bytes, limit: int, deadline: float | None
    ) -> Generator[bytes, None, Fields]:
        """Make a call, and yield the response messages.

        Args:
            fields: The request headers.
            message: The request message.
            limit: Limit of a response message, and of the headers, in bytes.
            deadline: As for the connection.

        Returns:
            The response headers and trailers, which have the gRPC status.

        Raises:
            ProtocolError: The server reset the call, or violated the protocol.
            ResourceExhausted: A message exceeds the limit.
            OSError: The connection broke, or the deadline passed (TimeoutError).
        """
        self._deadline = deadline
        self._stream += 2
        self._stream_window, self._stream_taken = self._initial_window, 0
        self._send(_frame(_HEADERS, _END_HEADERS, self._stream, encode(fields)))
        self._send_message(struct.pack(">BI", 0, len(message)) + message)
        received, headers = bytearray(), Fields()
        while True:
            kind, flags, payload = self._next()
            if kind == _DATA:
                received += _unpadded(payload, flags)
                self._take(len(payload))
                while (response := _first_message(received, limit)) is not None:
                    yield response
            elif kind == _HEADERS:
                headers |= self._headers(payload, flags, limit)
            elif kind == _RST_STREAM:
                raise ProtocolError(f"the call was reset, with code {int.from_bytes(payload)} of HTTP/2")
            if flags & _END_STREAM and kind in {_DATA, _HEADERS}:
                return headers

    def _send_message(self, data: bytes) -> None:
        """Send a message as fast as flow control allows."""
        at = 0
        while at < len(data):
            size = min(_FRAME, self._window, self._stream_window, len(data) - at)
            if size <= 0:
                if self._next()[0] in {_DATA, _HEADERS, _RST_STREAM}:  # the server does not want the rest
                    raise ProtocolError("the server answered before the request was complete")
                continue
            flags = _END_STREAM if at + size == len(data) else 0
            self._send(_frame(_DATA, flags, self._stream, data[at : at + size]))
            at += size
            self._window -= size
            self._stream_window -= size

    def _headers(self, payload: bytes, flags: int, limit: int) -> Fields:
        """Read the fields of a HEADERS frame and its continuations."""
        block = _unpadded(payload, flags)[5 if flags & _PRIORITY else 0 :]
        while not flags & _END_HEADERS:
            kind, flags, more = self._next()
            block += more
            if kind != _CONTINUATION or len(block) > limit:
                raise ProtocolError("the headers are interrupted, or too long")
        try:
            return decode(block)
        except MalformedBlock as error:
            raise ProtocolError(f"malformed headers: {error}") from error

    def _next(self) -> tuple[int, int, bytes]:
        """Return the next frame of the call, or one that may widen a window: type, flags, payload."""
        while True:
            kind, flags, stream, payload = self._receive()
            if kind == _WINDOW_UPDATE and stream == self._stream:
                self._stream_window += int.from_bytes(payload)
            elif kind == _WINDOW_UPDATE and stream == 0:
                self._window += int.from_bytes(payload)
            elif kind == _SETTINGS and not flags & _ACK:
                self._set(payload)
                self._send(_frame(_SETTINGS, _ACK, 0))
            elif kind == _PING and not flags & _ACK:
                self._send(_frame(_PING, _ACK, 0, payload))
            elif kind == _GOAWAY and int.from_bytes(payload[:4]) < self._stream:
                reason = payload[8:].decode(errors="backslashreplace") or "no reason given"
                raise ProtocolError(f"the server closed the connection: {reason}")
            if stream == self._stream or kind in {_WINDOW_UPDATE, _SETTINGS}:
                return kind, flags, payload

    def _set(self, payload: bytes) -> None:
        """Apply the server's settings."""
        for number, value in struct.iter_unpack(">HI", payload):
            if number == _INITIAL_WINDOW_SIZE:
                self._stream_window += value - self._initial_window
                self._initial_window = value

    def _take(self, size: int) -> None:
        """Count received bytes, and widen a window when half of it is used."""
        self._taken += size
        self._stream_taken += size
        if self._taken > _LARGEST_WINDOW // 2:
            self._send(_frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", self._taken)))
            self._taken = 0
        if self._stream_taken > _LARGEST_WINDOW // 2:
            self._send(_frame(_WINDOW_UPDATE, 0, self._stream, struct.pack(">I", self._stream_taken)))
            self._stream_taken = 0

    def _receive(self) -> tuple[int, int, int, bytes]:
        """Receive a frame: type, flags, stream, payload."""
        header = self._read(9)
        length = int.from_bytes(header[:3])
        if length > _FRAME:
            raise ProtocolError(f"a frame of {length} bytes: the limit is {_FRAME}")
        kind, flags, stream = struct.unpack(">BBI", header[3:])
        return kind, flags, stream & 0x7FFFFFFF, self._read(length)

    def _read(self, size: int) -> bytes:
        self._wait()
        data: bytes = self._reader.read(size)
        if len(data) < size:
            raise ConnectionResetError("the connection was closed")
        return data

    def _send(self, data: bytes) -> None:
        self._wait()
        self._socket.sendall(data)

    def _wait(self) -> None:
        """Limit the next socket operation to the time that is left."""
        if self._deadline is None:
            self._socket.settimeout(None)
        elif (seconds := self._deadline - time.monotonic()) > 0:
            self._socket.settimeout(seconds)
        else:
            raise TimeoutError("timed out")


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Encode a frame (4.1)."""
    return len(payload).to_bytes(3) + struct.pack(">BBI", kind, flags, stream) + payload


def _unpadded(payload: bytes, flags: int) -> bytes:
    """Return a payload without its padding (6.1)."""
    if not flags & _PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise ProtocolError("a frame has more padding than payload")
    return payload[1 : len(payload) - payload[0]]


def _first_message(received: bytearray, limit: int) -> bytes | None:
    """Remove and return the first message, if it is complete (gRPC over HTTP/2, Length-Prefixed-Message)."""
    if len(received) < 5:
        return None
    compressed, length = struct.unpack_from(">BI", received)
    if compressed:
        raise ProtocolError("a message is compressed, although the client did not offer that")
    if length > limit:
        raise ResourceExhausted(f"a message of {length} bytes: the limit is {limit}")
    if len(received) < 5 + length:
        return None
    message = bytes(received[5 : 5 + length])
    del received[: 5 + length]
    return message
