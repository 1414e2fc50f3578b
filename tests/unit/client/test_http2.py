"""The HTTP/2 client against servers that follow or violate the protocol."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

import lamina.client
from lamina.api.messages.version_pb2 import VersionResponse
from lamina.client import _http2, _sockets
from lamina.client._hpack import encode
from lamina.errdefs import DeadlineExceeded, Error, NotFound, Unavailable, Unknown
from tests.support.listener import raw_http2 as http2
from tests.support.listener.raw_http2 import (
    DATA,
    GOAWAY,
    HEADERS,
    PING,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
)

SECONDS = 60
ANSWER = http2.message(VersionResponse(version="1.2.3").SerializeToString())
STARTED = encode([(":status", "200"), ("content-type", "application/grpc")])
ENDED = encode([("grpc-status", "0")])

Frames = list[tuple[int, int, int, bytes]]


class Server:
    """Answers calls on one connection with frames of the test's own."""

    def __init__(self, path: str, answer: Callable[[int], bytes], first: bytes = b"") -> None:
        """Listen.

        Args:
            path: The socket's.
            answer: Makes the frames that answer a call, given its stream.
            first: What is sent when the first bytes of a request have come.
        """
        self.received: Frames = []
        self._answer = answer
        self._first = first
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(path)
        self._listening.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        """Wait until the client has closed its connection."""
        self._thread.join(SECONDS)
        self._listening.close()

    def _serve(self) -> None:
        connection, _ = self._listening.accept()
        connection.settimeout(SECONDS)
        # A client that closes a connection without reading everything resets it.
        with contextlib.suppress(ConnectionResetError), connection, connection.makefile("rb") as reader:
            assert reader.read(len(http2.PREFACE)) == http2.PREFACE
            connection.sendall(frame(SETTINGS, 0, 0))
            while header := reader.read(9):
                length = int.from_bytes(header[:3])
                kind, flags, stream = struct.unpack(">BBI", header[3:])
                self.received.append((kind, flags, stream, reader.read(length)))
                if kind == DATA:
                    data, self._first = self._first, b""
                    data += self._answer(stream) if flags & http2.END_STREAM else b""
                    with contextlib.suppress(OSError):
                        connection.sendall(data)


@pytest.fixture
def ask(tmp_path: Path) -> Callable[[bytes], tuple[str, Frames]]:
    """`ask(answer)` returns the version that a client reads from those frames, and what the server received."""

    def call(answer: bytes) -> tuple[str, Frames]:
        server = Server(f"{tmp_path}/s", lambda _: answer)
        try:
            with lamina.client.Client(f"{tmp_path}/s", timeout=SECONDS, brief=True) as client:
                return client.version().version, server.received
        finally:
            server.close()

    return call


def headers(block: bytes, *, end: bool = False, stream: int = 1) -> bytes:
    return frame(HEADERS, http2.END_HEADERS | (http2.END_STREAM if end else 0), stream, block)


def answer(stream: int, message: bytes = ANSWER) -> bytes:
    """A whole answer."""
    ended = headers(ENDED, end=True, stream=stream)
    return headers(STARTED, stream=stream) + frame(DATA, 0, stream, message) + ended


def test_pings_and_settings_amid_an_answer_are_acknowledged(ask: Callable[[bytes], tuple[str, Frames]]) -> None:
    version, received = ask(
        headers(STARTED)
        + frame(PING, 0, 0, b"12345678")
        + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 1 << 20))
        + frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 5))
        + frame(DATA, 0, 1, ANSWER)
        + headers(ENDED, end=True)
    )
    assert version == "1.2.3"
    assert (PING, http2.ACK, 0, b"12345678") in received


def test_an_answer_may_be_fragmented_and_padded(ask: Callable[[bytes], tuple[str, Frames]]) -> None:
    padded = bytes([3]) + ANSWER[2:6] + b"\0\0\0"
    version, _ = ask(
        frame(HEADERS, 0, 1, STARTED[:7])
        + frame(http2.CONTINUATION, http2.END_HEADERS, 1, STARTED[7:])
        + frame(DATA, 0, 1, ANSWER[:2])
        + frame(DATA, 0x8, 1, padded)
        + frame(DATA, 0, 1, ANSWER[6:])
        + headers(ENDED, end=True)
    )
    assert version == "1.2.3"


def test_an_error_without_an_answer_has_its_class_and_its_message(
    ask: Callable[[bytes], tuple[str, Frames]],
) -> None:
    told = encode([(":status", "200"), ("grpc-status", "5"), ("grpc-message", "layer %C3%A4: not found")])
    with pytest.raises(NotFound, match=r"^layer ä$"):
        ask(headers(told, end=True))


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (frame(GOAWAY, 0, 0, struct.pack(">II", 0, 0) + b"enough"), Unavailable, "closed the connection: enough"),
        (frame(RST_STREAM, 0, 1, struct.pack(">I", 7)), Unavailable, "reset, with code 7"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Unavailable, "the limit is 16384"),
        (headers(b"\xbf", end=True), Unavailable, "malformed headers: index 63"),
        (headers(encode([(":status", "404")]), end=True), Unknown, "HTTP status 404"),
        (headers(STARTED) + headers(ENDED, end=True), Unknown, "without a response"),
        (
            headers(STARTED) + frame(DATA, 0, 1, ANSWER * 2) + headers(ENDED, end=True),
            Unknown,
            "more than one",
        ),
        (headers(STARTED) + frame(DATA, 0, 1, b"\1" + ANSWER[1:]), Unavailable, "is compressed"),
        (headers(STARTED) + frame(DATA, 0x8, 1, b"\xff"), Unavailable, "padding"),
    ],
)
def test_an_answer_that_is_not_grpc_is_an_error(
    ask: Callable[[bytes], tuple[str, Frames]], answer: bytes, error: type[Error], message: str
) -> None:
    with pytest.raises(error, match=message):
        ask(answer)


def test_a_server_that_notices_the_deadline_first_says_so_in_a_status(
    ask: Callable[[bytes], tuple[str, Frames]],
) -> None:
    told = encode([(":status", "200"), ("grpc-status", "4"), ("grpc-message", "Deadline Exceeded")])
    with pytest.raises(DeadlineExceeded, match="Version/Version was not answered in time"):
        ask(headers(told, end=True))


def test_a_server_that_notices_the_deadline_first_may_reset_the_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reset(stream: int) -> bytes:
        later = SimpleNamespace(monotonic=lambda: time.monotonic() + SECONDS)
        monkeypatch.setattr(_sockets, "time", later)
        return frame(RST_STREAM, 0, stream, struct.pack(">I", 8))

    server = Server(f"{tmp_path}/s", reset)
    try:
        with (
            lamina.client.Client(f"{tmp_path}/s", timeout=SECONDS, brief=True) as client,
            pytest.raises(DeadlineExceeded, match="Version/Version was not answered in time"),
        ):
            client.version()
    finally:
        server.close()


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.5, "500000u"), (1.0000001, "1000001u"), (99.9999999, "100000m"), (1e5 + 0.1, "100001S"), (0.0, "1u")],
)
def test_a_server_is_told_no_earlier_deadline_than_that_of_the_client(seconds: float, told: str) -> None:
    assert _sockets._timeout(seconds) == told


def test_the_last_words_of_a_host_are_its_own(tmp_path: Path) -> None:
    told = encode([(":status", "200"), ("grpc-status", "14"), ("grpc-message", "the host is about to stop")])

    def stop(_stream: int) -> bytes:
        (tmp_path / "s").unlink()
        return headers(told, end=True)

    server = Server(f"{tmp_path}/s", stop)
    try:
        with (
            lamina.client.Client(f"{tmp_path}/s", timeout=SECONDS, brief=True) as client,
            pytest.raises(Unavailable, match=r"^the host is about to stop$"),
        ):
            client.version()
    finally:
        server.close()


def test_a_request_continues_when_settings_open_the_window(tmp_path: Path) -> None:
    """The connection's window opens first, then that of streams, by a change of their initial one."""
    wide = struct.pack(">I", 1 << 20)
    first = frame(WINDOW_UPDATE, 0, 0, wide) + frame(SETTINGS, 0, 0, b"\0\4" + wide)
    server = Server(f"{tmp_path}/s", lambda stream: answer(stream, http2.message(b"")), first)
    try:
        with lamina.client.Client(f"{tmp_path}/s", timeout=SECONDS, brief=True) as client:
            assert client.plugins("x" * 200_000) == []
        assert sum(len(data) for kind, _, _, data in server.received if kind == DATA) > 200_000
    finally:
        server.close()


def test_flow_control_windows_match_the_received_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(f"{tmp_path}/s", answer)
    try:
        with lamina.client.Client(f"{tmp_path}/s", timeout=SECONDS, brief=True) as client:
            client.version()
            monkeypatch.setattr(_http2, "_LARGEST_WINDOW", 4 * len(ANSWER))
            for _ in range(8):
                client.version()
    finally:
        server.close()
    more = [(stream, int.from_bytes(data)) for kind, _, stream, data in server.received if kind == WINDOW_UPDATE]
    assert more[1:] == [(0, 3 * len(ANSWER))] * 3
