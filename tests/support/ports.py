"""Ports of the loopback interface that a test has to itself."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def reserved_port() -> Iterator[int]:
    """A port that nobody else is given during the block, whether a server of the test listens on it or not.

    The kernel gives a bound port neither to sockets that bind any port nor to those that connect. A server that
    sets SO_REUSEADDR, as those of Go and `http.server` do, may still bind this one, for nobody listens on it
    (socket(7)).
    """
    with socket.socket() as reserving:
        reserving.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserving.bind(("127.0.0.1", 0))
        yield reserving.getsockname()[1]
