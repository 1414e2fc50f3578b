"""Waiting for the next call without going to sleep, where it is sure to come soon."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeAlias

BATCH: Final = 16
"""The most events that are received together."""
SPIN: Final = 0.0001
"""Seconds for which to look for the next call before going to sleep."""
SOON: Final = 0.00025
"""Seconds within which a call follows closely upon an answer, with the time that it takes to wake up."""
ENOUGH: Final = 3
"""So many calls in a row that follow closely are taken to go on like that."""

Event: TypeAlias = tuple[Any, ...]
"""As in pygrpc_native: kind, id and method of a call, its data, a client key, and its details."""


class Front(Protocol):
    """Where calls come from: what is used here of `pygrpc_native.NativeGrpcFront`."""

    def recv_batch_details(self, max_events: int, timeout_ms: int | None = None, /) -> list[Event] | None:
        """Up to so many events, waited for until the first comes or the time is over; None: it is closed."""


class AdaptiveReceiver:
    """Receives events, by one thread at a time.

    To wake a thread takes longer than to answer a quick call. Where a client calls again as soon as it has its
    answer, the thread looks for the next call for a moment before it sleeps, with the interpreter's lock given up
    each time, as threads of Go's scheduler do. With many such clients nothing is gained: their next call is there
    already, or the processors have better things to do.
    """

    def __init__(self, *, processors: int | None = None, clock: Callable[[], float] = time.perf_counter) -> None:
        """Begin without.

        Args:
            processors: How many there are, of which one is not enough to spin; None: those that this process may
                use.
            clock: Tells the seconds.
        """
        self._may = (len(os.sched_getaffinity(0)) if processors is None else processors) > 1
        self._clock = clock
        self._close = 0
        """How many calls in a row came alone, and closely upon the one before."""

    def receive(self, front: Front) -> list[Event] | None:
        """What has come, waited for where nothing has; None: the front is closed."""
        began = self._clock()
        events: list[Event] | None = []
        if self._may and self._close >= ENOUGH:
            until = began + SPIN
            while events == [] and self._clock() < until:
                events = front.recv_batch_details(BATCH, 0)
            if events == []:
                self._close = 0  # in vain
        if events == []:
            events = front.recv_batch_details(BATCH)
        alone = events is not None and len(events) == 1
        self._close = self._close + 1 if alone and self._clock() - began < SOON else 0
        return events
