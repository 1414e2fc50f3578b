"""`AdaptiveReceiver`: receives calls, polls for the next one if that is expected soon, and notices crowds."""

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
FEW: Final = 3
"""Calls received together that are no crowd yet."""
CROWD: Final = 64
"""Calls beyond the few that make a crowd. Each time that fewer come, what is missing is subtracted."""
LULL_MS: Final = 10
"""Milliseconds without a call after which a crowd has gone."""

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

    Calls come in a crowd where clients call so much side by side that several calls arrive at a time.
    """

    def __init__(
        self,
        on_crowd: Callable[[bool], object],
        *,
        processors: int | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Create a receiver.

        Args:
            on_crowd: Called with True when a crowd has come, with False when it has gone.
            processors: Processors of the machine: with one it never polls. None for those that this process may
                use.
            clock: Returns seconds.
        """
        self._on_crowd = on_crowd
        self._beyond_few = 0
        """Calls beyond the few, `CROWD` at most."""
        self._is_crowded = False
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
        if events == [] and self._is_crowded:
            events = front.recv_batch_details(MAX_EVENTS, LULL_MS)
            if events == []:
                self._count_beyond_few(-CROWD)
        if events == []:
            events = front.recv_batch_details(MAX_EVENTS)
        self._count_beyond_few(len(events or ()) - FEW)
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

    def _count_beyond_few(self, calls: int) -> None:
        """Count calls beyond the few, and report when a crowd has come or gone."""
        self._beyond_few = min(max(self._beyond_few + calls, 0), CROWD)
        is_crowded = self._beyond_few > 0 if self._is_crowded else self._beyond_few == CROWD
        if is_crowded is not self._is_crowded:
            self._is_crowded = is_crowded
            self._on_crowd(is_crowded)
