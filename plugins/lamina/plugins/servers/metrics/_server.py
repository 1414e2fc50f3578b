"""`MetricsServer`: HTTP with limits on the number and duration of connections."""

from __future__ import annotations

import logging
import socket
import socketserver
import sys
import threading
import time
from http import HTTPStatus
from http.server import HTTPServer
from typing import Final, cast

from prometheus_client import CollectorRegistry, MetricsHandler

from lamina.errdefs import InvalidArgument, Unavailable
from lamina.plugins.servers.metrics._address import host_and_port

_log = logging.getLogger(__name__)

PATH: Final = "/v1/metrics"
"""The path of the metrics, as in containerd."""
SECONDS: Final = 30.0
"""Maximum duration of a connection, in seconds. It serves one request."""
MAX_CONNECTIONS: Final = 16
"""Maximum number of open connections."""
_POLL_SECONDS: Final = 0.2
"""Seconds between checks for expired connections."""


class MetricsServer:
    """Serves the metrics of a registry at `/v1/metrics`, without authentication."""

    def __init__(self, address: str, registry: CollectorRegistry, seconds: float = SECONDS) -> None:
        """Create a server that is not started.

        Args:
            address: `host:port`; see `host_and_port`.
            registry: The registry to serve.
            seconds: Maximum duration of a connection.
        """
        self._address = address
        self._registry = registry
        self._seconds = seconds
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen and start serving.

        Raises:
            InvalidArgument: The address is malformed, or not one of this machine.
            Unavailable: The address is in use, or not permitted.
        """
        host, port = host_and_port(self._address)
        try:
            found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except OSError as error:
            raise InvalidArgument(f"address {self._address!r}: {error.strerror}") from error
        family, _, _, _, place = found[0]
        try:
            self._server = _Server(family, place, self._registry, self._seconds)
        except OSError as error:
            raise Unavailable(
                f"address {self._address!r}: cannot listen: {error.strerror}: set another address, or none"
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="metrics", daemon=True
        )
        self._thread.start()
        _log.info("serving metrics", extra={"url": self.url})

    @property
    def url(self) -> str:
        """The URL of the metrics; "" while the server is not running."""
        if self._server is None:
            return ""
        host, port = map(str, self._server.socket.getsockname()[:2])
        return f"http://{f'[{host}]' if ':' in host else host}:{port}{PATH}"

    def close(self) -> None:
        """Stop listening, and close open connections. Calling it again does nothing."""
        server, self._server = self._server, None
        if server is None or self._thread is None:
            return
        server.shutdown()
        self._thread.join()
        server.server_close()
        server.end_connections()


class _Server(socketserver.ThreadingMixIn, HTTPServer):
    """An HTTP server with a thread and a deadline for each connection."""

    daemon_threads = True
    block_on_close = False

    def __init__(
        self, family: int, place: tuple[object, ...], registry: CollectorRegistry, seconds: float
    ) -> None:
        self.address_family = family
        self._seconds = seconds
        self._since: dict[socket.socket, float] = {}
        """The open connections, and the time of their creation."""
        self._lock = threading.Lock()
        self.registry = registry
        super().__init__(cast("tuple[str, int]", place), _Handler)

    def server_bind(self) -> None:
        """Bind as TCPServer does. HTTPServer would look up the host name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "", 0

    def verify_request(self, request: object, client_address: object) -> bool:
        """Return whether another connection is allowed."""
        with self._lock:
            if len(self._since) < MAX_CONNECTIONS:
                self._since[cast("socket.socket", request)] = time.monotonic()
                return True
        return False

    def process_request_thread(self, request: object, client_address: object) -> None:
        """Serve a connection, in its thread."""
        threading.current_thread().name = "metrics request"
        super().process_request_thread(request, client_address)  # type: ignore[arg-type]  # its own argument

    def shutdown_request(self, request: object) -> None:
        """Close a connection."""
        with self._lock:
            self._since.pop(cast("socket.socket", request), None)
            super().shutdown_request(request)  # type: ignore[arg-type]  # its own argument

    def service_actions(self) -> None:
        """Shut down expired connections."""
        self.end_connections(self._seconds)

    def end_connections(self, seconds: float = 0.0) -> None:
        """Shut down the connections that are older; their threads close them."""
        latest = time.monotonic() - seconds
        with self._lock:
            for connection, since in self._since.items():
                if since <= latest:
                    _shut_down(connection)

    def handle_error(self, request: object, client_address: object) -> None:
        """Log an error of a request, except disconnected clients."""
        error = sys.exception()
        if not isinstance(error, OSError):
            _log.error("metrics request failed", exc_info=error)


def _shut_down(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError as error:
        _log.debug("connection was closed already", extra={"error": str(error)})


class _Handler(MetricsHandler):
    """Serves one request. The response to other paths names the right one."""

    server: _Server

    def setup(self) -> None:
        self.registry = self.server.registry
        super().setup()

    def do_GET(self) -> None:  # noqa: N802 - called by that name
        if self.path.partition("?")[0] == PATH:
            super().do_GET()
            return
        body = f"The metrics are at {PATH}\n".encode()
        self.send_response(HTTPStatus.NOT_FOUND)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
