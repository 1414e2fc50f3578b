"""A proxy in front of a registry that does wrong what a test asks for."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Self

import attrs

from tests.support.local_servers import LocalHTTPServer, running_server
from tests.support.registries.certificates import Certificate


@attrs.define
class Answer:
    """An answer of the registry, which a fault may change."""

    status: int
    headers: dict[str, str]
    body: bytes


class Exchange:
    """A request that the proxy got, and the means to answer it."""

    def __init__(
        self, handler: BaseHTTPRequestHandler, upstream: tuple[str, int], stopped: threading.Event
    ) -> None:
        self._handler = handler
        self._upstream = upstream
        self.stopped = stopped
        self.method = handler.command
        self.path = handler.path
        self.headers = dict(handler.headers.items())
        self._body: bytes | None = None

    @property
    def length(self) -> int:
        """How long the body is, says the client."""
        return int(self.headers.get("Content-Length", 0))

    def body(self, limit: int | None = None) -> bytes:
        """The body of the request, or its first bytes."""
        if self._body is None:
            self._body = self._handler.rfile.read(self.length if limit is None else min(limit, self.length))
        return self._body

    def forward(
        self, *, method: str = "", path: str = "", body: bytes | None = None, **changed: str | None
    ) -> Answer:
        """Ask the registry, with other headers if need be (`content_range=None` for none)."""
        headers = {name: value for name, value in self.headers.items() if name != "Content-Length"}
        for name, value in changed.items():
            headers.pop(name.replace("_", "-").title(), None)
            if value is not None:
                headers[name.replace("_", "-").title()] = value
        connection = http.client.HTTPConnection(*self._upstream, timeout=60)
        with contextlib.closing(connection):
            sent = self.body() if body is None else body
            connection.request(
                method or self.method, path or self.path, sent if sent or self.length else None, headers
            )
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), _read(response))

    def interrupt(self, count: int) -> None:
        """Pass on the head of the request and the first bytes of its body, and end both connections."""
        head = [
            f"{self.method} {self.path} HTTP/1.1",
            *(f"{name}: {value}" for name, value in self.headers.items()),
            *("", ""),
        ]
        with socket.create_connection(self._upstream, 60) as upstream:
            upstream.sendall("\r\n".join(head).encode() + self.body(count))
            upstream.shutdown(socket.SHUT_WR)
            while upstream.recv(65536):  # until it has taken notice
                pass
        self.hang_up()

    def send(self, answer: Answer, *, cut: int | None = None) -> None:
        """Answer the client; if `cut` is a number, with so many bytes of the body before the connection ends."""
        headers = {name: value for name, value in answer.headers.items() if name.lower() not in _OF_A_CONNECTION}
        if self.method != "HEAD":
            headers.setdefault("Content-Length", str(len(answer.body)))
        lines = [f"HTTP/1.1 {answer.status} -", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        self.write("\r\n".join(lines).encode())
        if self.method != "HEAD":
            self.write(answer.body if cut is None else answer.body[:cut])
        if cut is not None:
            self.hang_up()

    def write(self, data: bytes) -> None:
        """Send bytes to the client."""
        self._handler.wfile.write(data)

    def hang_up(self) -> None:
        """End the connection, also if the client has not sent all."""
        self._handler.close_connection = True
        with contextlib.suppress(OSError):
            self._handler.connection.shutdown(socket.SHUT_RDWR)

    def stall(self) -> None:
        """Do nothing until the proxy ends, and then hang up."""
        self.stopped.wait()
        self.hang_up()


_OF_A_CONNECTION = frozenset({"connection", "transfer-encoding"})
Fault = Callable[[Exchange], None]
"""Answers a request in its own way."""


@attrs.define
class _Rule:
    method: str
    part: str
    times: int
    fault: Fault


class Proxy:
    """Passes requests on to a registry, except those with which something is to go wrong."""

    def __init__(self, port: int, certificate: Certificate | None = None) -> None:
        """Prepare a proxy for the registry on a port; with a certificate, for clients with TLS."""
        self._certificate = certificate
        self.requests: list[tuple[str, str]] = []
        """The methods and paths of all requests, in their order."""
        self.headers: list[dict[str, str]] = []
        """Their headers, in the same order."""
        self.connections = 0
        """How many connections clients made."""
        self._upstream = ("127.0.0.1", port)
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    @property
    def host(self) -> str:
        """The proxy, as the registry in names of images."""
        return f"127.0.0.1:{self._server.server_port}"

    def on(self, method: str, part: str, fault: Fault, times: int = 1) -> None:
        """Let something go wrong with the next requests of a method whose path has a part."""
        self._rules.append(_Rule(method, part, times, fault))

    def count(self, method: str, part: str) -> int:
        """How many such requests there were."""
        return sum(method == found and part in path for found, path in self.requests)

    @contextlib.contextmanager
    def running(self) -> Iterator[Self]:
        """Serve until the end of the block."""
        self._server = LocalHTTPServer(("127.0.0.1", 0), self._handler())
        with running_server(self._server, self._certificate):
            try:
                yield self
            finally:
                self._stopped.set()

    def _fault(self, method: str, path: str) -> Fault:
        with self._lock:
            for rule in self._rules:
                if rule.times and rule.method == method and rule.part in path:
                    rule.times -= 1
                    return rule.fault
        return lambda exchange: exchange.send(exchange.forward())

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            """Handles every method alike."""

            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                with proxy._lock:
                    proxy.connections += 1
                super().setup()

            def _handle(self) -> None:
                with proxy._lock:  # each request is at the same place in both
                    proxy.requests.append((self.command, self.path))
                    proxy.headers.append(dict(self.headers.items()))
                exchange = Exchange(self, proxy._upstream, proxy._stopped)
                with contextlib.suppress(OSError):  # the client has gone
                    proxy._fault(self.command, self.path)(exchange)
                if exchange._body is None and exchange.length:
                    self.close_connection = True

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815 - http.server's

            def log_message(self, *_: object) -> None:
                """Tests print nothing."""

        return Handler


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read()
    except http.client.IncompleteRead as error:  # distribution 2.8 announces more than it sends with 416
        return error.partial
