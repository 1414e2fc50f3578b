"""A proxy as companies have it between their machines and the registries."""

from __future__ import annotations

import base64
import contextlib
import http.client
import selectors
import socket
import socketserver
import ssl
import urllib.parse
from collections.abc import Iterator
from typing import Self

import attrs

from tests.support.local_servers import LocalTCPServer, running_server
from tests.support.registries.certificates import Certificate


@attrs.define
class ForwardProxy:
    """Passes requests for any host on to one server on the loopback interface."""

    port: int
    """The port of that server."""
    credentials: str = ""
    """`USER:PASSWORD` that clients must give; "" for none."""
    certificate: Certificate | None = None
    """For clients that speak TLS to the proxy itself."""
    refusals: list[int] = attrs.field(factory=list)
    """Statuses with which the next requests are refused."""
    cuts: list[int] = attrs.field(factory=list)
    """After how many bytes of the server the next connections end."""
    requests: list[tuple[str, str]] = attrs.field(factory=list)
    """The methods and targets of all requests, in their order."""
    headers: list[dict[str, str]] = attrs.field(factory=list)
    """Their headers."""
    _server: LocalTCPServer = attrs.field(init=False)

    @property
    def authority(self) -> str:
        """Its address."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    @contextlib.contextmanager
    def running(self) -> Iterator[Self]:
        """Serve until the end of the block."""
        self._server = LocalTCPServer(("127.0.0.1", 0), self._handler())
        with running_server(self._server, self.certificate):
            yield self

    def _handler(self) -> type[socketserver.BaseRequestHandler]:
        proxy = self

        class Handler(socketserver.StreamRequestHandler):
            """Answers one request, or connects through."""

            rbufsize = 0  # what follows the head is left in the socket

            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    if line := self.rfile.readline():
                        self._handle(line)

            def _handle(self, line: bytes) -> None:
                method, target, _ = line.decode().split()
                headers = dict(http.client.parse_headers(self.rfile).items())
                proxy.requests.append((method, target))
                proxy.headers.append(headers)
                status = proxy._status(headers)
                if status != 200:
                    self.wfile.write(f"HTTP/1.1 {status} -\r\nContent-Length: 0\r\n\r\n".encode())
                    return
                with socket.create_connection(("127.0.0.1", proxy.port), 60) as upstream:
                    if method == "CONNECT":
                        self.wfile.write(b"HTTP/1.1 200 OK\r\nVia: tests\r\n\r\n")
                    else:
                        upstream.sendall(_head(method, target, headers))
                    _relay(self.connection, upstream, proxy.cuts.pop(0) if proxy.cuts else None)

        return Handler

    def _status(self, headers: dict[str, str]) -> int:
        if self.refusals:
            return self.refusals.pop(0)
        expected = f"Basic {base64.b64encode(self.credentials.encode()).decode()}"
        return 200 if not self.credentials or headers.get("Proxy-Authorization") == expected else 407


def _head(method: str, target: str, headers: dict[str, str]) -> bytes:
    """The head of a request for the server, which gets nothing that is for the proxy."""
    path = urllib.parse.urlsplit(target)._replace(scheme="", netloc="").geturl()
    kept = {name: value for name, value in headers.items() if not name.lower().startswith("proxy-")}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in kept.items())]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode()


def _relay(client: socket.socket, server: socket.socket, cut: int | None) -> None:
    """Pass on what either side sends until the server ends, or until so many bytes of it have been passed on.

    In one thread: a connection with TLS cannot be read in one while it is written to in another.
    """
    left = 1 << 62 if cut is None else cut
    with selectors.DefaultSelector() as selector:
        selector.register(client, selectors.EVENT_READ)
        selector.register(server, selectors.EVENT_READ)
        while left:
            ready = {key.fileobj for key, _ in selector.select(0 if _has_pending(client) else None)}
            if _has_pending(client) or client in ready:
                piece = client.recv(65536)
                if piece:
                    server.sendall(piece)
                else:
                    selector.unregister(client)
                    server.shutdown(socket.SHUT_WR)
            if server in ready:
                piece = server.recv(min(65536, left))
                if not piece:
                    return
                left -= len(piece)
                client.sendall(piece)


def _has_pending(connection: socket.socket) -> bool:
    """Return whether TLS has deciphered bytes of a connection that were not received yet."""
    return isinstance(connection, ssl.SSLSocket) and connection.pending() > 0
