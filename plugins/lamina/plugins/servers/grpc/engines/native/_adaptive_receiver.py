"""`AdaptiveReceiver`: receives calls, and polls for the next one if that is expected soon."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeAlias

MAX_EVENTS: Final = 16
"""Maximum number of events received together."""
SPIN: Final = 0.0001
"""Seconds for which to poll before sleeping."""
SOON: Final = 0.00025
"""Seconds within which the next call counts as soon; they include the time that waking up takes."""
MIN_STREAK: Final = 3
"""Calls in a row that came soon after which polling begins."""
BRIEF: Final = 0.004
"""Seconds within which a write counts as brief: less than the time after which its thread is relieved."""
MIN_ALONE: Final = 16
"""Calls in a row that must come alone before a write may run in the thread that receives."""
MAX_ALONE: Final = 1024
"""The same, if that has disturbed other calls each time."""

CallDetails: TypeAlias = tuple[tuple[tuple[str, str | bytes], ...], str, float | None]
"""Metadata and peer of a call, and the seconds until its deadline."""
Event: TypeAlias = tuple[Any, ...]
"""An event of pygrpc_native: kind, id and method of a call, its data, a client key, and its details."""


class Front(Protocol):
    """The part of `pygrpc_native.NativeGrpcFront` that is used here."""

    def recv_batch_details(self, max_events: int, timeout_ms: int | None = None, /) -> list[Event] | None:
        """Wait for events, and return those that have come; None once the front is closed."""


class AdaptiveReceiver:
    """Receives events, in one thread at a time.

    Waking a thread takes longer than answering a quick call. Where a client calls again as soon as it has its
    answer, the thread polls for a moment before it sleeps, as threads of Go's scheduler do; each poll releases the
    interpreter's lock. With several such clients polling gains nothing: their next call has arrived already, or
    the processors are busy with them.
    """

    def __init__(self, *, processors: int | None = None, clock: Callable[[], float] = time.perf_counter) -> None:
        """Create a receiver.

        Args:
            processors: Processors of the machine: with one it never polls. None for those that this process may
                use.
            clock: Returns seconds.
        """
        self._may_poll = (len(os.sched_getaffinity(0)) if processors is None else processors) > 1
        self._clock = clock
        self._streak = 0
        """Calls in a row that came alone and soon."""
        self._min_alone = MIN_ALONE
        self._alone = -MIN_ALONE
        """Calls in a row that came alone, beyond those that must."""

    @property
    def calls_come_alone(self) -> bool:
        """True if no call has come during another one for some time, so that none is likely to."""
        return self._alone >= 0

    def receive(self, front: Front) -> list[Event] | None:
        """Wait for events, and return those that have come; None once the front is closed."""
        began = self._clock()
        events: list[Event] | None = []
        if self._may_poll and self._streak >= MIN_STREAK:
            until = began + SPIN
            while events == [] and self._clock() < until:
                events = front.recv_batch_details(MAX_EVENTS, 0)
            if events == []:
                self._streak = 0
        if events == []:
            events = front.recv_batch_details(MAX_EVENTS)
        alone = events is not None and len(events) == 1
        self._streak = self._streak + 1 if alone and self._clock() - began < SOON else 0
        if alone:
            self._alone += 1
        else:
            self.expect_others()
        return events

    def receive_waiting(self, front: Front, began: float) -> list[Event]:
        """Return the events that have come during a write, which is not answered yet.

        Args:
            front: Receives the events.
            began: The time at which the write was received, by the clock.
        """
        events = front.recv_batch_details(MAX_EVENTS, 0) or []
        if events or self._clock() - began >= BRIEF:
            self.expect_others()
        else:
            self._min_alone = max(self._min_alone // 2, MIN_ALONE)
        return events

    def expect_others(self) -> None:
        """Record that other calls had to wait for a call, or would have had to."""
        self._min_alone = min(self._min_alone * 2, MAX_ALONE)
        self._alone = -self._min_alone
