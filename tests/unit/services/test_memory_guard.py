"""`MemoryGuard` closes the newest connections while the process has too much memory."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import mmap
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from lamina.plugins.servers.grpc.engines.native import _memory_guard
from lamina.plugins.servers.grpc.engines.native._memory_guard import MemoryGuard
from tests.support.waiting import wait_until

SECONDS = 60.0
MIB = 1 << 20
BUFFER = 16 * MIB


class Server:
    """A server with a buffer for each connection, as large as a request that is not complete."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen(100)
        self.path = str(path)
        self.keeps = False
        self.open: list[socket.socket] = []
        """The clients, oldest first."""
        self._threads: dict[socket.socket, threading.Thread] = {}
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()
        self._undo.close()
        for client in self._threads:
            self.wait_released(client)

    def connect(self, resident: bool = True) -> socket.socket:
        client = self._undo.enter_context(socket.socket(socket.AF_UNIX))
        client.connect(self.path)
        accepted, _ = self.socket.accept()
        self._undo.callback(accepted.close)
        buffer = mmap.mmap(-1, BUFFER, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._undo.callback(buffer.close)
        if resident:
            for _ in range(BUFFER // MIB):
                buffer.write(b"x" * MIB)
        self._threads[client] = threading.Thread(target=self._serve, args=(accepted, buffer))
        self._threads[client].start()
        self.open.append(client)
        return client

    def wait_released(self, client: socket.socket) -> None:
        """Wait until the buffer of a connection that is closed is released."""
        self._threads[client].join()

    def _serve(self, accepted: socket.socket, buffer: mmap.mmap) -> None:
        with contextlib.suppress(OSError):
            accepted.recv(1)
        if not self.keeps:
            buffer.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    gc.collect()  # memory of earlier tests that becomes free would make up for that of connections
    with Server(tmp_path / "s") as server:
        yield server


@contextlib.contextmanager
def guarding(server: Server, max_memory: int = 8 * BUFFER, max_addresses: int = 1 << 40) -> Iterator[MemoryGuard]:
    guard = MemoryGuard(server.path, max_memory, max_addresses)
    guard.start()
    try:
        yield guard
    finally:
        guard.stop()


def is_closed(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False


def test_the_newest_connections_are_closed_and_the_oldest_stay(
    server: Server, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_memory_guard, "_RELEASE", SECONDS)  # until the guard is stopped
    with guarding(server) as guard:
        old = []
        for number in (4, 80):
            old += [server.connect(resident=False) for _ in range(number)]
            guard.note_connections()
        new = [server.connect() for _ in range(10)]  # after the guard has noticed, at most two come
        count = _memory_guard._FIRST
        wait_until(lambda: sum(map(is_closed, old + new)) >= count, SECONDS, "the first ones are closed")
        for client in filter(is_closed, old + new):
            server.wait_released(client)
        assert any(map(is_closed, new))
    wait_until(lambda: caplog.records, SECONDS, "it is logged")
    assert caplog.records[0].getMessage().startswith("closed connections: requests that are not complete take")
    assert not any(map(is_closed, old[:4]))


def test_the_size_that_a_request_announces_counts(server: Server) -> None:
    with guarding(server, max_addresses=8 * BUFFER):
        clients = [server.connect(resident=False) for _ in range(24)]
        wait_until(lambda: any(map(is_closed, clients)), SECONDS, "some are closed")


def test_memory_of_something_else_closes_connections_once(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.keeps = True
    with guarding(server):
        clients = [server.connect() for _ in range(12)]
        wait_until(lambda: any(map(is_closed, clients)), SECONDS, "some are closed")
        later = server.connect(resident=False)
        wait_until(lambda: caplog.records, SECONDS, "the guard is done")
        assert not threading.Event().wait(0.5)
        assert not is_closed(later)


def test_other_sockets_are_left_alone(server: Server, tmp_path: Path) -> None:
    with Server(tmp_path / "other") as other, guarding(server):
        elsewhere = other.connect()
        clients = [server.connect() for _ in range(12)]
        wait_until(lambda: any(map(is_closed, clients)), SECONDS, "some are closed")
        assert not is_closed(elsewhere)
        assert not is_closed(server.connect(resident=False)), "the server still listens"


def test_files_keep_their_locks_when_connections_are_noted(server: Server, tmp_path: Path) -> None:
    server.connect(resident=False)
    with (tmp_path / "locked").open("wb") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        MemoryGuard(server.path).note_connections()
        code = f"import fcntl; fcntl.lockf(open({file.name!r}, 'wb'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
        other = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, check=False)
    assert "BlockingIOError" in other.stderr
