"""`Responses`: unary responses that are ready, sent in batches."""

from __future__ import annotations

import collections
import time
from typing import Final

from pygrpc_native import NativeGrpcFront

from lamina.plugins.servers.grpc.engines.native._in_flight import InFlight

_POLL: Final = 0.001
"""Seconds between two checks of what clients have received."""


class Responses:
    """Sends the responses of calls that one thread has answered in a row together.

    A response that is sent alone wakes the thread that writes to sockets, costs a system call, and wakes a client.
    Responses that are sent together share all three. Any thread may call any method.
    """

    def __init__(self, calls: InFlight) -> None:
        """Create a buffer.

        Args:
            calls: The calls in flight. A call ends when its response is sent.
        """
        self._calls = calls
        self._ready: collections.deque[tuple[int, bytes]] = collections.deque()

    def add(self, call: int, data: bytes) -> None:
        """Add the serialised response of a call, given by id, to be sent by `send`."""
        self._ready.append((call, data))

    def send(self, front: NativeGrpcFront) -> None:
        """Send all responses that are ready."""
        while self._ready:
            try:
                call, data = self._ready.popleft()
            except IndexError:  # another thread was quicker
                return
            front.respond(call, data)
            self._calls.done(call)

    def wait_until_received(self, front: NativeGrpcFront, timeout: float) -> None:
        """Wait until clients have received the responses of all calls that have ended.

        `NativeGrpcFront.close` drops bytes that are not written to the sockets yet (pygrpc-native 0.5.0).

        Args:
            front: Sends the responses.
            timeout: Seconds after which to return anyway.
        """
        latest = time.monotonic() + timeout
        while _unreceived(front) > len(self._calls) and time.monotonic() < latest:
            time.sleep(_POLL)


def _unreceived(front: NativeGrpcFront) -> int:
    """Return the number of calls that have not ended for their clients."""
    metrics = front.metrics()
    methods = metrics["methods"].values() if metrics else ()
    ended = sum(status["count"] for method in methods for status in method["status"].values())
    return int(sum(method["started"] for method in methods) - ended)
