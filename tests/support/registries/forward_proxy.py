"""A proxy as companies have it between their machines and the registries."""

from __future__ import annotations

import base64
import contextlib
import http.client
import socket
import socketserver
import threading
import urllib.parse
from collections.abc import Iterator
from typing import Self

import attrs

from tests.support.local_servers import running_server
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
    _server: socketserver.ThreadingTCPServer = attrs.field(init=False)

    @property
    def authority(self) -> str:
        """Its address."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    @contextlib.contextmanager
    def running(self) -> Iterator[Self]:
        """Serve until the end of the block."""
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        with running_server(self._server, self.certificate):
            yield self

    def _handler(self) -> type[socketserver.BaseRequestHandler]:
        proxy = self

        class Handler(socketserver.StreamRequestHandler):
            """Answers one request, or connects through."""

            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    self._handle()

            def _handle(self) -> None:
                method, target, _ = self.rfile.readline().decode().split()
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
                    self._connect(upstream)

            def _connect(self, upstream: socket.socket) -> None:
                cut = proxy.cuts.pop(0) if proxy.cuts else None
                back = threading.Thread(target=_pump, args=(self.rfile, upstream), daemon=True)
                back.start()
                left = cut if cut is not None else 1 << 62
                while left and (piece := upstream.recv(min(65536, left))):
                    left -= len(piece)
                    self.wfile.write(piece)
                for side in (self.connection, upstream):
                    with contextlib.suppress(OSError):
                        socket.socket.shutdown(side, socket.SHUT_RDWR)
                back.join()

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


def _pump(source: socketserver._SupportsRead, target: socket.socket) -> None:
    with contextlib.suppress(OSError, ValueError):
        while piece := source.read1(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
