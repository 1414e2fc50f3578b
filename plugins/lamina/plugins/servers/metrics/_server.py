"""`MetricsServer`: one page over HTTP, whose readers cannot hold anything for long."""

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
"""As containerd's."""
SECONDS: Final = 30.0
"""How long a connection may last, whatever its client does. It is for one request."""
CONNECTIONS: Final = 16
"""How many connections may be open at a time."""
_NOTICE: Final = 0.2
"""Seconds after which to look again for connections that last too long."""


class MetricsServer:
    """Serves the metrics of a registry at `/v1/metrics`. There is no authentication."""

    def __init__(self, address: str, registry: CollectorRegistry, seconds: float = SECONDS) -> None:
        """Nothing happens before `start`.

        Args:
            address: `host:port`; see `host_and_port`.
            registry: What to serve.
            seconds: How long a connection may last.
        """
        self._address = address
        self._registry = registry
        self._seconds = seconds
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen, and answer from then on.

        Raises:
            InvalidArgument: The address is none, or none of this machine's.
            Unavailable: Somebody listens there already, or it may not be used.
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
                f"address {self._address!r}: cannot listen there: {error.strerror}: set another one, or none"
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_NOTICE,), name="metrics", daemon=True
        )
        self._thread.start()
        _log.info("serving metrics", extra={"url": self.url})

    @property
    def url(self) -> str:
        """Where the metrics are; "" while it does not serve."""
        if self._server is None:
            return ""
        host, port = map(str, self._server.socket.getsockname()[:2])
        return f"http://{f'[{host}]' if ':' in host else host}:{port}{PATH}"

    def close(self) -> None:
        """Stop to listen, and end the connections that are open. Calling it again does nothing."""
        server, self._server = self._server, None
        if server is None or self._thread is None:
            return
        server.shutdown()
        self._thread.join()
        server.server_close()
        server.end_connections()


class _Server(socketserver.ThreadingMixIn, HTTPServer):
    """Each connection has a thread, and not for long."""

    daemon_threads = True
    block_on_close = False

    def __init__(
        self, family: int, place: tuple[object, ...], registry: CollectorRegistry, seconds: float
    ) -> None:
        self.address_family = family
        self._seconds = seconds
        self._since: dict[socket.socket, float] = {}
        """The open connections, and when each was made."""
        self._lock = threading.Lock()
        self.registry = registry
        super().__init__(cast("tuple[str, int]", place), _Handler)

    def server_bind(self) -> None:
        """As in TCPServer: HTTPServer's asks the name service for this machine's name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "", 0

    def verify_request(self, request: object, client_address: object) -> bool:
        """Whether there is room for one more connection."""
        with self._lock:
            if len(self._since) < CONNECTIONS:
                self._since[cast("socket.socket", request)] = time.monotonic()
                return True
        return False

    def process_request_thread(self, request: object, client_address: object) -> None:
        """Answer on a connection."""
        threading.current_thread().name = "reading of metrics"
        super().process_request_thread(request, client_address)  # type: ignore[arg-type]  # its own argument

    def shutdown_request(self, request: object) -> None:
        """Close a connection."""
        with self._lock:
            self._since.pop(cast("socket.socket", request), None)
            super().shutdown_request(request)  # type: ignore[arg-type]  # its own argument

    def service_actions(self) -> None:
        """End the connections that last too long."""
        self.end_connections(self._seconds)

    def end_connections(self, seconds: float = 0.0) -> None:
        """End the connections that have lasted so long. Their threads see that, and close them."""
        latest = time.monotonic() - seconds
        with self._lock:
            for connection, since in self._since.items():
                if since <= latest:
                    _shut_down(connection)

    def handle_error(self, request: object, client_address: object) -> None:
        """Log what went wrong, unless it is only that the client went away."""
        error = sys.exception()
        if not isinstance(error, OSError):
            _log.error("a reading of the metrics failed", exc_info=error)


def _shut_down(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError as error:
        _log.debug("a connection had ended already", extra={"error": str(error)})


class _Handler(MetricsHandler):
    """Answers one request: other paths are told the right one."""

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
