"""As much of HTTP/2 (RFC 9113) as a client needs that makes one call of gRPC at a time on a connection."""

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
"""Bytes in a frame where nothing else was agreed upon (6.5.2)."""
_WINDOW: Final = 65535
"""Bytes that may be sent before more are allowed, as above (6.9.2)."""
_LARGEST_WINDOW: Final = 2**31 - 1

Fields = dict[str, bytes]


class ProtocolError(Exception):
    """The other side does not speak HTTP/2 and gRPC, or does not want to."""


class Http2:
    """A connection. For one thread, and one call at a time; after any exception it can only be closed."""

    def __init__(self, path: str, deadline: float | None) -> None:
        """Connect.

        Args:
            path: Of the unix socket.
            deadline: Until when, in seconds of `time.monotonic()`; None: as long as it takes.

        Raises:
            OSError: That does not work.
        """
        self._deadline = deadline
        self._stream = -1
        self._window = self._stream_window = self._initial_window = _WINDOW
        self._taken = self._stream_taken = 0
        """Bytes on the connection, and of the call, since the other side was last told that it may send more."""
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
        """Close the connection, and with it end a call that is under way."""
        self._reader.close()
        self._socket.close()

    def interrupt(self) -> None:
        """Have a call that is under way in another thread end, with an error."""
        with contextlib.suppress(OSError):  # the other side may have closed the connection
            self._socket.shutdown(socket.SHUT_RDWR)

    def call(
        self, fields: Iterable[tuple[str, str]], message: bytes, limit: int, deadline: float | None
    ) -> Generator[bytes, None, Fields]:
        """Make a call, and yield the messages that answer it.

        Args:
            fields: The request's headers.
            message: What is asked.
            limit: Bytes that a message of the answer, or the headers, may have.
            deadline: As for the connection.

        Returns:
            The fields of the last headers, among which is the status.

        Raises:
            ProtocolError: The other side gives up the call, or breaks the protocol.
            ResourceExhausted: A message is larger.
            OSError: The connection does not hold, or the deadline passed (TimeoutError).
        """
        self._deadline = deadline
        self._stream += 2
        self._stream_window, self._stream_taken = self._initial_window, 0
        self._send(_frame(_HEADERS, _END_HEADERS, self._stream, encode(fields)))
        self._send_message(struct.pack(">BI", 0, len(message)) + message)
        received, told = bytearray(), Fields()
        while True:
            kind, flags, payload = self._next()
            if kind == _DATA:
                received += _unpadded(payload, flags)
                self._take(len(payload))
                while (answer := _first_message(received, limit)) is not None:
                    yield answer
            elif kind == _HEADERS:
                told |= self._headers(payload, flags, limit)
            elif kind == _RST_STREAM:
                raise ProtocolError(f"the call was reset, with code {int.from_bytes(payload)} of HTTP/2")
            if flags & _END_STREAM and kind in {_DATA, _HEADERS}:
                return told

    def _send_message(self, data: bytes) -> None:
        """Send all of a message, as fast as the other side allows."""
        at = 0
        while at < len(data):
            size = min(_FRAME, self._window, self._stream_window, len(data) - at)
            if size <= 0:
                if self._next()[0] in {_DATA, _HEADERS, _RST_STREAM}:  # it does not want the rest
                    raise ProtocolError("the call was answered before all of the request was sent")
                continue
            flags = _END_STREAM if at + size == len(data) else 0
            self._send(_frame(_DATA, flags, self._stream, data[at : at + size]))
            at += size
            self._window -= size
            self._stream_window -= size

    def _headers(self, payload: bytes, flags: int, limit: int) -> Fields:
        """The fields of a HEADERS frame and of those that continue it."""
        block = _unpadded(payload, flags)[5 if flags & _PRIORITY else 0 :]
        while not flags & _END_HEADERS:
            kind, flags, more = self._next()
            block += more
            if kind != _CONTINUATION or len(block) > limit:
                raise ProtocolError("headers are interrupted, or too long")
        try:
            return decode(block)
        except MalformedBlock as error:
            raise ProtocolError(f"malformed headers: {error}") from error

    def _next(self) -> tuple[int, int, bytes]:
        """The next frame of the call, or one that may let more of it be sent: kind, flags, and what is in it."""
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
                reason = payload[8:].decode(errors="backslashreplace") or "it gives no reason"
                raise ProtocolError(f"the server closes the connection: {reason}")
            if stream == self._stream or kind in {_WINDOW_UPDATE, _SETTINGS}:
                return kind, flags, payload

    def _set(self, payload: bytes) -> None:
        """Hear the other side's settings."""
        for number, value in struct.iter_unpack(">HI", payload):
            if number == _INITIAL_WINDOW_SIZE:
                self._stream_window += value - self._initial_window
                self._initial_window = value

    def _take(self, size: int) -> None:
        """Let the other side send as much again, now and then."""
        self._taken += size
        self._stream_taken += size
        if self._taken > _LARGEST_WINDOW // 2:
            self._send(_frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", self._taken)))
            self._taken = 0
        if self._stream_taken > _LARGEST_WINDOW // 2:
            self._send(_frame(_WINDOW_UPDATE, 0, self._stream, struct.pack(">I", self._stream_taken)))
            self._stream_taken = 0

    def _receive(self) -> tuple[int, int, int, bytes]:
        """A frame: kind, flags, stream, payload."""
        header = self._read(9)
        length = int.from_bytes(header[:3])
        if length > _FRAME:
            raise ProtocolError(f"a frame of {length} bytes: at most {_FRAME} are taken")
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
        """Have the next step wait for no longer than the call may take."""
        if self._deadline is None:
            self._socket.settimeout(None)
        elif (seconds := self._deadline - time.monotonic()) > 0:
            self._socket.settimeout(seconds)
        else:
            raise TimeoutError("timed out")


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame (4.1)."""
    return len(payload).to_bytes(3) + struct.pack(">BBI", kind, flags, stream) + payload


def _unpadded(payload: bytes, flags: int) -> bytes:
    """A payload without its padding (6.1)."""
    if not flags & _PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise ProtocolError("a frame has more padding than there is room for")
    return payload[1 : len(payload) - payload[0]]


def _first_message(received: bytearray, limit: int) -> bytes | None:
    """Take the first message off what was received, if it is whole (gRPC over HTTP/2, Length-Prefixed-Message)."""
    if len(received) < 5:
        return None
    compressed, length = struct.unpack_from(">BI", received)
    if compressed:
        raise ProtocolError("a message is compressed, which was not asked for")
    if length > limit:
        raise ResourceExhausted(f"a message of {length} bytes: at most {limit} are taken")
    if len(received) < 5 + length:
        return None
    message = bytes(received[5 : 5 + length])
    del received[: 5 + length]
    return message
