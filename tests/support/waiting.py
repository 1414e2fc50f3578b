"""Waiting for what announces itself to nobody. Where there is an event, wait for the event instead."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(predicate: Callable[[], object], seconds: float, what: str) -> None:
    """Ask again and again, at short intervals, until `predicate()` is true.

    Args:
        predicate: The question.
        seconds: How long to go on asking.
        what: What is waited for, said when it does not come.

    Raises:
        TimeoutError: It was not true in time.
    """
    deadline = time.monotonic() + seconds
    while not predicate():
        if time.monotonic() >= deadline:
            raise TimeoutError(f"after {seconds:g} s still not: {what}")
        time.sleep(0.01)
