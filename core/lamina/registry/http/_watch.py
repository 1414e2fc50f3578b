"""Ends waits for a server: when the call ends, and when the server stalls."""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import time
from collections.abc import Iterator
from typing import Final

from lamina.context import current
from lamina.errdefs import Error
from lamina.registry.http._errors import Temporary, from_transport

_LITTLE: Final = 16384
"""Bytes that must arrive within the time limit to count as progress: a hostile server may send fewer."""


class Watch:
    """Shuts a connection down when the call is cancelled or past its deadline, or when the server stalls.

    Whoever reads from the connection or writes to it then gets an error or the end of the data at once. A timeout
    of the socket would not do: it begins anew with every byte.
    """

    def __init__(self, connection: socket.socket, subject: str, seconds: float) -> None:
        """Begin to watch.

        Args:
            connection: The socket.
            subject: Its other end in words, to begin messages.
            seconds: The time that the server may take without progress.
        """
        self._connection = connection
        self._subject = subject
        self._seconds = seconds
        self._bytes = 0
        self._until = time.monotonic() + seconds
        self._stopped = threading.Event()
        self._has_expired = False
        self._unregister = current().on_cancel(self._shut_down)
        deadline = current().deadline
        self._end = math.inf if deadline is None else deadline
        threading.Thread(target=self._run, name="stall watch", daemon=True).start()

    def allow(self, seconds: float) -> None:
        """Give the server a number of seconds from now on."""
        self._seconds, self._bytes = seconds, 0
        self._until = time.monotonic() + seconds

    def progress(self, count: int) -> None:
        """Count bytes that were sent or received."""
        self._bytes += count
        if self._bytes >= _LITTLE:
            self.allow(self._seconds)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Exclude the time of the block, which is not the server's."""
        begin = time.monotonic()
        left, self._until = self._until - begin, math.inf
        try:
            yield
        finally:
            self._until = time.monotonic() + left

    def check(self) -> None:
        """Raise an error if the connection was shut down.

        Raises:
            Temporary: The server stalled.
            Canceled, DeadlineExceeded: The current call ended.
        """
        current().check()
        if self._has_expired:
            raise Temporary(f"{self._subject}: it stalled for {self._seconds:.3g} s")

    def failure(self, error: Exception) -> Error:
        """Return the error to raise for one of `TRANSPORT_ERRORS`.

        Raises:
            Error: As `check`.
        """
        self.check()
        return from_transport(error, self._subject)

    def stop(self) -> None:
        """End the watch. Stopping twice does nothing."""
        self._unregister()
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(min(self._remaining(), self._seconds)):
            if time.monotonic() >= self._until:
                self._has_expired = True
            if self._remaining() <= 0:
                self._shut_down()
                return

    def _remaining(self) -> float:
        return max(0.0, min(self._until, self._end) - time.monotonic())

    def _shut_down(self) -> None:
        with contextlib.suppress(OSError):  # closed or reset: no longer awaited
            # Not the method of an SSLSocket, which would take TLS away from under the thread that reads.
            socket.socket.shutdown(self._connection, socket.SHUT_RDWR)
