"""The connections of clients: how they are found, and asked to begin no more calls where no frame can be torn."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lamina.plugins.servers.grpc import _connections
from lamina.plugins.servers.grpc._connections import _GOAWAY, Connections

LOOKS = 100
"""More than it takes to ask an idle client."""
FRAME = b"frame"


class Clock:
    """The time of `Connections`, which passes only when it sleeps."""

    def __init__(self, pass_time: Callable[[], object]) -> None:
        self._pass_time = pass_time

    def sleep(self, _: float) -> None:
        self._pass_time()

    def monotonic(self) -> float:
        return 0.0


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
    monkeypatch.setattr(_connections, "time", Clock(lambda: next(looks, None) is None and server.close()))
    Connections(path).retire(60)
    assert client.recv(1024) == _GOAWAY


def test_a_client_that_is_still_sent_something_is_not_asked(
    path: str, ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it has read at a look may be the first part of a frame."""
    server, client = ends
    received = bytearray()
    looks = iter(range(LOOKS))

    def pass_time() -> None:
        look = next(looks, None)
        if look is None:
            server.close()
        elif look % 2:
            received.extend(client.recv(1024))
        else:
            server.send(FRAME)

    monkeypatch.setattr(_connections, "time", Clock(pass_time))
    Connections(path).retire(60)
    assert received == FRAME * (LOOKS // 2)


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[int]:
    """The descriptor of a file on which this process has a lock of fcntl(2)."""
    with (tmp_path / "file").open("wb") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        yield file.fileno()


def is_locked(file: Path) -> bool:
    """Return whether another process has a lock on a file."""
    program = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'wb'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    return subprocess.run([sys.executable, "-c", program, file], capture_output=True, check=False).returncode == 1


def test_locks_on_a_file_that_gets_the_descriptor_of_a_connection_stay(
    path: str,
    ends: tuple[socket.socket, socket.socket],
    locked: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The window is between the looks of `find` at one descriptor."""
    server, _ = ends
    listdir, readlink = os.listdir, os.readlink

    def reopened(found: Any) -> Any:
        os.dup2(locked, server.fileno())
        return found

    monkeypatch.setattr(os, "listdir", lambda directory: reopened(listdir(directory)))
    monkeypatch.setattr(os, "readlink", lambda link: reopened(readlink(link)))
    assert Connections(path).find() == {}
    assert is_locked(tmp_path / "file")


def descriptors_of(file: Path) -> list[int]:
    """Return the descriptors by which this process has a file open."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the listing's own
            if os.readlink(f"/proc/self/fd/{name}") == str(file):
                found.append(int(name))
    return found


@pytest.mark.usefixtures("ends")
def test_a_connection_whose_descriptor_a_file_gets_is_closed_and_no_descriptor_stays(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dup = os.dup

    def reopened_before(descriptor: int) -> int:
        with (tmp_path / "file").open("wb") as file:
            os.dup2(file.fileno(), descriptor)
        return dup(descriptor)

    connections = Connections(path)
    [(inode, descriptor)] = connections.find().items()
    monkeypatch.setattr(os, "dup", reopened_before)
    with pytest.raises(OSError, match=r"not a socket|non-socket"), connections.opened(inode, descriptor):
        pass
    assert descriptors_of(tmp_path / "file") == [descriptor]


def test_looking_for_connections_leaves_them_open(path: str, ends: tuple[socket.socket, socket.socket]) -> None:
    server, client = ends
    assert list(Connections(path).find().values()) == [server.fileno()]
    server.send(FRAME)
    assert client.recv(1024) == FRAME
