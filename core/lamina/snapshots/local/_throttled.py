"""Throttling of background work, so that it does not slow down calls."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

from lamina.context import current

T = TypeVar("T")

_WORK_SECONDS: Final = 0.0005
"""The time after which work pauses."""
_PAUSE: Final = 3
"""The length of a pause as a multiple of the work before it."""


def throttled(items: Iterable[T]) -> Iterator[T]:
    """Yield the items, with pauses in between that take three quarters of the time.

    Other threads get Python's global lock at once while this one sleeps. A thread that computes keeps the lock for
    up to 5 ms (`sys.getswitchinterval`) whenever another one wants it back after a system call.

    Raises:
        Canceled: The work was cancelled. Raised after a pause.
    """
    began = time.monotonic()
    for item in items:
        yield item
        worked = time.monotonic() - began
        if worked >= _WORK_SECONDS:
            time.sleep(_PAUSE * worked)  # releases the global lock
            current().check()
            began = time.monotonic()
