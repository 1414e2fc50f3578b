"""Servers of the tests' own on the loopback interface."""

from __future__ import annotations

import contextlib
import socketserver
import ssl
import sys
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from typing import Any

from tests.support.registries.certificates import Certificate


class LocalHTTPServer(ThreadingHTTPServer):
    """Answers each request in a thread, and reports no client that goes away: those of the tests are killed."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report the exception of a request."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


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
