"""Ports of the loopback interface that a test has to itself."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def reserved_port() -> Iterator[int]:
    """A port that no other process is given during the block, even while no server of the test listens on it.

    The kernel gives a bound port neither to sockets that bind any port nor to those that connect. A server that
    sets SO_REUSEADDR, as those of Go and `http.server` do, may bind this one, because the socket here does not
    listen (socket(7)).
    """
    with socket.socket() as reserving:
        reserving.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserving.bind(("127.0.0.1", 0))
        yield reserving.getsockname()[1]
