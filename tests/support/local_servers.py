"""Servers of the tests' own on the loopback interface."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import ssl
import sys
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from typing import Any

from tests.support.registries.certificates import Certificate


class _EndingWithItsConnections(socketserver.ThreadingMixIn):
    """Answers each connection in a thread. `server_close` ends the connections, and waits for the threads.

    Threads that went on would close their sockets in the midst of a later test, which may count descriptors.
    """

    daemon_threads = False

    def __init__(self, *arguments: Any) -> None:
        """Listen; the arguments are those of `socketserver.TCPServer`."""
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a connection in a thread."""
        with self._guard:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """End all connections, and wait for their threads."""
        with self._guard:
            for request in self._open:
                with contextlib.suppress(OSError):  # its client has ended it
                    # That of an SSLSocket would end TLS while a thread still reads.
                    socket.socket.shutdown(request, socket.SHUT_RDWR)
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report the exception of a connection, but no client that goes away: those of the tests are killed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class LocalTCPServer(_EndingWithItsConnections, socketserver.TCPServer):
    """Answers each connection in a thread."""


class LocalHTTPServer(_EndingWithItsConnections, ThreadingHTTPServer):
    """Answers the requests of each connection in a thread."""


@contextlib.contextmanager
def running_server(server: socketserver.TCPServer, certificate: Certificate | None = None) -> Iterator[str]:
    """Serve in a thread until the end of the block, which gets the address; over TLS with a certificate."""
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate.file, certificate.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
