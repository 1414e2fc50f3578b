"""Servers and proxies that accept connections and then take their time."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from lamina.context import CallContext, use
from lamina.errdefs import Canceled, Unavailable
from lamina.registry import Access, Limits, Registry
from tests.support.registries.certificates import PEM
from tests.support.waiting import wait_until

SECONDS = 0.5
PATIENT = 3600.0
"""Longer than any test takes."""

Bytes = Callable[[], Iterator[bytes]]


def silence() -> Iterator[bytes]:
    """Nothing at all."""
    yield from ()


def record() -> Iterator[bytes]:
    """A record of TLS that never ends."""
    yield b"\x16\x03\x03\x3f\xff"
    yield from itertools.repeat(b"\x02")


def headers() -> Iterator[bytes]:
    """The answer of a proxy that never ends."""
    yield b"HTTP/1.1 200 OK\r\n"
    yield from itertools.cycle(b"X-%d: y\r\n" % number for number in range(90))


class Drip:
    """Accepts connections, and sends each a few bytes at a time."""

    def __init__(self, data: Bytes) -> None:
        self._data = data
        self._stopped = threading.Event()
        self.accepted = 0

    @property
    def authority(self) -> str:
        return f"127.0.0.1:{self._listening.getsockname()[1]}"

    @contextlib.contextmanager
    def running(self) -> Iterator[Drip]:
        with socket.create_server(("127.0.0.1", 0)) as self._listening:
            thread = threading.Thread(target=self._serve)
            thread.start()
            try:
                yield self
            finally:
                self._stopped.set()
                self._listening.shutdown(socket.SHUT_RDWR)
                thread.join()

    def _serve(self) -> None:
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            while True:
                connection = stack.enter_context(self._listening.accept()[0])
                self.accepted += 1
                stack.enter_context(_joined(threading.Thread(target=self._drip, args=(connection,))))

    def _drip(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for data in self._data():
                connection.sendall(data)
                if self._stopped.wait(0.02):
                    return


@contextlib.contextmanager
def _joined(thread: threading.Thread) -> Iterator[None]:
    thread.start()
    try:
        yield
    finally:
        thread.join()


def access(connect: float) -> Access:
    return Access(ca_certificates=PEM, limits=Limits(connect=connect, attempts=1))


def look(host: str, connect: float) -> None:
    with Registry(host, access(connect)) as registry:
        registry.repository("library/one").resolve("latest")


@pytest.mark.parametrize("data", [silence, record], ids=["silent", "drips"])
def test_a_server_that_never_agrees_on_tls_is_given_up(data: Bytes) -> None:
    """Each byte begins the time limit of a socket anew; the limit is for the whole."""
    with Drip(data).running() as server, pytest.raises(Unavailable, match=rf"{server.authority}: it stalled"):
        look(server.authority, SECONDS)


@pytest.mark.parametrize("data", [silence, headers], ids=["silent", "drips"])
def test_a_proxy_that_never_connects_through_is_given_up(data: Bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with Drip(data).running() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.authority}")
        with pytest.raises(Unavailable, match=f"proxy http://{proxy.authority} of HTTPS_PROXY"):
            look("registry.test", SECONDS)


def test_waiting_for_tls_ends_with_the_call() -> None:
    call = CallContext()
    with Drip(record).running() as server:

        def cancel() -> None:
            wait_until(lambda: server.accepted, 60, "the connection")
            call.cancel()

        with _joined(threading.Thread(target=cancel)), use(call), pytest.raises(Canceled):
            look(server.authority, PATIENT)
