"""Work that nobody waits for, beside threads whose callers do wait."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

from lamina.context import current

T = TypeVar("T")

_WORK_SECONDS: Final = 0.0005
"""How long there is work without a rest."""
_REST: Final = 3
"""How many times as long as the work a rest takes."""


def unhurried(items: Iterable[T]) -> Iterator[T]:
    """The same items, with rests between them: three quarters of the time this thread sleeps.

    A thread that wants Python's global lock gets it at once from one that sleeps. One that works and makes system
    calls keeps it for up to 5 ms (`sys.getswitchinterval`), each time that the other has made a system call.

    Raises:
        Canceled: The work is not wanted any more. Raised after a rest.
    """
    began = time.monotonic()
    for item in items:
        yield item
        worked = time.monotonic() - began
        if worked >= _WORK_SECONDS:
            time.sleep(_REST * worked)  # gives the global lock up
            current().check()
            began = time.monotonic()
