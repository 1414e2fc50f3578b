"""Waiting for what announces itself to nobody. Where there is an event, wait for the event instead."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path


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
    while True:
        is_late = time.monotonic() >= deadline  # before asking: this process may not have run in the meantime
        if predicate():
            return
        if is_late:
            raise TimeoutError(f"after {seconds:g} s still not: {what}")
        time.sleep(0.01)


def interrupt_main_thread(seconds: float = 60) -> None:
    """Send Ctrl-C to the main thread of this process once it waits for something, such as a lock."""
    main = threading.main_thread()
    status = Path(f"/proc/self/task/{main.native_id}/stat")
    wait_until(lambda: status.read_text().rpartition(") ")[2].startswith("S"), seconds, "the main thread waits")
    signal.pthread_kill(main.ident or 0, signal.SIGINT)
