"""`InFlight`: the calls that an engine has received and not answered yet."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any, Final

import attrs

from lamina.api import Method, Target, decode
from lamina.context import CallContext
from lamina.errdefs import ResourceExhausted, Unavailable
from lamina.plugins.servers.grpc._limits import MAX_IN_FLIGHT, MAX_IN_FLIGHT_BYTES
from lamina.plugins.servers.grpc._shares import Key

SMALL: Final = 4096
"""Bytes up to which requests are not counted: the limit of calls keeps all of these below 16 MiB."""
_MAX_EARLY: Final = 60.0
"""Seconds for which a cancellation may precede its call."""
_POLL: Final = 0.001
"""Seconds between two checks for calls that are left. An event would cost time in each call."""


@attrs.define(eq=False, repr=False)
class Call:
    """A call in flight."""

    id: int
    path: str
    method: Method
    data: bytes
    """The request, encoded; empty once it is decoded if it is larger than `SMALL`."""
    context: CallContext
    began: float
    """Time of its reception, by `time.perf_counter()`."""
    request: Any = None
    """The request, once it is decoded."""
    counted: int = 0
    """Bytes that count towards `MAX_IN_FLIGHT_BYTES`."""
    target: Target | None = None
    """The backend that it uses, once known."""

    @property
    def key(self) -> Key:
        """Key of the share that its worker is taken from if it may block."""
        return self.target.name if self.target else "", self.method.name

    def decoded(self, limit: int) -> Any:
        """Return the request, decoded once.

        Args:
            limit: Limit of a request in bytes.

        Raises:
            ResourceExhausted: The request exceeds the limit.
            Error: It is malformed.
        """
        if self.request is None:
            size = len(self.data)
            if size > limit:
                raise ResourceExhausted(f"a request of {size} bytes: at most {limit} are taken")
            self.request = decode(self.method.request, self.data)
            if size > SMALL:
                self.data = b""
        return self.request


class InFlight:
    """Calls without an answer. Any thread may call any method."""

    def __init__(self) -> None:
        """Create an empty set."""
        self._calls: dict[int, Call] = {}
        self._bytes = 0
        self._lock = threading.Lock()
        """Guards `_bytes`."""
        self._early: dict[int, float] = {}
        """Times of cancellations that were received before another thread added the call, by id."""
        self._draining = False
        self._idle = threading.Event()
        """Set when no call is left, after `_draining`."""

    def __len__(self) -> int:
        """Return the number of calls."""
        return len(self._calls)

    def __iter__(self) -> Iterator[Call]:
        """Iterate over a snapshot of the calls."""
        return iter(list(self._calls.values()))

    def add(self, call: Call) -> bool:
        """Add a call, and cancel it if its cancellation came first.

        Returns:
            False if there are now too many calls, or too many bytes in their requests.
        """
        room = len(call.data) <= SMALL or self._count(call)
        self._calls[call.id] = call
        if call.id in self._early and self._early.pop(call.id, None) is not None:
            call.context.cancel()
        return room and len(self._calls) <= MAX_IN_FLIGHT

    def cancel(self, id_: int) -> None:
        """Cancel a call, even one that is not added yet."""
        now = time.monotonic()
        for early, since in self._early.copy().items():
            if since < now - _MAX_EARLY:
                self._early.pop(early, None)
        # Of this thread and the one that adds the call, the second sees what the first has stored.
        self._early[id_] = now
        call = self._calls.get(id_)
        if call is not None and self._early.pop(id_, None) is not None:
            call.context.cancel()

    def done(self, id_: int) -> None:
        """Remove a call that was answered, if it is there."""
        call = self._calls.pop(id_, None)
        if call is not None and call.counted:
            with self._lock:
                self._bytes -= call.counted
        if self._draining and not self._calls:
            self._idle.set()

    def _count(self, call: Call) -> bool:
        """Count the bytes of a request. Returns False if there are too many."""
        with self._lock:
            call.counted = len(call.data)
            self._bytes += call.counted
            return self._bytes <= MAX_IN_FLIGHT_BYTES or self._bytes == call.counted

    def wait_for_present(self, grace: float) -> None:
        """Wait until the calls in flight now have ended, regardless of later ones.

        Args:
            grace: Seconds after which to return anyway.
        """
        latest = time.monotonic() + grace
        present = set(self._calls)
        while present and time.monotonic() < latest:
            time.sleep(_POLL)
            present.intersection_update(list(self._calls))

    def drain(self, grace: float, cancel_grace: float) -> int:
        """Wait until no call is left. No more may be added.

        Args:
            grace: Seconds after which the calls that are left are cancelled.
            cancel_grace: Seconds that these then have to end.

        Returns:
            The number of calls that did not end.
        """
        self._draining = True
        if self._calls:
            self._idle.wait(grace)
        for call in self:
            call.context.cancel(Unavailable("the host is about to stop: repeat the call when it is back"))
        if self._calls:
            self._idle.wait(cancel_grace)
        return len(self._calls)
