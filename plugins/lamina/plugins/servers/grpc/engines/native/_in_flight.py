"""`InFlight`: the calls that an engine has taken in and not answered yet."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any, Final

import attrs

from lamina.api import Method, Target
from lamina.context import CallContext
from lamina.plugins.servers.grpc._limits import MAX_IN_FLIGHT, MAX_IN_FLIGHT_BYTES
from lamina.plugins.servers.grpc._shares import Key

_SMALL: Final = 4096
"""Bytes up to which a request is not worth counting: with the limit of calls, all of them are 16 MiB at most."""
_EARLY: Final = 60.0
"""Seconds after which a cancellation belongs to no call that is yet to come."""
_PAUSE: Final = 0.001
"""Seconds after which to look again whether calls have ended: counting them would cost each call something."""


@attrs.define(eq=False)
class Call:
    """A call under way."""

    id: int
    path: str
    method: Method
    data: bytes
    context: CallContext
    began: float
    """When it was received, by `time.perf_counter()`."""
    request: Any = None
    """The message in its data, once it is decoded."""
    counted: int = 0
    """Bytes of its request that are counted as in flight."""
    target: Target | None = None
    """The backend that it uses, once that is known."""

    @property
    def key(self) -> Key:
        """Whose worker it takes if it may block."""
        return self.target.name if self.target else "", self.method.name


class InFlight:
    """The calls that have no answer yet. Any thread may call any method."""

    def __init__(self) -> None:
        """Begin with none."""
        self._calls: dict[int, Call] = {}
        self._bytes = 0
        self._lock = threading.Lock()
        """Guards `_bytes`."""
        self._early: dict[int, float] = {}
        """Cancellations that one thread received before another had taken in the call: when."""
        self._draining = False
        self._idle = threading.Event()
        """No call is left; set after `_draining`."""

    def __len__(self) -> int:
        """How many there are."""
        return len(self._calls)

    def __iter__(self) -> Iterator[Call]:
        """Those that there are now."""
        return iter(list(self._calls.values()))

    def add(self, call: Call) -> bool:
        """Take in a call; it is cancelled at once if its client was quicker.

        Returns:
            Whether it may be answered. False: with it, there are too many, or too many bytes in their requests.
        """
        room = len(call.data) <= _SMALL or self._count(call)
        self._calls[call.id] = call
        if call.id in self._early and self._early.pop(call.id, None) is not None:
            call.context.cancel()
        return room and len(self._calls) <= MAX_IN_FLIGHT

    def cancel(self, id_: int) -> None:
        """Cancel a call, or the one of that number that is yet to be taken in."""
        now = time.monotonic()
        for early, since in self._early.copy().items():
            if since < now - _EARLY:
                self._early.pop(early, None)
        # Whichever thread comes second, this one or that which takes in the call, sees what the other has put.
        self._early[id_] = now
        call = self._calls.get(id_)
        if call is not None and self._early.pop(id_, None) is not None:
            call.context.cancel()

    def done(self, call: Call) -> None:
        """Forget a call that is answered."""
        self._calls.pop(call.id, None)
        if call.counted:
            with self._lock:
                self._bytes -= call.counted
            call.counted = 0
        if self._draining and not self._calls:
            self._idle.set()

    def _count(self, call: Call) -> bool:
        """Count the bytes of a request; whether there is room for them."""
        with self._lock:
            call.counted = len(call.data)
            self._bytes += call.counted
            return self._bytes <= MAX_IN_FLIGHT_BYTES or self._bytes == call.counted

    def wait_for_present(self, grace: float) -> None:
        """Wait until the calls that there are now have ended, whatever comes after them.

        Args:
            grace: Seconds after which to return anyway.
        """
        latest = time.monotonic() + grace
        present = set(self._calls)
        while present and time.monotonic() < latest:
            time.sleep(_PAUSE)
            present.intersection_update(list(self._calls))

    def drain(self, grace: float, left: float) -> int:
        """Wait until no call is left, when no more are taken in.

        Args:
            grace: Seconds after which those that are left are cancelled.
            left: Seconds that these are given to notice.

        Returns:
            How many did not end even then.
        """
        self._draining = True
        if self._calls:
            self._idle.wait(grace)
        for call in self:
            call.context.cancel()
        if self._calls:
            self._idle.wait(left)
        return len(self._calls)
