"""`UnderWay`: the calls that an engine has taken in and not answered yet."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any, Final

import attrs

from lamina.api import Method, Target
from lamina.context import CallContext
from lamina.plugins.servers.grpc.shares import Key

_EARLY: Final = 60.0
"""Seconds after which a cancellation belongs to no call that is yet to come."""


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
    target: Target | None = None
    """The backend that it uses, once that is known."""

    @property
    def key(self) -> Key:
        """Whose worker it takes if it may block."""
        return self.target.name if self.target else "", self.method.name


class UnderWay:
    """The calls that have no answer yet. Any thread may call any method."""

    def __init__(self) -> None:
        """Begin with none."""
        self._calls: dict[int, Call] = {}
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

    def add(self, call: Call) -> None:
        """Take in a call; it is cancelled at once if its client was quicker."""
        self._calls[call.id] = call
        if call.id in self._early and self._early.pop(call.id, None) is not None:
            call.context.cancel()

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
        if self._draining and not self._calls:
            self._idle.set()

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
