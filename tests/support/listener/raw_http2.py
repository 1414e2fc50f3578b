"""HTTP/2 by hand: frames that no client library would send."""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import Final, Self

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""The first bytes of an HTTP/2 client (RFC 9113, 3.4)."""
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
SECONDS: Final = 0.5
"""How long a server may take nothing of what is sent to it, before that is given up."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame (RFC 9113, 4.1)."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def text(value: str | bytes) -> bytes:
    """A string of a header block, not compressed (RFC 7541, 5.2)."""
    data = value.encode() if isinstance(value, str) else value
    return _integer(len(data), 7) + data


def headers(path: str, **others: str) -> bytes:
    """The header block of a call: nothing is compressed, and nothing indexed (RFC 7541, 6.2.2).

    Args:
        path: `<service>/<method>`.
        others: Further headers, or other values of these; `_` in a name stands for `-`.
    """
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": f"/{path}",
        ":authority": "localhost",
        "content-type": "application/grpc",
        "te": "trailers",
        **{name.replace("_", "-"): value for name, value in others.items()},
    }
    return b"".join(b"\0" + text(name) + text(value) for name, value in fields.items())


def message(data: bytes, *, compressed: bool = False, length: int | None = None) -> bytes:
    """A message of gRPC with its prefix (gRPC over HTTP/2, "Length-Prefixed-Message")."""
    return struct.pack(">BI", compressed, len(data) if length is None else length) + data


def call(stream: int, path: str, data: bytes) -> bytes:
    """All frames of a call with a message that fits into one frame."""
    return frame(HEADERS, END_HEADERS, stream, headers(path)) + frame(DATA, END_STREAM, stream, message(data))


class Connection:
    """A connection to a socket, on which anything may be sent."""

    def __init__(self, path: str, start: bytes = PREFACE + frame(SETTINGS, 0, 0)) -> None:
        """Connect.

        Args:
            path: The socket's.
            start: What to send at once.
        """
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(SECONDS)
        self.socket.connect(path)
        self.open = True
        self.send(start)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, data: bytes) -> bool:
        """Send bytes; False: the server has closed the connection, or takes nothing any more."""
        if self.open:
            try:
                self.socket.sendall(data)
            except OSError:  # of a part nobody knows, so that nothing can follow
                self.open = False
        return self.open

    def drain(self) -> int:
        """Read what has come, without waiting for more; how many bytes."""
        count = 0
        self.socket.setblocking(False)
        with contextlib.suppress(OSError):
            while data := self.socket.recv(1 << 16):
                count += len(data)
        self.socket.settimeout(SECONDS)
        return count

    def close(self) -> None:
        self.socket.close()


def _integer(number: int, bits: int) -> bytes:
    """An integer of a header block (RFC 7541, 5.1)."""
    most = (1 << bits) - 1
    if number < most:
        return bytes([number])
    result = bytearray([most])
    number -= most
    while number >= 0x80:
        result.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*result, number])
