"""Clients are asked to begin no more calls where no frame can be torn."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.plugins.servers.grpc._connections import _GOAWAY, Connections

LOOKS = 100
"""More than it takes to ask an idle client."""
FRAME = b"frame"


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "s")


@pytest.fixture
def ends(path: str) -> Iterator[tuple[socket.socket, socket.socket]]:
    """The ends of a connection: the server's and the client's."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(path)
        listener.listen()
        client = stack.enter_context(socket.socket(socket.AF_UNIX))
        client.connect(path)
        server, _ = listener.accept()
        yield stack.enter_context(server), client


def test_an_idle_client_is_asked_once(
    path: str, ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = ends
    looks = iter(range(LOOKS))
    monkeypatch.setattr(time, "sleep", lambda _: next(looks, None) is None and server.close())
    Connections(path).retire(60)
    assert client.recv(1024) == _GOAWAY


def test_a_client_that_is_still_sent_something_is_not_asked(
    path: str, ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it has read at a look may be the first part of a frame."""
    server, client = ends
    received = bytearray()
    looks = iter(range(LOOKS))

    def pass_time(_: float) -> None:
        look = next(looks, None)
        if look is None:
            server.close()
        elif look % 2:
            received.extend(client.recv(1024))
        else:
            server.send(FRAME)

    monkeypatch.setattr(time, "sleep", pass_time)
    Connections(path).retire(60)
    assert received == FRAME * (LOOKS // 2)
