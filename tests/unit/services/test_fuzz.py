"""On any input, each engine answers or closes the connection, and keeps serving others."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.api.messages.snapshots_pb2 import PrepareSnapshotRequest
from lamina.plugins.servers.grpc._limits import Limits
from lamina.plugins.servers.grpc._listener import Listener
from lamina.plugins.servers.grpc.engines._protocol import Engine
from lamina.plugins.services.health._service import HealthService
from lamina.plugins.services.snapshots._names import Names
from lamina.plugins.services.snapshots._service import SnapshotsService
from lamina.snapshots.local import LocalSnapshotter
from tests.support.listener.engines import open_channel
from tests.support.snapshotters.records import snapshotters_of

SECONDS = 60.0
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""The connection preface of an HTTP/2 client (RFC 9113, 3.4)."""
SNAPSHOTS = "containerd.services.snapshots.v1.Snapshots"
NAMES = ("Prepare", "View", "Mounts", "Commit", "Remove", "Stat", "Update", "List", "Usage", "Cleanup")
METHODS = (*(f"{SNAPSHOTS}/{name}" for name in NAMES), "grpc.health.v1.Health/Check")

quickly = settings(max_examples=60)


class Served:
    """A snapshots service and the health service on a socket."""

    def __init__(self, path: str, channel: grpc.Channel) -> None:
        self.path = path
        self._channel = channel

    def call(self, method: str, data: bytes) -> grpc.StatusCode:
        """Return the answer to a call with these bytes as its message."""
        call = self._channel.unary_stream(f"/{method}")(data, timeout=SECONDS)
        with contextlib.suppress(grpc.RpcError):
            list(call)
        code: grpc.StatusCode = call.code()
        return code

    def throw(self, data: bytes) -> None:
        """Send bytes on a connection of their own, and read until the host closes it."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(SECONDS)
            connection.connect(self.path)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1 << 16):
                    pass

    def check(self) -> None:
        """Check that a well-behaved client is answered."""
        assert self.call("grpc.health.v1.Health/Check", b"") is grpc.StatusCode.OK


@pytest.fixture
def served(tmp_path: Path, make_engine: Callable[..., Engine], overlay: LocalSnapshotter) -> Iterator[Served]:
    services = [
        SnapshotsService(Names(snapshotters_of({"overlayfs": overlay}), {})).service,
        HealthService().service,
    ]
    listener = Listener(f"{tmp_path}/s", make_engine(Limits(quick_workers=2, slow_workers=4)), services)
    listener.start()
    try:
        with open_channel(f"{tmp_path}/s") as channel:
            yield Served(f"{tmp_path}/s", channel)
    finally:
        listener.close()


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """A frame of HTTP/2 (RFC 9113, 4.1)."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def headers(path: str) -> bytes:
    """The header block of a call, uncompressed (RFC 7541, 6.2.2)."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": f"/{path}",
        ":authority": "localhost",
        "content-type": "application/grpc",
        "te": "trailers",
    }
    return b"".join(b"\0" + text(name) + text(value) for name, value in fields.items())


def text(value: str) -> bytes:
    """A string of a header block (RFC 7541, 5.2)."""
    return bytes([len(value)]) + value.encode()


frames = st.builds(frame, st.integers(0, 12), st.integers(0, 255), st.integers(0, 9), st.binary(max_size=300))
calls = st.builds(
    lambda path, stream, message: (
        frame(1, 4, stream, headers(path)) + frame(0, 1, stream, struct.pack(">BI", 0, len(message)) + message)
    ),
    st.sampled_from(METHODS),
    st.sampled_from([1, 3, 5]),
    st.binary(max_size=200),
)


@quickly
@given(st.binary(max_size=2000))
def test_random_bytes_on_a_connection_do_not_affect_others(served: Served, data: bytes) -> None:
    served.throw(data)
    served.check()


@quickly
@given(st.lists(frames | calls, max_size=12))
def test_random_frames_do_not_affect_others(served: Served, sent: list[bytes]) -> None:
    served.throw(PREFACE + frame(4, 0, 0, b"") + b"".join(sent))
    served.check()


@quickly
@given(st.lists(calls, min_size=1, max_size=4).map(b"".join), st.data())
def test_truncated_calls_do_not_affect_others(served: Served, sent: bytes, data: st.DataObject) -> None:
    served.throw(PREFACE + frame(4, 0, 0, b"") + sent[: data.draw(st.integers(0, len(sent)))])
    served.check()


@quickly
@given(st.sampled_from(METHODS), st.binary(max_size=300))
def test_any_bytes_for_a_message_are_answered_with_a_status(served: Served, method: str, data: bytes) -> None:
    # Unknown is what only a handler that failed unexpectedly is answered with.
    assert served.call(method, data) is not grpc.StatusCode.UNKNOWN
    served.check()


@quickly
@given(st.text(max_size=50), st.text(max_size=50), st.dictionaries(st.text(max_size=9), st.text(max_size=9)))
def test_any_texts_in_a_request_are_answered_with_a_status(
    served: Served, key: str, parent: str, labels: dict[str, str]
) -> None:
    request = PrepareSnapshotRequest(snapshotter="overlayfs", key=key, parent=parent, labels=labels)
    answer = served.call(f"{SNAPSHOTS}/Prepare", request.SerializeToString())
    assert answer in {
        grpc.StatusCode.OK,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.ALREADY_EXISTS,
    }
